//! Names of finished segments: `audit.jsonl` becomes `audit.000001.20261122T101500Z.jsonl`.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

use crate::{read_records, time};

/// The name segment `number` gets when it is finished at `now_ms`.
pub(super) fn finished(active: &Path, number: u32, now_ms: u64) -> PathBuf {
    let (stem, extension) = parts(active);
    active.with_file_name(format!("{stem}.{number:06}.{}{extension}", time::compact(now_ms)))
}

/// All segments of a log in the order they were written, the active one last. Numbers decide, not dates.
///
/// # Errors
/// When the directory cannot be listed.
pub fn segments(active: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found: Vec<(u32, PathBuf)> = Vec::new();
    for entry in fs::read_dir(directory(active))? {
        let name = entry?.file_name();
        if let Some(number) = number(active, &name) {
            found.push((number, active.with_file_name(name)));
        }
    }
    found.sort();
    let mut paths: Vec<_> = found.into_iter().map(|(_, path)| path).collect();
    if active.try_exists()? {
        paths.push(active.to_owned());
    }
    Ok(paths)
}

/// How many numbers are told of those that are not there.
const MOST_MISSING: usize = 32;

/// Finished segments that are not there: numbers before the highest one in use, and what the active segment says that it
/// continues.
pub(super) fn missing(active: &Path) -> io::Result<Vec<String>> {
    let mut there = BTreeSet::new();
    for entry in fs::read_dir(directory(active))? {
        there.extend(number(active, &entry?.file_name()));
    }
    let highest = there.last().copied().unwrap_or(0);
    let numbers = (1..highest).filter(|number| !there.contains(number)).take(MOST_MISSING);
    let before = continued(active)?.filter(|name| !active.with_file_name(name).exists());
    Ok(numbers.map(|number| format!("{number:06}")).chain(before).collect())
}

/// The segment that the active one continues, as its first line says.
fn continued(active: &Path) -> io::Result<Option<String>> {
    let Some(Ok(first)) = read_records(active)?.next() else { return Ok(None) };
    let name = first.get("subject").and_then(|name| name.as_str());
    let name = name.filter(|name| first.event() == Some("log-continued") && !name.contains('/'));
    Ok(name.map(str::to_owned))
}

/// The number after the highest one in use.
pub(super) fn next_number(active: &Path) -> io::Result<u32> {
    let mut highest = 0;
    for entry in fs::read_dir(directory(active))? {
        highest = highest.max(number(active, &entry?.file_name()).unwrap_or(0));
    }
    highest.checked_add(1).ok_or_else(|| io::Error::other("segment numbers are used up"))
}

/// The directory a file is in, `.` for a bare name.
pub(super) fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn number(active: &Path, name: &OsStr) -> Option<u32> {
    let (stem, extension) = parts(active);
    let middle = name.to_str()?.strip_prefix(&stem)?.strip_prefix('.')?.strip_suffix(&extension)?;
    let (number, date) = middle.split_once('.')?;
    let well_formed = number.len() >= 6 && number.bytes().all(|b| b.is_ascii_digit()) && date.len() == 16;
    if well_formed { number.parse().ok() } else { None }
}

/// `audit` and `.jsonl`.
fn parts(active: &Path) -> (String, String) {
    let text = |part: &OsStr| part.to_string_lossy().into_owned();
    let stem = active.file_stem().map_or_else(|| "audit".to_owned(), text);
    let extension = active.extension().map_or_else(String::new, |e| format!(".{}", text(e)));
    (stem, extension)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finished_segments_are_recognised_and_nothing_else_is() {
        for active in ["log/audit.jsonl", "audit"] {
            let active = Path::new(active);
            let path = finished(active, 7, 1_795_342_500_042);
            assert_eq!(path.file_name().and_then(|n| number(active, n)), Some(7), "{path:?}");
        }
        let active = Path::new("audit.jsonl");
        for other in [
            "audit.jsonl",
            "audit.jsonl.lock",
            "audit.7.20261122T101500Z.jsonl",
            "audit.000007.jsonl",
            "audit.00000x.20261122T101500Z.jsonl",
            "other.000007.20261122T101500Z.jsonl",
            "audit.000007.20261122T101500Z.json",
        ] {
            assert_eq!(number(active, OsStr::new(other)), None, "{other}");
        }
    }
}
