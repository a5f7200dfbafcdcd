//! Does a URI come from a URI template?

/// Whether `uri` could be an expansion of `template` (RFC 6570), read generously: a simple expression
/// stands for one or more characters without `/`, any other for any text. Used to find the server of a
/// resource, never to allow anything: policy sees the concrete URI.
pub(crate) fn matches(template: &str, uri: &str) -> bool {
    let Some((literal, rest)) = template.split_once('{') else { return template == uri };
    let Some(tail) = uri.strip_prefix(literal) else { return false };
    let Some((expression, after)) = rest.split_once('}') else { return false };
    let simple = expression.chars().next().is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    let longest = if simple { tail.find('/').unwrap_or(tail.len()) } else { tail.len() };
    let shortest = usize::from(simple);
    let next_literal = after.split('{').next().unwrap_or_default();
    tail.char_indices()
        .map(|(at, _)| at)
        .chain([tail.len()])
        .filter(|at| (shortest..=longest).contains(at))
        .filter_map(|at| tail.get(at..))
        .filter(|left| left.starts_with(next_literal))
        .take(MAX_TRIES)
        .any(|left| matches(after, left))
}

/// Split points tried per expression, so that a hostile template cannot make matching expensive.
const MAX_TRIES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expansions_match_and_others_do_not() {
        for (template, uri, expected) in [
            ("test://template/{id}/data", "test://template/123/data", true),
            ("test://template/{id}/data", "test://template/1/2/data", false),
            ("test://template/{id}/data", "test://template//data", false),
            ("file:///{+path}", "file:///a/b/c", true),
            ("note://{a}-{b}", "note://x-y", true),
            ("note://{a}", "other://x", false),
            ("plain://x", "plain://x", true),
            ("plain://x", "plain://xy", false),
            ("bad://{x", "bad://1", false),
            ("q://s{?a,b}", "q://s?a=1", true),
        ] {
            assert_eq!(matches(template, uri), expected, "{template} {uri}");
        }
    }

    #[test]
    fn a_hostile_template_is_cheap() {
        let template = "{+a}x".repeat(4);
        let uri = "x".repeat(2_000);
        assert!(!matches(&format!("{template}!"), &uri));
    }
}
