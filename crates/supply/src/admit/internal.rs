//! Names that are an organisation's own, and the registries they come from and no other (dependency confusion).
//!
//! A name that is meant to be internal and is asked for at a public registry is anybody's to publish there, with a higher
//! version than the real one.

use std::str::FromStr;

use super::{Ecosystem, normal};

/// Internal names and where they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Internal {
    names: Vec<InternalName>,
    npm: Option<String>,
    pypi: Option<String>,
}

/// `@acme/*`, `acme-*` or a whole name, of one ecosystem (`npm:…`, `pypi:…`) or of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InternalName {
    ecosystem: Option<Ecosystem>,
    /// Up to the `*`, or all of it.
    begins: String,
    whole: bool,
}

/// Why a package is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InternalFault {
    /// It would be asked for at another registry.
    #[error("`{name}` is an internal name, and would be asked for at `{registry}` instead of {home}")]
    Asked {
        /// The name.
        name: String,
        /// Where it would be asked for.
        registry: String,
        /// Where it should be.
        home: String,
    },
    /// It comes from another registry.
    #[error("`{name}` is an internal name, and what was resolved comes from `{from}` instead of {home}")]
    Elsewhere {
        /// The name.
        name: String,
        /// Where it comes from.
        from: String,
        /// Where it should be from.
        home: String,
    },
}

impl FromStr for InternalName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (ecosystem, name) = match text.split_once(':') {
            Some(("npm", name)) => (Some(Ecosystem::Npm), name),
            Some(("pypi", name)) => (Some(Ecosystem::PyPi), name),
            Some(_) => return Err("is of no ecosystem that is known: `npm:` or `pypi:`".to_owned()),
            None => (None, text),
        };
        let (begins, whole) = name.strip_suffix('*').map_or((name, true), |begins| (begins, false));
        let plain = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'_' | b'.' | b'@' | b'/');
        if begins.len() < 3 || !begins.bytes().all(plain) {
            return Err("is not a name, or three and more characters of one and a `*`".to_owned());
        }
        Ok(Self { ecosystem, begins: begins.to_ascii_lowercase(), whole })
    }
}

impl InternalName {
    fn covers(&self, ecosystem: Ecosystem, name: &str) -> bool {
        // The name of a file is where it is.
        if ecosystem.is_local() || self.ecosystem.is_some_and(|own| own != ecosystem) {
            return false;
        }
        // What ends in a separator covers what follows it, however the index spells that.
        let (name, begins) = match ecosystem {
            Ecosystem::PyPi => (normal(name), normal(&self.begins)),
            _ => (name.to_ascii_lowercase(), self.begins.clone()),
        };
        if self.whole { name == begins } else { name.starts_with(&begins) }
    }

    /// The scope of npm that all of it is in.
    fn scope(&self) -> Option<&str> {
        self.begins.strip_prefix('@')?.strip_suffix('/').filter(|_| !self.whole)
    }
}

impl Internal {
    /// Internal names, and the registry of each ecosystem that they come from.
    pub fn new(names: Vec<InternalName>, npm: Option<String>, pypi: Option<String>) -> Self {
        Self { names, npm, pypi }
    }

    /// Whether a name is internal.
    pub fn covers(&self, ecosystem: Ecosystem, name: &str) -> bool {
        self.names.iter().any(|it| it.covers(ecosystem, name))
    }

    /// Scopes of npm that are internal as a whole, and what others' could be mistaken for.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.names.iter().filter(|it| it.ecosystem != Some(Ecosystem::PyPi)).filter_map(InternalName::scope)
    }

    /// Where internal names of an ecosystem are.
    pub fn registry(&self, ecosystem: Ecosystem) -> Option<&str> {
        match ecosystem {
            Ecosystem::Npm => self.npm.as_deref(),
            Ecosystem::PyPi => self.pypi.as_deref(),
            Ecosystem::File | Ecosystem::Mcpb => None,
        }
    }

    /// The registry that a package is to be asked for at: `asked`, unless the name is internal.
    ///
    /// # Errors
    /// When that is another one than it has to be, or there is none.
    pub fn place<'r>(
        &'r self,
        ecosystem: Ecosystem,
        name: &str,
        asked: Option<&'r str>,
    ) -> Result<Option<&'r str>, InternalFault> {
        if !self.covers(ecosystem, name) {
            return Ok(asked);
        }
        match (self.registry(ecosystem), asked) {
            (Some(home), None) => Ok(Some(home)),
            (Some(home), Some(asked)) if base(ecosystem, home) == base(ecosystem, asked) => Ok(Some(asked)),
            (_, asked) => Err(InternalFault::Asked {
                name: name.to_owned(),
                registry: asked.unwrap_or("whatever the client is set to").to_owned(),
                home: self.home(ecosystem),
            }),
        }
    }

    /// Whether a package that was resolved may come from where it does.
    ///
    /// # Errors
    /// When its name is internal and it does not come from the registry of internal names.
    pub fn check(&self, ecosystem: Ecosystem, name: &str, from: &str) -> Result<(), InternalFault> {
        if !self.covers(ecosystem, name) {
            return Ok(());
        }
        let home = self.registry(ecosystem).map(|home| base(ecosystem, home));
        match home {
            Some(home) if !climbs(from) && from.starts_with(&home) => Ok(()),
            _ => Err(InternalFault::Elsewhere {
                name: name.to_owned(),
                from: without_secrets(from),
                home: self.home(ecosystem),
            }),
        }
    }

    fn home(&self, ecosystem: Ecosystem) -> String {
        match self.registry(ecosystem) {
            Some(home) => format!("`{home}`"),
            None => format!("nowhere: no registry of internal names is set for {}", ecosystem.as_str()),
        }
    }
}

/// What addresses of everything in a registry begin with. An index of Python packages (PEP 503) has its files beside
/// its list.
fn base(ecosystem: Ecosystem, registry: &str) -> String {
    let plain = registry.trim_end_matches('/');
    let plain = match ecosystem {
        Ecosystem::PyPi => plain.strip_suffix("/simple").unwrap_or(plain),
        Ecosystem::Npm | Ecosystem::File | Ecosystem::Mcpb => plain,
    };
    format!("{plain}/")
}

/// Whether an address could be of something else than its beginning says.
fn climbs(address: &str) -> bool {
    address.contains('\\')
        || address.to_ascii_lowercase().contains("%2e")
        || address.split('/').any(|part| part == "..")
}

/// An address without what may be a password in it.
fn without_secrets(address: &str) -> String {
    let address = address.split(['?', '#']).next().unwrap_or_default();
    match address.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            format!("{scheme}://{}/{path}", host.rsplit('@').next().unwrap_or_default())
        }
        None => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use super::*;

    const NPM: &str = "https://npm.acme.test/repository/own/";
    const PYPI: &str = "https://pypi.acme.test/own/simple/";

    fn internal() -> Internal {
        let names = ["@acme/*", "npm:acme-*", "pypi:acme-*", "secret-tool"];
        let names = names.iter().map(|name| name.parse().unwrap()).collect();
        Internal::new(names, Some(NPM.to_owned()), Some(PYPI.to_owned()))
    }

    #[test]
    fn internal_names_come_from_their_registry_only() {
        use Ecosystem::{Npm, PyPi};
        for (ecosystem, name, from, expected) in [
            (Npm, "@acme/desk", "https://npm.acme.test/repository/own/@acme/desk/-/desk-1.0.0.tgz", true),
            (Npm, "@acme/desk", "https://registry.npmjs.org/@acme/desk/-/desk-9.0.0.tgz", false),
            (Npm, "@ACME/Desk", "https://registry.npmjs.org/@ACME/Desk/-/desk-9.0.0.tgz", false),
            (Npm, "@acme/desk", "https://npm.acme.test.evil.test/repository/own/desk.tgz", false),
            (Npm, "@acme/desk", "https://npm.acme.test/repository/own/../mirror/desk.tgz", false),
            (Npm, "@acme/desk", "https://npm.acme.test/repository/own/%2E%2e/mirror/desk.tgz", false),
            (Npm, "@acme/desk", "https://npm.acme.test/repository/mirror/desk.tgz", false),
            (Npm, "@acme/desk", "http://npm.acme.test/repository/own/desk.tgz", false),
            (Npm, "@acme/desk", "", false),
            (Npm, "acme-tool", "https://registry.npmjs.org/acme-tool/-/acme-tool-1.0.0.tgz", false),
            (Npm, "@acmelike/desk", "https://registry.npmjs.org/x.tgz", true),
            (Npm, "secret-tool", "https://registry.npmjs.org/x.tgz", false),
            (Npm, "secret-tools", "https://registry.npmjs.org/x.tgz", true),
            (PyPi, "acme-tool", "https://pypi.acme.test/own/packages/acme_tool-1.0-py3-none-any.whl", true),
            (PyPi, "acme-tool", "https://files.pythonhosted.org/packages/acme_tool-9.0.whl", false),
            (PyPi, "Acme_Tool", "https://files.pythonhosted.org/packages/acme_tool-9.0.whl", false),
            (PyPi, "secret-tool", "https://files.pythonhosted.org/x.whl", false),
            (PyPi, "requests", "https://files.pythonhosted.org/requests.whl", true),
        ] {
            assert_eq!(internal().check(ecosystem, name, from).is_ok(), expected, "{name} {from}");
        }
    }

    #[test]
    fn internal_names_are_asked_for_at_their_registry_only() {
        use Ecosystem::{Npm, PyPi};
        let internal = internal();
        for (ecosystem, name, asked, expected) in [
            (Npm, "@acme/desk", None, Some(Some(NPM))),
            (Npm, "@acme/desk", Some("https://registry.npmjs.org/"), None),
            (
                Npm,
                "@acme/desk",
                Some("https://npm.acme.test/repository/own"),
                Some(Some("https://npm.acme.test/repository/own")),
            ),
            (Npm, "left-pad", None, Some(None)),
            (Npm, "left-pad", Some("https://registry.npmjs.org/"), Some(Some("https://registry.npmjs.org/"))),
            (PyPi, "acme-tool", None, Some(Some(PYPI))),
            (PyPi, "acme-tool", Some("https://pypi.org/simple/"), None),
        ] {
            assert_eq!(internal.place(ecosystem, name, asked).ok(), expected, "{name} {asked:?}");
        }
        assert_eq!(internal.scopes().collect::<Vec<_>>(), ["acme"]);
        // Without a registry, an internal name comes from nowhere.
        let nowhere = Internal::new(vec!["@acme/*".parse().unwrap()], None, None);
        assert!(nowhere.place(Npm, "@acme/desk", None).is_err());
        for text in ["", "*", "a*", "gem:acme-*", "acme *", "a\u{441}me-*"] {
            assert!(text.parse::<InternalName>().is_err(), "{text}");
        }
    }

    #[test]
    fn addresses_are_shown_without_passwords() {
        let shown = without_secrets("https://user:hunter2@npm.test/a.tgz?token=hunter2#x");
        assert_eq!(shown, "https://npm.test/a.tgz");
    }
}
