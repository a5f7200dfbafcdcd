//! Text into lines that can be played.

use crate::client::Door;

/// One conversation.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) title: String,
    pub(crate) doors: Vec<Door>,
    pub(crate) lines: Vec<Line>,
}

/// One line, and where it is.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) number: usize,
    pub(crate) text: String,
}

const DOORS: [(&str, Door); 5] = [
    ("direct", Door::Direct),
    ("http", Door::Http),
    ("stdio", Door::Stdio),
    ("sse", Door::Sse),
    ("loopback", Door::Loopback),
];
const USUAL: [Door; 3] = [Door::Direct, Door::Http, Door::Stdio];

/// Every conversation of a file.
pub(crate) fn cases(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for (number, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line)) {
        if let Some(title) = line.strip_prefix("## ") {
            cases.push(Case { title: title.to_owned(), doors: USUAL.to_vec(), lines: Vec::new() });
            continue;
        }
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let case = cases.last_mut().unwrap_or_else(|| panic!("line {number} stands before the first title"));
        if let Some(doors) = line.strip_prefix("over ") {
            case.doors = doors.split_whitespace().map(door).collect();
        } else if line.starts_with(' ') {
            let before = case.lines.last_mut().expect("a continued line");
            before.text.push(' ');
            before.text.push_str(line.trim());
        } else {
            case.lines.push(Line { number, text: line.trim_end().to_owned() });
        }
    }
    assert!(!cases.is_empty(), "no conversation in the file");
    cases
}

fn door(name: &str) -> Door {
    DOORS.iter().find(|(own, _)| *own == name).unwrap_or_else(|| panic!("no door `{name}`")).1
}
