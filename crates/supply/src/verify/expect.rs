//! What is expected of an artefact and of those who vouch for it.

use std::{fmt, str::FromStr};

use super::{Fault, Pin, Reason, Signer, Verified, statement::repository};

/// What an artefact and its attestations must be. What is absent is not looked at, except that somebody who is
/// expected must have signed.
#[derive(Clone, Debug, Default)]
pub struct Expectations {
    /// Who signs: the identity in the certificate.
    pub identity: Option<Pattern>,
    /// Who vouches for that identity: the URL of its issuer.
    pub issuer: Option<String>,
    /// The source repository's URL.
    pub source: Option<String>,
    /// Full name of the branch or tag it is built from.
    pub git_ref: Option<Pattern>,
    /// The SLSA builder's id.
    pub builder: Option<Pattern>,
    /// Name of the statement's subject, for example `pkg:npm/NAME@VERSION`.
    pub subject: Option<String>,
    /// The artefact's file name, which attestations of PyPI name.
    pub file_name: Option<String>,
    /// Digests it must have.
    pub pins: Vec<Pin>,
    /// The registry's own signature is enough: that it was published, not who built it.
    pub registry_suffices: bool,
    /// Any signer that the trust root knows is enough. Everybody can be one.
    pub danger_any_signer: bool,
}

/// A text, or its start: `…/release.yml@*`. The star stands at the end, after `/`, `@` or `:`, so that it cannot
/// stand for the rest of a name, and not for everybody at a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    open: bool,
}

/// Why a text is not a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a `*` stands at the end only, after `/`, `@` or `:`, not alone, and in a URL after a part of its path: what it \
     stands for would be anybody's"
)]
pub struct PatternFault;

impl FromStr for Pattern {
    type Err = PatternFault;

    fn from_str(text: &str) -> Result<Self, PatternFault> {
        let (start, open) = text.strip_suffix('*').map_or((text, false), |start| (start, true));
        let closed = start.ends_with(['/', '@', ':']) && is_somebodys(start);
        if start.is_empty() || start.contains('*') || (open && !closed) {
            return Err(PatternFault);
        }
        Ok(Self { text: start.to_owned(), open })
    }
}

/// Whether what starts like this belongs to one owner: a URL has a part of its path, which names the owner at every
/// host that is known; what is no URL is a branch or a tag.
fn is_somebodys(start: &str) -> bool {
    match start.split_once("://") {
        Some((_, rest)) => rest.split_once('/').is_some_and(|(host, path)| {
            let owner = path.split(['/', '@', ':']).next().unwrap_or_default();
            !host.is_empty() && !owner.is_empty()
        }),
        None => !start.contains([':', '@']),
    }
}

impl Pattern {
    /// Whether a text is the one, or starts as it does.
    pub fn matches(&self, text: &str) -> bool {
        if self.open { text.starts_with(&self.text) } else { text == self.text }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.text, if self.open { "*" } else { "" })
    }
}

/// Issuers that vouch for the builds of a host, so that naming a repository there is enough.
const ISSUERS: &[(&str, &str)] = &[
    ("https://github.com/", "https://token.actions.githubusercontent.com"),
    ("https://gitlab.com/", "https://gitlab.com"),
];

impl Expectations {
    /// The issuer that is expected: the one named, or the one of the host that identity or source are of.
    pub fn issuer(&self) -> Option<&str> {
        let named = self.issuer.as_deref();
        let identity = self.identity.as_ref().map(|identity| identity.text.as_str());
        let places = [identity, self.source.as_deref()];
        let known = |place: &str| ISSUERS.iter().find(|(host, _)| place.starts_with(host));
        named.or_else(|| places.into_iter().flatten().find_map(known).map(|(_, issuer)| *issuer))
    }

    /// Whether they say who is expected to sign. An identity without its issuer says nothing.
    pub fn name_a_signer(&self) -> bool {
        self.issuer().is_some() && (self.identity.is_some() || self.source.is_some())
    }

    /// What is wrong with an attestation that is genuine.
    pub(super) fn judge(&self, verified: &Verified) -> Result<(), Fault> {
        self.subject(verified)?;
        let Signer::Certificate { identity, issuer } = &verified.signer else {
            return Ok(());
        };
        if !self.name_a_signer() && !self.danger_any_signer {
            let detail = "somebody has signed, and it is not said whose signature is expected";
            return Err(Fault::new(Reason::SignerUnauthorised, detail));
        }
        if let Some(expected) = self.issuer()
            && issuer.as_deref() != Some(expected)
        {
            return Err(Fault::differs(Reason::IssuerMismatch, issuer.as_deref(), expected));
        }
        if let Some(expected) = &self.identity
            && !identity.as_deref().is_some_and(|identity| expected.matches(identity))
        {
            return Err(Fault::differs(Reason::IdentityMismatch, identity.as_deref(), expected));
        }
        self.origin(verified)
    }

    fn subject(&self, verified: &Verified) -> Result<(), Fault> {
        let expected = if verified.names_file { &self.file_name } else { &None };
        for expected in expected.iter().chain(&self.subject) {
            if !verified.subjects.contains(expected) {
                let found = verified.subjects.first().map(String::as_str);
                return Err(Fault::differs(Reason::SubjectMismatch, found, expected));
            }
        }
        Ok(())
    }

    fn origin(&self, verified: &Verified) -> Result<(), Fault> {
        // What only the statement says, any signer could have written.
        let certified = &verified.certified;
        if let Some(expected) = &self.source {
            let expected = repository(expected);
            if certified.source.as_deref() != Some(expected) {
                return Err(Fault::differs(Reason::SourceMismatch, certified.source.as_deref(), expected));
            }
        }
        if let Some(expected) = &self.git_ref {
            let found = certified.git_ref.as_deref();
            if !found.is_some_and(|found| expected.matches(found)) {
                return Err(Fault::differs(Reason::RefMismatch, found, expected));
            }
        }
        // Only provenance names a builder; that there is one is asked of all attestations together.
        match &self.builder {
            Some(expected) if verified.is_provenance => builder(verified, expected),
            _ => Ok(()),
        }
    }

    /// Whether something is expected that only a certificate can say.
    fn demands_certificate(&self) -> bool {
        let patterns = [&self.identity, &self.git_ref, &self.builder];
        patterns.into_iter().any(Option::is_some) || self.issuer.is_some() || self.source.is_some()
    }

    /// What is missing when every attestation is genuine and as expected.
    pub(super) fn suffice(&self, verified: &[&Verified]) -> Result<(), Fault> {
        let mut by_certificate = verified.iter().filter(|it| matches!(it.signer, Signer::Certificate { .. }));
        let certified = by_certificate.clone().next().is_some();
        let published = verified.iter().any(|it| matches!(it.signer, Signer::Registry { .. }));
        // Those with a certificate were judged one by one. A registry's word says nothing about who built it.
        let enough = certified || (published && self.registry_suffices && !self.demands_certificate());
        if !enough {
            let detail = if published { "only the registry has signed" } else { "nobody has signed" };
            return Err(Fault::new(Reason::SignerUnauthorised, detail));
        }
        if self.builder.is_some() && !by_certificate.any(|it| it.is_provenance) {
            return Err(Fault::new(Reason::ProvenanceMissing, "a builder is expected"));
        }
        Ok(())
    }
}

/// A builder counts when the certificate vouches for it too: what only the statement says, its signer wrote.
fn builder(verified: &Verified, expected: &Pattern) -> Result<(), Fault> {
    let found = verified.origin.builder.as_deref();
    match found {
        Some(found) if !expected.matches(found) => {
            Err(Fault::differs(Reason::BuilderMismatch, Some(found), expected))
        }
        Some(found) if !verified.builders.iter().any(|certified| certified == found) => {
            let detail = format!("only the statement names `{found}`, the certificate does not");
            Err(Fault::new(Reason::BuilderMismatch, detail))
        }
        Some(_) => Ok(()),
        None => Err(Fault::differs(Reason::BuilderMismatch, None, expected)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_cannot_stand_for_the_rest_of_a_name() {
        for (pattern, text, expected) in [
            ("https://github.com/a/b", "https://github.com/a/b", Ok(true)),
            ("https://github.com/a/b", "https://github.com/a/bc", Ok(false)),
            (
                "https://github.com/a/b/.github/workflows/r.yml@*",
                "https://github.com/a/b/.github/workflows/r.yml@x",
                Ok(true),
            ),
            ("https://github.com/a/*", "https://github.com/a/b", Ok(true)),
            ("https://github.com/a/*", "https://github.com/ab/c", Ok(false)),
            ("https://github.com/a*", "", Err(PatternFault)),
            ("https://github.com/a@*", "https://github.com/a@v1", Ok(true)),
            ("refs/tags/*", "refs/tags/v1", Ok(true)),
            ("https://github.com/*", "", Err(PatternFault)),
            ("https://*", "", Err(PatternFault)),
            ("https:*", "", Err(PatternFault)),
            ("https:///*", "", Err(PatternFault)),
            ("https:/*", "", Err(PatternFault)),
            ("https://github.com//*", "", Err(PatternFault)),
            ("me@*", "", Err(PatternFault)),
            ("*", "", Err(PatternFault)),
            ("", "", Err(PatternFault)),
            ("a/*/b", "", Err(PatternFault)),
        ] {
            assert_eq!(pattern.parse::<Pattern>().map(|it| it.matches(text)), expected, "{pattern}");
        }
    }

    #[test]
    fn an_identity_counts_with_its_issuer_only() {
        let expect = |identity: &str, issuer: Option<&str>| Expectations {
            identity: identity.parse().ok(),
            issuer: issuer.map(str::to_owned),
            ..Expectations::default()
        };
        assert!(!expect("me@example.com", None).name_a_signer());
        assert!(expect("me@example.com", Some("https://accounts.google.com")).name_a_signer());
        let github = expect("https://github.com/a/b/.github/workflows/r.yml@*", None);
        assert_eq!(github.issuer(), Some("https://token.actions.githubusercontent.com"));
    }
}
