//! Signatures of the gateway's.

use std::fmt;

use aws_lc_rs::rand;
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use portcullis_core::Secret;
use sfv::{BareItem, InnerList, Item, Key, Parameters, String as Text};

use super::{
    COVERED,
    base::{Message, Subject, Target, parameters},
    digest,
};
use crate::jose::SigningKey;

/// How long a signature is good, in seconds.
const LIFE: i64 = 60;
/// Its label.
const LABEL: &str = "portcullis";

/// Signs requests with a key of the gateway's.
pub struct MessageSigner {
    key: SigningKey,
    id: String,
    algorithm: &'static str,
}

impl MessageSigner {
    /// Signs with a private key in PEM, P-256 or Ed25519, which whoever verifies knows by `id`.
    ///
    /// # Errors
    /// What is wrong with the key.
    pub fn new(pem: &Secret, id: &str) -> Result<Self, &'static str> {
        let key = SigningKey::from_pem(pem, None)?;
        let algorithm = key.message_algorithm().ok_or("its key is neither P-256 nor Ed25519")?;
        Ok(Self { key, id: id.to_owned(), algorithm })
    }

    /// Adds `Content-Digest`, `Signature-Input` and `Signature` to a request. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// Why there is no signature; the request must not be sent then.
    pub fn sign(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &mut HeaderMap,
        body: &[u8],
        now: u64,
    ) -> Result<(), &'static str> {
        let value = |text: String| HeaderValue::from_str(&text).map_err(|_| "the signature fits no header");
        let target = Target::of(uri).ok_or("the target is no absolute URL")?;
        if method == Method::POST {
            headers.insert(HeaderName::from_static(digest::HEADER), value(digest::header(body))?);
        }
        let covered = self.covered(headers, now)?;
        let message =
            Message { subject: Subject::Request { method: method.as_str(), target: &target }, headers };
        let base = message.base(&covered).map_err(|_| "a header that is signed is not ASCII")?;
        let signature = self.key.signature(base.as_bytes()).ok_or("the key does not sign")?;
        let input = value(format!("{LABEL}={}", parameters(&covered)))?;
        let signature = value(format!("{LABEL}=:{}:", STANDARD.encode(signature)))?;
        headers.insert(HeaderName::from_static("signature-input"), input);
        headers.insert(HeaderName::from_static("signature"), signature);
        Ok(())
    }

    fn covered(&self, headers: &HeaderMap, now: u64) -> Result<InnerList, &'static str> {
        let mut nonce = [0; 16];
        rand::fill(&mut nonce).map_err(|_| "the system has no randomness")?;
        let now = i64::try_from(now).map_err(|_| "the clock is wrong")?;
        let there = headers.keys().map(HeaderName::as_str);
        let signed =
            there.filter(|name| COVERED.contains(name) || name.starts_with("mcp-") || is_content(name));
        let names = ["@method", "@target-uri"].into_iter().chain(signed);
        let text = |text: &str| Text::try_from(text.to_owned()).ok().map(BareItem::String);
        let number = |at: i64| at.try_into().ok().map(BareItem::Integer);
        let parameter =
            |name: &str, value: Option<BareItem>| Some((Key::try_from(name.to_owned()).ok()?, value?));
        let items = names.map(|name| text(name).map(Item::new)).collect::<Option<Vec<_>>>();
        let params = [
            parameter("created", number(now)),
            parameter("expires", number(now.saturating_add(LIFE))),
            parameter("nonce", text(&URL_SAFE_NO_PAD.encode(nonce))),
            parameter("alg", text(self.algorithm)),
            parameter("keyid", text(&self.id)),
        ];
        let params = params.into_iter().collect::<Option<Parameters>>();
        let list = items.zip(params).map(|(items, params)| InnerList::with_params(items, params));
        list.ok_or("the name of the key is not ASCII")
    }
}

fn is_content(name: &str) -> bool {
    name == digest::HEADER || name == "content-type"
}

/// Names the key and nothing else.
impl fmt::Debug for MessageSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageSigner").field("id", &self.id).finish_non_exhaustive()
    }
}
