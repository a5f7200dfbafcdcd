//! Content blocks and structured results that an older client cannot read.

use portcullis_core::{
    Refusal,
    wire::{Method, Node, Patch, Version, json::Kind},
};

use super::{answer::quoted, defect};

/// Content block types and the version that introduced each (server/tools, Tool Result).
const SINCE: [(&str, Version); 2] =
    [("audio", Version::V2025_03_26), ("resource_link", Version::V2025_06_18)];

/// Adapts a result to what `version` can express: newer content blocks become a text block that says what
/// was left out, and structured content that is not an object, which no legacy schema allows, is dropped
/// in favour of the text blocks beside it.
///
/// # Errors
/// [`portcullis_core::RefusalKind::Internal`] on a defect.
pub fn to_version<'d>(
    patch: &mut Patch<'d>,
    result: Node<'d>,
    method: Method,
    version: Version,
) -> Result<(), Refusal> {
    match method {
        Method::ToolsCall => {
            if result.get("structuredContent").is_some_and(|s| s.kind() != Kind::Object) {
                patch.remove(result, "structuredContent").map_err(defect)?;
            }
            result
                .get("content")
                .into_iter()
                .flat_map(|c| c.elements())
                .for_each(|b| block(patch, b, version));
        }
        Method::PromptsGet => {
            let messages = result.get("messages").into_iter().flat_map(|m| m.elements());
            messages.filter_map(|m| m.get("content")).for_each(|b| block(patch, b, version));
        }
        _ => {}
    }
    Ok(())
}

fn block<'d>(patch: &mut Patch<'d>, block: Node<'d>, version: Version) {
    let Some(kind) = block.get("type").and_then(|t| t.as_str()) else { return };
    let Some((kind, since)) = SINCE.iter().find(|(name, since)| *name == kind && version < *since) else {
        return;
    };
    let link = block.get("uri").and_then(|u| u.as_str()).map(|uri| format!(": {uri}")).unwrap_or_default();
    let text = format!("[{kind} content left out: it needs protocol version {since}{link}]");
    let mut replacement = b"{\"type\":\"text\",\"text\":".to_vec();
    replacement.extend_from_slice(&quoted(&text));
    replacement.push(b'}');
    patch.replace(block, replacement);
}
