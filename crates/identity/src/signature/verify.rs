//! Signatures of clients.

use std::fmt;

use http::{HeaderMap, Method};
use portcullis_core::{Digest, Refusal};
use sfv::{BareItem, Dictionary, InnerList, ListEntry, Parser};

use super::{
    COVERED, ED25519, P256, SignatureFault,
    base::{Message, Subject, Target, component, parameters},
    digest::{self, ContentDigest},
};
use crate::{
    Algorithm, Head, KeySet, ProofFault,
    dpop::{Replays, WINDOW},
};

/// Largest `Signature-Input`, `Signature` or `Content-Digest`, in bytes.
const MAX_FIELD: usize = 4_096;
/// Most components.
const MAX_COVERED: usize = 32;
/// Longest `nonce` and `keyid`.
const MAX_TEXT: usize = 255;
const INPUT: &str = "signature-input";
const SIGNATURE: &str = "signature";

/// Checks that requests are signed, and remembers signatures for as long as they could be used again.
pub struct Signatures {
    keys: KeySet,
    replays: Replays,
}

/// The body that a signed request has to have.
#[derive(Debug)]
#[must_use = "a signature covers the digest of a body, not the body"]
pub struct SignedBody(Option<ContentDigest>);

impl SignedBody {
    /// Whether this is it.
    ///
    /// # Errors
    /// [`RefusalKind::Denied`](portcullis_core::RefusalKind::Denied) by
    /// [`ControlId::Net06`](portcullis_core::ControlId::Net06) when it is another.
    pub fn check(&self, body: &[u8]) -> Result<(), Refusal> {
        let fits = self.0.as_ref().map_or(body.is_empty(), |digest| digest.fits(body));
        if fits { Ok(()) } else { Err(SignatureFault::Body.refusal()) }
    }
}

/// A signature taken apart.
struct Given {
    covered: InnerList,
    signature: Vec<u8>,
}

impl Signatures {
    /// Takes signatures with these keys, by their `kid`.
    pub fn new(keys: KeySet) -> Self {
        Self { keys, replays: Replays::default() }
    }

    /// Checks the signature of a request from its head alone.
    ///
    /// # Errors
    /// [`RefusalKind::Denied`](portcullis_core::RefusalKind::Denied) by
    /// [`ControlId::Net06`](portcullis_core::ControlId::Net06).
    pub fn check(&self, head: &Head<'_>) -> Result<SignedBody, Refusal> {
        self.verify(head).map(SignedBody).map_err(|fault| fault.refusal())
    }

    fn verify(&self, head: &Head<'_>) -> Result<Option<ContentDigest>, SignatureFault> {
        let (Some(headers), Some(resource)) = (head.headers, head.resource) else {
            return Err(SignatureFault::Missing(INPUT));
        };
        let target = Target::below(resource.origin, head.path, head.query);
        let target = target.ok_or(SignatureFault::Component("@target-uri".to_owned()))?;
        let message = Message { subject: Subject::Request { method: head.method, target: &target }, headers };
        let given = Given::read(headers)?;
        given.check_covered(head.method, &target, headers)?;
        let now = head.now_ms / 1000;
        let (key, nonce) = (given.text("keyid")?, given.text("nonce")?);
        given.check_time(now)?;
        self.check_signature(&message, &given, key)?;
        let digest =
            headers.contains_key(digest::HEADER).then(|| ContentDigest::read(headers)).transpose()?;
        // Last, so that only signatures that are good otherwise are remembered.
        let used = Digest::of_parts([b"signature", key.as_bytes(), nonce.as_bytes()]);
        self.replays.first(used, now).map_err(|fault| match fault {
            ProofFault::Crowded => SignatureFault::Crowded,
            _ => SignatureFault::Replayed,
        })?;
        Ok(digest)
    }

    fn check_signature(&self, message: &Message<'_>, given: &Given, id: &str) -> Result<(), SignatureFault> {
        let alg = match given.parameter("alg") {
            None => None,
            Some(BareItem::String(alg)) => Some(alg.as_str()),
            Some(_) => return Err(SignatureFault::Parameter("alg")),
        };
        if !self.keys.has(id) {
            return Err(SignatureFault::UnknownKey);
        }
        let known = [(P256, Algorithm::Es256), (ED25519, Algorithm::EdDsa)];
        let mut fitting = known.iter().filter(|(name, _)| alg.is_none_or(|alg| alg == *name));
        let key =
            fitting.find_map(|(_, algorithm)| Some((self.keys.find(Some(id), *algorithm).ok()?, *algorithm)));
        let (key, algorithm) = key.ok_or(SignatureFault::WrongKey)?;
        let base = message.base(&given.covered)?;
        let verified = key.verify(algorithm, base.as_bytes(), &given.signature);
        verified.map_err(|_| SignatureFault::Wrong)
    }
}

impl Given {
    /// The one signature of a request.
    fn read(headers: &HeaderMap) -> Result<Self, SignatureFault> {
        let parse = |name| -> Result<Dictionary, SignatureFault> {
            Parser::new(only(headers, name)?).parse().map_err(|_| SignatureFault::Form(name))
        };
        let (inputs, signatures) = (parse(INPUT)?, parse(SIGNATURE)?);
        let labels = || SignatureFault::Labels(inputs.len().max(signatures.len()));
        if inputs.len() != 1 || signatures.len() != 1 {
            return Err(labels());
        }
        let (label, input) = inputs.first().ok_or_else(labels)?;
        let signature = signatures.get(label).ok_or_else(labels)?;
        let ListEntry::InnerList(covered) = input else { return Err(SignatureFault::Form(INPUT)) };
        let ListEntry::Item(signature) = signature else { return Err(SignatureFault::Form(SIGNATURE)) };
        let BareItem::ByteSequence(signature) = &signature.bare_item else {
            return Err(SignatureFault::Form(SIGNATURE));
        };
        if covered.items.len() > MAX_COVERED {
            return Err(SignatureFault::Form(INPUT));
        }
        Ok(Self { covered: covered.clone(), signature: signature.clone() })
    }

    /// Whether everything is covered that matters.
    fn check_covered(
        &self,
        method: &str,
        target: &Target<'_>,
        headers: &HeaderMap,
    ) -> Result<(), SignatureFault> {
        let covers = |name: &str| self.covered.items.iter().any(|item| component(item) == Some(name));
        let need =
            |name: &'static str| if covers(name) { Ok(()) } else { Err(SignatureFault::Uncovered(name)) };
        need("@method")?;
        if !covers("@target-uri") {
            need("@authority")?;
            if !covers("@request-target") {
                need("@path")?;
                if target.has_query() {
                    need("@query")?;
                }
            }
        }
        if method == Method::POST || headers.contains_key(digest::HEADER) {
            need(digest::HEADER)?;
        }
        COVERED.into_iter().filter(|name| headers.contains_key(*name)).try_for_each(need)
    }

    fn check_time(&self, now: u64) -> Result<(), SignatureFault> {
        let seconds = |name: &'static str| match self.parameter(name) {
            None => Ok(None),
            Some(BareItem::Integer(at)) => {
                let at = u64::try_from(i64::from(*at)).map_err(|_| SignatureFault::Parameter(name))?;
                Ok(Some(at))
            }
            Some(_) => Err(SignatureFault::Parameter(name)),
        };
        let created = seconds("created")?.ok_or(SignatureFault::Parameter("created"))?;
        if created.abs_diff(now) > WINDOW {
            return Err(SignatureFault::Time(WINDOW));
        }
        match seconds("expires")? {
            Some(expires) if expires <= now => Err(SignatureFault::Expired),
            _ => Ok(()),
        }
    }

    fn parameter(&self, name: &'static str) -> Option<&BareItem> {
        self.covered.params.get(name)
    }

    fn text(&self, name: &'static str) -> Result<&str, SignatureFault> {
        match self.parameter(name) {
            Some(BareItem::String(text)) if (1..=MAX_TEXT).contains(&text.as_str().len()) => {
                Ok(text.as_str())
            }
            _ => Err(SignatureFault::Parameter(name)),
        }
    }
}

/// The one line of a header.
pub(super) fn only<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<&'h str, SignatureFault> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or(SignatureFault::Missing(name))?;
    if values.next().is_some() {
        return Err(SignatureFault::Several(name));
    }
    let value = value.to_str().ok().filter(|value| value.len() <= MAX_FIELD);
    value.ok_or(SignatureFault::Form(name))
}

impl fmt::Debug for Signatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signatures").field("keys", &self.keys).finish_non_exhaustive()
    }
}

/// Reads what a signature covers and says about itself, and writes it again: for tests of the parsers.
///
/// # Errors
/// Why it cannot be read.
pub fn signature_input(headers: &HeaderMap) -> Result<String, SignatureFault> {
    if headers.contains_key(digest::HEADER) {
        ContentDigest::read(headers)?;
    }
    Given::read(headers).map(|given| parameters(&given.covered))
}
