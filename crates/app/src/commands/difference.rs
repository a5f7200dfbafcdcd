//! What parts one version of a server from another, as it is shown to people.

use portcullis_core::Digest;
use portcullis_supply::admit::{Changed, Difference, PartChange};

use super::counted;
use crate::printer::Printer;

/// Digits of a digest that are shown: enough to see that two differ. The lock has all of them.
const SHORT: usize = "sha256:".len() + 12;

/// Shows all of it; a kind of change that there is none of is said to be none.
pub(crate) fn tell(difference: &Difference, printer: &Printer) {
    let Difference { package, identity, start, packages, licences, new_findings, gone_findings } = difference;
    let Changed { before, after, .. } = package;
    let text = |it: &Option<String>| it.clone().unwrap_or_default();
    printer.line(&format!("{} -> {}", text(before), text(after)));
    lines("who is behind it", identity.iter().map(ToString::to_string), printer);
    lines("how it is started", start.iter().map(ToString::to_string), printer);
    lines("packages", packages.iter().map(part), printer);
    lines("licences", licences.iter().map(ToString::to_string), printer);
    let new = new_findings.iter().map(|it| format!("+ {it}"));
    lines("findings", new.chain(gone_findings.iter().map(|it| format!("- {it}"))), printer);
    printer.status(&format!("{} differ", counted(packages.len(), "package")));
}

fn lines(what: &str, rows: impl Iterator<Item = String>, printer: &Printer) {
    let rows: Vec<String> = rows.collect();
    if rows.is_empty() {
        printer.line(&format!("  {what}: no change"));
        return;
    }
    printer.line(&format!("  {what}:"));
    rows.iter().for_each(|row| printer.line(&format!("    {row}")));
}

fn part(change: &PartChange) -> String {
    let PartChange { name, before, after } = change;
    match (before.is_empty(), after.is_empty()) {
        (true, _) => format!("+ {name} {}", versions(after)),
        (_, true) => format!("- {name} {}", versions(before)),
        _ => format!("~ {name} {} -> {}", versions(before), versions(after)),
    }
}

fn versions(all: &[(String, Digest)]) -> String {
    let one = |(version, digest): &(String, Digest)| {
        format!("{version} ({})", digest.to_string().chars().take(SHORT).collect::<String>())
    };
    all.iter().map(one).collect::<Vec<_>>().join(", ")
}
