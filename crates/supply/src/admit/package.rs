//! A package as a person names it.

use std::{fmt, path::PathBuf, str::FromStr};

/// Where packages are from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ecosystem {
    /// The npm registry, or one that speaks like it.
    Npm,
    /// PyPI, or an index that speaks like it (PEP 503).
    PyPi,
    /// A file that is there: a package of either, or a program.
    File,
    /// An MCPB bundle that is there.
    Mcpb,
}

impl Ecosystem {
    /// As it is written before the colon.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Npm => "npm",
            Self::PyPi => "pypi",
            Self::File => "file",
            Self::Mcpb => "mcpb",
        }
    }

    /// Whether it is a file that is there, and in no registry.
    pub const fn is_local(self) -> bool {
        matches!(self, Self::File | Self::Mcpb)
    }

    /// Where a part of a server is from: the modules in a bundle are packages of npm.
    pub const fn of_part(self, bundled: bool) -> Self {
        match (self, bundled) {
            (Self::Mcpb, true) => Self::Npm,
            (own, _) => own,
        }
    }
}

/// `npm:NAME[@VERSION]`, `pypi:NAME[==VERSION]`, `file:PATH` or `mcpb:PATH`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Where it is from.
    pub ecosystem: Ecosystem,
    /// Its name, in the form in which its registry compares names; the path of a file.
    pub name: String,
    /// Exactly this version; when absent, the newest.
    pub version: Option<String>,
}

/// Why a text names no package.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackageFault {
    /// It begins differently.
    #[error("a package is written `npm:NAME[@VERSION]`, `pypi:NAME[==VERSION]`, `file:PATH` or `mcpb:PATH`")]
    Form,
    /// No registry of that kind holds such a name.
    #[error("`{0}` is no name of a package: letters, digits, `-`, `_` and `.` of ASCII only{odd}", odd = foreign(.0))]
    Name(String),
    /// It is a range or a tag.
    #[error("`{0}` is no exact version")]
    Version(String),
}

/// Longest name, as npm has it.
const MAX_NAME: usize = 214;
const MAX_VERSION: usize = 128;

impl FromStr for Package {
    type Err = PackageFault;

    fn from_str(text: &str) -> Result<Self, PackageFault> {
        let (ecosystem, rest) = text.split_once(':').ok_or(PackageFault::Form)?;
        let (ecosystem, name, version) = match ecosystem {
            "npm" => {
                // The first character may be the `@` of a scope.
                let at = rest.char_indices().skip(1).find(|(_, it)| *it == '@').map(|(at, _)| at);
                let (name, version) = match at.and_then(|at| rest.split_at_checked(at)) {
                    Some((name, version)) => (name, version.strip_prefix('@')),
                    None => (rest, None),
                };
                (Ecosystem::Npm, name.to_owned(), version)
            }
            "pypi" => {
                let (name, version) =
                    rest.split_once("==").map_or((rest, None), |(name, version)| (name, Some(version)));
                (Ecosystem::PyPi, normal(name), version)
            }
            "file" if is_path(rest) => (Ecosystem::File, rest.to_owned(), None),
            "mcpb" if is_path(rest) => (Ecosystem::Mcpb, rest.to_owned(), None),
            _ => return Err(PackageFault::Form),
        };
        let named = match ecosystem {
            Ecosystem::Npm => is_npm_name(&name),
            Ecosystem::PyPi => is_pypi_name(&name),
            Ecosystem::File | Ecosystem::Mcpb => true,
        };
        if !named {
            return Err(PackageFault::Name(name.chars().take(80).collect()));
        }
        if let Some(version) = version.filter(|version| !is_version(version)) {
            return Err(PackageFault::Version(version.chars().take(80).collect()));
        }
        Ok(Self { ecosystem, name, version: version.map(str::to_owned) })
    }
}

impl Package {
    /// The path, when it is a file.
    pub fn path(&self) -> Option<PathBuf> {
        self.ecosystem.is_local().then(|| PathBuf::from(&self.name))
    }

    /// The name that npm's attestations give to this version.
    pub fn subject(&self, version: &str) -> Option<String> {
        (self.ecosystem == Ecosystem::Npm)
            .then(|| format!("pkg:npm/{}@{version}", self.name.replacen('@', "%40", 1)))
    }
}

impl fmt::Display for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.ecosystem.as_str(), self.name)?;
        match (&self.version, self.ecosystem) {
            (Some(version), Ecosystem::PyPi) => write!(f, "=={version}"),
            (Some(version), _) => write!(f, "@{version}"),
            (None, _) => Ok(()),
        }
    }
}

/// The form in which names of Python packages are compared (PEP 503).
pub(crate) fn normal(name: &str) -> String {
    let mut normal = String::with_capacity(name.len());
    for character in name.chars() {
        let separator = matches!(character, '-' | '_' | '.');
        if !separator {
            normal.extend(character.to_lowercase());
        } else if !normal.ends_with('-') {
            normal.push('-');
        }
    }
    normal
}

/// Which character of another alphabet is in a name, for those to whom it looks like one of this.
fn foreign(name: &str) -> String {
    let foreign = name.chars().find(|it| !it.is_ascii());
    foreign.map_or_else(String::new, |it| format!(", and U+{:04X} only looks like one", u32::from(it)))
}

fn is_pypi_name(name: &str) -> bool {
    let plain = |it: u8| it.is_ascii_alphanumeric() || it == b'-';
    (1..=MAX_NAME).contains(&name.len())
        && name.bytes().all(plain)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

fn is_path(text: &str) -> bool {
    !text.is_empty() && !text.contains('\0')
}

fn is_npm_name(name: &str) -> bool {
    let plain = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_' | b'.' | b'~');
    let part = |part: &str| !part.is_empty() && !part.starts_with(['-', '.', '_']) && part.bytes().all(plain);
    let whole = match name.strip_prefix('@') {
        Some(scoped) => scoped.split_once('/').is_some_and(|(scope, name)| part(scope) && part(name)),
        None => part(name),
    };
    whole && name.len() <= MAX_NAME
}

fn is_version(text: &str) -> bool {
    let plain = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'.' | b'-' | b'+' | b'_' | b'!');
    text.len() <= MAX_VERSION && text.starts_with(|it: char| it.is_ascii_digit()) && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_named_exactly() {
        for (text, expected) in [
            ("npm:a", Some("npm:a")),
            ("npm:a@1.0.0", Some("npm:a@1.0.0")),
            ("npm:@s/a@1.0.0-rc.1", Some("npm:@s/a@1.0.0-rc.1")),
            ("npm:@s/a", Some("npm:@s/a")),
            ("pypi:MCP_server.time", Some("pypi:mcp-server-time")),
            ("pypi:a==1!2.0+local", Some("pypi:a==1!2.0+local")),
            ("file:./a.tgz", Some("file:./a.tgz")),
            ("mcpb:./a.mcpb", Some("mcpb:./a.mcpb")),
            ("mcpb:", None),
            ("npm:", None),
            ("npm:--registry", None),
            ("npm:../a", None),
            ("npm:a@latest", None),
            ("npm:a@^1.0.0", None),
            ("npm:a@1.0.0 b", None),
            // A Cyrillic letter.
            ("npm:n\u{043e}tes", None),
            ("npm:@s", None),
            ("npm:@/a", None),
            ("pypi:-r", None),
            ("pypi:a>=1", None),
            ("pypi:a==", None),
            ("file:", None),
            ("git:a", None),
            ("a", None),
        ] {
            let package = text.parse::<Package>().ok().map(|package| package.to_string());
            assert_eq!(package.as_deref(), expected, "{text}");
        }
        let fault = "npm:n\u{043e}tes".parse::<Package>().map_err(|fault| fault.to_string());
        assert!(fault.is_err_and(|it| it.contains("U+043E")));
        let subject = "npm:@s/a".parse::<Package>().ok().and_then(|package| package.subject("1.0.0"));
        assert_eq!(subject.as_deref(), Some("pkg:npm/%40s/a@1.0.0"));
    }
}
