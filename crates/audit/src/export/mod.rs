//! Records in the formats that security monitoring reads (control LOG-04).
//!
//! | format | what one record becomes |
//! |---|---|
//! | OCSF 1.8 | an event of class API Activity (6003), or Application Lifecycle (6002) for what happens to the gateway |
//! | CEF 0 | one line |
//! | Parquet | a row of a file |
//!
//! What the agentic extensions of LOG-04 ask for and the schema has no place for is in OCSF's `unmapped` and in CEF's
//! custom strings, under the names `delegation_path`, `attestation_state`, `correlation_id`, `mcp_method` and
//! `mcp_name`.

mod agent;
mod cef;
mod containment;
mod facts;
mod ocsf;
mod parquet;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

pub use containment::{Evidence, EvidenceFault};
pub use parquet::{ParquetFault, ParquetFile};

use crate::LoggedRecord;
use facts::Facts;

/// A format to export to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Open Cybersecurity Schema Framework, one JSON object a line.
    Ocsf,
    /// Common Event Format.
    Cef,
}

/// Turns records into lines. Outcomes name nobody, so it remembers the decisions whose outcome has not come by.
#[derive(Debug)]
pub struct Exporter {
    format: Format,
    version: String,
    open: HashMap<String, LoggedRecord>,
}

impl Exporter {
    /// Begins without knowing any decision. `version` is the product's, for the fields that ask for it.
    pub fn new(format: Format, version: &str) -> Self {
        Self { format, version: version.to_owned(), open: HashMap::new() }
    }

    /// The record as one line, without its newline.
    pub fn line(&mut self, record: LoggedRecord) -> String {
        let decision = record.concerns().and_then(|id| self.open.remove(id));
        let facts = Facts { record: &record, decision: decision.as_ref() };
        let line = match self.format {
            Format::Ocsf => ocsf::event(&facts, &self.version).to_string(),
            Format::Cef => cef::line(&facts, &self.version),
        };
        if let Some(id) = record.id().filter(|_| record.allows()).map(str::to_owned) {
            self.open.insert(id, record);
        }
        line
    }
}
