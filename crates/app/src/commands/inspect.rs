//! `portcullis inspect`

mod lines;

use std::path::{Path, PathBuf};

use portcullis_inspect::detect::{Action, ContentPolicy, TextSurface, assess_bytes};
use serde::Serialize;

use crate::{
    exit::{Exit, Failure, Outcome},
    printer::Printer,
};

/// Look for injected instructions and hidden characters in texts.
///
/// Says for each file what was found, where and why, and what the default policy does about it. With
/// `--jsonl`, reads one JSON object a line, `{"id":…,"text":"…","surface":"tool_output"}`, from standard
/// input and writes one line for each: `{"id":…,"score":0.97,"verdict":"neutralise","reasons":["…"]}`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files to look at.
    #[arg(value_name = "FILE", required_unless_present = "jsonl", conflicts_with = "jsonl")]
    files: Vec<PathBuf>,
    /// What the texts are to the model that reads them: tool_description, schema, tool_output, resource,
    /// prompt or argument.
    #[arg(long, value_name = "SURFACE", default_value = "tool_output")]
    surface: TextSurface,
    /// Read JSON lines from standard input.
    #[arg(long)]
    jsonl: bool,
    /// Write the result as JSON.
    #[arg(long, conflicts_with = "jsonl")]
    json: bool,
}

/// What one file came to.
#[derive(Serialize)]
struct Inspected {
    file: PathBuf,
    surface: &'static str,
    score: f64,
    verdict: &'static str,
    findings: Vec<Finding>,
}

#[derive(Serialize)]
struct Finding {
    line: usize,
    /// In characters.
    column: usize,
    what: String,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    if args.jsonl {
        return lines::run(args.surface, printer);
    }
    let (mut inspected, mut unread) = (Vec::new(), None);
    for file in &args.files {
        match inspect(file, args.surface) {
            Ok(one) => inspected.push(one),
            Err(failure) => unread = Some(failure.report(printer)),
        }
    }
    if args.json {
        printer.json(&inspected);
    } else {
        inspected.iter().for_each(|one| tell(one, printer));
    }
    let found = inspected.iter().any(|one| one.verdict != Action::Pass.as_str());
    // A text that nobody looked at may be worse than those that were.
    Ok(unread.unwrap_or(if found { Exit::Findings } else { Exit::Fine }))
}

fn inspect(file: &Path, surface: TextSurface) -> Result<Inspected, Failure> {
    let bytes = std::fs::read(file).map_err(|error| {
        Failure::new(Exit::Usage, format!("{} cannot be read: {error}", file.display()))
            .remedy("name a file that can be read")
    })?;
    let assessment = assess_bytes(&bytes, surface);
    let action = ContentPolicy::default().action(&assessment, surface);
    let findings = assessment.reasons.iter().map(|reason| {
        let (line, column) = place(&bytes, reason.at.start);
        Finding { line, column, what: reason.what.clone() }
    });
    Ok(Inspected {
        file: file.to_owned(),
        surface: surface.as_str(),
        score: assessment.score,
        verdict: action.as_str(),
        findings: findings.collect(),
    })
}

/// Line and column of a byte, both from 1.
fn place(bytes: &[u8], at: usize) -> (usize, usize) {
    let before = bytes.get(..at).unwrap_or(bytes);
    let line = before.split(|byte| *byte == b'\n').next_back().unwrap_or_default();
    let lines = before.iter().filter(|byte| **byte == b'\n').count();
    (lines + 1, String::from_utf8_lossy(line).chars().count() + 1)
}

fn tell(one: &Inspected, printer: &Printer) {
    let file = one.file.display();
    printer.line(&format!("{file}: {} as {}, score {:.3}", one.verdict, one.surface, one.score));
    for Finding { line, column, what } in &one.findings {
        printer.line(&format!("  {file}:{line}:{column}: {what}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_lines_and_characters() {
        for (at, expected) in [(0, (1, 1)), (3, (1, 3)), (6, (2, 1)), (7, (2, 2)), (99, (3, 1))] {
            assert_eq!(place("aé c\nde\n".as_bytes(), at), expected, "{at}");
        }
    }
}
