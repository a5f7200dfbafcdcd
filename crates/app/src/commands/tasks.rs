//! `portcullis tasks`

use std::path::PathBuf;

use portcullis_audit::rfc3339;
use portcullis_gateway::KeptTask;
use serde::Serialize;

use super::configured;
use crate::{
    exit::{Exit, Failure, Outcome},
    lasting,
    printer::Printer,
    stops::Known,
};

/// Show the tasks of servers, and whose they are.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    List(List),
}

/// List the tasks that callers of a gateway have: those used within a day, by whom they belong to.
///
/// Each ends for its owner when their access is taken back, or when they, its server or its tool are stopped: its server is
/// then asked to cancel it.
#[derive(Debug, clap::Args)]
struct List {
    /// Configuration file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Those of this principal only, as policies write it, such as `oauth:corp:alice`.
    #[arg(long, value_name = "KIND:ID")]
    principal: Option<String>,
    /// Write the result as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Row<'a> {
    principal: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<&'a str>,
    server: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool: Option<&'a str>,
    task: &'a str,
    /// When it was used last, within an hour.
    used: String,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let Command::List(args) = &args.command;
    let config = configured(args.config.as_deref(), printer)?;
    let mut tasks = lasting::tasks(&config).map_err(|what| Failure::new(Exit::Usage, what))?;
    tasks.sort_by(|a, b| {
        (a.caller.principal.to_string(), &a.server, &a.id).cmp(&(
            b.caller.principal.to_string(),
            &b.server,
            &b.id,
        ))
    });
    let rows: Vec<Row<'_>> = tasks.iter().map(row).collect();
    let principal = args.principal.as_deref().map(|who| Known::of(&config).principal(who)).transpose()?;
    let principal = principal.map(|who| who.to_string());
    let wanted = |row: &&Row<'_>| principal.as_ref().is_none_or(|principal| *principal == row.principal);
    let rows: Vec<&Row<'_>> = rows.iter().filter(wanted).collect();
    if args.json {
        printer.json(&rows);
    } else {
        for Row { principal, client, server, tool, task, used } in rows {
            let client = client.map(|client| format!(" through {client}")).unwrap_or_default();
            printer
                .line(&format!("{principal}{client}: {server} {} {task}, used {used}", tool.unwrap_or("-")));
        }
    }
    Ok(Exit::Fine)
}

fn row(task: &KeptTask) -> Row<'_> {
    Row {
        principal: task.caller.principal.to_string(),
        client: task.caller.grant.as_ref().and_then(|grant| grant.client.as_deref()),
        server: &task.server,
        tool: task.tool.as_deref(),
        task: &task.id,
        used: rfc3339(task.used_ms),
    }
}
