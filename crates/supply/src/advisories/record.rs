//! An advisory in the OSV format, as far as it is read.

use serde::Deserialize;
use serde_json::Value;

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Record {
    pub(super) id: String,
    /// When it was taken back, if it was.
    pub(super) withdrawn: Option<String>,
    #[serde(default)]
    pub(super) aliases: Vec<String>,
    #[serde(default)]
    pub(super) summary: String,
    #[serde(default)]
    pub(super) severity: Vec<Score>,
    #[serde(default)]
    pub(super) affected: Vec<Affected>,
    #[serde(default)]
    pub(super) database_specific: Value,
}

/// A severity, in some notation.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Score {
    pub(super) score: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Affected {
    pub(super) package: Option<Named>,
    #[serde(default)]
    pub(super) ranges: Vec<Range>,
    #[serde(default)]
    pub(super) versions: Vec<String>,
    #[serde(default)]
    pub(super) severity: Vec<Score>,
    #[serde(default)]
    pub(super) ecosystem_specific: Value,
    #[serde(default)]
    pub(super) database_specific: Value,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Named {
    pub(super) ecosystem: String,
    pub(super) name: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Range {
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) events: Vec<Event>,
}

/// Exactly one of them is there.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Event {
    pub(super) introduced: Option<String>,
    pub(super) fixed: Option<String>,
    pub(super) last_affected: Option<String>,
    pub(super) limit: Option<String>,
}

/// Identifiers of malicious packages begin like this (OpenSSF malicious-packages).
const MALICIOUS: &str = "MAL-";

impl Record {
    /// Whether it is about a package that means harm, not about one that has a mistake.
    pub(super) fn is_malicious(&self) -> bool {
        std::iter::once(&self.id).chain(&self.aliases).any(|id| id.starts_with(MALICIOUS))
    }
}
