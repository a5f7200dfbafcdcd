//! `[supply]`: which servers are admitted, and on whose word.

use std::path::PathBuf;

use portcullis_audit::note::VerifierKey;
use portcullis_supply::admit::InternalName;

use super::{
    kind::{FilePath, List, Maybe, Parsed},
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

settings! {
    /// Which servers are admitted, on whose word, and what `portcullis add` asks of those that are to be, where its options
    /// say nothing else. See `docs/supply.md`.
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
    }
}
