//! A list of definitions that somebody vouches for, as the text that is signed.

use std::collections::BTreeSet;

use portcullis_core::{Digest, PinKind};

use super::book::Book;

/// First line, so that a signature under it is never taken for one under something else.
const HEAD: &str = "portcullis pins manifest v1";

/// The definitions of one server, by kind, name and digest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// The book it was made of.
    pub server: String,
    entries: BTreeSet<(PinKind, String, Digest)>,
}

/// Why a text is no manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestFault {
    /// It begins differently.
    #[error("it is not a list of pins")]
    Head,
    /// A line is none.
    #[error("line {0} is not `kind digest \"name\"`")]
    Line(usize),
}

impl Manifest {
    /// Everything that is trusted in a book. Resources come and go with their data and are left out.
    pub fn of(server: &str, book: &Book) -> Self {
        let signed = book.pins().filter(|(kind, ..)| *kind != PinKind::Resource);
        let entries = signed
            .filter_map(|(kind, name, pin)| Some((kind, name.to_owned(), pin.trusted.as_ref()?.digest)));
        Self { server: server.to_owned(), entries: entries.collect() }
    }

    /// How many definitions are in it.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether it vouches for this definition.
    pub(super) fn vouches(&self, kind: PinKind, name: &str, digest: Digest) -> bool {
        self.entries.contains(&(kind, name.to_owned(), digest))
    }

    /// The text to be signed.
    pub fn write(&self) -> String {
        let line = |(kind, name, digest): &(PinKind, String, Digest)| {
            format!("{kind} {digest} {}\n", serde_json::Value::from(name.as_str()))
        };
        let lines: String = self.entries.iter().map(line).collect();
        format!("{HEAD}\n{}\n{lines}", self.server)
    }

    /// Reads the text of a note whose signature was verified.
    ///
    /// # Errors
    /// [`ManifestFault`] when it is anything else.
    pub fn read(text: &str) -> Result<Self, ManifestFault> {
        let mut lines = text.lines();
        if lines.next() != Some(HEAD) {
            return Err(ManifestFault::Head);
        }
        let server = lines.next().ok_or(ManifestFault::Head)?.to_owned();
        let entry = |line: &str| {
            let (kind, rest) = line.split_once(' ')?;
            let (digest, name) = rest.split_once(' ')?;
            let kind = PinKind::ALL.into_iter().find(|known| known.as_str() == kind)?;
            Some((kind, serde_json::from_str(name).ok()?, digest.parse().ok()?))
        };
        let entries = lines.zip(3..).map(|(line, at)| entry(line).ok_or(ManifestFault::Line(at)));
        Ok(Self { server, entries: entries.collect::<Result<_, _>>()? })
    }
}
