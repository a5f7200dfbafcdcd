//! From a package's name to the exact archives of it and of all that it needs, downloaded and compared with what the
//! registry said they are. npm and pip do it, with the user's own settings; neither executes anything of a package.

mod about;
mod client;
mod local;
mod mcpb;
mod npm;
mod pypi;

use std::path::{Path, PathBuf};

use super::{Claims, Ecosystem, Finding, Internal, InternalFault, Package, unpack::UnpackFault};
use crate::verify::{Digests, Pin};

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Wanted<'w> {
    /// Which package.
    pub package: &'w Package,
    /// URL of the registry or index; when absent, the client's own settings decide.
    pub registry: Option<&'w str>,
    /// Program that is Python, for packages of PyPI.
    pub python: &'w str,
    /// Program that is npm.
    pub npm: &'w str,
    /// Names that are internal, and where they are.
    pub internal: &'w Internal,
    /// Certificates (DER) of those who may sign MCPB bundles; with none, signatures are not verified.
    pub signers: &'w [Vec<u8>],
    /// Seconds since 1970.
    pub now_s: u64,
    /// An empty directory.
    pub quarantine: &'w Path,
}

/// A package with everything it needs, unpacked in the quarantine.
#[derive(Debug)]
pub struct Resolved {
    /// Its exact version; of a file, its digest.
    pub version: String,
    /// The archive of the package itself.
    pub archive: PathBuf,
    /// Digests of that archive.
    pub artifact: Digests,
    /// Where everything was unpacked.
    pub tree: PathBuf,
    /// How it is started.
    pub start: Start,
    /// All packages in it, itself included, in order.
    pub parts: Vec<Part>,
    /// What the package says about itself.
    pub claims: Claims,
    /// Who signed the bundle, by the subject of the certificate, when that is one that was named.
    pub signer: Option<String>,
    /// What an approver should know.
    pub findings: Vec<Finding>,
}

/// How a server is started: an interpreter, if it needs one, and a file of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// `node`, `python3`, or none for a program.
    pub interpreter: Option<&'static str>,
    /// A path in the tree, or `MODULE:FUNCTION` for Python.
    pub entry: String,
}

/// One package of a tree.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of the archive it came in, its own or that of the package that bundles it, in hexadecimal digits.
    pub sha256: String,
    /// SHA-512 of the same.
    pub sha512: String,
    /// Whether it comes in the archive of another package.
    pub bundled: bool,
    /// Its licence, in its own words.
    pub licence: Option<String>,
}

/// What is happening, for somebody who waits.
pub type Progress<'p> = &'p mut dyn FnMut(&str);

/// Why a package is not there.
#[derive(Debug, thiserror::Error)]
pub enum ResolveFault {
    /// The client is not installed.
    #[error("`{program}` could not be started: {error}")]
    Client {
        /// Which one.
        program: String,
        /// What the system said.
        #[source]
        error: std::io::Error,
    },
    /// The client could not do it.
    #[error("{program}: {said}")]
    Failed {
        /// Which one.
        program: String,
        /// The last of what it said.
        said: String,
    },
    /// An archive is not the one that was announced, as the client itself found.
    #[error("{program}: an archive is not what the registry says it is: {said}")]
    Mismatch {
        /// Which client.
        program: String,
        /// The last of what it said.
        said: String,
    },
    /// What it wrote cannot be read.
    #[error("{what} cannot be read: {why}")]
    Answer {
        /// What it wrote.
        what: &'static str,
        /// Why not.
        why: String,
    },
    /// A part of the tree is from somewhere that vouches for nothing.
    #[error("`{name}` is {what}")]
    Source {
        /// Which part.
        name: String,
        /// Where it is from.
        what: &'static str,
    },
    /// A name that is internal, from elsewhere.
    #[error(transparent)]
    Internal(#[from] InternalFault),
    /// The registry announced another archive than the one it gave.
    #[error(
        "`{name}` is not what the registry says it is: its digest is sha256:{found}, expected `{expected}`"
    )]
    Integrity {
        /// Which part.
        name: String,
        /// What was downloaded.
        found: String,
        /// What was announced.
        expected: String,
    },
    /// A bundle is not signed by anybody who is named.
    #[error("`{name}`: {what}")]
    Signature {
        /// Which one.
        name: String,
        /// What is wrong.
        what: String,
    },
    /// It has nothing that could be started, or too much.
    #[error("`{name}` {what}")]
    NoProgram {
        /// Which package.
        name: String,
        /// What is wrong.
        what: String,
    },
    /// An archive.
    #[error("`{name}`: {fault}")]
    Unpack {
        /// Of which part.
        name: String,
        /// What is wrong with it.
        #[source]
        fault: UnpackFault,
    },
    /// The disk.
    #[error("{path}: {error}")]
    Disk {
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        error: std::io::Error,
    },
}

/// Resolves, downloads, compares and unpacks.
pub fn resolve(wanted: &Wanted<'_>, progress: Progress<'_>) -> Result<Resolved, ResolveFault> {
    let Package { ecosystem, name, .. } = wanted.package;
    let registry = wanted.internal.place(*ecosystem, name, wanted.registry)?;
    let wanted = &Wanted { registry, ..wanted.clone() };
    match ecosystem {
        Ecosystem::Npm => npm::resolve(wanted, progress),
        Ecosystem::PyPi => pypi::resolve(wanted, progress),
        Ecosystem::File => local::resolve(wanted, progress),
        Ecosystem::Mcpb => mcpb::resolve(wanted, progress),
    }
}

fn disk(path: &Path) -> impl Fn(std::io::Error) -> ResolveFault + '_ {
    move |error| ResolveFault::Disk { path: path.to_owned(), error }
}

fn unpacking(name: &str) -> impl Fn(UnpackFault) -> ResolveFault + '_ {
    move |fault| ResolveFault::Unpack { name: name.to_owned(), fault }
}

/// The digests of an archive, when they are what the registry announced.
fn compared(name: &str, archive: &Path, announced: &str) -> Result<Digests, ResolveFault> {
    let digests = std::fs::File::open(archive).and_then(Digests::of).map_err(disk(archive))?;
    // npm may announce several; each has to hold, and one has to be strong enough to count.
    let mut pins = announced.split_whitespace().filter_map(|text| text.parse::<Pin>().ok()).peekable();
    if pins.peek().is_none() {
        return Err(ResolveFault::Source {
            name: name.to_owned(),
            what: "announced without a strong digest",
        });
    }
    match pins.find(|pin| !pin.holds(&digests)) {
        Some(pin) => Err(ResolveFault::Integrity {
            name: name.to_owned(),
            found: digests.sha256,
            expected: pin.to_string(),
        }),
        None => Ok(digests),
    }
}
