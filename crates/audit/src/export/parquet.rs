//! Records as an Apache Parquet file: one row a record, one column a member.

use std::{collections::HashMap, io::Write, sync::Arc};

use parquet::{
    data_type::{ByteArray, ByteArrayType, Int64Type},
    errors::ParquetError,
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::parser::parse_message_type,
};
use serde_json::Value;

use crate::{LoggedRecord, time};

/// Rows of one group: as much as is held in memory.
const GROUP_ROWS: usize = 16_384;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    /// Integers; one beyond 63 bits is left out.
    Number,
    /// An instant in UTC, to the millisecond.
    Time,
    /// Texts of a list, with commas between.
    List,
}

/// Where a column's values come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    /// The record itself.
    Record,
    /// The record, or the decision it is the outcome of: who asked for what.
    Call,
}

use Kind::{List, Number, Text, Time};
use Of::{Call, Record};

/// Every column, in order: name, kind, and the member of the record it comes from.
const COLUMNS: &[(&str, Kind, Of, &[&str])] = &[
    ("time", Time, Record, &["time"]),
    ("id", Text, Record, &["id"]),
    ("seq", Number, Record, &["seq"]),
    ("type", Text, Record, &["type"]),
    ("channel", Text, Call, &["channel"]),
    ("principal_kind", Text, Call, &["caller", "principal", "kind"]),
    ("principal", Text, Call, &["caller", "principal", "id"]),
    ("actor", Text, Call, &["caller", "actor", "id"]),
    ("tenant", Text, Call, &["caller", "tenant"]),
    ("peer", Text, Call, &["context", "peer"]),
    ("endpoint", Text, Call, &["endpoint"]),
    ("protocol_version", Text, Call, &["version"]),
    ("method", Text, Call, &["method"]),
    ("server", Text, Call, &["server"]),
    ("item_kind", Text, Call, &["item_kind"]),
    ("item", Text, Call, &["item"]),
    ("verdict", Text, Record, &["decision", "verdict"]),
    ("refusal", Text, Record, &["decision", "kind"]),
    ("control", Text, Record, &["decision", "control"]),
    ("policies", List, Record, &["decision", "policies"]),
    ("labels", List, Call, &["context", "labels"]),
    ("approved", Text, Call, &["context", "approved"]),
    ("cache", Text, Call, &["context", "cache"]),
    ("request", Text, Call, &["request"]),
    ("request_bytes", Number, Call, &["request_bytes"]),
    ("trace_id", Text, Call, &["trace_id"]),
    ("policy", Text, Call, &["policy"]),
    ("config", Text, Call, &["config"]),
    ("definition", Text, Call, &["definition"]),
    ("catalogue", Text, Call, &["context", "catalogue"]),
    ("sandbox", Text, Call, &["context", "sandbox"]),
    ("boundary", Text, Call, &["context", "boundary"]),
    ("decision", Text, Record, &["decision"]),
    ("outcome", Text, Record, &["outcome"]),
    ("response_bytes", Number, Record, &["response_bytes"]),
    ("cost", Number, Record, &["cost"]),
    ("duration_us", Number, Record, &["duration_us"]),
    ("event", Text, Record, &["event"]),
    ("subject", Text, Record, &["subject"]),
    ("detail", Text, Record, &["detail"]),
    ("refusal_detail", Text, Record, &["decision", "detail"]),
    ("record", Text, Record, &[]),
];

/// Why a file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("the Parquet file could not be written: {0}")]
pub struct ParquetFault(#[from] ParquetError);

/// Values of a column; what is absent has a level and no value.
#[derive(Debug, Default)]
struct Values {
    texts: Vec<ByteArray>,
    numbers: Vec<i64>,
    levels: Vec<i16>,
}

/// Writes records to `W`. What is not finished is no file.
pub struct ParquetFile<W: Write + Send> {
    writer: SerializedFileWriter<W>,
    columns: Vec<Values>,
    rows: usize,
    /// Decisions whose outcome has not come by.
    open: HashMap<String, LoggedRecord>,
}

impl<W: Write + Send> ParquetFile<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// [`ParquetFault`] when its beginning cannot be written.
    pub fn new(to: W) -> Result<Self, ParquetFault> {
        let schema = Arc::new(parse_message_type(&schema())?);
        let properties = WriterProperties::builder().set_created_by("portcullis".to_owned()).build();
        let writer = SerializedFileWriter::new(to, schema, Arc::new(properties))?;
        let columns = COLUMNS.iter().map(|_| Values::default()).collect();
        Ok(Self { writer, columns, rows: 0, open: HashMap::new() })
    }

    /// Adds a record.
    ///
    /// # Errors
    /// [`ParquetFault`] when a group of rows is full and cannot be written.
    pub fn add(&mut self, record: LoggedRecord) -> Result<(), ParquetFault> {
        let decision = record.concerns().and_then(|id| self.open.remove(id));
        for ((_, kind, of, path), values) in COLUMNS.iter().zip(&mut self.columns) {
            let own = member(&record, path);
            let found = own.or_else(|| match of {
                Call => decision.as_ref().and_then(|decision| member(decision, path)),
                Record => None,
            });
            values.push(*kind, found);
        }
        self.rows += 1;
        if let Some(id) = record.id().filter(|_| record.allows()).map(str::to_owned) {
            self.open.insert(id, record);
        }
        if self.rows >= GROUP_ROWS { self.write_group() } else { Ok(()) }
    }

    /// Writes what is left and the file's end, and gives back what it was written to.
    ///
    /// # Errors
    /// [`ParquetFault`] when that fails.
    pub fn finish(mut self) -> Result<W, ParquetFault> {
        self.write_group()?;
        Ok(self.writer.into_inner()?)
    }

    fn write_group(&mut self) -> Result<(), ParquetFault> {
        if self.rows == 0 {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        for ((_, kind, ..), values) in COLUMNS.iter().zip(&mut self.columns) {
            let Some(mut column) = group.next_column()? else { break };
            let Values { texts, numbers, levels } = std::mem::take(values);
            match kind {
                Text | List => column.typed::<ByteArrayType>().write_batch(&texts, Some(&levels), None)?,
                Number | Time => column.typed::<Int64Type>().write_batch(&numbers, Some(&levels), None)?,
            };
            column.close()?;
        }
        group.close()?;
        self.rows = 0;
        Ok(())
    }
}

impl<W: Write + Send> std::fmt::Debug for ParquetFile<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParquetFile").field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl Values {
    fn push(&mut self, kind: Kind, value: Option<Value>) {
        let text = value.as_ref().and_then(|value| match (kind, value) {
            (Text, Value::String(text)) => Some(text.clone()),
            (Text, Value::Bool(flag)) => Some(flag.to_string()),
            (List, Value::Array(texts)) => {
                Some(texts.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(","))
            }
            _ => None,
        });
        let number = value.as_ref().and_then(|value| match kind {
            Number => value.as_i64(),
            Time => i64::try_from(time::read_rfc3339(value.as_str()?)?).ok(),
            Text | List => None,
        });
        self.levels.push(i16::from(text.is_some() || number.is_some()));
        self.texts.extend(text.map(|text| ByteArray::from(text.into_bytes())));
        self.numbers.extend(number);
    }
}

/// The member at `path`; the whole record, as JSON text, where it is empty.
fn member(record: &LoggedRecord, path: &[&str]) -> Option<Value> {
    let Some((first, rest)) = path.split_first() else { return Some(record.to_json().to_string().into()) };
    let found = rest.iter().try_fold(record.get(first)?, |value, name| value.get(name))?;
    (!found.is_null()).then(|| found.clone())
}

fn schema() -> String {
    let columns: String = COLUMNS
        .iter()
        .map(|(name, kind, ..)| match kind {
            Text | List => format!("OPTIONAL BYTE_ARRAY {name} (UTF8); "),
            Number => format!("OPTIONAL INT64 {name}; "),
            Time => format!("OPTIONAL INT64 {name} (TIMESTAMP(MILLIS,true)); "),
        })
        .collect();
    format!("message record {{ {columns}}}")
}
