//! An issuer of access tokens that lives in the test: it signs whatever it is told to. It is no authorization
//! server; nobody can ask it anything.

use std::{
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    hmac::{HMAC_SHA256, Key, sign},
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
    },
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// An issuer with a key of each kind, named after its algorithm: `ES256`, `ES384`, `EdDSA` and `RSA`.
pub struct Issuer {
    url: String,
    p256: EcdsaKeyPair,
    p384: EcdsaKeyPair,
    ed25519: Ed25519KeyPair,
    rsa: RsaKeyPair,
}

impl Issuer {
    /// An issuer with new keys.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            p256: ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING),
            p384: ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING),
            ed25519: Ed25519KeyPair::generate().expect("keys can be made"),
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).expect("keys can be made"),
        }
    }

    /// Its public keys.
    #[must_use]
    pub fn jwks(&self) -> Value {
        let ec = |key: &EcdsaKeyPair, alg: &str, crv: &str| {
            let (_, point) = key.public_key().as_ref().split_at(1);
            let (x, y) = point.split_at(point.len() / 2);
            json!({ "kty": "EC", "crv": crv, "kid": alg, "use": "sig", "x": encode(x), "y": encode(y) })
        };
        let ed25519 = encode(self.ed25519.public_key().as_ref());
        // RFC 8017 appendix A.1.1: the numbers follow their headers.
        let der = self.rsa.public_key().as_ref();
        let n = encode(der.get(9..265).expect("a 2048-bit modulus stands there"));
        json!({ "keys": [
            ec(&self.p256, "ES256", "P-256"),
            ec(&self.p384, "ES384", "P-384"),
            { "kty": "OKP", "crv": "Ed25519", "kid": "EdDSA", "x": ed25519 },
            { "kty": "RSA", "kid": "RSA", "n": n, "e": "AQAB" },
        ] })
    }

    /// Its public ES256 key as a proof brings it (RFC 9449 section 4.2).
    #[must_use]
    pub fn proof_key(&self) -> Value {
        let (_, point) = self.p256.public_key().as_ref().split_at(1);
        let (x, y) = point.split_at(point.len() / 2);
        json!({ "kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y) })
    }

    /// Writes its public keys into a file.
    pub fn publish(&self, file: &Path) {
        std::fs::write(file, self.jwks().to_string()).expect("the file can be written");
    }

    /// The claims of a good token for `subject` and `audience`, five minutes long and unlike any other.
    #[must_use]
    pub fn claims(&self, subject: &str, audience: &str, scope: &str) -> Value {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is right").as_secs();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        json!({
            "iss": self.url, "sub": subject, "aud": audience, "scope": scope, "client_id": "editor",
            "iat": now, "exp": now + 300, "jti": format!("token-{number}"),
        })
    }

    /// A good token for `subject` and `audience`.
    #[must_use]
    pub fn token(&self, subject: &str, audience: &str, scope: &str) -> String {
        let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": "ES256" });
        self.sign("ES256", &header.to_string(), &self.claims(subject, audience, scope).to_string())
    }

    /// Whatever is wanted, signed with the key for this algorithm.
    ///
    /// # Panics
    /// For an algorithm it has no key for.
    #[must_use]
    pub fn sign(&self, algorithm: &str, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", encode(header.as_bytes()), encode(claims.as_bytes()));
        let signature = self.signature(algorithm, signed.as_bytes());
        format!("{signed}.{}", encode(&signature))
    }

    fn signature(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        let ecdsa = |key: &EcdsaKeyPair| key.sign(&random, message).expect("it signs").as_ref().to_vec();
        let rsa = |encoding| {
            let mut signature = vec![0; self.rsa.public_modulus_len()];
            self.rsa.sign(encoding, &random, message, &mut signature).expect("it signs");
            signature
        };
        match algorithm {
            "ES256" => ecdsa(&self.p256),
            "ES384" => ecdsa(&self.p384),
            "EdDSA" => self.ed25519.sign(message).as_ref().to_vec(),
            "PS256" => rsa(&RSA_PSS_SHA256),
            "RS256" => rsa(&RSA_PKCS1_SHA256),
            // The classic confusion: the public keys, which everybody has, as the shared secret.
            "HS256" => {
                sign(&Key::new(HMAC_SHA256, self.jwks().to_string().as_bytes()), message).as_ref().to_vec()
            }
            "none" => Vec::new(),
            other => panic!("the test's issuer has no key for `{other}`"),
        }
    }
}

/// A new private key in PEM (PKCS #8, P-256), and the set with its public key.
#[must_use]
pub fn client_key() -> (String, Value) {
    let random = SystemRandom::new();
    let pkcs8 =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("keys can be made");
    let pair =
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref()).expect("it was made");
    let (_, point) = pair.public_key().as_ref().split_at(1);
    let (x, y) = point.split_at(point.len() / 2);
    let key =
        json!({ "kty": "EC", "crv": "P-256", "kid": "client", "use": "sig", "x": encode(x), "y": encode(y) });
    let body = base64::engine::general_purpose::STANDARD.encode(pkcs8.as_ref());
    (format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"), json!({ "keys": [key] }))
}

/// A private key that signs messages, `P-256` or `Ed25519`, in PEM, and its public half under this name.
///
/// # Panics
/// For another curve.
#[must_use]
pub fn message_key(curve: &str, id: &str) -> (String, Value) {
    let random = SystemRandom::new();
    let (pkcs8, public) = match curve {
        "P-256" => {
            let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
            let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("keys can be made");
            let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref()).expect("it was made");
            let (_, point) = pair.public_key().as_ref().split_at(1);
            let (x, y) = point.split_at(point.len() / 2);
            (pkcs8, json!({ "kty": "EC", "crv": "P-256", "kid": id, "x": encode(x), "y": encode(y) }))
        }
        "Ed25519" => {
            let pkcs8 = Ed25519KeyPair::generate_pkcs8(&random).expect("keys can be made");
            let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).expect("it was made");
            let x = encode(pair.public_key().as_ref());
            (pkcs8, json!({ "kty": "OKP", "crv": "Ed25519", "kid": id, "x": x }))
        }
        other => panic!("no key on {other}"),
    };
    let body = base64::engine::general_purpose::STANDARD.encode(pkcs8.as_ref());
    (format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"), public)
}

fn ecdsa(algorithm: &'static EcdsaSigningAlgorithm) -> EcdsaKeyPair {
    EcdsaKeyPair::generate(algorithm).expect("keys can be made")
}

/// SHA-256 of some bytes.
#[must_use]
pub fn sha256(bytes: &[u8]) -> impl AsRef<[u8]> + use<> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes)
}

/// The bytes of base64url without padding.
#[must_use]
pub fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).expect("it is base64url")
}

/// base64url without padding.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
