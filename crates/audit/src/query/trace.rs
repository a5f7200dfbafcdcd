//! What happened around one record, from records alone.

mod around;

use serde::Serialize;
use serde_json::Value;

use super::{ScanFault, Source};
use crate::{LoggedRecord, read};
use around::Around;

/// What a trace asks for, in the order in which it comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The start of the gateway that wrote the record.
    Run,
    /// The event that put the configuration of the decision in force.
    Configuration,
    /// The start of the server's process.
    Launch,
    /// The link to the server.
    Connection,
    /// The lists of the server that were in force.
    Catalogue,
    /// Who asked.
    Caller,
    /// Which agent acted for them.
    Actor,
    /// The trace of the caller that the call is part of.
    TraceContext,
    /// The decision.
    Decision,
    /// How the call ended.
    Outcome,
}

/// Whether a part is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Observation {
    /// A record shows it.
    Present,
    /// A record shows that there is none.
    Absent,
    /// No record shows it, nor that there is none.
    NotEstablished,
    /// It may still come.
    Pending,
}

/// One part of a trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Link {
    /// Which part.
    pub part: Part,
    /// Whether it is known.
    pub state: Observation,
    /// The record that shows it.
    pub record: Option<String>,
    /// What it shows, or why nothing does.
    pub detail: String,
}

/// What is known around one record.
#[derive(Clone, Debug, Serialize)]
pub struct Trace {
    /// The record asked for.
    pub id: String,
    /// The decision it belongs to; none when it is an event.
    pub decision: Option<String>,
    /// Every part, in order.
    pub chain: Vec<Link>,
    /// The records the chain rests on, in the order they were written.
    pub records: Vec<Value>,
}

impl Trace {
    /// Whether no part is missing.
    pub fn is_established(&self) -> bool {
        !self.chain.iter().any(|link| link.state == Observation::NotEstablished)
    }
}

/// Rebuilds the chain around the record `id`; none when there is no such record.
///
/// # Errors
/// [`ScanFault`] when the records cannot be read.
pub fn trace(source: &Source, id: &str) -> Result<Option<Trace>, ScanFault> {
    let Some(asked) = find(source, id)? else { return Ok(None) };
    let decision = asked.concerns().unwrap_or(id).to_owned();
    let mut around = Around::of(&decision);
    source.scan(&mut |line| around.see(line))?;
    Ok(Some(around.conclude(id)))
}

fn find(source: &Source, id: &str) -> Result<Option<LoggedRecord>, ScanFault> {
    let needle = Value::from(id).to_string();
    let needle = memchr::memmem::Finder::new(&needle);
    let mut found = None;
    source.scan(&mut |line| {
        if found.is_none() && needle.find(line).is_some() {
            found = read::parse(0, line).ok().filter(|record| record.id() == Some(id));
        }
    })?;
    Ok(found)
}
