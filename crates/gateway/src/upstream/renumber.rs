//! The caller's ids and tokens out, ours in, and back again.

use bytes::Bytes;
use portcullis_core::UpstreamError;
use portcullis_wire::{Document, Notification, Patch, RequestId, message, meta};

use crate::outbound::GENEROUS;

/// A request as it goes on the wire.
pub(crate) struct Renumbered {
    pub(crate) message: Bytes,
    /// The caller's progress token, as JSON, if it asked for progress.
    pub(crate) token: Option<Bytes>,
}

/// Gives a request, and its progress token if it has one, our number.
pub(crate) fn outgoing(body: &Bytes, number: u64) -> Result<Renumbered, UpstreamError> {
    // What goes out has been through the spine's own limits.
    let document = Document::parse(body.clone(), &GENEROUS)
        .map_err(|fault| UpstreamError::Unreachable(format!("the request cannot be renumbered: {fault}")))?;
    let number = RequestId::from_u64(number);
    let mut patch = Patch::new(&document);
    let _is_an_object = patch.set(document.root(), "id", number.raw().clone());
    let token = document.root().path(&["params", "_meta", meta::PROGRESS_TOKEN]);
    if let Some(token) = token {
        patch.replace(token, number.raw().clone());
    }
    let token = token.map(|token| Bytes::copy_from_slice(token.raw()));
    Ok(Renumbered { message: patch.apply(), token })
}

/// The notification that cancels our request.
pub(crate) fn cancelled(number: u64) -> Bytes {
    let params = format!(r#"{{"requestId":{number},"reason":"the caller has let go of the request"}}"#);
    message::notification("notifications/cancelled", Some(params.as_bytes()))
}

/// The number at `path` in the parameters of a notification.
pub(crate) fn number_at(notification: &Notification, path: &[&str]) -> Option<u64> {
    notification.params()?.path(path)?.as_u64()
}

/// The notification with other JSON at `path` in its parameters.
pub(crate) fn with_value_at(notification: &Notification, path: &[&str], json: Bytes) -> Bytes {
    let mut patch = Patch::new(notification.document());
    if let Some(node) = notification.params().and_then(|params| params.path(path)) {
        patch.replace(node, json);
    }
    patch.apply()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn params() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<i64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
            Just(Value::Null)
        ];
        let token = prop_oneof![any::<i64>().prop_map(Value::from), ".{0,8}".prop_map(Value::from)];
        (proptest::collection::btree_map("[a-z]{1,3}", leaf, 0..4), proptest::option::of(token)).prop_map(
            |(members, token)| {
                let mut params = json!({"arguments": members, "_meta": {"other": 1.5}});
                if let (Some(token), Some(meta)) = (token, params.pointer_mut("/_meta")) {
                    meta.as_object_mut().unwrap().insert("progressToken".into(), token);
                }
                params
            },
        )
    }

    proptest! {
        #[test]
        fn only_id_and_token_change(id in ".{0,12}", params in params(), number in 1..u64::from(u32::MAX)) {
            let request = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params});
            let renumbered = outgoing(&Bytes::from(request.to_string()), number).unwrap();
            let token = request.pointer("/params/_meta/progressToken");
            let kept = renumbered.token.map(|token| serde_json::from_slice::<Value>(&token).unwrap());
            prop_assert_eq!(kept.as_ref(), token);
            let mut sent: Value = serde_json::from_slice(&renumbered.message).unwrap();
            prop_assert_eq!(&sent["id"], &json!(number));
            sent["id"] = request["id"].clone();
            if let (Some(ours), Some(theirs)) = (sent.pointer_mut("/params/_meta/progressToken"), token) {
                prop_assert_eq!(&*ours, &json!(number));
                *ours = theirs.clone();
            }
            prop_assert_eq!(sent, request);
        }
    }
}
