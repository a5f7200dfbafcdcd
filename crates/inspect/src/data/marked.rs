//! Secrets that stand where secrets stand: between the lines of PEM, in a URL, after a name that says so.

use memchr::memmem;

use super::{DataClass, Hit, tokens};

/// Private keys in PEM (RFC 7468), also with their end cut off. Public keys and certificates are not secret.
pub(super) fn private_keys(text: &str, hits: &mut Vec<Hit>) {
    const BEGIN: &str = "-----BEGIN ";
    let mut from = 0;
    while let Some(start) = find(text, BEGIN, from) {
        let label = text.get(start + BEGIN.len()..).unwrap_or_default();
        let label = label.split("-----").next().filter(|label| label.len() <= 40).unwrap_or_default();
        from = start + BEGIN.len();
        if !label.ends_with("PRIVATE KEY") && !label.ends_with("PRIVATE KEY BLOCK") {
            continue;
        }
        let end = format!("-----END {label}-----");
        let body = from + label.len() + 5;
        // Without an end, the rest is taken for the key.
        let end = find(text, &end, body).map_or(text.len(), |at| at + end.len());
        let written = text.get(body..end).unwrap_or_default();
        if written.bytes().filter(u8::is_ascii_alphanumeric).take(40).count() == 40 {
            hits.push(Hit { class: DataClass::PrivateKey, what: "private-key", at: start..end });
            from = end;
        }
    }
}

/// `scheme://user:password@host` (RFC 3986 section 3.2.1).
pub(super) fn in_urls(text: &str, hits: &mut Vec<Hit>) {
    let mut from = 0;
    while let Some(at) = find(text, "://", from) {
        let start = at + 3;
        from = start;
        let rest = text.get(start..).unwrap_or_default();
        let authority =
            rest.split(|c: char| c.is_whitespace() || "/?#\"'<>`".contains(c)).next().unwrap_or_default();
        let Some((user, _)) = authority.rsplit_once('@') else { continue };
        let Some((name, password)) = user.split_once(':') else { continue };
        if !password.is_empty() && !is_placeholder(password) {
            let begin = start + name.len() + 1;
            hits.push(Hit {
                class: DataClass::Password,
                what: "url-password",
                at: begin..begin + password.len(),
            });
        }
    }
}

/// What stands for a password without being one, our own words for what was masked among them.
fn is_placeholder(password: &str) -> bool {
    let masked = password.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    password.starts_with(['$', '{', '<', '*'])
        || password.bytes().all(|byte| byte == b'x')
        || masked.is_some_and(|word| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'))
}

/// `password = …`, `"api_key": "…"`: a name that says what follows, and something that looks drawn.
pub(super) fn assigned(text: &str, hits: &mut Vec<Hit>) {
    let bytes = text.as_bytes();
    for at in memchr::memchr2_iter(b'=', b':', bytes) {
        let before = bytes.get(at.saturating_sub(48)..at).unwrap_or_default();
        let before = before.trim_ascii_end();
        let before = before.strip_suffix(b"\"").or(before.strip_suffix(b"'")).unwrap_or(before);
        if !names_secret(before) {
            continue;
        }
        let rest = bytes.get(at + 1..).unwrap_or_default();
        let blank = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'"' | b'\'' | b'=')).count();
        let value = rest.get(blank..).unwrap_or_default();
        let length = value.iter().take_while(|byte| in_value(**byte)).count();
        let value = value.get(..length).unwrap_or_default();
        if is_secret(value) {
            let start = at + 1 + blank;
            hits.push(Hit { class: DataClass::Password, what: "secret", at: start..start + length });
        }
    }
}

/// Whether a name ends in a word for something secret.
pub(super) fn names_secret(name: &[u8]) -> bool {
    const WORDS: [&[u8]; 12] = [
        b"password",
        b"passwd",
        b"passphrase",
        b"pwd",
        b"secret",
        b"token",
        b"apikey",
        b"accesskey",
        b"secretkey",
        b"privatekey",
        b"credential",
        b"authkey",
    ];
    let mut letters = [0_u8; 16];
    // The last letters, without what joins words, from the end.
    let last = name.iter().rev().filter(|byte| !matches!(byte, b'_' | b'-' | b'.'));
    let last = last.take_while(|byte| byte.is_ascii_alphanumeric());
    for (slot, byte) in letters.iter_mut().rev().zip(last) {
        *slot = byte.to_ascii_lowercase();
    }
    WORDS.iter().any(|word| letters.ends_with(word))
}

fn in_value(byte: u8) -> bool {
    tokens::in_token(byte) || matches!(byte, b'!' | b'@' | b'#' | b'$' | b'%' | b'^' | b'&' | b'*' | b'~')
}

/// Whether a value looks drawn: long, of letters and digits, and with much entropy.
pub(super) fn is_secret(value: &[u8]) -> bool {
    const SHORTEST: usize = 12;
    const LONGEST: usize = 512;
    /// Bits a character.
    const ENTROPY: f64 = 3.0;
    /// Letters and digits mixed this far: names of things keep them apart.
    const MIXED: usize = 8;
    let mixed = |part: &[u8]| {
        part.len() >= MIXED && part.iter().any(u8::is_ascii_digit) && part.iter().any(u8::is_ascii_alphabetic)
    };
    (SHORTEST..=LONGEST).contains(&value.len())
        && value.iter().all(|byte| in_value(*byte))
        && value.split(|byte| b"_-./".contains(byte)).any(mixed)
        && tokens::is_random(value)
        && entropy(value) >= ENTROPY
}

/// Shannon's, in bits a byte.
fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in bytes {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let length = bytes.len() as f64;
    let shares = counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) / length);
    -shares.map(|share| share * share.log2()).sum::<f64>()
}

/// JSON Web Token in compact form (RFC 7519): a header that is a JSON object with `alg`.
pub(super) fn jwt(run: &str, start: usize, hits: &mut Vec<Hit>) {
    const BEGIN: &str = "eyJ";
    let mut from = 0;
    while let Some(at) = find(run, BEGIN, from) {
        from = at + BEGIN.len();
        let rest = run.get(at..).unwrap_or_default();
        let length = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b)).count();
        let token = rest.get(..length).unwrap_or_default().trim_end_matches('.');
        let parts: Vec<&str> = token.split('.').collect();
        let begins = !run.as_bytes().get(at.wrapping_sub(1)).is_some_and(u8::is_ascii_alphanumeric);
        let whole =
            matches!(parts.as_slice(), [header, claims, ..] if claims.len() >= 8 && is_header(header));
        if begins && whole && parts.len() <= 5 {
            hits.push(Hit { class: DataClass::Jwt, what: "jwt", at: start + at..start + at + token.len() });
            from = at + token.len();
        }
    }
}

fn is_header(part: &str) -> bool {
    use base64::Engine as _;
    let decoded = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part);
    decoded.is_ok_and(|json| json.starts_with(b"{") && memmem::find(&json, b"\"alg\"").is_some())
}

fn find(text: &str, what: &str, from: usize) -> Option<usize> {
    let rest = text.as_bytes().get(from..)?;
    memmem::find(rest, what.as_bytes()).map(|at| from + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(find: fn(&str, &mut Vec<Hit>), text: &str, expected: &[&str]) {
        let mut hits = Vec::new();
        find(text, &mut hits);
        let found: Vec<_> = hits.iter().map(|hit| text.get(hit.at.clone()).unwrap_or_default()).collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn keys_between_their_lines() {
        let body = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ\n".repeat(3);
        for label in ["PRIVATE KEY", "RSA PRIVATE KEY", "OPENSSH PRIVATE KEY", "ENCRYPTED PRIVATE KEY"] {
            let key = format!("-----BEGIN {label}-----\n{body}-----END {label}-----");
            check(private_keys, &format!("before {key} after"), &[&key]);
            let cut = format!("-----BEGIN {label}-----\n{body}");
            check(private_keys, &format!("x {cut}"), &[&cut]);
        }
        for label in ["CERTIFICATE", "PUBLIC KEY"] {
            check(private_keys, &format!("-----BEGIN {label}-----\n{body}-----END {label}-----"), &[]);
        }
        check(private_keys, "write -----BEGIN PRIVATE KEY----- first", &[]);
    }

    #[test]
    fn passwords_in_urls() {
        check(in_urls, "postgres://app:s3cr3t@db.test:5432/x", &["s3cr3t"]);
        check(in_urls, "see https://u:p%40ss@h/ and http://a:b@c", &["p%40ss", "b"]);
        check(in_urls, "http://u:[S3cr3t]@h and http://u:[x@h", &["[S3cr3t]", "[x"]);
        for text in [
            "https://example.com/a:b@c",
            "https://user@host",
            "mongodb://u:<password>@h",
            "http://u:${PW}@h",
            "http://u:[github-token]@h",
            "a://b",
        ] {
            check(in_urls, text, &[]);
        }
    }

    #[test]
    fn what_is_called_a_secret_and_looks_like_one() {
        check(assigned, "DB_PASSWORD=kT8vq2LmZx41Rw", &["kT8vq2LmZx41Rw"]);
        check(assigned, "\"api_key\": \"9fK2mQ7xLp3Rz8Vn\"", &["9fK2mQ7xLp3Rz8Vn"]);
        check(assigned, "client-secret : 'aZ4kP9qLm2Xw7Rt5'", &["aZ4kP9qLm2Xw7Rt5"]);
        for text in [
            "password: changeme123456",
            "the token: a unit of text",
            "max_tokens = 1234567890123",
            "password = ${DB_PASSWORD}",
            "token = get_token_from_env_12()",
            "the secret: nothing here",
            "next_token=aaaaaaaaaaaaaaaaaaa1",
        ] {
            check(assigned, text, &[]);
        }
    }

    #[test]
    fn web_tokens() {
        let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U";
        let mut hits = Vec::new();
        jwt(&format!("a={token}."), 5, &mut hits);
        assert_eq!(hits.first().map(|hit| hit.at.clone()), Some(7..7 + token.len()));
        for other in ["eyJub3RoaW5nIjoxfQ.eyJzdWIiOiIxMjM0NTY3ODkwIn0.x", "eyJhbGciOiJIUzI1NiJ9"] {
            let mut hits = Vec::new();
            jwt(other, 0, &mut hits);
            assert!(hits.is_empty(), "{other}");
        }
    }
}
