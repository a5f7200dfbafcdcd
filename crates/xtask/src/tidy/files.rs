//! Rules for single files: length, and words that say a thing is unfinished.

use std::process::Command;

use super::Findings;
use crate::{failure::Failure, workspace};

const MAX_LINES: usize = 500;
const LONG_LINES: usize = 350;
/// In halves, so that this table does not find itself.
const UNFINISHED: &[&str] =
    &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("HA", "CK")];
const READ: &[&str] = &["rs", "toml", "md", "yml", "yaml", "sh", "cedar", "cedarschema"];

pub(super) fn check(findings: &mut Findings) -> Result<(), Failure> {
    let root = workspace::root();
    let mut git = Command::new("git");
    git.current_dir(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    for name in workspace::output(&mut git)?.split_terminator('\0') {
        let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
        if READ.contains(&extension) {
            // A file that is deleted but still in git's index is no file.
            if let Ok(text) = std::fs::read_to_string(root.join(name)) {
                check_file(name, extension, &text, findings);
            }
        }
    }
    Ok(())
}

fn check_file(name: &str, extension: &str, text: &str, findings: &mut Findings) {
    let lines = text.lines().count();
    if extension == "rs" && lines > MAX_LINES {
        findings.problem(format!("{name}: {lines} lines, more than {MAX_LINES}: split it"));
    } else if extension == "rs" && lines > LONG_LINES {
        findings.warning(format!("{name}: {lines} lines, more than {LONG_LINES}"));
    }
    for (n, line) in text.lines().enumerate() {
        let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        if let Some(word) = words.find(|word| UNFINISHED.contains(word)) {
            findings.problem(format!("{name}:{}: `{word}`: finish it, or write an issue", n + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_words() {
        let unfinished = |n: usize| format!("// {}: later", UNFINISHED.get(n).copied().unwrap_or_default());
        for (name, text, problems, warnings) in [
            ("a.rs", "fn a() {}\n".repeat(LONG_LINES), 0, 0),
            ("a.rs", "fn a() {}\n".repeat(LONG_LINES + 1), 0, 1),
            ("a.rs", "fn a() {}\n".repeat(MAX_LINES + 1), 1, 0),
            ("a.md", "text\n".repeat(MAX_LINES + 1), 0, 0),
            ("a.md", unfinished(0), 1, 0),
            ("a.rs", format!("{}\n{}", unfinished(1), unfinished(3)), 2, 0),
            ("a.rs", "todo = \"deny\"\nXXXL".to_owned(), 0, 0),
        ] {
            let mut findings = Findings::default();
            check_file(name, name.trim_start_matches("a."), &text, &mut findings);
            assert_eq!((findings.problems.len(), findings.warnings.len()), (problems, warnings), "{name}");
        }
    }
}
