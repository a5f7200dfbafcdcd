//! `portcullis sandbox show`

use portcullis_sandbox::system_calls;
use serde_json::json;

use super::plan::PlanArgs;
use crate::{
    exit::{Exit, Outcome},
    own::Own,
    printer::Printer,
};

/// Show what a command could touch, without running it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    plan: PlanArgs,
    /// Also list what becomes of each system call, and why.
    #[arg(long)]
    calls: bool,
    /// Write the plan as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let planned = args.plan.plan(printer)?;
    Own::of_user(printer)
        .is_out_of_reach_of(&planned.plan)
        .map_err(|reached| super::apart(Exit::Findings, &reached))?;
    let calls = if args.calls { system_calls() } else { Vec::new() };
    if args.json {
        let mut shown = json!({ "plan": planned.plan, "digest": planned.plan.digest() });
        if let (true, Some(members)) = (args.calls, shown.as_object_mut()) {
            members.insert("system_calls".to_owned(), json!(calls));
        }
        printer.json(&shown);
        return Ok(Exit::Fine);
    }
    printer.line(&planned.plan.to_string());
    for call in calls {
        printer.line(&format!(
            "{:<12} {:<24} {}",
            format!("{:?}", call.verdict).to_lowercase(),
            call.name,
            call.why
        ));
    }
    Ok(Exit::Fine)
}
