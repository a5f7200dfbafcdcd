//! `portcullis audit evidence`

use std::path::PathBuf;

use memchr::memmem::Finder;
use portcullis_audit::{
    LoggedRecord,
    export::{Evidence, EvidenceFault},
    query::Source,
    rfc3339,
    tlog::read_key_file,
};
use portcullis_core::{Clock as _, SystemClock};
use serde_json::Value;

use super::records::{Records, unread};
use crate::{
    exit::{Exit, Failure, Outcome},
    files::{self, Access, Existing},
    printer::Printer,
};

/// Write one call as evidence that others have readers for.
///
/// It is signed with the Ed25519 key of `--key`: use a key of its own, made by `portcullis audit key new`, and give its
/// public key to whoever checks by another way than the record.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Identifier of the decision.
    #[arg(value_name = "RECORD_ID")]
    id: String,
    #[command(flatten)]
    records: Records,
    /// File of private keys.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The format.
    #[arg(long, value_enum, default_value_t = To::Containment)]
    format: To,
    /// Writes the record to this file instead of to standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum To {
    /// A containment evidence record, as the agent-containment paper of the Coalition for Secure AI shapes it: chained
    /// entries under a signed checkpoint.
    Containment,
    /// An agent audit record (draft-gilda-wimse-agent-audit-record-02): an in-toto Statement in a signed DSSE envelope.
    AgentAuditRecord,
}

/// The records of one call.
#[derive(Default)]
struct Found {
    decision: Option<LoggedRecord>,
    outcome: Option<LoggedRecord>,
    stated: Option<LoggedRecord>,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let keys = read_key_file(&args.key).map_err(|e| Failure::new(Exit::Usage, e.to_string()))?;
    let path = args.records.path(printer)?;
    let (id, source) = (args.id.as_str(), Source::at(&path));
    let mut found = Found::default();
    let mentions = Finder::new(id);
    let scanned = source.scan(&mut |line| {
        if mentions.find(line).is_some() {
            found.call(id, line);
        }
    });
    scanned.map_err(|fault| unread(&path, &fault))?;
    let Some(decision) = &found.decision else {
        return Err(Failure::new(Exit::Findings, format!("no record `{id}`")));
    };
    let boundary = decision.to_json().pointer("/context/boundary").and_then(Value::as_str).map(str::to_owned);
    if let Some(digest) = boundary {
        let mentions = Finder::new(&digest);
        let scanned = source.scan(&mut |line| {
            if found.stated.is_none() && mentions.find(line).is_some() {
                found.stated = LoggedRecord::parse(line).filter(|it| it.event() == Some("boundary-stated"));
            }
        });
        scanned.map_err(|fault| unread(&path, &fault))?;
    }
    let Found { decision: Some(decision), outcome, stated } = &found else {
        return Err(Failure::new(Exit::Findings, format!("no record `{id}`")));
    };
    let evidence = Evidence { decision, outcome: outcome.as_ref(), stated: stated.as_ref() };
    let record = match args.format {
        To::Containment => evidence.containment(&keys, env!("CARGO_PKG_VERSION")),
        To::AgentAuditRecord => evidence.agent_audit(&keys, &rfc3339(SystemClock.now_ms())),
    };
    let record = record.map_err(|fault| failed(fault, id))?;
    let text = format!("{record:#}\n");
    match &args.out {
        Some(out) => files::write(out, text.as_bytes(), Access::Private, Existing::Replace)?,
        None => printer.document(&text),
    }
    Ok(Exit::Fine)
}

impl Found {
    fn call(&mut self, id: &str, line: &[u8]) {
        let Some(record) = LoggedRecord::parse(line) else { return };
        if record.id() == Some(id) {
            self.decision = Some(record);
        } else if record.concerns() == Some(id) {
            self.outcome.get_or_insert(record);
        }
    }
}

fn failed(fault: EvidenceFault, id: &str) -> Failure {
    let (exit, remedy) = match fault {
        EvidenceFault::Key => (Exit::Usage, "`portcullis audit key new` makes one"),
        EvidenceFault::NoDecision => (Exit::Usage, "name the decision, not its outcome"),
        EvidenceFault::NoStatement => {
            (Exit::Findings, "name records that go back to the start of the gateway")
        }
        EvidenceFault::Statement | EvidenceFault::Number => {
            (Exit::Findings, "look at the log with `portcullis audit verify`")
        }
    };
    Failure::new(exit, format!("record `{id}`: {fault}")).remedy(remedy)
}
