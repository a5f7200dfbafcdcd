//! `portcullis inventory`

use std::path::PathBuf;

use portcullis_core::ServerName;
use portcullis_supply::{
    admit::Admitted,
    advisories::{Judged, Part},
};
use serde::Serialize;

use super::bills::Written;
use crate::{
    exit::{Exit, Outcome},
    printer::Printer,
    requirements::{self, Compared, Known},
    supply::Place,
};

/// List every server that was admitted: what it is, who answers for it, what it is for and how far it has come.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    place: Place,
    /// Configuration whose section `[supply]` holds where these options say nothing; when absent, the one that
    /// `portcullis serve` would use, if there is one.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    known: Known,
    /// Write the bill of materials of one server instead: every package in it.
    #[arg(long, value_name = "NAME")]
    sbom: Option<ServerName>,
    #[command(flatten)]
    written: Written,
    /// Write the list as JSON.
    #[arg(long, conflicts_with = "sbom")]
    json: bool,
}

/// A row of the list for programs.
#[derive(Serialize)]
struct Row<'l> {
    state: &'static str,
    #[serde(flatten)]
    server: &'l Admitted,
    /// What advisories say today; none when there are none to compare with.
    advisories: Option<Vec<Judged>>,
    /// The version that waits for approval beside it.
    next: Option<&'l str>,
    /// Versions that were replaced and are kept, the last one first.
    previous: Vec<&'l str>,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let lock = args.place.read()?;
    if let Some(name) = &args.sbom {
        args.written.write(args.place.find(&lock, name)?, printer)?;
        return Ok(Exit::Fine);
    }
    let section = requirements::section(args.config.as_deref(), printer)?;
    let all: Vec<Part> = lock.servers().iter().flat_map(Part::of).collect();
    let compared = args.known.settle(section.as_ref())?.read(&all)?;
    let judged = |server| compared.as_ref().map(|it| it.judge(&Part::of(server)));
    if let Some(what) = compared.as_ref().and_then(Compared::stale) {
        printer.warning(&what, Some("fetch them again"));
    }
    if args.json {
        let row = |server| Row {
            state: Admitted::state(server).as_str(),
            server,
            advisories: judged(server),
            next: lock.next(&server.name).map(|it| it.package.as_str()),
            previous: lock.previous(&server.name).map(|it| it.package.as_str()).collect(),
        };
        printer.json(&lock.servers().iter().map(row).collect::<Vec<_>>());
        return Ok(Exit::Fine);
    }
    for server in lock.servers() {
        printer.line(&format!("{}: {}: {}", server.name, server.state().as_str(), server.package));
        let mut about = vec![format!("owner {}", server.owner)];
        about.extend(server.purpose.clone());
        about.extend(server.review.as_ref().map(|day| format!("review {day}")));
        about.extend(server.provenance.as_ref().and_then(|it| it.source.clone()));
        about.extend(server.approvals.iter().map(|approval| format!("approved by {}", approval.by)));
        about.extend(server.retired.as_ref().map(|it| format!("retired by {}: {}", it.by, it.reason)));
        printer.line(&format!("  {}", about.join(", ")));
        server.findings.iter().for_each(|finding| printer.line(&format!("  {finding}")));
        if let Some(next) = lock.next(&server.name) {
            printer.line(&format!("  waits for approval: {}", next.package));
        }
        lock.previous(&server.name).for_each(|it| printer.line(&format!("  previous: {}", it.package)));
        judged(server).unwrap_or_default().iter().for_each(|it| printer.line(&format!("  today: {it}")));
    }
    Ok(Exit::Fine)
}
