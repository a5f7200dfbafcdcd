//! The digest of a body (`Content-Digest`, RFC 9530).

use aws_lc_rs::digest::{SHA256, SHA512, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::HeaderMap;
use sfv::{BareItem, Dictionary, ListEntry, Parser};

use super::SignatureFault;

/// The header.
pub(super) const HEADER: &str = "content-digest";

/// The digests of a body that a request names, all of which have to fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ContentDigest {
    sha256: Option<Vec<u8>>,
    sha512: Option<Vec<u8>>,
}

impl ContentDigest {
    /// Reads the header. Digests by other algorithms are left out; one by a known algorithm there has to be.
    pub(super) fn read(headers: &HeaderMap) -> Result<Self, SignatureFault> {
        let fields: Dictionary = Parser::new(super::verify::only(headers, HEADER)?)
            .parse()
            .map_err(|_| SignatureFault::Form(HEADER))?;
        let mut read = Self::default();
        for (name, entry) in &fields {
            let place = match name.as_str() {
                "sha-256" => &mut read.sha256,
                "sha-512" => &mut read.sha512,
                _ => continue,
            };
            let ListEntry::Item(item) = entry else { return Err(SignatureFault::Form(HEADER)) };
            let BareItem::ByteSequence(bytes) = &item.bare_item else {
                return Err(SignatureFault::Form(HEADER));
            };
            *place = Some(bytes.clone());
        }
        if read == Self::default() { Err(SignatureFault::Form(HEADER)) } else { Ok(read) }
    }

    /// Whether this is the body.
    pub(super) fn fits(&self, body: &[u8]) -> bool {
        let fits = |expected: &Option<Vec<u8>>, algorithm| {
            expected.as_ref().is_none_or(|it| digest(algorithm, body).as_ref() == it.as_slice())
        };
        fits(&self.sha256, &SHA256) && fits(&self.sha512, &SHA512)
    }
}

/// The header for a body.
pub(super) fn header(body: &[u8]) -> String {
    format!("sha-256=:{}:", STANDARD.encode(digest(&SHA256, body)))
}
