//! Bills of materials: what is in a server, written from the lock, and read from its publisher to be compared with what
//! is there.
//!
//! CycloneDX 1.4 to 1.7 and SPDX 2.2 and 2.3 are read, CycloneDX 1.6 and SPDX 2.3 written, all of them as JSON. The same
//! lock gives the same text.

mod compare;
mod cyclonedx;
mod spdx;

use portcullis_core::wire::json::Limits;
use serde_json::Value;

use crate::{
    admit::{Admitted, Ecosystem, LockedPart, Package},
    document,
    purl::Purl,
};

pub use compare::{Comparison, compare};

/// Largest bill, in bytes.
pub const MAX_BILL: usize = 64 << 20;
const LIMITS: Limits = Limits {
    max_bytes: MAX_BILL,
    max_depth: 64,
    max_string: 4 << 20,
    max_members: 200_000,
    max_nodes: 5_000_000,
};
/// Most packages in one.
const MAX_COMPONENTS: usize = 200_000;
/// Longest name, version or licence that is kept, in characters.
const MAX_TEXT: usize = 300;

/// How a bill is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// CycloneDX.
    CycloneDx,
    /// SPDX.
    Spdx,
}

/// What somebody says is in something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bill {
    /// How it was written.
    pub form: Form,
    /// What it is about, where it says so.
    pub subject: Option<Component>,
    /// What is in it.
    pub components: Vec<Component>,
}

/// One package of a bill.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Component {
    /// Its name.
    pub name: String,
    /// Its version, where one is said.
    pub version: Option<String>,
    /// SHA-256 of its archive in hexadecimal digits, where it is said.
    pub sha256: Option<String>,
    /// SHA-512 of its archive in hexadecimal digits, where it is said.
    pub sha512: Option<String>,
    pub(crate) purl: Option<Purl>,
}

/// Why a bill cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BillFault {
    /// It is no document that can be read.
    #[error("it cannot be read: {0}")]
    Document(String),
    /// It is of another form or version.
    #[error("it is neither CycloneDX 1.4 to 1.7 nor SPDX 2.2 or 2.3, as JSON")]
    Form,
    /// More than there can be.
    #[error("it names more than {MAX_COMPONENTS} packages")]
    Bound,
}

/// Reads a bill.
///
/// # Errors
/// [`BillFault`] when it is no bill of a form and version that is known.
pub fn read(bytes: &[u8]) -> Result<Bill, BillFault> {
    let document = document::strict(bytes, &LIMITS).map_err(BillFault::Document)?;
    let bill = match (text(&document, "bomFormat"), text(&document, "spdxVersion")) {
        (Some("CycloneDX"), _) => cyclonedx::read(&document),
        (_, Some("SPDX-2.2" | "SPDX-2.3")) => Some(spdx::read(&document)),
        _ => None,
    };
    let bill = bill.ok_or(BillFault::Form)?;
    if bill.components.len() > MAX_COMPONENTS { Err(BillFault::Bound) } else { Ok(bill) }
}

/// The bill of a server, from what the lock says about it.
pub fn write(server: &Admitted, form: Form) -> Value {
    match form {
        Form::CycloneDx => cyclonedx::write(server),
        Form::Spdx => spdx::write(server),
    }
}

impl Form {
    /// Form and version that are written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CycloneDx => "CycloneDX 1.6",
            Self::Spdx => "SPDX 2.3",
        }
    }
}

fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name).and_then(Value::as_str)
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// An object with one more member, where there is one.
fn with(mut object: Value, name: &str, member: Option<Value>) -> Value {
    if let (Some(members), Some(member)) = (object.as_object_mut(), member) {
        members.insert(name.to_owned(), member);
    }
    object
}

/// SHA-256 of a package's own archive, in hexadecimal digits. That of a package that is bundled is another one's.
fn digest(part: &LockedPart) -> Option<String> {
    let digest = part.artifact.to_string();
    digest.strip_prefix("sha256:").filter(|_| !part.bundled).map(str::to_owned)
}

/// A text that is kept, in one line.
fn kept(text: &str) -> Option<String> {
    Some(document::line(text, MAX_TEXT)).filter(|it| !it.is_empty())
}

/// A licence as an SPDX expression, when it is one.
fn expression(licence: &str) -> Option<&str> {
    ::spdx::Expression::parse_mode(licence, ::spdx::ParseMode::STRICT).is_ok().then_some(licence)
}

/// The server's own package among its parts.
fn own(server: &Admitted) -> Option<&LockedPart> {
    server.parts.iter().find(|part| part.artifact == server.artifact && !part.bundled)
}

/// The ecosystem that all of a server's packages are of.
fn ecosystem(server: &Admitted) -> Ecosystem {
    let package = server.package.parse::<Package>();
    package.map_or(Ecosystem::File, |it| it.ecosystem)
}
