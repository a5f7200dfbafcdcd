//! What a server wants, as it says in `WWW-Authenticate` (RFC 9110 section 11.6.1, RFC 6750 section 3, RFC 9728 section
//! 5.1).

use std::sync::Arc;

use http::{HeaderMap, Uri, header};

use crate::oauth::is_scope;

/// Longest header that is read, in bytes.
const LONGEST: usize = 8 * 1024;
/// Most scopes that are taken from one answer.
pub(super) const SCOPES: usize = 64;

/// What a server wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Where it describes itself.
    pub(crate) resource_metadata: Option<Uri>,
    /// What the token needs.
    pub(crate) scopes: Vec<Arc<str>>,
    /// The token is good, and not for enough.
    pub(crate) is_insufficient: bool,
}

impl Wanted {
    /// Reads the challenges for bearer and bound tokens; of two that say the same thing the first counts.
    pub(crate) fn read(headers: &HeaderMap) -> Self {
        let mut wanted = Self::default();
        let values = headers.get_all(header::WWW_AUTHENTICATE).into_iter();
        for text in values.filter_map(|value| value.to_str().ok()).filter(|text| text.len() <= LONGEST) {
            for (scheme, name, value) in parameters(text) {
                if !scheme.eq_ignore_ascii_case("bearer") && !scheme.eq_ignore_ascii_case("dpop") {
                    continue;
                }
                match name.to_ascii_lowercase().as_str() {
                    "resource_metadata" if wanted.resource_metadata.is_none() => {
                        wanted.resource_metadata = value.parse().ok();
                    }
                    "scope" if wanted.scopes.is_empty() => wanted.scopes = scopes(&value),
                    "error" => wanted.is_insufficient |= value == "insufficient_scope",
                    _ => {}
                }
            }
        }
        wanted
    }
}

/// The scopes of a list, each once.
pub(super) fn scopes(text: &str) -> Vec<Arc<str>> {
    let mut scopes: Vec<Arc<str>> = Vec::new();
    for scope in text.split(' ').filter(|scope| is_scope(scope)) {
        if scopes.len() < SCOPES && !scopes.iter().any(|known| **known == *scope) {
            scopes.push(scope.into());
        }
    }
    scopes
}

/// Scheme, name and value of every parameter.
fn parameters(text: &str) -> Vec<(String, String, String)> {
    let (mut found, mut scheme, mut rest) = (Vec::new(), String::new(), text);
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (word, after) = split(rest, |c| !matches!(c, ' ' | '\t' | ',' | '='));
        if word.is_empty() {
            // A lone `=` belongs to nothing.
            match rest.strip_prefix('=') {
                Some(after) => rest = after,
                None => return found,
            }
            continue;
        }
        match after.trim_start_matches([' ', '\t']).strip_prefix('=') {
            Some(value) => {
                let (value, after) = value_of(value.trim_start_matches([' ', '\t']));
                found.push((scheme.clone(), word.to_owned(), value));
                rest = after;
            }
            None => {
                word.clone_into(&mut scheme);
                rest = after;
            }
        }
    }
}

/// A token or a quoted string, and what follows.
fn value_of(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let (word, rest) = split(text, |c| !matches!(c, ' ' | '\t' | ','));
        return (word.to_owned(), rest);
    };
    let (mut value, mut chars) = (String::new(), quoted.chars());
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => value.extend(chars.next()),
            other => value.push(other),
        }
    }
    (value, chars.as_str())
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !belongs(c)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use super::*;

    fn check(values: &[&str], metadata: Option<&str>, scopes: &[&str], is_insufficient: bool) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::WWW_AUTHENTICATE, value.parse().unwrap());
        }
        let wanted = Wanted::read(&headers);
        assert_eq!(wanted.resource_metadata.map(|it| it.to_string()).as_deref(), metadata, "{values:?}");
        assert_eq!(wanted.scopes.iter().map(|it| &**it).collect::<Vec<_>>(), scopes, "{values:?}");
        assert_eq!(wanted.is_insufficient, is_insufficient, "{values:?}");
    }

    #[test]
    fn challenges_are_read() {
        const METADATA: &str = "https://s.test/.well-known/oauth-protected-resource";
        let described = format!("Bearer resource_metadata=\"{METADATA}\"");
        check(&[], None, &[], false);
        check(&["Bearer"], None, &[], false);
        check(&[&described], Some(METADATA), &[], false);
        check(&[&format!("{described}, scope=\"a b:c a\"")], Some(METADATA), &["a", "b:c"], false);
        check(&["Basic realm=\"x\", scope=\"no\"", &described], Some(METADATA), &[], false);
        check(&[&format!("Basic realm=\"a, b\", {described}")], Some(METADATA), &[], false);
        check(&["Negotiate YWJj==, bearer error = insufficient_scope , scope=a"], None, &["a"], true);
        check(&["DPoP algs=\"ES256\", error=\"insufficient_scope\", scope=\"x\\\"y z\""], None, &["z"], true);
        check(&["Bearer scope=\"first\"", "Bearer scope=\"second\""], None, &["first"], false);
        check(&["Bearer =, ,==\"", "Bearer scope=\"open"], None, &["open"], false);
    }
}
