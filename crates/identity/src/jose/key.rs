//! Keys of issuers (RFC 7517, RFC 7518 section 6, RFC 8037).

use std::fmt;

use aws_lc_rs::{
    rsa::PublicKeyComponents,
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey,
        RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
        RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
        VerificationAlgorithm,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use portcullis_core::{
    Digest,
    wire::json::{Document, Fault, Kind, Limits, Node},
};

use super::{Algorithm, TokenFault};

/// Most keys of one issuer.
const MAX_KEYS: usize = 64;
/// Largest document of keys in bytes.
pub const MAX_KEY_SET: usize = 256 * 1024;
const LIMITS: Limits = Limits {
    max_bytes: MAX_KEY_SET,
    max_depth: 8,
    max_string: 32 * 1024,
    max_members: 256,
    max_nodes: 8_192,
};
/// Members that only whoever signs may know (RFC 7518 sections 6.2.2, 6.3.2 and 6.4).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// The public keys of one issuer.
#[derive(Clone, Debug)]
pub struct KeySet {
    keys: Vec<VerifyingKey>,
    digest: Digest,
}

/// Why a document is not a set of keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetFault {
    /// Not JSON that every reader reads alike.
    #[error("{0}")]
    Json(Fault),
    /// No object with an array `keys`.
    #[error("this is not a JWK Set: there is no array `keys`")]
    NoSet,
    /// More keys than any issuer has.
    #[error("there are more than {MAX_KEYS} keys")]
    TooMany,
    /// A private key, which has no business here.
    #[error("key {0} is a private or shared one (`{1}`)")]
    Private(usize, &'static str),
    /// A key that is not what it says.
    #[error("key {0}: {1}")]
    Key(usize, &'static str),
    /// Nothing in it can verify a signature.
    #[error("none of its keys is for one of the known signature algorithms")]
    NoneUsable,
}

impl KeySet {
    /// Reads a JWK Set. Keys for encryption, and of kinds that are not known here, are left out.
    ///
    /// # Errors
    /// [`KeySetFault`] for a document that is none, has a private key in it, or has a signature key that is
    /// broken.
    pub fn parse(bytes: Bytes) -> Result<Self, KeySetFault> {
        let digest = Digest::of(&bytes);
        let document = Document::parse(bytes, &LIMITS).map_err(KeySetFault::Json)?;
        let keys = document.root().get("keys").filter(|keys| keys.kind() == Kind::Array);
        let keys = keys.ok_or(KeySetFault::NoSet)?;
        if keys.len() > MAX_KEYS {
            return Err(KeySetFault::TooMany);
        }
        let mut usable = Vec::new();
        for (index, node) in keys.elements().enumerate() {
            if let Some(name) = PRIVATE.into_iter().find(|name| node.get(name).is_some()) {
                return Err(KeySetFault::Private(index, name));
            }
            usable.extend(VerifyingKey::read(node).map_err(|what| KeySetFault::Key(index, what))?);
        }
        if usable.is_empty() { Err(KeySetFault::NoneUsable) } else { Ok(Self { keys: usable, digest }) }
    }

    /// Digest of the document it was read from.
    pub(crate) fn digest(&self) -> Digest {
        self.digest
    }

    /// Whether a key has this name.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.keys.iter().any(|key| key.id.as_deref() == Some(id))
    }

    /// The key a token is to be verified with.
    pub(crate) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Result<&VerifyingKey, TokenFault> {
        let wrong = || TokenFault::WrongKey(algorithm.name());
        let Some(id) = id else {
            let mut fitting = self.keys.iter().filter(|key| key.fits(algorithm));
            let first = fitting.next().ok_or_else(wrong)?;
            return if fitting.next().is_none() { Ok(first) } else { Err(TokenFault::AmbiguousKey) };
        };
        let named = || self.keys.iter().filter(|key| key.id.as_deref() == Some(id));
        let mut fitting = named().filter(|key| key.fits(algorithm));
        match (fitting.next(), fitting.next()) {
            (Some(_), Some(_)) => Err(TokenFault::AmbiguousKey),
            (Some(key), None) => Ok(key),
            (None, _) if named().next().is_some() => Err(wrong()),
            (None, _) => Err(TokenFault::UnknownKey),
        }
    }
}

/// One public key.
#[derive(Clone)]
pub(crate) struct VerifyingKey {
    id: Option<String>,
    /// The one algorithm the key is for, where the set says so.
    only: Option<Algorithm>,
    material: Material,
}

#[derive(Clone)]
enum Material {
    P256(ParsedPublicKey),
    P384(ParsedPublicKey),
    Ed25519(ParsedPublicKey),
    Rsa { n: Vec<u8>, e: Vec<u8> },
}

impl VerifyingKey {
    /// Reads one key; none when it is not for signatures, or of a kind that is not known here.
    fn read(node: Node<'_>) -> Result<Option<Self>, &'static str> {
        let text = |name| node.get(name).and_then(|value| value.as_str());
        let is = |name, value: &str| text(name).as_deref() == Some(value);
        if node.get("use").is_some() && !is("use", "sig") {
            return Ok(None);
        }
        let operations = node.get("key_ops");
        let verifies = |ops: Node<'_>| ops.elements().any(|op| op.as_str().as_deref() == Some("verify"));
        if operations.is_some_and(|ops| !verifies(ops)) {
            return Ok(None);
        }
        let only = match text("alg") {
            Some(name) => match Algorithm::parse(&name) {
                Some(algorithm) => Some(algorithm),
                None => return Ok(None),
            },
            None => None,
        };
        let material = match text("kty").as_deref() {
            Some("EC") if is("crv", "P-256") => Material::P256(point(node, &ECDSA_P256_SHA256_FIXED, 32)?),
            Some("EC") if is("crv", "P-384") => Material::P384(point(node, &ECDSA_P384_SHA384_FIXED, 48)?),
            Some("OKP") if is("crv", "Ed25519") => {
                Material::Ed25519(parsed(&ED25519, &sized(node, "x", 32, "`x` is not 32 bytes")?)?)
            }
            Some("RSA") => rsa(node)?,
            Some(_) => return Ok(None),
            None => return Err("`kty` is missing"),
        };
        Ok(Some(Self { id: text("kid").map(String::from), only, material }))
    }

    /// The key that a proof brings, which has to be public and for `algorithm`, with its thumbprint (RFC 7638).
    pub(crate) fn of_proof(node: Node<'_>, algorithm: Algorithm) -> Result<(Self, String), &'static str> {
        if PRIVATE.into_iter().any(|name| node.get(name).is_some()) {
            return Err("is a private one");
        }
        let key = Self::read(node)?.filter(|key| key.fits(algorithm)).ok_or("is not for the algorithm")?;
        let members: &[&str] = match key.material {
            Material::P256(_) | Material::P384(_) => &["crv", "kty", "x", "y"],
            Material::Ed25519(_) => &["crv", "kty", "x"],
            Material::Rsa { .. } => &["e", "kty", "n"],
        };
        // All of them were read: names that were compared, and base64url. None needs an escape.
        let pairs =
            members.iter().filter_map(|name| Some(format!("\"{name}\":\"{}\"", node.get(name)?.as_str()?)));
        let canonical = format!("{{{}}}", pairs.collect::<Vec<_>>().join(","));
        Ok((key, URL_SAFE_NO_PAD.encode(Digest::of(canonical.as_bytes()).as_bytes())))
    }

    /// A key is for its own algorithm, and for none of another kind or curve.
    fn fits(&self, algorithm: Algorithm) -> bool {
        use Algorithm as A;
        let kind = match &self.material {
            Material::P256(_) => algorithm == A::Es256,
            Material::P384(_) => algorithm == A::Es384,
            Material::Ed25519(_) => algorithm == A::EdDsa,
            Material::Rsa { .. } => rsa_parameters(algorithm).is_some(),
        };
        kind && self.only.is_none_or(|only| only == algorithm)
    }

    pub(crate) fn verify(
        &self,
        algorithm: Algorithm,
        signed: &[u8],
        signature: &[u8],
    ) -> Result<(), TokenFault> {
        let verified = match &self.material {
            Material::P256(key) | Material::P384(key) | Material::Ed25519(key) => {
                key.verify_sig(signed, signature)
            }
            Material::Rsa { n, e } => match rsa_parameters(algorithm) {
                Some(parameters) => PublicKeyComponents { n, e }.verify(parameters, signed, signature),
                None => return Err(TokenFault::WrongKey(algorithm.name())),
            },
        };
        verified.map_err(|_| TokenFault::Signature)
    }
}

/// Names what kind of key it is and nothing else.
impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.material {
            Material::P256(_) => "P-256",
            Material::P384(_) => "P-384",
            Material::Ed25519(_) => "Ed25519",
            Material::Rsa { .. } => "RSA",
        };
        f.debug_struct("VerifyingKey").field("id", &self.id).field("kind", &kind).finish_non_exhaustive()
    }
}

fn rsa_parameters(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    Some(match algorithm {
        Algorithm::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
        Algorithm::Ps256 => &RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &RSA_PSS_2048_8192_SHA512,
        Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa => return None,
    })
}

/// A point of the curve, uncompressed (SEC 1 section 2.3.3). One that is not on it is refused.
fn point(
    node: Node<'_>,
    algorithm: &'static dyn VerificationAlgorithm,
    size: usize,
) -> Result<ParsedPublicKey, &'static str> {
    let x = sized(node, "x", size, "`x` is not as long as the curve's")?;
    let y = sized(node, "y", size, "`y` is not as long as the curve's")?;
    parsed(algorithm, &[&[4][..], &x, &y].concat())
}

fn parsed(
    algorithm: &'static dyn VerificationAlgorithm,
    bytes: &[u8],
) -> Result<ParsedPublicKey, &'static str> {
    ParsedPublicKey::new(algorithm, bytes).map_err(|_| "it is not a point of its curve")
}

fn rsa(node: Node<'_>) -> Result<Material, &'static str> {
    let n = number(node, "n").ok_or("`n` is not base64url")?;
    let e = number(node, "e").ok_or("`e` is not base64url")?;
    let bits = n.len() * 8 - n.first().map_or(0, |byte| byte.leading_zeros() as usize);
    if !(2048..=8192).contains(&bits) {
        return Err("an RSA modulus has 2048 to 8192 bits");
    }
    if e.len() > 4 || !matches!(e.last(), Some(last) if last & 1 == 1) || e == [1] {
        return Err("an RSA exponent is odd, more than 1 and at most 32 bits long");
    }
    Ok(Material::Rsa { n, e })
}

/// An unsigned integer without leading zeros (RFC 7518 section 2).
fn number(node: Node<'_>, name: &str) -> Option<Vec<u8>> {
    let bytes = decoded(node, name)?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    Some(bytes.get(zeros..)?.to_vec())
}

fn sized(node: Node<'_>, name: &str, size: usize, what: &'static str) -> Result<Vec<u8>, &'static str> {
    decoded(node, name).filter(|bytes| bytes.len() == size).ok_or(what)
}

fn decoded(node: Node<'_>, name: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(node.get(name)?.as_str()?.as_bytes()).ok()
}
