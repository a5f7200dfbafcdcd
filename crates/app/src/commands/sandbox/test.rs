//! `portcullis sandbox test`

use std::path::PathBuf;

use portcullis_sandbox::selftest::{self, Probed, Verdict};
use serde_json::json;

use super::plan::PlanArgs;
use crate::{
    commands::counted,
    exit::{Exit, Failure, Outcome},
    files::{self, Access, Existing},
    printer::Printer,
    proofs::Proofs,
};

/// Try to get out of the boundaries of a plan, from inside and without running the command, and say what holds.
///
/// `run` and `serve` do the same before they start a server with a plan that was not tried yet on this kernel by this
/// program, or not for a week, and do not start it when something does not hold.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    plan: PlanArgs,
    /// Also list the attempts that were stopped, and by what.
    #[arg(long)]
    all: bool,
    /// Write the result as JSON.
    #[arg(long)]
    json: bool,
    /// File that the result is written to as a note, signed with the key in ~/.local/state/portcullis/selftest.key, dated
    /// and good for a week.
    #[arg(long, value_name = "FILE")]
    signed: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let planned = args.plan.plan(printer)?;
    let proof = selftest::prove(&planned.plan, &Proofs::of_user().ground());
    let proof = proof.map_err(|error| Failure::new(Exit::Findings, error.to_string()))?;
    if let Some(file) = &args.signed {
        let note = Proofs::of_user().signed(&planned.plan, proof.clone());
        let note = note.map_err(|what| Failure::new(Exit::Usage, what))?;
        files::write(file, note.as_bytes(), Access::Usual, Existing::Replace)?;
    }
    let holds = |verdict| matches!(verdict, Verdict::Held | Verdict::Inside);
    let not_held = proof.probes.iter().filter(|it| !holds(it.verdict)).count();
    if args.json {
        printer.json(&json!({ "proof": proof, "digest": proof.digest(), "holds": not_held == 0 }));
    } else {
        let shown = |it: &&Probed| args.all || it.verdict != Verdict::Held;
        proof.probes.iter().filter(shown).for_each(|it| printer.line(&line(it)));
        let held = proof.probes.iter().filter(|it| it.verdict == Verdict::Held).count();
        printer.line(&format!("{held} of {} were stopped", counted(proof.probes.len(), "attempt")));
        printer.line(&format!("plan          {}", proof.plan));
        printer.line(&format!("self-test     {}", proof.digest()));
    }
    Ok(if not_held == 0 { Exit::Fine } else { Exit::Findings })
}

fn line(probed: &Probed) -> String {
    let verdict = match probed.verdict {
        Verdict::Held => "held",
        Verdict::Inside => "inside",
        Verdict::Granted => "granted",
        Verdict::Open => "OPEN",
    };
    format!("{verdict:<8} {:<10} {:<48} {}", probed.boundary, probed.probe, probed.said)
}
