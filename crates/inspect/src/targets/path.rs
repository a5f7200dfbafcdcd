//! Paths of files, in the one form in which they are compared.
//!
//! Looked at are the path as it is written and what it becomes when it is decoded. Links cannot be seen in a path: the
//! sandbox follows none out of what a server was given.

use super::{Reading, TargetFault, encoded};

/// Names below `/proc/PID` that lead to files, directories and memory of a process.
const OF_A_PROCESS: &[&str] =
    &["cwd", "environ", "exe", "fd", "fdinfo", "map_files", "mem", "ns", "root", "task"];

pub(super) fn read(text: &str) -> Reading {
    let written = without_scheme(text).unwrap_or(text);
    let mut form = canonical(written);
    let mut nested = false;
    // A scheme within the path, or one that comes to its front once it is in its one form (`.//file:/a`).
    while let Some(inner) = without_scheme(&form) {
        (form, nested) = (canonical(inner), true);
    }
    let mut reading = Reading::of(form);
    if nested {
        reading.fault(TargetFault::Hidden);
    }
    if climbs(written) {
        reading.fault(TargetFault::Climbs);
    }
    if hides(written) || encoded::is_deeper(written) {
        reading.fault(TargetFault::Hidden);
    }
    if is_indirect(written) {
        reading.fault(TargetFault::Indirect);
    }
    let separators = count(written);
    for layer in encoded::layers(written) {
        if climbs(&layer) || hides(&layer) || is_indirect(&layer) || count(&layer) > separators {
            reading.fault(TargetFault::Hidden);
        }
    }
    reading
}

/// The path of a `file:` URI (RFC 8089).
fn without_scheme(text: &str) -> Option<&str> {
    let (head, rest) = text.split_at_checked(5)?;
    if !head.eq_ignore_ascii_case("file:") {
        return None;
    }
    Some(match rest.strip_prefix("//") {
        // `file://host/path`: the host stays in front of the path, where it is nobody's root.
        Some(rest) if rest.starts_with('/') => rest,
        Some(rest) => rest.strip_prefix("localhost").unwrap_or(rest),
        None => rest,
    })
}

/// Without empty segments, `.` and, as far as there is something to leave, `..`.
fn canonical(path: &str) -> String {
    let absolute = path.starts_with('/');
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." if segments.last().is_some_and(|last| *last != "..") => {
                segments.pop();
            }
            ".." if absolute => {}
            segment => segments.push(segment),
        }
    }
    let joined = segments.join("/");
    match (absolute, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}

/// What any reader takes for the end of a name.
fn is_separator(c: char) -> bool {
    matches!(c, '/' | '\\')
}

fn count(path: &str) -> usize {
    path.chars().filter(|c| is_separator(*c)).count()
}

pub(super) fn climbs(path: &str) -> bool {
    path.split(is_separator).any(|segment| {
        // Some readers drop blanks at the end of a name, and what follows a semicolon.
        let name = segment.split(';').next().unwrap_or_default().trim();
        name == ".."
    })
}

pub(super) fn hides(path: &str) -> bool {
    path.chars().any(char::is_control)
}

fn is_indirect(path: &str) -> bool {
    if path.starts_with("\\\\") {
        return true;
    }
    let clean = canonical(&path.replace('\\', "/"));
    let mut names = clean.split('/').skip(1);
    match (names.next(), names.next()) {
        (Some("proc"), Some("self" | "thread-self")) => true,
        (Some("proc"), Some(process)) if process.bytes().all(|byte| byte.is_ascii_digit()) => {
            names.next().is_some_and(|name| OF_A_PROCESS.contains(&name))
        }
        (Some("dev"), Some("fd" | "stdin" | "stdout" | "stderr" | "tcp" | "udp")) => true,
        _ => false,
    }
}

/// Whether a canonical path is one of these directories, or in one. A relative one starts where its server does, and
/// that is inside.
pub(super) fn is_inside(path: &str, roots: &[String]) -> bool {
    let relative = !path.starts_with(['/', '~']);
    let below = |root: &String| match path.strip_prefix(root.trim_end_matches('/')) {
        Some(rest) => rest.is_empty() || rest.starts_with('/'),
        None => false,
    };
    relative || roots.iter().any(below)
}

#[cfg(test)]
mod tests {
    use super::*;
    use TargetFault::{Climbs, Hidden, Indirect};

    #[test]
    fn paths_have_one_form() {
        for (text, expected) in [
            ("/srv/notes/a.md", "/srv/notes/a.md"),
            ("/srv//notes/./a.md/", "/srv/notes/a.md"),
            ("notes/../a", "a"),
            ("../../a", "../../a"),
            ("/../a", "/a"),
            ("", "."),
            (".", "."),
            ("/", "/"),
            ("file:///srv/a", "/srv/a"),
            ("FILE:/srv/a", "/srv/a"),
            ("file://localhost/srv/a", "/srv/a"),
            ("file://other/srv/a", "other/srv/a"),
            ("C:\\notes\\a", "C:\\notes\\a"),
            ("~/notes", "~/notes"),
            ("100%.txt", "100%.txt"),
        ] {
            let reading = read(text);
            assert_eq!(reading.text, expected, "{text}");
        }
    }

    #[test]
    fn what_leads_elsewhere_is_told() {
        for (text, expected) in [
            ("/srv/notes/a.md", &[][..]),
            ("notes.. /..a/a..", &[]),
            ("100%25 sure.txt", &[]),
            ("日本語/ファイル", &[]),
            ("...", &[]),
            ("/proc/cpuinfo", &[]),
            ("/proc/1/status", &[]),
            ("/dev/null", &[]),
            ("../a", &[Climbs]),
            ("a/../b", &[Climbs]),
            ("a\\..\\b", &[Climbs]),
            ("a/.. /b", &[Climbs]),
            ("a/..;x/b", &[Climbs]),
            ("/srv/notes/..", &[Climbs]),
            ("%2e%2e/a", &[Hidden]),
            ("%252e%252e%252fa", &[Hidden]),
            ("..%2fa", &[Hidden]),
            ("%2fetc%2fpasswd", &[Hidden]),
            ("%c0%ae%c0%ae/a", &[Hidden]),
            ("．．/a", &[Hidden]),
            ("a\0.txt", &[Hidden]),
            ("a%00.txt", &[Hidden]),
            ("a\nb", &[Hidden]),
            ("/proc/self/root/etc/passwd", &[Indirect]),
            ("//proc/./self/environ", &[Indirect]),
            ("/proc/17/root/etc", &[Indirect]),
            ("/proc/17/fd/3", &[Indirect]),
            ("/dev/fd/3", &[Indirect]),
            ("/proc/%73elf/root", &[Hidden]),
            ("\\\\host\\share", &[Indirect]),
            ("file:///a/../b", &[Climbs]),
            ("file:///a/%2e%2e/b", &[Hidden]),
            ("file:file:///a", &[Hidden]),
            (".//file:/a", &[Hidden]),
            ("a/../file:/a", &[Hidden, Climbs]),
        ] {
            assert_eq!(read(text).faults, expected, "{text}");
        }
    }

    #[test]
    fn inside_means_below() {
        let roots = ["/srv/notes".to_owned(), "/tmp/".to_owned()];
        for (path, expected) in [
            ("/srv/notes", true),
            ("/srv/notes/a", true),
            ("/srv/notes2", false),
            ("/tmp/x", true),
            ("/etc", false),
            ("a/b", true),
            ("~/notes", false),
        ] {
            assert_eq!(is_inside(path, &roots), expected, "{path}");
        }
        assert!(is_inside("/any", &["/".to_owned()]));
    }
}
