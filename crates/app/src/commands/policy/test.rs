//! `portcullis policy test`

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use portcullis_policy::{Authoriser, Judgement};
use serde::Serialize;

use crate::{
    cases::{Case, Expected, read_file},
    commands::{counted, tell},
    config::{Severity, sources},
    exit::{Exit, Failure, Outcome},
    policies::Meant,
    printer::Printer,
};

/// Try policies with cases: who calls what with which arguments, and what should become of it.
///
/// docs/policy.md describes the file of cases. Ends with status 1 when something else becomes of one of them.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files of cases: TOML, JSON or YAML.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    meant: Meant,
    /// Write the result as JSON.
    #[arg(long)]
    json: bool,
}

/// The result for programs.
#[derive(Serialize)]
struct Tested {
    ok: bool,
    passed: usize,
    failed: usize,
    cases: Vec<Tried>,
}

/// What became of one case.
#[derive(Serialize)]
struct Tried {
    file: PathBuf,
    line: u32,
    case: String,
    passed: bool,
    expected: Side,
    got: Side,
    /// What the operator would read; empty for what is allowed.
    detail: String,
}

#[derive(Serialize)]
struct Side {
    decision: &'static str,
    policies: Vec<String>,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.decision)?;
        if self.policies.is_empty() { Ok(()) } else { write!(f, " by {}", self.policies.join(", ")) }
    }
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let authoriser = args.meant.load(printer)?;
    let mut cases = Vec::new();
    for (file, case) in all(&args.files, printer)? {
        let Some(expected) = case.expected.clone() else {
            let what = format!("{}:{}: the case `{}` expects nothing", file.display(), case.line, case.name);
            return Err(Failure::new(Exit::Usage, what)
                .remedy("add `expect = \"allow\"`, `\"deny\"` or `\"approve\"`"));
        };
        cases.push(attempt(&authoriser, file, &case, expected));
    }
    let passed = cases.iter().filter(|case| case.passed).count();
    let tested = Tested { ok: passed == cases.len(), passed, failed: cases.len() - passed, cases };
    let exit = if tested.ok { Exit::Fine } else { Exit::Findings };
    if args.json {
        printer.json(&tested);
        return Ok(exit);
    }
    for case in tested.cases.iter().filter(|case| !case.passed) {
        printer.line(&format!("{}:{}: {}", case.file.display(), case.line, case.case));
        printer.line(&format!("  expected {}", case.expected));
        printer.line(&format!("  got      {}", case.got));
        if !case.detail.is_empty() {
            printer.line(&format!("  {}", case.detail));
        }
    }
    if tested.ok {
        printer.done(&format!("{} came out as expected", counted(passed, "case")));
    } else {
        let (failed, of) = (tested.failed, tested.cases.len());
        printer.error(&format!("{failed} of {} came out differently", counted(of, "case")), None);
    }
    Ok(exit)
}

/// The cases of all files; every mistake in any of them is told.
pub(super) fn all(files: &[PathBuf], printer: &Printer) -> Result<Vec<(PathBuf, Case)>, Failure> {
    let (mut cases, mut errors) = (Vec::new(), 0);
    for file in files {
        match read_file(file) {
            Ok(read) => cases.extend(read.into_iter().map(|case| (sources::label(file), case))),
            Err(report) => {
                tell(&report, printer);
                errors += report.count(Severity::Error);
            }
        }
    }
    if errors > 0 {
        let what = format!("the cases cannot be used: {}", counted(errors, "error"));
        return Err(Failure::new(Exit::Usage, what));
    }
    Ok(cases)
}

fn attempt(authoriser: &Authoriser, file: PathBuf, case: &Case, expected: Expected) -> Tried {
    let Judgement { answer, policies, detail } =
        authoriser.judge(&case.asked.call, &case.asked.flow, &case.asked.cx);
    let determined: BTreeSet<&str> = policies.iter().map(|policy| &**policy).collect();
    let named = expected.by.iter().all(|policy| determined.contains(policy.as_str()));
    Tried {
        file,
        line: case.line,
        case: case.name.clone(),
        passed: answer == expected.answer && named,
        expected: Side { decision: expected.answer.as_str(), policies: expected.by },
        got: Side { decision: answer.as_str(), policies: policies.iter().map(|it| it.to_string()).collect() },
        detail,
    }
}

/// The case of that name.
pub(super) fn named(file: &Path, name: &str, printer: &Printer) -> Result<Case, Failure> {
    let cases = all(&[file.to_owned()], printer)?;
    cases.into_iter().map(|(_, case)| case).find(|case| case.name == name).ok_or_else(|| {
        Failure::new(Exit::Usage, format!("{} has no case `{name}`", file.display()))
            .remedy("name one as it is written there")
    })
}
