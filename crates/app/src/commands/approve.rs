//! `portcullis approve`

use std::path::PathBuf;

use portcullis_audit::tlog::read_key_file;
use portcullis_core::{Clock as _, ServerName, SystemClock};
use portcullis_supply::admit::{Approval, Difference, Finding, FindingKind, State};

use super::{difference, rollback::forget};
use crate::{
    exit::{Exit, Failure, Outcome},
    printer::Printer,
    supply::{Place, account, now},
};

/// Approve a server that somebody else submitted, by signing what is in portcullis.lock about it: its digests, its parts,
/// who vouches for it and what was found. Where a version waits beside an approved one, it is the one that is approved; what
/// changes is shown, and the version before is kept for `portcullis rollback`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Server, as the lock names it.
    name: ServerName,
    /// The approver's private key, made by `portcullis audit key new --name APPROVER FILE`.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Approves although the same account submitted it, which the lock then says.
    #[arg(long)]
    danger_self_approval: bool,
    #[command(flatten)]
    place: Place,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let mut lock = args.place.read()?;
    let present = args.place.find(&lock, &args.name)?.clone();
    let server = lock.next(&args.name).unwrap_or(&present).clone();
    if server.state() == State::Retired {
        return Err(Failure::new(Exit::Findings, format!("`{}` is retired", args.name))
            .remedy("submit another version with `portcullis add`"));
    }
    let ring = read_key_file(&args.key).map_err(|fault| Failure::new(Exit::Usage, fault.to_string()))?;
    let by = ring.name().to_owned();
    let own = by == server.submitted_by;
    let same_account = account() == server.submitted_by;
    if own || (same_account && !args.danger_self_approval) {
        let what = format!("`{}` submitted `{}` and cannot approve it", server.submitted_by, args.name);
        return Err(Failure::new(Exit::Findings, what).remedy("let somebody else approve it"));
    }
    args.place.store()?.check(server.tree).map_err(|fault| {
        Failure::new(Exit::Findings, fault.to_string()).remedy("submit it again with `portcullis add`")
    })?;
    let mut approved = server;
    if same_account {
        let finding = Finding::new(FindingKind::Danger, "approved with --danger-self-approval");
        approved.findings.push(finding);
        approved.findings.sort();
        approved.findings.dedup();
    }
    let (at, seconds) = (now(), SystemClock.now_ms() / 1_000);
    let note = ring.sign_text(approved.statement(&at), seconds);
    let note = note.ok_or_else(|| Failure::new(Exit::Usage, "the key could not sign"))?.to_string();
    approved.approvals.retain(|approval| approval.by != by);
    approved.approvals.push(Approval { by: by.clone(), at, note });
    approved.approvals.sort_by(|a, b| a.by.cmp(&b.by));
    let package = approved.package.clone();
    if lock.next(&args.name).is_some() {
        difference::tell(&Difference::between(&present, &approved), printer);
    }
    let dropped = lock.approve(approved);
    args.place.write(&lock)?;
    forget(&args.place, &lock, dropped.iter().map(|it| it.tree), printer)?;
    printer.done(&format!("`{}`, {package}, is approved by {by}", args.name));
    Ok(Exit::Fine)
}
