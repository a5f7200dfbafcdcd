//! `[supply]`: which servers are admitted, and on whose word.

use std::path::PathBuf;

use portcullis_audit::note::VerifierKey;
use portcullis_supply::{admit::InternalName, advisories::Severity, licence::Licence};

use super::{
    kind::{Choice, FilePath, List, Maybe, Parsed, Whole},
    net::{self, HttpUrl},
    section::PUBLIC_KEY,
    setting::settings,
};

const INTERNAL_NAME: Parsed<InternalName> = Parsed {
    phrase: "a name, or three and more characters of one and a `*`",
    example: "@acme/*",
    parse: parse_internal,
};

fn parse_internal(text: &str) -> Result<InternalName, String> {
    text.parse()
}

const LICENCE: Parsed<Licence> =
    Parsed { phrase: "the identifier of a licence", example: "Apache-2.0", parse: parse_licence };

fn parse_licence(text: &str) -> Result<Licence, String> {
    text.parse().map_err(|fault: <Licence as std::str::FromStr>::Err| fault.to_string())
}

const AUTHOR: Parsed<String> = Parsed { phrase: "a name", example: "Acme Security", parse: parse_author };

fn parse_author(text: &str) -> Result<String, String> {
    if text.trim().is_empty() { Err("an author has a name".to_owned()) } else { Ok(text.trim().to_owned()) }
}

settings! {
    /// Which servers are admitted, on whose word, and what is asked of them: by `portcullis serve`, and by `add`,
    /// `lock --check` and `inventory` where their options say nothing else. See `docs/supply.md`.
    pub struct Supply {
        /// The lock: which servers are admitted, as what, on whose word.
        Live lock: PathBuf = FilePath, default r#""portcullis.lock""#;
        /// Directory their files are stored in.
        Live store: PathBuf = FilePath, default r#""~/.local/state/portcullis/store""#;
        /// Public keys of those who may approve. Nobody else's approval counts.
        Live approvers: Vec<VerifierKey> = List(PUBLIC_KEY);
        /// Names of packages that are internal: `@acme/*`, `acme-*`, or a whole one; with `npm:` or `pypi:` before it, of
        /// that ecosystem only. They are taken from the registries below and no other, whoever needs them.
        Live internal_names: Vec<InternalName> = List(INTERNAL_NAME);
        /// The npm registry that internal names come from. Without it they come from nowhere.
        Live internal_npm: Option<HttpUrl> = Maybe(net::URL);
        /// The Python index that internal names come from, in the form that pip takes. Without it they come from nowhere.
        Live internal_pypi: Option<HttpUrl> = Maybe(net::URL);
        /// Folder or zip file of advisories in the OSV format that packages are compared with. Nobody is asked.
        Live osv: Option<PathBuf> = Maybe(FilePath);
        /// Severity from which on an advisory is refused. One that does not say how bad it is counts as `high`, and
        /// malicious packages are refused always.
        Live osv_refuse: Severity = Choice { words: &[
            ("low", Severity::Low, "anything"),
            ("medium", Severity::Medium, "4.0 and more"),
            ("high", Severity::High, "7.0 and more"),
            ("critical", Severity::Critical, "9.0 and more"),
        ] }, default r#""high""#;
        /// Days after which the newest advisory is old, which is a finding.
        Live osv_max_age_days: u64 = Whole::<u64>::new("days", 1, 3650), default "14";
        /// File of advisories that are accepted for some packages, each for a time: `[[except]]` with `id`, `package`,
        /// `until` and `reason`.
        Live osv_exceptions: Option<PathBuf> = Maybe(FilePath);
        /// Documents in which somebody says which advisories do not concern a package: OpenVEX, or CycloneDX with
        /// vulnerabilities. Such an advisory is a finding and refuses no longer, except that a package is malicious.
        Live vex: Vec<PathBuf> = List(FilePath);
        /// Authors, as the documents write them, whose statements count. Nobody else's do.
        Live vex_authors: Vec<String> = List(AUTHOR);
        /// Days for which a statement counts, from when it was made or last looked at.
        Live vex_max_age_days: u64 = Whole::<u64>::new("days", 1, 3650), default "90";
        /// Licences, as SPDX names them, that are enough for a package. Where any is named, `add` and `update` refuse packages
        /// that cannot be used with these alone, and `lock --check` tells them.
        Live licences_allow: Vec<Licence> = List(LICENCE);
        /// Licences, as SPDX names them, of packages that are refused unless they can be used under another one.
        Live licences_deny: Vec<Licence> = List(LICENCE);
    }
}
