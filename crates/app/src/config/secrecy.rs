//! What looks like a secret.

/// Words that announce a secret in the name of a variable, header or parameter.
const SECRET_WORDS: &[&str] = &[
    "apikey",
    "auth",
    "authorization",
    "bearer",
    "cookie",
    "credential",
    "credentials",
    "jwt",
    "key",
    "passphrase",
    "passwd",
    "password",
    "pat",
    "pwd",
    "secret",
    "token",
];

/// Endings after which a name means where or who, not the secret itself.
const HARMLESS_ENDINGS: &[&str] = &["dir", "endpoint", "file", "id", "name", "path", "type", "url"];

/// How well-known credentials start.
const SECRET_STARTS: &[&str] = &[
    "AKIA",
    "ASIA",
    "Basic ",
    "Bearer ",
    "basic ",
    "bearer ",
    "dop_v1_",
    "ghp_",
    "gho_",
    "ghs_",
    "ghu_",
    "github_pat_",
    "glpat-",
    "npm_",
    "pypi-",
    "sk-",
    "sk_live_",
    "sk_test_",
    "rk_live_",
    "xoxb-",
    "xoxp-",
    "xapp-",
    "ya29.",
];

/// Whether a value is a secret, judged by the name it goes by.
pub(crate) fn secret_name(name: &str) -> bool {
    let words = words(name);
    // Names are also run together (`PGPASSWORD`); only long words are told apart there (`monkey`).
    let secret = |word: &String| {
        SECRET_WORDS.iter().any(|secret| word == secret || (secret.len() > 4 && word.ends_with(secret)))
    };
    let harmless = words.last().is_some_and(|last| HARMLESS_ENDINGS.contains(&last.as_str()));
    !harmless && words.iter().any(secret)
}

/// The words of `snake_case`, `kebab-case` and `camelCase`, in lower case.
fn words(name: &str) -> Vec<String> {
    let (mut words, mut word, mut before_lower) = (Vec::new(), String::new(), false);
    for character in name.chars() {
        let begins = !character.is_ascii_alphanumeric() || (before_lower && character.is_ascii_uppercase());
        if begins && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        if character.is_ascii_alphanumeric() {
            word.push(character.to_ascii_lowercase());
        }
        before_lower = character.is_ascii_lowercase();
    }
    words.extend(Some(word).filter(|word| !word.is_empty()));
    words
}

/// Whether a value is a secret, judged by how it looks.
pub(crate) fn secret_value(value: &str) -> bool {
    let known = SECRET_STARTS.iter().any(|start| value.len() > start.len() + 8 && value.starts_with(start));
    let jwt = value.starts_with("eyJ") && value.matches('.').count() >= 2;
    let pem = value.contains("-----BEGIN ") && value.contains("PRIVATE KEY");
    known || jwt || pem || password_in_url(value)
}

/// `scheme://user:password@host`, as database URLs have it.
fn password_in_url(value: &str) -> bool {
    let after_scheme = value.split_once("://").map_or("", |(_, rest)| rest);
    let authority = after_scheme.split(['/', '?', '#']).next().unwrap_or_default();
    let user = authority.rsplit_once('@').map_or("", |(user, _)| user);
    user.split_once(':').is_some_and(|(_, password)| !password.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in [
            "GITHUB_TOKEN",
            "github-personal-access-token",
            "OPENAI_API_KEY",
            "apiKey",
            "X-Api-Key",
            "PGPASSWORD",
            "PAT",
            "Authorization",
            "AWS_SECRET_ACCESS_KEY",
            "--api-key",
            "Cookie",
            "clientSecret",
            "accesstoken",
        ] {
            assert!(secret_name(name), "{name}");
        }
        for name in [
            "HOME",
            "GITHUB_USER",
            "KEYBOARD",
            "PATH",
            "TOKEN_FILE",
            "AWS_ACCESS_KEY_ID",
            "API_KEY_PATH",
            "MAX_TOKENS",
            "monkey",
            "tokenizer",
            "AUTH_URL",
            "",
        ] {
            assert!(!secret_name(name), "{name}");
        }
    }

    #[test]
    fn values() {
        for value in [
            "ghp_0123456789abcdef",
            "Bearer 0123456789",
            "eyJhbGciOi.eyJzdWIi.c2ln",
            "postgres://me:pw@db/x",
            "-----BEGIN PRIVATE KEY-----",
            "sk-0123456789abcdef",
        ] {
            assert!(secret_value(value), "{value}");
        }
        for value in
            ["", "sk-", "https://host/a:b@c", "postgres://me@db/x", "/home/me/notes", "eyJ", "Bearer "]
        {
            assert!(!secret_value(value), "{value}");
        }
    }
}
