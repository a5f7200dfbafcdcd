//! `portcullis lock`

use std::path::PathBuf;

use portcullis_supply::{
    admit::{Admitted, Lock, State},
    advisories::{Judged, Part},
    licence::Licences,
};
use serde::Serialize;

use super::{audit::trust, counted, submit::UNHEARD};
use crate::{
    exit::{Exit, Failure, Outcome},
    printer::Printer,
    requirements::{self, Comparison, Known, LicenceOptions},
    supply::{Place, approvers, now},
};

/// Check portcullis.lock: that every server in it is approved by somebody whose key is known, that its files are what
/// was approved, that none is due for review, and that no advisory speaks against a package in one.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Looks at everything and changes nothing; exits with 1 when something is wrong.
    #[arg(long, required = true)]
    check: bool,
    /// Public key of somebody who may approve, or a file of such keys; repeat it for more.
    #[arg(long, value_name = "KEY")]
    approver: Vec<String>,
    /// Leaves out the store, for where there is none: only the lock itself is looked at.
    #[arg(long)]
    without_store: bool,
    /// Configuration whose section `[supply]` holds where these options say nothing; when absent, the one that
    /// `portcullis serve` would use, if there is one.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    known: Known,
    #[command(flatten)]
    licences: LicenceOptions,
    #[command(flatten)]
    place: Place,
    /// Write the result as JSON.
    #[arg(long)]
    json: bool,
}

/// Something that is wrong.
#[derive(Serialize)]
struct Problem<'l> {
    server: &'l str,
    what: String,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    if !args.place.file().exists() {
        return Err(Failure::new(Exit::Usage, format!("there is no `{}`", args.place.file().display()))
            .remedy("`portcullis add` writes one"));
    }
    let lock = args.place.read()?;
    let mut problems = Vec::new();
    for server in lock.servers() {
        for what in wrong(args, server)? {
            problems.push(Problem { server: server.name.as_str(), what });
        }
    }
    let section = requirements::section(args.config.as_deref(), printer)?;
    let known = args.known.settle(section.as_ref())?;
    problems.extend(known_against(&lock, &known, printer)?);
    problems.extend(licensed(&lock, &args.licences.settle(section.as_ref())));
    if args.json {
        printer.json(&problems);
    } else {
        problems.iter().for_each(|it| printer.line(&format!("{}: {}", it.server, it.what)));
        printer.status(&format!(
            "{}, {}",
            counted(lock.servers().len(), "server"),
            counted(problems.len(), "problem")
        ));
    }
    Ok(if problems.is_empty() { Exit::Fine } else { Exit::Findings })
}

/// What advisories say today about every package of a server that may still start.
fn known_against<'l>(
    lock: &'l Lock,
    known: &Comparison,
    printer: &Printer,
) -> Result<Vec<Problem<'l>>, Failure> {
    let servers = || lock.servers().iter().filter(|server| server.state() != State::Retired);
    let all: Vec<Part> = servers().flat_map(Part::of).collect();
    let Some(compared) = known.read(&all)? else { return Ok(Vec::new()) };
    for author in compared.unheard() {
        printer.warning(&format!("statements of `{author}` count for nothing"), Some(UNHEARD));
    }
    let about = |what: String| Problem { server: "advisories", what };
    let mut problems: Vec<Problem<'l>> =
        compared.stale().into_iter().chain(compared.expired()).map(about).collect();
    for server in servers() {
        let judged = compared.judge(&Part::of(server)).into_iter().filter(Judged::is_refused);
        problems.extend(judged.map(|it| Problem { server: server.name.as_str(), what: it.to_string() }));
    }
    Ok(problems)
}

/// Packages whose licences are not taken.
fn licensed<'l>(lock: &'l Lock, licences: &Licences) -> Vec<Problem<'l>> {
    let servers = lock.servers().iter().filter(|server| server.state() != State::Retired);
    let refused = |server: &'l Admitted| {
        let parts = server.parts.iter().map(|part| (part.name.as_str(), part.licence.as_deref()));
        let judged = requirements::licences(licences, parts).refused;
        judged.into_iter().map(|what| Problem { server: server.name.as_str(), what })
    };
    servers.flat_map(refused).collect()
}

fn wrong(args: &Args, server: &Admitted) -> Result<Vec<String>, Failure> {
    let mut wrong = Vec::new();
    if server.state() == State::Retired {
        return Ok(wrong);
    }
    if approvers(server, &trust::keys(&args.approver)?).is_empty() {
        wrong.push(match server.state() {
            State::Approved => "no approval is of a key that is known, for what is in the lock".to_owned(),
            _ => "nobody has approved it".to_owned(),
        });
    }
    if server.owner.is_empty() {
        wrong.push("it has no owner".to_owned());
    }
    if let Some(day) = server.review.as_ref().filter(|_| server.is_due(&now())) {
        wrong.push(format!("its review was due on {day}"));
    }
    if !args.without_store
        && let Err(fault) = args.place.store()?.check(server.tree)
    {
        wrong.push(fault.to_string());
    }
    Ok(wrong)
}
