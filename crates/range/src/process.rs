//! What runs on this machine and what it holds, from proc(5).

#![allow(dead_code, reason = "memory and descriptors are measured by the limits scenario alone")]

use std::{collections::HashMap, fs, time::Duration};

use tokio::time::{Instant, sleep};

use crate::trouble::Trouble;

/// How often a waiting scenario looks again.
const POLL: Duration = Duration::from_millis(20);

/// The processes below `pid`, itself left out.
pub(crate) fn descendants(pid: i32) -> Vec<i32> {
    let parents = parents();
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(parents.iter().filter(|(_, of)| **of == parent).map(|(child, _)| *child));
        next += 1;
    }
    found.split_off(1)
}

/// Waits until none of `pids` runs and returns those that still do, as their command lines.
pub(crate) async fn survivors(pids: &[i32], deadline: Duration) -> Vec<String> {
    let end = Instant::now() + deadline;
    loop {
        let left: Vec<_> = pids.iter().filter(|pid| runs(**pid)).map(|pid| describe(*pid)).collect();
        if left.is_empty() || Instant::now() >= end {
            return left;
        }
        sleep(POLL).await;
    }
}

/// A zombie runs no more: whoever has to take note of its end may do so later.
fn runs(pid: i32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != 'Z')
}

/// Resident memory in MiB: now, and the most there ever was.
pub(crate) fn resident(pid: i32) -> Result<(f64, f64), Trouble> {
    let now = kib(&format!("/proc/{pid}/smaps_rollup"), "Rss:")?;
    let peak = kib(&format!("/proc/{pid}/status"), "VmHWM:")?;
    Ok((now / 1024.0, peak / 1024.0))
}

fn kib(path: &str, field: &str) -> Result<f64, Trouble> {
    let text = fs::read_to_string(path).map_err(Trouble::io(format!("reading {path}")))?;
    let value =
        text.lines().find_map(|line| line.strip_prefix(field)?.split_whitespace().next()?.parse().ok());
    value.ok_or_else(|| Trouble::other(format!("{path} has no {field}")))
}

/// How many descriptors a process holds.
pub(crate) fn descriptors(pid: i32) -> Result<usize, Trouble> {
    let path = format!("/proc/{pid}/fd");
    Ok(fs::read_dir(&path).map_err(Trouble::io(format!("reading {path}")))?.count())
}

/// Waits until a process holds no more than `most` descriptors and returns how many it holds.
pub(crate) async fn descriptors_at_most(pid: i32, most: usize, deadline: Duration) -> Result<usize, Trouble> {
    let end = Instant::now() + deadline;
    loop {
        let now = descriptors(pid)?;
        if now <= most || Instant::now() >= end {
            return Ok(now);
        }
        sleep(POLL).await;
    }
}

fn describe(pid: i32) -> String {
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    format!("{pid}: {}", String::from_utf8_lossy(&command).replace('\0', " "))
}

fn parents() -> HashMap<i32, i32> {
    let entries =
        fs::read_dir("/proc").map(|entries| entries.flatten().collect::<Vec<_>>()).unwrap_or_default();
    let pids = entries.iter().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| Some((pid, stat(pid)?.1))).collect()
}

/// State and parent of a process.
fn stat(pid: i32) -> Option<(char, i32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold anything.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}
