//! `portcullis rollback`

use std::path::PathBuf;

use portcullis_core::{Digest, ServerName};
use portcullis_supply::{
    admit::{Admitted, Difference, Lock, Retirement, State},
    advisories::{Judged, Part},
};
use serde::Serialize;

use super::{audit::trust, difference};
use crate::{
    exit::{Exit, Failure, Outcome},
    printer::Printer,
    requirements::{self, Comparison, Known},
    supply::{Place, account, approvers, now},
};

/// Restore the version of a server that was approved before the present one. It starts at once, on the approvals that it
/// has. Versions are passed over that were rolled back themselves, are retired, are due for review, are in the store no
/// longer or not the same, or are refused by advisories today.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Server, as the lock names it.
    name: ServerName,
    /// Why.
    #[arg(long)]
    reason: String,
    /// Public key of somebody who may approve, or a file of such keys; repeat it for more. When absent, those of the
    /// configuration.
    #[arg(long, value_name = "KEY")]
    approver: Vec<String>,
    /// Configuration whose section `[supply]` holds where these options say nothing; when absent, the one that
    /// `portcullis serve` would use, if there is one.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    known: Known,
    #[command(flatten)]
    place: Place,
    /// Write the result as JSON.
    #[arg(long)]
    json: bool,
}

/// The result for programs.
#[derive(Serialize)]
struct Summary<'s> {
    restored: &'s str,
    replaced: &'s str,
    /// Versions that were passed over, and why.
    passed_over: &'s [(String, String)],
    difference: Difference,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let mut lock = args.place.read()?;
    let present = args.place.find(&lock, &args.name)?.clone();
    if present.state() == State::Retired {
        return Err(Failure::new(Exit::Findings, format!("`{}` is retired", args.name))
            .remedy("nothing that is retired is restored; submit another version with `portcullis add`"));
    }
    let mut passed_over = Vec::new();
    let restored = choose(args, &lock, printer, &mut passed_over)?;
    for (package, why) in &passed_over {
        printer.warning(&format!("{package} is passed over: {why}"), None);
    }
    let Some(restored) = restored else {
        let what = format!("there is no earlier version of `{}` that may be restored", args.name);
        return Err(Failure::new(Exit::Findings, what).remedy("`portcullis update NAME@VERSION` submits one"));
    };
    let why = Retirement { by: account(), at: now(), reason: args.reason.clone() };
    let dropped = lock.roll_back(&args.name, restored.tree, why).unwrap_or_default();
    args.place.write(&lock)?;
    forget(&args.place, &lock, dropped.iter().map(|it| it.tree), printer)?;
    let difference = Difference::between(&present, &restored);
    if args.json {
        let (restored, replaced) = (&*restored.package, &*present.package);
        printer.json(&Summary { restored, replaced, passed_over: &passed_over, difference });
    } else {
        difference::tell(&difference, printer);
    }
    printer.done(&format!("`{}` is {} again", args.name, restored.package));
    Ok(Exit::Fine)
}

/// The last version against which nothing speaks.
fn choose(
    args: &Args,
    lock: &Lock,
    printer: &Printer,
    passed_over: &mut Vec<(String, String)>,
) -> Result<Option<Admitted>, Failure> {
    let section = requirements::section(args.config.as_deref(), printer)?;
    let known = args.known.settle(section.as_ref())?;
    let mut keys = trust::keys(&args.approver)?;
    if args.approver.is_empty() {
        keys.extend(section.into_iter().flat_map(|it| it.approvers));
    }
    for server in lock.previous(&args.name) {
        let against = against(args, lock, server, &known)?;
        let unknown = !keys.is_empty() && approvers(server, &keys).is_empty();
        let unknown = unknown.then(|| "nobody whose key is known approved it".to_owned());
        match against.or(unknown) {
            None => return Ok(Some(server.clone())),
            Some(why) => passed_over.push((server.package.clone(), why)),
        }
    }
    Ok(None)
}

/// What speaks against a version today.
fn against(
    args: &Args,
    lock: &Lock,
    server: &Admitted,
    known: &Comparison,
) -> Result<Option<String>, Failure> {
    if let Some(why) = &server.rolled_back {
        return Ok(Some(format!("it was rolled back by {}: {}", why.by, why.reason)));
    }
    if let Some(package) = lock.retired(server.tree) {
        return Ok(Some(format!("it was retired as {package}")));
    }
    if server.state() != State::Approved {
        return Ok(Some("nobody has approved it".to_owned()));
    }
    if let Some(day) = server.review.as_ref().filter(|_| server.is_due(&now())) {
        return Ok(Some(format!("its review was due on {day}")));
    }
    if let Err(fault) = args.place.store()?.check(server.tree) {
        return Ok(Some(fault.to_string()));
    }
    let parts = Part::of(server);
    let compared = known.read(&parts)?;
    let refused = compared.and_then(|it| it.judge(&parts).into_iter().find(Judged::is_refused));
    Ok(refused.map(|it| it.to_string()))
}

/// Removes the files of versions that are kept no longer.
pub(crate) fn forget(
    place: &Place,
    lock: &Lock,
    trees: impl Iterator<Item = Digest>,
    printer: &Printer,
) -> Result<(), Failure> {
    let store = place.store()?;
    for tree in trees.filter(|tree| !lock.needs(*tree)) {
        if let Err(fault) = store.remove(tree) {
            printer.warning(&format!("files that nobody needs are left: {fault}"), None);
        }
    }
    Ok(())
}
