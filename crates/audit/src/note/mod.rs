//! Signed notes (C2SP signed-note): a text and the signatures under it.

mod checkpoint;
mod key;
mod proof;
mod signer;

#[cfg(test)]
mod tests;

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};

pub(crate) use checkpoint::decimal;
pub use checkpoint::{Checkpoint, CheckpointFault};
pub use key::{Algorithm, KeyFault, VerifierKey};
pub use proof::InclusionProof;
pub(crate) use signer::DSSE_PAYLOAD;
pub use signer::{KeyRing, SigningKey};

/// More than a checkpoint with every signature a gateway collects.
pub(crate) const MAX_BYTES: usize = 256 * 1_024;
const MAX_SIGNATURES: usize = 64;

/// A text and its signatures. Nothing in it is to be believed before a signature was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Ends in a newline.
    text: String,
    signatures: Vec<Signature>,
}

/// One line under a note: whose it claims to be, and the signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Name of the key.
    pub name: String,
    /// Number of the key; with its name it says which key is meant.
    pub id: u32,
    /// What the key made of the text.
    pub bytes: Vec<u8>,
}

/// Why bytes are no signed note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoteFault {
    /// Longer than any checkpoint.
    #[error("is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// Not text, or text with control characters.
    #[error("is not plain UTF-8 text")]
    NotText,
    /// No blank line before signatures, or nothing before it.
    #[error("has no text followed by a blank line and signatures")]
    Unsigned,
    /// A line among the signatures is none.
    #[error("signature line {0} is not `— name base64`")]
    Signature(usize),
    /// More signatures than anybody checks.
    #[error("has more than {MAX_SIGNATURES} signatures")]
    TooMany,
}

impl Note {
    /// A note without signatures yet. `text` ends in a newline.
    pub(crate) fn unsigned(text: String) -> Self {
        Self { text, signatures: Vec::new() }
    }

    /// Reads a note.
    ///
    /// # Errors
    /// [`NoteFault`] when the bytes are anything else.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteFault> {
        if bytes.len() > MAX_BYTES {
            return Err(NoteFault::TooLong);
        }
        let all = std::str::from_utf8(bytes).map_err(|_| NoteFault::NotText)?;
        if all.bytes().any(|byte| byte < 0x20 && byte != b'\n') {
            return Err(NoteFault::NotText);
        }
        let at = all.rfind("\n\n").ok_or(NoteFault::Unsigned)?;
        let (text, rest) = all.split_at(at + 1);
        let lines = rest.strip_prefix('\n').and_then(|lines| lines.strip_suffix('\n'));
        let signatures = read_signatures(lines.ok_or(NoteFault::Unsigned)?)?;
        if text == "\n" {
            return Err(NoteFault::Unsigned);
        }
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// The text, its last newline included.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures, unverified.
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Adds a signature unless the same key has one already.
    pub(crate) fn sign(&mut self, signature: Signature) {
        let same = |other: &Signature| other.id == signature.id && other.name == signature.name;
        if !self.signatures.iter().any(same) {
            self.signatures.push(signature);
        }
    }

    /// The text with the signatures of those of `keys` that [signed](Self::verify) it, one of each, and no others.
    pub(crate) fn signed_by<'k>(&self, keys: impl Iterator<Item = &'k VerifierKey>) -> Self {
        let mut note = Self::unsigned(self.text.clone());
        for key in keys.filter(|key| self.verify(key).is_ok()) {
            let made = self.signatures.iter().find(|signature| key.made(signature));
            made.into_iter().for_each(|signature| note.sign(signature.clone()));
        }
        note
    }

    /// Adds those of the signature lines in `lines` that `key` made of this text. Says how many.
    pub fn adopt(&mut self, lines: &str, key: &VerifierKey) -> usize {
        let mut adopted = 0;
        for signature in read_signatures(lines.trim_end_matches('\n')).unwrap_or_default() {
            if key.made(&signature) && key.verify(&self.text, &signature.bytes).is_ok() {
                self.sign(signature);
                adopted += 1;
            }
        }
        adopted
    }

    /// Whether `key` signed this text: its signature verifies, and none that claims to be its own fails.
    /// For cosignatures, the time they were made in seconds since the Unix epoch.
    ///
    /// # Errors
    /// [`Unverified`] when there is no signature of the key or a false one.
    pub fn verify(&self, key: &VerifierKey) -> Result<Option<u64>, Unverified> {
        let mut verified = Err(Unverified::Missing);
        for signature in self.signatures.iter().filter(|signature| key.made(signature)) {
            verified = Ok(key.verify(&self.text, &signature.bytes).map_err(|_| Unverified::False)?);
        }
        verified
    }
}

/// Why a note does not count as signed by a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unverified {
    /// No signature names the key.
    #[error("is not signed by the key")]
    Missing,
    /// A signature names the key and was not made by it.
    #[error("has a false signature of the key")]
    False,
}

fn read_signatures(lines: &str) -> Result<Vec<Signature>, NoteFault> {
    let mut signatures = Vec::new();
    for (line, number) in lines.split('\n').zip(1..) {
        if number > MAX_SIGNATURES {
            return Err(NoteFault::TooMany);
        }
        signatures.push(Signature::parse(line).ok_or(NoteFault::Signature(number))?);
    }
    Ok(signatures)
}

impl Signature {
    fn parse(line: &str) -> Option<Self> {
        let (name, encoded) = line.strip_prefix("— ")?.split_once(' ')?;
        let decoded = STANDARD.decode(encoded).ok()?;
        let (id, bytes) = decoded.split_first_chunk::<4>()?;
        let sound = is_key_name(name) && !bytes.is_empty();
        sound.then(|| Self { name: name.to_owned(), id: u32::from_be_bytes(*id), bytes: bytes.to_vec() })
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = [self.id.to_be_bytes().as_slice(), &self.bytes].concat();
        write!(f, "— {} {}", self.name, STANDARD.encode(whole))
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

/// Whether a key may be called so.
pub(crate) fn is_key_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 255
        && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+')
}
