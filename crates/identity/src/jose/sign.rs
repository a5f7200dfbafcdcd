//! Signing what the gateway says about itself (RFC 7515).

use std::fmt;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PSS_SHA256, RsaKeyPair},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use portcullis_core::Secret;
use rustls_pki_types::{PrivateKeyDer, pem::PemObject as _};
use serde_json::{Map, Value};

use super::Algorithm;

/// A private key of the gateway's.
pub struct SigningKey {
    material: Material,
    id: Option<String>,
}

enum Material {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl SigningKey {
    /// Reads a key in PEM.
    pub(crate) fn from_pem(pem: &Secret, id: Option<String>) -> Result<Self, &'static str> {
        let der = PrivateKeyDer::from_pem_slice(pem.expose()).map_err(|_| "there is no private key in it")?;
        let der = der.secret_der();
        let p256 = || EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, der).ok();
        let ed25519 = || Ed25519KeyPair::from_pkcs8(der).ok();
        let rsa = || RsaKeyPair::from_pkcs8(der).or_else(|_| RsaKeyPair::from_der(der)).ok();
        let material = p256()
            .map(Material::P256)
            .or_else(|| ed25519().map(Material::Ed25519))
            .or_else(|| rsa().map(Material::Rsa))
            .ok_or("its key is neither P-256 nor Ed25519 nor RSA")?;
        Ok(Self { material, id })
    }

    fn algorithm(&self) -> Algorithm {
        match self.material {
            Material::P256(_) => Algorithm::Es256,
            Material::Ed25519(_) => Algorithm::EdDsa,
            Material::Rsa(_) => Algorithm::Ps256,
        }
    }

    /// A compact JWS of this type over these claims; none when the library fails.
    pub(crate) fn sign(&self, kind: &str, claims: &str) -> Option<String> {
        let mut header = Map::new();
        header.insert("alg".to_owned(), self.algorithm().name().into());
        header.insert("typ".to_owned(), kind.into());
        header.extend(self.id.clone().map(|id| ("kid".to_owned(), id.into())));
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let signed =
            format!("{}.{}", encode(Value::Object(header).to_string().as_bytes()), encode(claims.as_bytes()));
        let signature = self.signature(signed.as_bytes())?;
        Some(format!("{signed}.{}", encode(&signature)))
    }

    /// Its algorithm as messages name it (RFC 9421 section 6.2.2), where there is one here.
    pub(crate) fn message_algorithm(&self) -> Option<&'static str> {
        match self.material {
            Material::P256(_) => Some("ecdsa-p256-sha256"),
            Material::Ed25519(_) => Some("ed25519"),
            Material::Rsa(_) => None,
        }
    }

    /// The signature over some bytes; none when the library fails.
    pub(crate) fn signature(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match &self.material {
            Material::P256(key) => key.sign(&random, message).ok().map(|it| it.as_ref().to_vec()),
            Material::Ed25519(key) => Some(key.sign(message).as_ref().to_vec()),
            Material::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PSS_SHA256, &random, message, &mut signature).ok()?;
                Some(signature)
            }
        }
    }
}

/// Names the algorithm and nothing else.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SigningKey").field(&self.algorithm()).finish()
    }
}
