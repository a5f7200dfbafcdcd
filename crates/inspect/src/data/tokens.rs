//! Keys and tokens that say whose they are: a prefix, then characters of one set, in a known number.

use wide::u8x16;

use super::{DataClass, Hit};
use crate::text::blocks;

/// One form of token.
struct Form {
    what: &'static str,
    class: DataClass,
    prefix: &'static str,
    body: Set,
    /// Characters after the prefix.
    least: usize,
    most: usize,
}

/// Characters of a body.
#[derive(Clone, Copy)]
enum Set {
    /// `A-Z 2-7`
    Base32,
    /// `a-f 0-9`
    Hex,
    /// Letters and digits.
    Alnum,
    /// Those, `-` and `_`.
    Url,
    /// Those, `.`, `/`, `+` and `=`.
    Any,
}

impl Set {
    fn has(self, byte: u8) -> bool {
        match self {
            Self::Base32 => matches!(byte, b'A'..=b'Z' | b'2'..=b'7'),
            Self::Hex => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            Self::Alnum => byte.is_ascii_alphanumeric(),
            Self::Url => byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'),
            Self::Any => byte.is_ascii_alphanumeric() || b"-_./+=".contains(&byte),
        }
    }
}

const fn form(
    what: &'static str,
    class: DataClass,
    prefix: &'static str,
    body: Set,
    least: usize,
    most: usize,
) -> Form {
    Form { what, class, prefix, body, least, most }
}

use DataClass::{CloudKey, PrivateKey, Token};
use Set::{Alnum, Any, Base32, Hex, Url};

/// From the issuers' own documentation. A longer prefix stands before a shorter one it begins with.
const FORMS: &[Form] = &[
    form("aws-access-key", CloudKey, "AKIA", Base32, 16, 16),
    form("aws-access-key", CloudKey, "ASIA", Base32, 16, 16),
    form("aws-access-key", CloudKey, "ABIA", Base32, 16, 16),
    form("age-secret-key", PrivateKey, "AGE-SECRET-KEY-1", Alnum, 58, 58),
    form("google-api-key", CloudKey, "AIza", Url, 35, 35),
    form("google-oauth-secret", CloudKey, "GOCSPX-", Url, 28, 28),
    form("google-oauth-token", CloudKey, "ya29.", Url, 30, 2048),
    form("azure-storage-key", CloudKey, "AccountKey=", Any, 86, 90),
    form("digitalocean-token", CloudKey, "dop_v1_", Hex, 64, 64),
    form("alibaba-access-key", CloudKey, "LTAI", Alnum, 16, 26),
    form("github-token", Token, "github_pat_", Url, 60, 100),
    form("github-token", Token, "ghp_", Alnum, 36, 255),
    form("github-token", Token, "gho_", Alnum, 36, 255),
    form("github-token", Token, "ghu_", Alnum, 36, 255),
    form("github-token", Token, "ghs_", Alnum, 36, 255),
    form("github-token", Token, "ghr_", Alnum, 36, 255),
    form("gitlab-token", Token, "glpat-", Url, 20, 64),
    form("gitlab-token", Token, "glrt-", Url, 20, 64),
    form("slack-token", Token, "xoxb-", Url, 24, 255),
    form("slack-token", Token, "xoxp-", Url, 24, 255),
    form("slack-token", Token, "xoxa-", Url, 24, 255),
    form("slack-token", Token, "xoxr-", Url, 24, 255),
    form("slack-token", Token, "xoxs-", Url, 24, 255),
    form("slack-token", Token, "xapp-", Url, 24, 255),
    form("stripe-key", Token, "sk_live_", Alnum, 24, 255),
    form("stripe-key", Token, "rk_live_", Alnum, 24, 255),
    form("stripe-key", Token, "sk_test_", Alnum, 24, 255),
    form("stripe-webhook-secret", Token, "whsec_", Any, 32, 255),
    form("anthropic-key", Token, "sk-ant-", Url, 40, 255),
    form("openai-key", Token, "sk-proj-", Url, 40, 255),
    form("openai-key", Token, "sk-svcacct-", Url, 40, 255),
    form("openai-key", Token, "sk-", Alnum, 40, 64),
    form("npm-token", Token, "npm_", Alnum, 36, 36),
    form("pypi-token", Token, "pypi-AgEI", Url, 50, 1024),
    form("huggingface-token", Token, "hf_", Alnum, 34, 40),
    form("sendgrid-key", Token, "SG.", Any, 60, 70),
    form("vault-token", Token, "hvs.", Url, 24, 255),
    form("databricks-token", Token, "dapi", Hex, 32, 34),
    form("shopify-token", Token, "shpat_", Hex, 32, 32),
    form("grafana-token", Token, "glsa_", Url, 41, 64),
    form("linear-key", Token, "lin_api_", Alnum, 40, 40),
    form("doppler-token", Token, "dp.pt.", Alnum, 40, 44),
    form("docker-token", Token, "dckr_pat_", Url, 27, 64),
    form("sentry-token", Token, "sntrys_", Any, 60, 1024),
    form("postman-key", Token, "PMAK-", Url, 59, 59),
];

/// Bytes a run of a token can have.
pub(super) const fn in_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/' | b'+' | b'=')
}

/// [`in_token`] for many bytes at once.
#[inline]
pub(super) fn in_token_lanes(lane: u8x16) -> u8x16 {
    // `-`, `.` and `/` are just before the digits.
    let most = blocks::letters(lane | u8x16::splat(0x20), b'a') | blocks::range(lane, b'-', b'9');
    most | blocks::is(lane, b'_') | blocks::is(lane, b'+') | blocks::is(lane, b'=')
}

/// Finds tokens in a run of such bytes, which starts at `start` of the text.
pub(super) fn find(run: &str, start: usize, hits: &mut Vec<Hit>) {
    let bytes = run.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let begins = at == 0 || bytes.get(at - 1).is_some_and(|before| !before.is_ascii_alphanumeric());
        match bytes.get(at..).filter(|_| begins).and_then(token) {
            Some((form, length)) => {
                hits.push(Hit { class: form.class, what: form.what, at: start + at..start + at + length });
                at += length;
            }
            None => at += 1,
        }
    }
}

/// Which forms begin with each byte, a bit each.
static BEGINNINGS: [u64; 256] = beginnings();

#[allow(clippy::indexing_slicing, reason = "evaluated by the compiler, which checks it")]
const fn beginnings() -> [u64; 256] {
    assert!(FORMS.len() <= u64::BITS as usize);
    let mut table = [0; 256];
    let mut form = 0;
    while form < FORMS.len() {
        table[FORMS[form].prefix.as_bytes()[0] as usize] |= 1 << form;
        form += 1;
    }
    table
}

/// The token at the start, and its length.
fn token(bytes: &[u8]) -> Option<(&'static Form, usize)> {
    let mut rest = BEGINNINGS.get(usize::from(*bytes.first()?)).copied().unwrap_or(0);
    std::iter::from_fn(|| {
        let form = FORMS.get(rest.trailing_zeros() as usize);
        rest &= rest.wrapping_sub(1);
        form
    })
    .find_map(|form| {
        let body = bytes.strip_prefix(form.prefix.as_bytes())?;
        let length = body.iter().take_while(|byte| form.body.has(**byte)).count();
        let fits = (form.least..=form.most).contains(&length);
        let body = body.get(..length)?;
        (fits && is_random(body)).then_some((form, form.prefix.len() + length))
    })
}

/// Whether characters look drawn and not written: enough different ones, and none of the words of examples.
pub(super) fn is_random(body: &[u8]) -> bool {
    let mut seen = 0_u128;
    body.iter().for_each(|byte| seen |= 1 << (byte & 0x7F));
    let different = seen.count_ones() as usize;
    different >= (body.len() / 3).clamp(6, 10) && !is_example(body)
}

const EXAMPLES: [&[u8]; 7] =
    [b"example", b"xxxx", b"your", b"placeholder", b"redacted", b"changeme", b"0123456789"];

fn is_example(body: &[u8]) -> bool {
    let has = |word: &&[u8]| body.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word));
    EXAMPLES.iter().any(has)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_bytes_at_once_are_judged_like_one() {
        let all: Vec<u8> = (0..=255).collect();
        for (at, byte) in all.iter().enumerate() {
            let first = blocks::mask(&blocks::block(&all, at), in_token_lanes) & 1 == 1;
            assert_eq!(first, in_token(*byte), "{byte:#04x}");
        }
    }

    #[test]
    fn every_form_is_found_whole_and_only_whole() {
        const DRAWN: &str =
            "b7c2d4f6a3e5b2c7d6f4a2e3c5b7d2f6a4e6c3b5d7f2a6e4c2b3d5f7a2c4e6b6d3f5a7c2e4b5d6f3a4";
        for form in FORMS {
            let upper = matches!(form.body, Set::Base32 | Set::Alnum);
            let drawn = if upper { DRAWN.to_uppercase() } else { DRAWN.to_owned() };
            let body: String = drawn.chars().cycle().take(form.least).collect();
            let token = format!("{}{body}", form.prefix);
            let mut hits = Vec::new();
            find(&format!("a/{token}"), 7, &mut hits);
            let found: Vec<_> = hits.iter().map(|hit| (hit.what, hit.at.clone())).collect();
            assert_eq!(found, [(form.what, 9..9 + token.len())], "{}", form.prefix);
            for wrong in [format!("x{token}"), token.chars().take(token.len() - 1).collect()] {
                let mut hits = Vec::new();
                find(&wrong, 0, &mut hits);
                assert!(hits.is_empty(), "{wrong}: {:?}", hits.first().map(|hit| hit.what));
            }
        }
    }

    #[test]
    fn what_stands_in_documentation_is_none() {
        for text in [
            "AKIAIOSFODNN7EXAMPLE",
            "ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "sk-your-key",
            "hf_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        ] {
            let mut hits = Vec::new();
            find(text, 0, &mut hits);
            assert!(hits.is_empty(), "{text}");
        }
    }
}
