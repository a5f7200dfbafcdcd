//! JSON with holes.

use std::collections::BTreeMap;

use serde_json::Value;

/// What the names in patterns stand for.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeMap<String, Value>);

const REST: &str = "...";

impl Names {
    /// Where `actual` differs from `pattern`; names that are new take what they meet.
    pub(super) fn compare(&mut self, pattern: &Value, actual: &Value) -> Result<(), String> {
        self.at("", pattern, actual)
    }

    fn at(&mut self, place: &str, pattern: &Value, actual: &Value) -> Result<(), String> {
        match (pattern, actual) {
            (Value::String(text), _) if name(text).is_some() => self.named(place, text, actual),
            (Value::String(text), Value::String(whole)) if text.starts_with('~') => {
                let found = whole.contains(&text[1..]);
                found.then_some(()).ok_or_else(|| format!("{place}: {whole:?} is without {:?}", &text[1..]))
            }
            (Value::Object(wanted), Value::Object(had)) => {
                for (key, value) in wanted.iter().filter(|(key, _)| *key != REST) {
                    let place = format!("{place}.{key}");
                    let met = had.get(key).ok_or_else(|| format!("{place} is missing"))?;
                    self.at(&place, value, met)?;
                }
                let extra = had.keys().find(|key| !wanted.contains_key(*key));
                match extra.filter(|_| !wanted.contains_key(REST)) {
                    Some(key) => Err(format!("{place}.{key} is not expected")),
                    None => Ok(()),
                }
            }
            (Value::Array(wanted), Value::Array(had)) if wanted.len() == had.len() => {
                let mut pairs = wanted.iter().zip(had).enumerate();
                pairs
                    .try_for_each(|(index, (wanted, had))| self.at(&format!("{place}[{index}]"), wanted, had))
            }
            _ if pattern == actual => Ok(()),
            _ => Err(format!("{place}: expected {pattern}")),
        }
    }

    fn named(&mut self, place: &str, text: &str, actual: &Value) -> Result<(), String> {
        if text == "<any>" {
            return Ok(());
        }
        let known = self.0.entry(text.to_owned()).or_insert_with(|| actual.clone());
        let same = known == actual;
        same.then_some(()).ok_or_else(|| format!("{place}: `{text}` is {known}"))
    }

    /// `pattern` with every name replaced by what it stands for.
    pub(super) fn fill(&self, pattern: &Value) -> Value {
        match pattern {
            Value::String(text) if name(text).is_some() => {
                self.0.get(text).unwrap_or_else(|| panic!("`{text}` stands for nothing yet")).clone()
            }
            Value::Array(items) => items.iter().map(|item| self.fill(item)).collect(),
            Value::Object(members) => {
                members.iter().map(|(key, value)| (key.clone(), self.fill(value))).collect()
            }
            other => other.clone(),
        }
    }
}

/// `x` of `<x>`.
fn name(text: &str) -> Option<&str> {
    text.strip_prefix('<')?.strip_suffix('>').filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(pattern: &Value, actual: &Value, fits: bool) {
        assert_eq!(Names::default().compare(pattern, actual).is_ok(), fits, "{pattern} {actual}");
    }

    #[test]
    fn a_pattern_fits_what_it_says_and_nothing_else() {
        check(&json!({"a": 1}), &json!({"a": 1}), true);
        check(&json!({"a": 1}), &json!({"a": 2}), false);
        check(&json!({"a": 1}), &json!({"a": 1, "b": 2}), false);
        check(&json!({"a": 1, "...": 0}), &json!({"a": 1, "b": 2}), true);
        check(&json!({"a": 1, "...": 0}), &json!({"b": 2}), false);
        check(&json!(["<any>", 1]), &json!([{}, 1]), true);
        check(&json!(["<any>", 1]), &json!([1]), false);
        check(&json!(["<x>", "<x>"]), &json!([1, 1]), true);
        check(&json!(["<x>", "<x>"]), &json!([1, 2]), false);
        check(&json!("~bc"), &json!("abcd"), true);
        check(&json!("~bc"), &json!("ab"), false);
        check(&json!("<any>"), &Value::Null, true);
    }
}
