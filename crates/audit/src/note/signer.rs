//! Private keys of notes, and the file they are kept in.

use std::fmt;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _, ML_DSA_44_SIGNING, PqdsaKeyPair};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use portcullis_core::Secret;

use super::{Algorithm, Checkpoint, KeyFault, Note, Signature, VerifierKey, key::message};

/// What is in an envelope of an in-toto Statement (in-toto attestation framework 1.0).
pub(crate) const DSSE_PAYLOAD: &str = "application/vnd.in-toto+json";
const PREFIX: &str = "PRIVATE+KEY+";
const SEED_BYTES: usize = 32;

/// A private key with the name it signs under.
pub struct SigningKey {
    seed: Secret,
    pair: Pair,
    public: VerifierKey,
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    MlDsa44(PqdsaKeyPair),
}

impl SigningKey {
    /// A new key.
    ///
    /// # Errors
    /// When the name cannot be one or the system has no randomness.
    pub fn generate(name: &str, algorithm: Algorithm) -> Result<Self, KeyFault> {
        let mut seed = [0; SEED_BYTES];
        getrandom::fill(&mut seed).map_err(|_| KeyFault::Key)?;
        Self::of_seed(name, algorithm, Secret::new(seed.to_vec()))
    }

    fn of_seed(name: &str, algorithm: Algorithm, seed: Secret) -> Result<Self, KeyFault> {
        let (pair, public) = match algorithm {
            Algorithm::Ed25519 | Algorithm::Ed25519Cosignature => {
                let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose()).map_err(|_| KeyFault::Key)?;
                let public = pair.public_key().as_ref().to_vec();
                (Pair::Ed25519(pair), public)
            }
            Algorithm::MlDsa44 => {
                let pair = PqdsaKeyPair::from_seed(&ML_DSA_44_SIGNING, seed.expose());
                let pair = pair.map_err(|_| KeyFault::Key)?;
                let public = pair.public_key().as_ref().to_vec();
                (Pair::MlDsa44(pair), public)
            }
        };
        Ok(Self { seed, pair, public: VerifierKey::new(name, algorithm, &public)? })
    }

    /// Reads a line of a key file: `PRIVATE+KEY+name+id+key`.
    ///
    /// # Errors
    /// [`KeyFault`] when the line is anything else.
    pub fn parse(line: &str) -> Result<Self, KeyFault> {
        let rest = line.trim().strip_prefix(PREFIX).ok_or(KeyFault::Form)?;
        let mut parts = rest.splitn(3, '+');
        let (Some(name), Some(id), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(KeyFault::Form);
        };
        let decoded = Secret::new(STANDARD.decode(encoded).map_err(|_| KeyFault::Form)?);
        let (byte, seed) = decoded.expose().split_first().ok_or(KeyFault::Form)?;
        let algorithm = Algorithm::of(*byte).ok_or(KeyFault::Algorithm)?;
        let key = Self::of_seed(name, algorithm, Secret::new(seed.to_vec()))?;
        if format!("{:08x}", key.public.id()) == id { Ok(key) } else { Err(KeyFault::Id) }
    }

    /// The line of a key file that holds this key.
    pub fn line(&self) -> Secret {
        let algorithm = self.public.algorithm().byte();
        let encoded = STANDARD.encode([&[algorithm], self.seed.expose()].concat());
        let (name, id) = (self.public.name(), self.public.id());
        Secret::new(format!("{PREFIX}{name}+{id:08x}+{encoded}\n").into_bytes())
    }

    /// An Ed25519 signature of something that is no note, which its first byte has to show: notes begin with a name. None
    /// for keys of another kind.
    pub(crate) fn sign_json(&self, object: &[u8]) -> Option<Vec<u8>> {
        match &self.pair {
            Pair::Ed25519(pair) if object.first() == Some(&b'{') => {
                pair.try_sign(object).ok().map(|signature| signature.as_ref().to_vec())
            }
            Pair::Ed25519(_) | Pair::MlDsa44(_) => None,
        }
    }

    /// An Ed25519 signature of an in-toto Statement in canonical JSON, as a DSSE envelope has it. What is signed ends with a
    /// brace, and the text of a note with a newline. None for keys of another kind.
    pub(crate) fn sign_statement(&self, statement: &[u8]) -> Option<Vec<u8>> {
        let Pair::Ed25519(pair) = &self.pair else { return None };
        if statement.last() != Some(&b'}') {
            return None;
        }
        let (kind, length) = (DSSE_PAYLOAD.len(), statement.len());
        let mut encoded = format!("DSSEv1 {kind} {DSSE_PAYLOAD} {length} ").into_bytes();
        encoded.extend_from_slice(statement);
        pair.try_sign(&encoded).ok().map(|signature| signature.as_ref().to_vec())
    }

    /// The bytes of the public key.
    pub(crate) fn public_bytes(&self) -> &[u8] {
        match &self.pair {
            Pair::Ed25519(pair) => pair.public_key().as_ref(),
            Pair::MlDsa44(pair) => pair.public_key().as_ref(),
        }
    }

    /// The public key.
    pub fn public(&self) -> &VerifierKey {
        &self.public
    }

    /// A signature of a checkpoint's text, made at `now_s` seconds since the Unix epoch; none when the text
    /// is no checkpoint or the library fails.
    pub fn sign(&self, text: &str, now_s: u64) -> Option<Signature> {
        let algorithm = self.public.algorithm();
        let time = algorithm.is_timed().then_some(now_s);
        let message = message(algorithm, self.public.name(), text, time)?;
        let signed = match &self.pair {
            Pair::Ed25519(pair) => pair.try_sign(&message).ok()?.as_ref().to_vec(),
            Pair::MlDsa44(pair) => {
                let mut signature = vec![0; ML_DSA_44_SIGNING.signature_len()];
                pair.sign(&message, &mut signature).ok()?;
                signature
            }
        };
        let mut bytes = time.map_or_else(Vec::new, |time| time.to_be_bytes().to_vec());
        bytes.extend_from_slice(&signed);
        Some(Signature { name: self.public.name().to_owned(), id: self.public.id(), bytes })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public)
    }
}

/// The keys of one log: all of them sign each of its checkpoints.
#[derive(Debug)]
pub struct KeyRing(Vec<SigningKey>);

impl KeyRing {
    /// Reads a key file: one key a line, all of one name.
    ///
    /// # Errors
    /// The line's number and what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, (usize, KeyFault)> {
        let mut keys: Vec<SigningKey> = Vec::new();
        for (line, number) in text.lines().zip(1..) {
            let key = SigningKey::parse(line).map_err(|fault| (number, fault))?;
            if keys.first().is_some_and(|first| first.public.name() != key.public.name()) {
                return Err((number, KeyFault::Name));
            }
            keys.push(key);
        }
        if keys.is_empty() { Err((1, KeyFault::Form)) } else { Ok(Self(keys)) }
    }

    /// The key among them that signs what is no note: an Ed25519 key.
    pub(crate) fn for_json(&self) -> Option<&SigningKey> {
        self.0.iter().find(|key| matches!(key.pair, Pair::Ed25519(_)))
    }

    /// The name all of them sign under: the log's origin.
    pub fn name(&self) -> &str {
        self.0.first().map_or("", |key| key.public.name())
    }

    /// The public keys.
    pub fn public(&self) -> impl Iterator<Item = &VerifierKey> {
        self.0.iter().map(SigningKey::public)
    }

    /// The checkpoint as a note signed by every key; none when one of them could not sign.
    pub fn sign(&self, checkpoint: &Checkpoint, now_s: u64) -> Option<Note> {
        let mut note = Note::unsigned(checkpoint.to_string());
        self.sign_also(&mut note, now_s).then_some(note)
    }

    /// Any other text as a note signed by every key; none when one of them could not sign. What a text is about has to
    /// stand in it, so that it is never taken for a checkpoint.
    pub fn sign_text(&self, text: String, now_s: u64) -> Option<Note> {
        let mut note = Note::unsigned(text);
        self.sign_also(&mut note, now_s).then_some(note)
    }

    /// A signature of every key under a checkpoint's text; none when one of them could not sign.
    pub(crate) fn signatures(&self, text: &str, now_s: u64) -> Option<Vec<Signature>> {
        self.0.iter().map(|key| key.sign(text, now_s)).collect()
    }

    /// Adds a signature of every key; says whether all of them could.
    pub(crate) fn sign_also(&self, note: &mut Note, now_s: u64) -> bool {
        for key in &self.0 {
            let Some(signature) = key.sign(note.text(), now_s) else { return false };
            note.sign(signature);
        }
        true
    }
}
