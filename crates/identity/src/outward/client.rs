//! How the gateway shows an authorization server who it is (RFC 6749 section 2.3, RFC 7523 section 2.2).

use std::{fmt, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use portcullis_core::Secret;

use super::{CredentialFault, assertion, grant::Form};
use crate::jose::SigningKey;

/// What proves that the gateway is the client it says it is.
#[derive(Clone)]
pub enum ClientAuthentication {
    /// Nothing: a public client (`none`).
    None,
    /// A secret that both know (`client_secret_basic`).
    Secret(Secret),
    /// The same in the form, for who takes it nowhere else (`client_secret_post`).
    SecretInForm(Secret),
    /// A key that only the gateway has (`private_key_jwt`).
    Key(Arc<SigningKey>),
}

impl ClientAuthentication {
    /// A private key in PEM: PKCS #8 or SEC 1, P-256, Ed25519 or RSA.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn key(pem: &Secret, key_id: Option<String>) -> Result<Self, &'static str> {
        SigningKey::from_pem(pem, key_id).map(|key| Self::Key(Arc::new(key)))
    }

    /// Adds it to a request to `issuer`; some goes into `Authorization`.
    pub(crate) fn apply(
        &self,
        client_id: &str,
        issuer: &str,
        form: &mut Form,
        now: u64,
    ) -> Result<Option<Secret>, CredentialFault> {
        match self {
            Self::None => {
                form.text("client_id", client_id);
                Ok(None)
            }
            Self::SecretInForm(secret) => {
                form.text("client_id", client_id);
                form.add("client_secret", secret.expose());
                Ok(None)
            }
            Self::Secret(secret) => {
                let mut pair = Form::default();
                pair.encode(client_id.as_bytes());
                pair.literal(b":");
                pair.encode(secret.expose());
                Ok(Some(Secret::new(format!("Basic {}", STANDARD.encode(pair.bytes())).into_bytes())))
            }
            Self::Key(key) => {
                let assertion = assertion::sign(key, client_id, issuer, now)?;
                form.text("client_id", client_id);
                form.text("client_assertion_type", assertion::TYPE);
                form.add("client_assertion", assertion.expose());
                Ok(None)
            }
        }
    }
}

impl fmt::Debug for ClientAuthentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Secret(_) | Self::SecretInForm(_) => "Secret(…)",
            Self::Key(_) => "Key(…)",
        })
    }
}
