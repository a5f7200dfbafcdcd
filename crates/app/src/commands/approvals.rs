//! `portcullis approvals`: calls that wait for a person.

use std::{
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use portcullis_core::Asked;
use serde::Serialize;

use super::{locate, unusable};
use crate::{
    approvals::{ApprovalFiles, Decision, Waiting},
    config,
    exit::{Exit, Failure, Outcome},
    printer::Printer,
};

/// See calls that wait for a person's approval, and decide about each.
///
/// An approval is for one call with the very same arguments, within 15 minutes, once.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List the calls that wait; the exit status is 1 when there are any.
    List {
        #[command(flatten)]
        place: Place,
        /// Write the result as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Let a call through, once.
    Approve {
        /// The call, as the list names it.
        id: String,
        #[command(flatten)]
        place: Place,
    },
    /// Refuse a call.
    Decline {
        /// The call, as the list names it.
        id: String,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, clap::Args)]
struct Place {
    /// Configuration file that says where calls wait.
    #[arg(long, value_name = "FILE", conflicts_with = "dir")]
    config: Option<PathBuf>,
    /// Directory of the calls that wait; when absent, `approvals` beside the pins of the configuration, and without
    /// one ~/.local/state/portcullis/approvals.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Place {
    fn files(&self) -> Result<ApprovalFiles, Failure> {
        if let Some(dir) = &self.dir {
            return Ok(ApprovalFiles::new(dir.clone()));
        }
        if let Ok(file) = locate(self.config.as_deref()) {
            let loaded = config::load(&file).map_err(|report| unusable(&file, &report))?;
            return Ok(ApprovalFiles::of(&loaded.config));
        }
        let home = std::env::home_dir().filter(|home| home.is_absolute());
        let home = home.ok_or_else(|| {
            Failure::new(Exit::Usage, "the home directory is not known").remedy("name the place with `--dir`")
        })?;
        Ok(ApprovalFiles::new(home.join(".local/state/portcullis/approvals")))
    }
}

#[derive(Serialize)]
struct Row {
    id: String,
    since_ms: u64,
    #[serde(flatten)]
    asked: Asked,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    match &args.command {
        Command::List { place, json } => list(&place.files()?, *json, printer),
        Command::Approve { id, place } => decide(&place.files()?, id, true, printer),
        Command::Decline { id, place } => decide(&place.files()?, id, false, printer),
    }
}

fn list(files: &ApprovalFiles, json: bool, printer: &Printer) -> Outcome {
    let all = files.all(now_ms()).map_err(|e| Failure::new(Exit::Unreachable, e.to_string()))?;
    let open = all.into_iter().filter(|(_, waiting)| waiting.decision.is_none());
    let rows: Vec<Row> =
        open.map(|(id, Waiting { asked, since_ms, .. })| Row { id, since_ms, asked }).collect();
    if json {
        printer.json(&rows);
    } else {
        for Row { id, asked, .. } in &rows {
            let Asked { principal, server, item, arguments, why, about: _ } = asked;
            printer.line(&format!("{id}  {principal} wants `{item}` of `{server}` with {arguments}"));
            printer.line(&format!("    {why}"));
        }
        printer.status(&format!("{} waiting", super::counted(rows.len(), "call")));
    }
    Ok(if rows.is_empty() { Exit::Fine } else { Exit::Findings })
}

fn decide(files: &ApprovalFiles, id: &str, approved: bool, printer: &Printer) -> Outcome {
    let plain = !id.is_empty() && id.bytes().all(|b| b.is_ascii_hexdigit());
    let waiting = files.read(id).filter(|waiting| plain && !waiting.is_over(now_ms()));
    let mut waiting = waiting.ok_or_else(|| {
        Failure::new(Exit::Usage, "no such call waits")
            .remedy("`portcullis approvals list` shows those that do")
    })?;
    let uid = rustix::process::getuid().as_raw();
    waiting.decision = Some(Decision { approved, uid, at_ms: now_ms() });
    files.write(id, &waiting)?;
    let Asked { server, item, .. } = &waiting.asked;
    let what = if approved { "approved, once" } else { "declined" };
    printer.done(&format!("{what}: `{item}` of `{server}`"));
    Ok(Exit::Fine)
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
