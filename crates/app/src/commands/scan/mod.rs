//! `portcullis scan`

mod exceptions;
mod gather;
mod sarif;

use std::path::PathBuf;

use portcullis_inspect::{
    conduct::Guess,
    lint::{self, Finding, RULES, Tool, Weight},
    targets::TargetParameter,
};
use serde::Serialize;

use crate::{
    exit::{Exit, Outcome},
    printer::Printer,
};
use exceptions::Exceptions;
use gather::Gathered;

/// Look for what is wrong with tools before anybody calls them.
///
/// Asks every configured server, or those of a client's settings, for its tools, or reads lists from files, and looks
/// at each tool and at all of them together: shapes that are too broad, definitions that steer, names that are
/// mistaken for others, private data beside text of others and a way out. Says, with the reason, what each tool is
/// taken to do with data, which is what flow labels go by, and which arguments are taken for files, URLs and commands. The exit status is 1 when there are warnings or errors, and
/// 3 when a server could not be asked.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Configuration file; when absent and nothing else is named, the one that `serve` would use.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Settings of a client, whose servers are asked as they stand there.
    #[arg(long, value_name = "FILE")]
    client: Vec<PathBuf>,
    /// File with the answer to `tools/list`; the server is called after the file.
    #[arg(long, value_name = "FILE")]
    tools: Vec<PathBuf>,
    /// Findings that are known, in TOML: `[[except]]` with `rule`, `server`, `until` and `reason`, and `tool` for one
    /// tool only.
    #[arg(long, value_name = "FILE")]
    exceptions: Option<PathBuf>,
    /// Write the result as JSON.
    #[arg(long)]
    json: bool,
    /// Write the result as SARIF 2.1.0.
    #[arg(long, conflicts_with = "json")]
    sarif: bool,
}

/// The result for programs.
#[derive(Serialize)]
struct Scanned<'s> {
    findings: Vec<&'s Finding>,
    excepted: Vec<Excepted<'s>>,
    tools: Vec<Taken<'s>>,
    unreachable: &'s [(String, String)],
}

/// A finding that is known.
#[derive(Serialize)]
struct Excepted<'s> {
    #[serde(flatten)]
    finding: &'s Finding,
    reason: &'s str,
    until: &'s str,
}

/// What a tool is taken to do.
#[derive(Serialize)]
struct Taken<'s> {
    server: String,
    name: String,
    conduct: Vec<&'static str>,
    guesses: &'s [Guess],
    targets: Vec<&'s TargetParameter>,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let exceptions = args.exceptions.as_deref().map_or(Ok(Exceptions::default()), exceptions::read)?;
    let gathered = gather::gather(args, printer)?;
    let mut findings = lint::lint(&gathered.tools);
    findings.extend(gathered.refused.iter().cloned());
    let today = exceptions::today();
    let (known, open): (Vec<&Finding>, Vec<&Finding>) =
        findings.iter().partition(|finding| exceptions.of(finding, &today).is_some());
    if args.sarif {
        printer.json(&sarif::log(&findings, &gathered.artifact, |finding| exceptions.of(finding, &today)));
    } else if args.json {
        printer.json(&scanned(&gathered, open.clone(), &known, &exceptions, &today));
    } else {
        tell(&gathered, &open, printer);
    }
    for expired in exceptions.expired(&today) {
        printer
            .warning(&format!("{expired} has expired"), Some("decide again, and write a new date or fix it"));
    }
    for (server, why) in &gathered.unreachable {
        printer.warning(&format!("server `{server}` could not be asked: {why}"), None);
    }
    let (tools, known) = (super::counted(gathered.tools.len(), "tool"), known.len());
    printer.status(&format!("{tools}, {}, {known} excepted", super::counted(open.len(), "finding")));
    Ok(match open.iter().any(|finding| finding.weight > Weight::Note) {
        true => Exit::Findings,
        false if !gathered.unreachable.is_empty() => Exit::Unreachable,
        false => Exit::Fine,
    })
}

fn scanned<'s>(
    gathered: &'s Gathered,
    findings: Vec<&'s Finding>,
    known: &[&'s Finding],
    exceptions: &'s Exceptions,
    today: &str,
) -> Scanned<'s> {
    let excepted = known.iter().filter_map(|finding| {
        let exception = exceptions.of(finding, today)?;
        Some(Excepted { finding, reason: &exception.reason, until: &exception.until })
    });
    Scanned {
        findings,
        excepted: excepted.collect(),
        tools: gathered.tools.iter().map(taken).collect(),
        unreachable: &gathered.unreachable,
    }
}

fn taken(tool: &Tool) -> Taken<'_> {
    Taken {
        server: tool.definition.server().to_string(),
        name: tool.definition.name().to_string(),
        conduct: tool.conduct.deeds().map(|deed| deed.as_str()).collect(),
        guesses: &tool.guesses.0,
        targets: tool.targets.iter().collect(),
    }
}

fn tell(gathered: &Gathered, findings: &[&Finding], printer: &Printer) {
    for finding in findings {
        let Finding { rule, weight, server, tool, pointer, message } = finding;
        let place = tool.as_ref().map_or_else(|| server.clone(), |tool| format!("{server}/{tool}"));
        let place = if pointer.is_empty() { place } else { format!("{place} {pointer}") };
        printer.line(&format!("{:<8} {rule:<20} {place}: {message}", weight.as_str()));
    }
    for tool in &gathered.tools {
        let name = format!("{}/{}", tool.definition.server(), tool.definition.name());
        let deeds: Vec<_> = tool.conduct.deeds().map(|deed| deed.as_str()).collect();
        if !deeds.is_empty() {
            let reasons: Vec<_> = tool
                .guesses
                .0
                .iter()
                .map(|guess| format!("{}: {}", guess.deed.as_str(), guess.reason))
                .collect();
            printer.line(&format!("taken to  {:<30} {name} ({})", deeds.join(", "), reasons.join("; ")));
        }
        for TargetParameter { path, kind, why, .. } in tool.targets.iter() {
            let place = path.join(".");
            printer.line(&format!("names     {:<30} {name} `{place}` ({why})", kind.as_str()));
        }
    }
    let mut rules: Vec<_> = findings.iter().map(|finding| finding.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    for rule in RULES.iter().filter(|rule| rules.contains(&rule.id) && rule.weight > Weight::Note) {
        printer.status(&format!("{}: {} To do: {}.", rule.id, rule.title, rule.remedy));
    }
}
