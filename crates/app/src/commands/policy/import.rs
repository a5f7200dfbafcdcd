//! `portcullis policy import`

use std::{collections::BTreeMap, path::PathBuf};

use portcullis_core::ServerName;
use portcullis_policy::{Grant, init_policy};

use crate::{
    clients::{Allowed, allow_lists},
    commands::{counted, tell},
    config::{Report, Severity, sources},
    exit::{Exit, Failure, Outcome},
    files::{self, Access, Existing},
    printer::Printer,
};

/// Make a policy of what clients call without asking: it permits you those tools and no others.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Settings of a client with a list of tools, such as ~/.claude/settings.json.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// File to write instead of showing the policy. One that is there stays.
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    out: Option<PathBuf>,
    /// Write what was found as JSON instead of the policy.
    #[arg(long)]
    json: bool,
}

/// What one server's tools come to, for programs.
#[derive(serde::Serialize)]
struct Row<'l> {
    server: &'l ServerName,
    #[serde(flatten)]
    list: &'l Allowed,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let mut report = Report::default();
    let mut lists: BTreeMap<ServerName, Allowed> = BTreeMap::new();
    for path in &args.files {
        let shown = sources::label(path);
        let found = match sources::read(path) {
            Ok(text) => allow_lists(path, &text),
            Err(problem) => {
                report.push(problem);
                continue;
            }
        };
        match found {
            Ok(found) => found.into_iter().for_each(|(server, allowed)| {
                let list = lists.entry(server).or_default();
                list.all |= allowed.all;
                list.none |= allowed.none;
                list.tools.extend(allowed.tools);
                list.denied.extend(allowed.denied);
            }),
            Err(faults) => faults.into_iter().for_each(|fault| report.push(fault.in_file(&shown, ""))),
        }
    }
    tell(&report, printer);
    if report.has_errors() {
        let errors = counted(report.count(Severity::Error), "error");
        return Err(Failure::new(Exit::Usage, format!("no policy can be made of this: {errors}")));
    }
    if args.json {
        let rows: Vec<_> = lists.iter().map(|(server, list)| Row { server, list }).collect();
        printer.json(&rows);
        return Ok(Exit::Fine);
    }
    let policy = init_policy(&grants(lists));
    match &args.out {
        Some(path) => {
            files::write(path, policy.as_bytes(), Access::Usual, Existing::Keep)?;
            printer.done(&format!("{} is written; name it in `policy.files`", path.display()));
        }
        None => printer.document(&policy),
    }
    Ok(Exit::Fine)
}

fn grants(lists: BTreeMap<ServerName, Allowed>) -> Vec<Grant> {
    let mut grants = Vec::new();
    for (server, mut list) in lists {
        list.tools.sort();
        list.tools.dedup();
        list.denied.sort();
        list.denied.dedup();
        grants.push(match (list.none, list.all) {
            (true, _) => Grant::Tools(server.clone(), Vec::new()),
            (false, true) => Grant::AllTools(server.clone()),
            (false, false) => Grant::Tools(server.clone(), list.tools),
        });
        if !list.denied.is_empty() {
            grants.push(Grant::NoTools(server, list.denied));
        }
    }
    grants
}
