//! Public keys of notes, in the form they are handed around: `name+id+key`.

use std::{fmt, str::FromStr};

use aws_lc_rs::signature::{ED25519, ML_DSA_44, ParsedPublicKey, VerificationAlgorithm};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};

use super::{Checkpoint, Signature, is_key_name};

/// How a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Ed25519 over the note's text.
    Ed25519,
    /// Ed25519 over a checkpoint and the time at which it was seen (tlog-cosignature).
    Ed25519Cosignature,
    /// ML-DSA-44, which a quantum computer does not break, over a checkpoint and a time (tlog-cosignature).
    MlDsa44,
}

impl Algorithm {
    const ALL: [Self; 3] = [Self::Ed25519, Self::Ed25519Cosignature, Self::MlDsa44];

    /// The identifier byte of C2SP signed-note.
    pub(super) fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::Ed25519Cosignature => 0x04,
            Self::MlDsa44 => 0x06,
        }
    }

    pub(super) fn of(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.byte() == byte)
    }

    /// Its name in the reports of commands.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ed25519 => "Ed25519",
            Self::Ed25519Cosignature => "Ed25519 cosignature",
            Self::MlDsa44 => "ML-DSA-44 cosignature",
        }
    }

    fn key_len(self) -> usize {
        match self {
            Self::Ed25519 | Self::Ed25519Cosignature => 32,
            Self::MlDsa44 => 1_312,
        }
    }

    fn verification(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::Ed25519 | Self::Ed25519Cosignature => &ED25519,
            Self::MlDsa44 => &ML_DSA_44,
        }
    }

    /// Whether signatures carry the time they were made at.
    pub(super) fn is_timed(self) -> bool {
        self != Self::Ed25519
    }
}

/// A public key with the name it signs under.
#[derive(Clone, Debug)]
pub struct VerifierKey {
    name: String,
    algorithm: Algorithm,
    bytes: Vec<u8>,
    id: u32,
    key: ParsedPublicKey,
}

/// Why a text is no public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// Not three parts.
    #[error("is not `name+id+key`")]
    Form,
    /// The name is empty or has blanks in it.
    #[error("has a name that is empty, longer than 255 bytes, or has blanks in it")]
    Name,
    /// Not a kind of key that is known here.
    #[error("is neither Ed25519 nor ML-DSA-44")]
    Algorithm,
    /// The key has another length, or is no point of its curve.
    #[error("does not hold a key of its kind")]
    Key,
    /// The id belongs to another key or name.
    #[error("has an id that does not belong to its name and key")]
    Id,
}

/// A signature that its key did not make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FalseSignature;

impl VerifierKey {
    pub(super) fn new(name: &str, algorithm: Algorithm, bytes: &[u8]) -> Result<Self, KeyFault> {
        if !is_key_name(name) {
            return Err(KeyFault::Name);
        }
        if bytes.len() != algorithm.key_len() {
            return Err(KeyFault::Key);
        }
        let key = ParsedPublicKey::new(algorithm.verification(), bytes).map_err(|_| KeyFault::Key)?;
        let id = key_id(name, algorithm, bytes);
        Ok(Self { name: name.to_owned(), algorithm, bytes: bytes.to_vec(), id, key })
    }

    /// What it signs as; for a log's own key, the log's origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it signs.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// Whether a signature claims to be this key's.
    pub(super) fn made(&self, signature: &Signature) -> bool {
        signature.id == self.id && signature.name == self.name
    }

    /// Verifies a signature of `text`; for timed ones returns when it was made, in seconds.
    pub(super) fn verify(&self, text: &str, signature: &[u8]) -> Result<Option<u64>, FalseSignature> {
        let (time, signature) = match signature.split_first_chunk::<8>() {
            Some((time, rest)) if self.algorithm.is_timed() => (Some(u64::from_be_bytes(*time)), rest),
            _ => (None, signature),
        };
        let message = message(self.algorithm, &self.name, text, time).ok_or(FalseSignature)?;
        self.key.verify_sig(&message, signature).map_err(|_| FalseSignature)?;
        Ok(time)
    }
}

impl PartialEq for VerifierKey {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.algorithm, &self.bytes) == (&other.name, other.algorithm, &other.bytes)
    }
}

impl Eq for VerifierKey {}

impl FromStr for VerifierKey {
    type Err = KeyFault;

    fn from_str(text: &str) -> Result<Self, KeyFault> {
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(KeyFault::Form);
        };
        let decoded = STANDARD.decode(encoded).map_err(|_| KeyFault::Form)?;
        let (byte, bytes) = decoded.split_first().ok_or(KeyFault::Form)?;
        let key = Self::new(name, Algorithm::of(*byte).ok_or(KeyFault::Algorithm)?, bytes)?;
        if format!("{:08x}", key.id) == id { Ok(key) } else { Err(KeyFault::Id) }
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encoded = STANDARD.encode([&[self.algorithm.byte()], self.bytes.as_slice()].concat());
        write!(f, "{}+{:08x}+{encoded}", self.name, self.id)
    }
}

/// The first four bytes of a digest of name, algorithm and key.
fn key_id(name: &str, algorithm: Algorithm, public: &[u8]) -> u32 {
    let mut hasher = Sha256::new();
    hasher.update(name);
    hasher.update([b'\n', algorithm.byte()]);
    hasher.update(public);
    let digest: [u8; 32] = hasher.finalize().into();
    digest.first_chunk::<4>().map_or(0, |first| u32::from_be_bytes(*first))
}

/// What is signed. None when the text is no checkpoint and has to be one, or a time is missing.
pub(super) fn message(algorithm: Algorithm, name: &str, text: &str, time: Option<u64>) -> Option<Vec<u8>> {
    match algorithm {
        Algorithm::Ed25519 => Some(text.as_bytes().to_vec()),
        Algorithm::Ed25519Cosignature => Some(format!("cosignature/v1\ntime {}\n{text}", time?).into_bytes()),
        Algorithm::MlDsa44 => subtree(name, time?, &Checkpoint::parse(text).ok()?),
    }
}

/// The structure `cosigned_message` of C2SP tlog-cosignature, over the whole tree.
fn subtree(name: &str, time: u64, checkpoint: &Checkpoint) -> Option<Vec<u8>> {
    let mut message = b"subtree/v1\n\0".to_vec();
    message.push(u8::try_from(name.len()).ok()?);
    message.extend_from_slice(name.as_bytes());
    message.extend_from_slice(&time.to_be_bytes());
    message.push(u8::try_from(checkpoint.origin.len()).ok()?);
    message.extend_from_slice(checkpoint.origin.as_bytes());
    message.extend_from_slice(&0_u64.to_be_bytes());
    message.extend_from_slice(&checkpoint.size.to_be_bytes());
    message.extend_from_slice(checkpoint.root.as_bytes());
    Some(message)
}
