//! A book as it is kept.

use portcullis_core::PinKind;
use serde::{Deserialize, Serialize};

use super::{book::Book, pin::Pin};

/// The one format there is.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    format: u32,
    listed: Vec<PinKind>,
    pins: Vec<KeptPin>,
}

#[derive(Serialize, Deserialize)]
struct KeptPin {
    kind: PinKind,
    name: String,
    #[serde(flatten)]
    pin: Pin,
}

/// Why a text is not a book.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BookFault {
    /// Not JSON of the right shape.
    #[error("it is not a file of pins: {0}")]
    Shape(String),
    /// Written by another version of the program.
    #[error("it has format {0}, and this version reads format {FORMAT}")]
    Format(u32),
    /// A digest does not fit what it is a digest of.
    #[error("the digest of {0} `{1}` does not fit its definition")]
    Digest(PinKind, String),
}

impl Book {
    /// Reads a book.
    ///
    /// # Errors
    /// [`BookFault`] when it was changed by something that does not know how, or was cut short.
    pub fn read(text: &[u8]) -> Result<Self, BookFault> {
        let kept: Kept = serde_json::from_slice(text).map_err(|e| BookFault::Shape(e.to_string()))?;
        if kept.format != FORMAT {
            return Err(BookFault::Format(kept.format));
        }
        let mut book = Self { listed: kept.listed.into_iter().collect(), ..Self::default() };
        for KeptPin { kind, name, pin } in kept.pins {
            let versions = pin.trusted.iter().chain(&pin.earlier).map(|it| (it.digest, &it.definition));
            let mut all = versions.chain(pin.held.iter().map(|it| (it.digest, &it.definition)));
            if all.any(|(digest, text)| digest != portcullis_core::Digest::of(text.as_bytes())) {
                return Err(BookFault::Digest(kind, name));
            }
            book.pins.insert((kind, name), pin);
        }
        Ok(book)
    }

    /// The book as it is kept: JSON, indented, so that people can compare two of them.
    pub fn write(&self) -> Vec<u8> {
        let pins = self.pins.iter().map(|((kind, name), pin)| KeptPin {
            kind: *kind,
            name: name.clone(),
            pin: pin.clone(),
        });
        let kept =
            Kept { format: FORMAT, listed: self.listed.iter().copied().collect(), pins: pins.collect() };
        // Strings, numbers and lists of them cannot fail to be written.
        let mut text = serde_json::to_vec_pretty(&kept).unwrap_or_default();
        text.push(b'\n');
        text
    }
}
