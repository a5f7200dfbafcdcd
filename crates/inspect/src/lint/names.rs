//! Names that are, or look like, somebody else's.

use std::collections::HashMap;

use unicode_security::confusable_detection::skeleton;

use super::{Report, Tool, rule};

/// Names that a reader or a program takes for something else.
const RESERVED: &[&str] =
    &["assistant", "initialize", "mcp", "ping", "portcullis", "system", "tools/call", "tools/list", "user"];

/// Names of well-known servers, without what they have around them.
const WELL_KNOWN: &[&str] = &[
    "brave-search",
    "everything",
    "fetch",
    "filesystem",
    "git",
    "github",
    "gitlab",
    "google-drive",
    "jira",
    "linear",
    "memory",
    "notion",
    "playwright",
    "postgres",
    "puppeteer",
    "redis",
    "sentry",
    "sequential-thinking",
    "slack",
    "sqlite",
    "stripe",
    "time",
];

/// Names that differ by one letter say little if they are this short.
const SHORT: usize = 6;

pub(super) fn look(tools: &[Tool], report: &mut Report) {
    let mut by_look: HashMap<String, Vec<&Tool>> = HashMap::new();
    for tool in tools {
        by_look.entry(look_of(tool.name())).or_default().push(tool);
        reserved(tool, tools, report);
    }
    for alike in by_look.values() {
        confusable(alike, report);
    }
    near(tools, report);
    servers(tools, report);
}

/// What a name looks like: its skeleton (UTS #39), whatever the case and the separators.
pub(crate) fn look_of(name: &str) -> String {
    skeleton(&name.to_lowercase()).filter(|c| c.is_alphanumeric()).collect()
}

fn reserved(tool: &Tool, tools: &[Tool], report: &mut Report) {
    let name = tool.name();
    if let Some(reserved) = RESERVED.iter().find(|reserved| look_of(reserved) == look_of(name)) {
        report.tool(rule::RESERVED, tool, "/name", format!("`{name}` reads like `{reserved}`"));
    }
    let claimed = name.split_once("__").map(|(server, _)| server);
    let other = claimed.filter(|server| *server != tool.server().as_str());
    if let Some(server) = other.filter(|server| tools.iter().any(|other| other.server().as_str() == *server))
    {
        report.tool(
            rule::RESERVED,
            tool,
            "/name",
            format!("`{name}` reads like a tool of server `{server}`"),
        );
    }
}

fn confusable(alike: &[&Tool], report: &mut Report) {
    for (at, tool) in alike.iter().enumerate() {
        let others = alike.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, other)| other);
        for other in others {
            let same_server = other.server() == tool.server();
            let theirs = format!("`{}` of server `{}`", other.name(), other.server());
            if other.name() != tool.name() {
                report.tool(rule::CONFUSABLE, tool, "/name", format!("it looks like {theirs}"));
            } else if !same_server {
                report.tool(rule::SAME, tool, "/name", format!("so is {theirs}"));
            }
        }
    }
}

fn near(tools: &[Tool], report: &mut Report) {
    for (at, tool) in tools.iter().enumerate() {
        for other in tools.iter().skip(at + 1).filter(|other| other.server() != tool.server()) {
            let (a, b) = (look_of(tool.name()), look_of(other.name()));
            if a != b && a.len().min(b.len()) > SHORT && within(&a, &b, 1) && !is_plural(&a, &b) {
                let message =
                    format!("`{}` of server `{}` differs by one letter", other.name(), other.server());
                report.tool(rule::NEAR, tool, "/name", message);
            }
        }
    }
}

fn is_plural(a: &str, b: &str) -> bool {
    a.strip_suffix('s') == Some(b) || b.strip_suffix('s') == Some(a)
}

fn servers(tools: &[Tool], report: &mut Report) {
    let mut names: Vec<_> = tools.iter().map(|tool| tool.server()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let bare =
            name.as_str().trim_start_matches("mcp-").trim_start_matches("server-").trim_end_matches("-mcp");
        let bare = bare.trim_end_matches("-server");
        let far = if bare.len() > SHORT { 2 } else { 1 };
        let like =
            WELL_KNOWN.iter().find(|known| known.len() > 4 && **known != bare && within(known, bare, far));
        if let (Some(known), false) = (like, WELL_KNOWN.contains(&bare)) {
            report.server(rule::LOOKALIKE, name, format!("`{name}` is nearly `{known}`"));
        }
    }
}

/// Whether one becomes the other by at most `most` letters added, left out, exchanged or swapped with the next
/// (optimal string alignment).
fn within(a: &str, b: &str, most: usize) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a.len().abs_diff(b.len()) > most {
        return false;
    }
    let mut rows: [Vec<usize>; 2] = [Vec::new(), (0..=b.len()).collect()];
    for (i, x) in a.iter().enumerate() {
        let [before, last] = &rows;
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX / 2);
            let mut cost = (at(last, j + 1) + 1).min(at(&row, j) + 1).min(at(last, j) + usize::from(x != y));
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                cost = cost.min(at(before, j - 1) + 1);
            }
            row.push(cost);
        }
        let [_, last] = rows;
        rows = [last, row];
    }
    let [_, last] = rows;
    last.last().is_some_and(|cost| *cost <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_letters_and_swaps() {
        for (a, b, most, expected) in [
            ("github", "githib", 1, true),
            ("github", "gtihub", 1, true),
            ("github", "gitub", 1, true),
            ("github", "gitthub", 1, true),
            ("github", "gitlab", 1, false),
            ("github", "gitlab", 2, true),
            ("filesystem", "filesytsem", 1, true),
            ("", "ab", 1, false),
        ] {
            assert_eq!(within(a, b, most), expected, "{a} {b}");
            assert_eq!(within(b, a, most), expected, "{b} {a}");
        }
    }

    #[test]
    fn a_look_is_the_same_whatever_the_case_separators_and_scripts() {
        for name in ["read_file", "read-file", "readFile", "READ_FILE", "re\u{430}d_file"] {
            assert_eq!(look_of(name), look_of("read_file"), "{name}");
        }
        assert_ne!(look_of("read_files"), look_of("read_file"));
    }
}
