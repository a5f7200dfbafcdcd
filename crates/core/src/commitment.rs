//! Commitments to what is not written down.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::{Digest, digest::hex};

/// Commits to some bytes without showing them: whoever has the bytes, and the key if there is one, can tell that they
/// are the ones meant. Without a key, guessable bytes can be found by trying.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Commitment {
    /// HMAC-SHA-256 under the key of the log, written `hmac-sha256:<64 hex digits>`.
    Keyed([u8; 32]),
    /// SHA-256, written `sha256:<64 hex digits>`.
    Plain(Digest),
}

impl From<Digest> for Commitment {
    fn from(digest: Digest) -> Self {
        Self::Plain(digest)
    }
}

impl fmt::Display for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(digest) => digest.fmt(f),
            Self::Keyed(code) => {
                f.write_str("hmac-sha256:")?;
                f.write_str(std::str::from_utf8(&hex(code)).map_err(|_| fmt::Error)?)
            }
        }
    }
}

impl fmt::Debug for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Commitment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
