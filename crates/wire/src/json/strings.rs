//! Every string of a value, for whoever looks at text and not at structure.

use super::{Node, Span, scan, unescape};

/// The strings in a value, keys included, in document order. Costs a search for quotes and no tree.
#[derive(Clone, Debug)]
pub struct Strings<'a> {
    bytes: &'a [u8],
    at: usize,
    end: usize,
}

/// One string of a document.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    /// Where it is, without its quotes.
    pub span: Span,
    /// As written between its quotes.
    pub raw: &'a [u8],
    /// Whether it is the name of a member.
    pub is_key: bool,
}

impl<'a> Node<'a> {
    /// Every string in this value.
    pub fn strings(self) -> Strings<'a> {
        let Span { start, end } = self.span();
        Strings { bytes: self.document_bytes(), at: start as usize, end: end as usize }
    }
}

impl Text<'_> {
    /// Appends the text to `out`, its escapes decoded.
    pub fn append_to(&self, out: &mut Vec<u8>) {
        unescape::append(out, self.raw);
    }
}

impl<'a> Iterator for Strings<'a> {
    type Item = Text<'a>;

    fn next(&mut self) -> Option<Text<'a>> {
        let quote = self.at + memchr::memchr(b'"', self.bytes.get(self.at..self.end)?)?;
        let end = scan::validated_string(self.bytes, quote);
        let raw = self.bytes.get(quote + 1..end - 1)?;
        let after = scan::space(self.bytes, end);
        self.at = end;
        let is_key = after < self.end && self.bytes.get(after) == Some(&b':');
        Some(Text { span: Span::new(quote + 1, end - 1), raw, is_key })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use bytes::Bytes;

    use super::super::{Document, Limits};

    fn check(json: &'static str, pointer: &[&str], expected: &[(&str, bool)]) {
        let document = Document::parse(Bytes::from_static(json.as_bytes()), &Limits::default()).unwrap();
        let node = document.root().path(pointer).unwrap();
        let found: Vec<_> = node
            .strings()
            .map(|text| {
                let mut decoded = Vec::new();
                text.append_to(&mut decoded);
                assert_eq!(document.bytes().get(text.span.range()), Some(text.raw));
                (String::from_utf8(decoded).unwrap(), text.is_key)
            })
            .collect();
        let expected: Vec<_> = expected.iter().map(|(text, key)| ((*text).to_owned(), *key)).collect();
        assert_eq!(found, expected, "{json}");
    }

    #[test]
    fn keys_and_values_come_in_order_and_decoded() {
        let json = r#"{ "a" : "x\"y\\" , "b":[1,"\u00e9:",{"c\n":""}], "d": {"e":[[["deep"]]]} }"#;
        let all = [("a", true), ("x\"y\\", false), ("b", true), ("é:", false), ("c\n", true), ("", false)];
        let rest = [("d", true), ("e", true), ("deep", false)];
        check(json, &[], &[&all[..], &rest[..]].concat());
        check(json, &["a"], &[("x\"y\\", false)]);
        check(json, &["d"], &[("e", true), ("deep", false)]);
        check("[1,true,null]", &[], &[]);
        check(r#""alone""#, &[], &[("alone", false)]);
    }
}
