//! Kinds of value that only credentials have.

use portcullis_identity::authorization_details;

use super::kind::Parsed;

/// A path in a store.
pub(super) const PATH: Parsed<String> =
    Parsed { phrase: "a path", example: "secret/data/notes", parse: parse_path };

fn parse_path(text: &str) -> Result<String, String> {
    let plain = |part: &str| {
        !matches!(part, "" | "." | "..")
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
    };
    if text.len() <= 512 && text.split('/').all(plain) {
        Ok(text.to_owned())
    } else {
        Err("is not names of ASCII letters, digits, `-`, `.`, `_` and `~` between slashes".to_owned())
    }
}

/// One element of `authorization_details`.
pub(super) const DETAIL: Parsed<String> = Parsed {
    phrase: "a JSON object with a `type`",
    example: r#"{"type":"notes","actions":["read"]}"#,
    parse: parse_detail,
};

fn parse_detail(text: &str) -> Result<String, String> {
    let read =
        authorization_details(format!("[{text}]").as_bytes()).map_err(|wrong| format!("is not {wrong}"))?;
    match &*read {
        [one] => Ok((*one.json).to_owned()),
        _ => Err("is not one object".to_owned()),
    }
}
