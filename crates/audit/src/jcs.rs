//! JSON in its canonical form (RFC 8785), for values without fractions.

use serde_json::Value;

/// Integers beyond this have no exact form in it (RFC 7493, section 2.2).
const SAFE: u64 = (1 << 53) - 1;

/// The one spelling of `value`; none when a number in it has no exact one.
pub fn canonical(value: &Value) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    push(&mut out, value)?;
    Some(out)
}

fn push(out: &mut Vec<u8>, value: &Value) -> Option<()> {
    match value {
        Value::Object(members) => {
            let mut sorted: Vec<_> = members.iter().collect();
            sorted.sort_by(|(one, _), (other, _)| one.encode_utf16().cmp(other.encode_utf16()));
            out.push(b'{');
            for (number, (name, value)) in sorted.into_iter().enumerate() {
                if number > 0 {
                    out.push(b',');
                }
                text(out, name)?;
                out.push(b':');
                push(out, value)?;
            }
            out.push(b'}');
        }
        Value::Array(values) => {
            out.push(b'[');
            for (number, value) in values.iter().enumerate() {
                if number > 0 {
                    out.push(b',');
                }
                push(out, value)?;
            }
            out.push(b']');
        }
        Value::Number(number) => {
            let size = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
            size.filter(|size| *size <= SAFE)?;
            out.extend_from_slice(number.to_string().as_bytes());
        }
        Value::String(string) => text(out, string)?,
        Value::Bool(_) | Value::Null => out.extend_from_slice(value.to_string().as_bytes()),
    }
    Some(())
}

/// serde_json escapes what RFC 8785 escapes, and in the same way.
fn text(out: &mut Vec<u8>, text: &str) -> Option<()> {
    serde_json::to_writer(out, text).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_sorted_by_code_units_and_texts_escaped_once() {
        for (value, expected) in [
            (json!({ "b": 1, "a": [null, true, -7] }), r#"{"a":[null,true,-7],"b":1}"#),
            (json!({ "\u{fb33}": 1, "\u{1f600}": 2, "\r": 3 }), "{\"\\r\":3,\"\u{1f600}\":2,\"\u{fb33}\":1}"),
            (json!("\u{8}\t\u{1f}/\"\\€"), "\"\\b\\t\\u001f/\\\"\\\\€\""),
        ] {
            assert_eq!(
                canonical(&value).map(|it| String::from_utf8_lossy(&it).into_owned()).as_deref(),
                Some(expected)
            );
        }
        for value in [json!(1.5), json!(1_u64 << 53), json!([{ "a": 0.0 }])] {
            assert_eq!(canonical(&value), None, "{value}");
        }
    }
}
