//! A signed JWT taken apart (RFC 7515 section 7.1, RFC 7519), before anything in it is believed.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use portcullis_core::wire::json::{Document, Kind, Limits, Node};

use super::{Algorithm, TokenFault};

/// Largest token, in bytes. Access tokens with many roles reach a few KiB.
const MAX_TOKEN: usize = 16 * 1024;

/// Bounds of header and claims. A token that needs more is not there to grant access.
const LIMITS: Limits =
    Limits { max_bytes: MAX_TOKEN, max_depth: 16, max_string: 8 * 1024, max_members: 512, max_nodes: 2_048 };

/// A JWT in its parts.
pub(crate) struct Jws<'t> {
    pub(crate) header: Header,
    /// All of the header.
    pub(crate) header_json: Document,
    pub(crate) claims: Document,
    pub(crate) signed: &'t [u8],
    pub(crate) signature: Vec<u8>,
}

/// What is used of a header.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) algorithm: Algorithm,
    pub(crate) key_id: Option<String>,
    /// `typ` in lower case and without `application/`.
    pub(crate) kind: Option<String>,
}

impl<'t> Jws<'t> {
    /// A token that is verified with a key that is known.
    pub(crate) fn parse(token: &'t str) -> Result<Self, TokenFault> {
        Self::read(token, &["jwk", "jku", "x5c", "x5u"])
    }

    /// A proof, which brings its key in `jwk`.
    pub(crate) fn parse_with_key(token: &'t str) -> Result<Self, TokenFault> {
        Self::read(token, &["jku", "x5c", "x5u"])
    }

    fn read(token: &'t str, own_key: &[&'static str]) -> Result<Self, TokenFault> {
        if token.len() > MAX_TOKEN {
            return Err(TokenFault::TooLong { bytes: token.len(), most: MAX_TOKEN });
        }
        let parts: Vec<&str> = token.split('.').take(6).collect();
        let [header, claims, signature] = match parts.as_slice() {
            [header, claims, signature] => [*header, *claims, *signature],
            [_, _, _, _, _] => return Err(TokenFault::Encrypted),
            _ => return Err(TokenFault::NotCompact),
        };
        let header_json = object("header", header)?;
        let header = Header::read(&header_json, own_key)?;
        let signed = token.as_bytes().get(..token.len() - signature.len() - 1).unwrap_or_default();
        let signature = decode("signature", signature)?;
        Ok(Self { header, header_json, claims: object("claims", claims)?, signed, signature })
    }
}

impl Header {
    fn read(document: &Document, own_key: &[&'static str]) -> Result<Self, TokenFault> {
        let root = document.root();
        refuse_members(root, own_key)?;
        let text = |name| root.get(name).map(|node| node.as_str().map(String::from));
        let algorithm = text("alg").flatten().ok_or(TokenFault::NoAlgorithm)?;
        let key_id = match text("kid") {
            None => None,
            Some(Some(id)) if (1..=256).contains(&id.len()) => Some(id),
            Some(_) => return Err(TokenFault::KeyId),
        };
        let kind = match text("typ") {
            None => None,
            Some(Some(kind)) => Some(kind.to_ascii_lowercase()),
            Some(None) => return Err(TokenFault::Type),
        };
        Ok(Self {
            algorithm: named(&algorithm)?,
            key_id,
            kind: kind.map(|kind| kind.strip_prefix("application/").map(str::to_owned).unwrap_or(kind)),
        })
    }
}

fn named(algorithm: &str) -> Result<Algorithm, TokenFault> {
    Algorithm::parse(algorithm).ok_or(match algorithm {
        none if none.eq_ignore_ascii_case("none") => TokenFault::Unsigned,
        "HS256" | "HS384" | "HS512" => TokenFault::SharedSecret,
        _ => TokenFault::UnknownAlgorithm,
    })
}

/// Members that would change which key is used or what is signed. Others are ignored (RFC 7515 section 4).
fn refuse_members(header: Node<'_>, own_key: &[&'static str]) -> Result<(), TokenFault> {
    const CRITICAL: [&str; 4] = ["crit", "b64", "enc", "zip"];
    let present = |names: &[&'static str]| names.iter().copied().find(|name| header.get(name).is_some());
    if let Some(name) = present(own_key) {
        return Err(TokenFault::OwnKey(name));
    }
    if let Some(name) = present(&CRITICAL) {
        return Err(TokenFault::Critical(name));
    }
    if header.get("cty").is_some() { Err(TokenFault::Nested) } else { Ok(()) }
}

fn object(part: &'static str, text: &str) -> Result<Document, TokenFault> {
    let bytes = Bytes::from(decode(part, text)?);
    let document = Document::parse(bytes, &LIMITS).map_err(|fault| TokenFault::Json { part, fault })?;
    match document.root().kind() {
        Kind::Object => Ok(document),
        _ => Err(TokenFault::NotObject(part)),
    }
}

fn decode(part: &'static str, text: &str) -> Result<Vec<u8>, TokenFault> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenFault::Base64(part))
}
