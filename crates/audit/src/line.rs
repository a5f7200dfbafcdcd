//! A record as one line of JSON.

use std::fmt::Write as _;

use portcullis_core::{Record, RecordId};

use crate::{bound, time};

/// Version of the line format, the member `v` of each line. A reader refuses lines of another version.
pub const FORMAT_VERSION: u64 = 1;

/// Room for the members the recorder adds in front: version, id, time and sequence.
const PREFIX: usize = 192;
/// Typical size of a decision record, so that serialising it does not grow the buffer.
const TYPICAL_BODY: usize = 1_024;

/// Why a record did not become a line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LineError {
    #[error("record is {0} bytes long, more than the {max} a line may have", max = bound::MAX_LINE)]
    TooLong(usize),
    #[error("record could not be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// A record's own members as JSON, an object. Made outside the lock that orders records.
pub(crate) struct Body(Vec<u8>);

impl Body {
    /// Cuts the record to its limits and serialises it.
    pub(crate) fn of(mut record: Record) -> Result<Self, LineError> {
        bound::record(&mut record);
        let mut json = Vec::with_capacity(TYPICAL_BODY);
        serde_json::to_writer(&mut json, &record)?;
        if json.len() + PREFIX > bound::MAX_LINE {
            return Err(LineError::TooLong(json.len()));
        }
        Ok(Self(json))
    }

    /// The whole line, without its newline: the members every record has, then its own.
    pub(crate) fn into_line(self, id: &RecordId, sequence: u64, now_ms: u64) -> Vec<u8> {
        let mut prefix = String::with_capacity(PREFIX);
        // Writing to a `String` cannot fail, and an id is made of letters, digits, `-`, `_` and `.`.
        let _ = write!(prefix, r#"{{"v":{FORMAT_VERSION},"id":"{id}","time":""#);
        let mut line = Vec::with_capacity(PREFIX + self.0.len());
        line.extend_from_slice(prefix.as_bytes());
        time::push_rfc3339(&mut line, now_ms);
        prefix.clear();
        let _ = write!(prefix, r#"","seq":{sequence},"#);
        line.extend_from_slice(prefix.as_bytes());
        line.extend_from_slice(self.0.get(1..).unwrap_or(b"}"));
        line
    }
}
