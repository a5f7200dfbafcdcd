//! Changes to strings of a document, every other byte left as it was.

use bytes::Bytes;
use portcullis_core::wire::{
    Document,
    json::{Kind, Span, write::push_str},
};

/// Member of `_meta` of a result that holds text to be wary of; its value is the surface.
const MARK: &str = "portcullis/untrusted";

/// Changes that do not overlap.
#[derive(Default)]
pub(crate) struct Edits(Vec<(Span, Vec<u8>)>);

impl Edits {
    /// Puts `text` in place of the string whose contents are at `span`.
    pub(crate) fn replace(&mut self, span: Span, text: &str) {
        let mut json = Vec::with_capacity(text.len() + 2);
        push_str(&mut json, text);
        json.pop();
        json.drain(..1);
        self.0.push((span, json));
    }

    /// Marks the result as untrusted, if it is not marked yet.
    pub(crate) fn mark(&mut self, document: &Document, surface: &str) {
        let Some(result) = document.root().get("result").filter(|node| node.kind() == Kind::Object) else {
            return;
        };
        let member = format!("\"{MARK}\":\"{surface}\"");
        let (holder, member) = match result.get("_meta") {
            None => (result, format!("\"_meta\":{{{member}}}")),
            Some(meta) if meta.kind() == Kind::Object && meta.get(MARK).is_none() => (meta, member),
            Some(_) => return,
        };
        let start = holder.span().start + 1;
        let comma = if holder.is_empty() { "" } else { "," };
        self.0.push((Span { start, end: start }, format!("{member}{comma}").into_bytes()));
    }

    /// The document with the changes; none if there are none.
    pub(crate) fn apply(mut self, document: &Document) -> Option<Bytes> {
        if self.0.is_empty() {
            return None;
        }
        self.0.sort_by_key(|(span, _)| span.start);
        let bytes = document.bytes();
        let more: usize = self.0.iter().map(|(_, text)| text.len()).sum();
        let mut out = Vec::with_capacity(bytes.len() + more);
        let mut at = 0;
        for (span, text) in &self.0 {
            let Span { start, end } = *span;
            out.extend_from_slice(bytes.get(at..start as usize).unwrap_or_default());
            out.extend_from_slice(text);
            at = end as usize;
        }
        out.extend_from_slice(bytes.get(at..).unwrap_or_default());
        Some(out.into())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use portcullis_core::wire::Limits;

    use super::*;

    #[test]
    fn a_result_is_marked_once_and_the_rest_stays() {
        for (before, after) in [
            (r#"{"result":{}}"#, r#"{"result":{"_meta":{"portcullis/untrusted":"x"}}}"#),
            (r#"{"result":{"a":1}}"#, r#"{"result":{"_meta":{"portcullis/untrusted":"x"},"a":1}}"#),
            (r#"{"result":{"_meta":{}}}"#, r#"{"result":{"_meta":{"portcullis/untrusted":"x"}}}"#),
            (r#"{"result":{"_meta":{"a":1}}}"#, r#"{"result":{"_meta":{"portcullis/untrusted":"x","a":1}}}"#),
        ] {
            let document =
                Document::parse(Bytes::from_static(before.as_bytes()), &Limits::default()).unwrap();
            let mut edits = Edits::default();
            edits.mark(&document, "x");
            let bytes = edits.apply(&document).unwrap();
            assert_eq!(bytes, after);
            let marked = Document::parse(bytes, &Limits::default()).unwrap();
            let mut again = Edits::default();
            again.mark(&marked, "x");
            assert_eq!(again.apply(&marked), None);
        }
    }
}
