//! Package URLs (ECMA-427), as far as they name packages of npm, PyPI and files.

use crate::admit::{Ecosystem, normal};

/// A package, and one of its versions where it names one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Purl {
    /// In lower case.
    pub(crate) kind: String,
    /// With its namespace, in the form in which its registry compares names.
    pub(crate) name: String,
    pub(crate) version: Option<String>,
}

/// More than any name and version of a package.
const MAX_PURL: usize = 1_024;

impl Purl {
    /// Reads one; qualifiers and subpath are left out. None when it is none.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("pkg:").filter(|rest| rest.len() <= MAX_PURL)?;
        let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
        let rest = rest.split_once('?').map_or(rest, |(before, _)| before);
        let (kind, rest) = rest.trim_start_matches('/').split_once('/')?;
        // The `@` of a scope is escaped, or the first character of its part of the path.
        let at = rest.rfind('@').filter(|at| *at > 0 && !rest.get(..*at).unwrap_or_default().ends_with('/'));
        let (name, version) = match at.and_then(|at| Some((rest.get(..at)?, rest.get(at + 1..)?))) {
            Some((name, version)) => (name, Some(decoded(version)?)),
            None => (rest, None),
        };
        let kind = kind.to_ascii_lowercase();
        let name = decoded(name.trim_matches('/'))?;
        let name = if kind == "pypi" { normal(&name) } else { name };
        let plain = |text: &str| !text.is_empty() && !text.chars().any(char::is_control);
        let sound = plain(&kind) && plain(&name) && version.as_deref().is_none_or(plain);
        sound.then_some(Self { kind, name, version })
    }

    /// Whether it names packages of this kind.
    pub(crate) fn is_of(&self, ecosystem: Ecosystem) -> bool {
        self.kind == kind(ecosystem)
    }

    /// Whether it means this package, in this version or in any.
    pub(crate) fn means(&self, ecosystem: Ecosystem, name: &str, version: &str) -> bool {
        self.kind == kind(ecosystem)
            && self.name == name
            && self.version.as_deref().is_none_or(|it| it == version)
    }
}

fn kind(ecosystem: Ecosystem) -> &'static str {
    match ecosystem {
        Ecosystem::Npm => "npm",
        Ecosystem::PyPi => "pypi",
        Ecosystem::File | Ecosystem::Mcpb => "generic",
    }
}

/// The package URL of a package.
pub(crate) fn write(ecosystem: Ecosystem, name: &str, version: &str) -> String {
    let escaped = |text: &str| {
        text.replace('%', "%25")
            .replace('@', "%40")
            .replace('+', "%2B")
            .replace(' ', "%20")
            .replace(['?', '#'], "_")
    };
    format!("pkg:{}/{}@{}", kind(ecosystem), escaped(name), escaped(version))
}

/// Percent-encoding taken off (RFC 3986 section 2.1).
fn decoded(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.bytes());
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
        bytes.push(high << 4 | low);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn package_urls_are_read() {
        for (text, expected) in [
            ("pkg:npm/a@1.0.0", Some(("npm", "a", Some("1.0.0")))),
            ("pkg:npm/%40s/a@1.0.0", Some(("npm", "@s/a", Some("1.0.0")))),
            ("pkg:npm/@s/a@1.0.0", Some(("npm", "@s/a", Some("1.0.0")))),
            ("pkg:npm/@s/a", Some(("npm", "@s/a", None))),
            ("pkg:NPM/a?x=y#z", Some(("npm", "a", None))),
            ("pkg:pypi/A.b@1%2Blocal", Some(("pypi", "a-b", Some("1+local")))),
            ("pkg:pypi/a@", None),
            ("pkg:npm/", None),
            ("pkg:npm", None),
            ("pkg:npm/%4", None),
            ("pkg:npm/%zz", None),
            ("pkg:npm/%ff", None),
            ("pkg:npm/a%0ab", None),
            ("npm/a@1", None),
        ] {
            let read = Purl::read(text);
            let read = read.as_ref().map(|it| (it.kind.as_str(), it.name.as_str(), it.version.as_deref()));
            assert_eq!(read, expected, "{text}");
        }
    }

    #[test]
    fn package_urls_are_escaped() {
        for (ecosystem, name, version, expected) in [
            (Ecosystem::Npm, "@s/a", "1.0.0", "pkg:npm/%40s/a@1.0.0"),
            (Ecosystem::PyPi, "a", "1.0+local", "pkg:pypi/a@1.0%2Blocal"),
            (Ecosystem::File, "a b.tgz", "ab12", "pkg:generic/a%20b.tgz@ab12"),
        ] {
            assert_eq!(write(ecosystem, name, version), expected);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(name in "(@[a-z%+ ]{1,9}/)?[a-zA-Z0-9._%+ -]{1,20}", version in "[0-9a-z.+%-]{1,12}") {
            let read = Purl::read(&write(Ecosystem::Npm, &name, &version));
            prop_assert!(read.is_some_and(|it| it.means(Ecosystem::Npm, &name, &version)));
        }

        #[test]
        fn any_text_is_read_or_not(text in "(pkg:)?.{0,60}") {
            let _ = Purl::read(&text);
        }
    }
}
