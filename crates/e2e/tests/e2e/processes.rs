//! What runs on this machine, from `/proc`.

use std::{collections::HashMap, fs, time::Duration};

use tokio::time::{Instant, sleep};

/// How often a waiting test looks again.
const POLL: Duration = Duration::from_millis(10);

/// The processes below `pid`, children first, itself left out.
pub(crate) fn descendants(pid: i32) -> Vec<i32> {
    let parents = parents();
    let mut found = vec![pid];
    let mut next = 0;
    while next < found.len() {
        let children = parents.iter().filter(|(_, parent)| **parent == found[next]);
        let children: Vec<_> = children.map(|(child, _)| *child).collect();
        found.extend(children);
        next += 1;
    }
    found.split_off(1)
}

/// Waits until none of `pids` runs.
pub(crate) async fn all_gone(pids: &[i32], deadline: Duration) {
    let end = Instant::now() + deadline;
    loop {
        let left: Vec<_> = pids.iter().filter(|pid| runs(**pid)).map(|pid| describe(*pid)).collect();
        if left.is_empty() {
            return;
        }
        assert!(Instant::now() < end, "still there after {deadline:?}: {left:?}");
        sleep(POLL).await;
    }
}

/// Resident memory of a process in KiB.
pub(crate) fn resident_kib(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().split(' ').next().unwrap().parse().unwrap()
}

/// A zombie runs no more: whoever has to take note of its end may do so later.
pub(crate) fn runs(pid: i32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != 'Z')
}

fn describe(pid: i32) -> String {
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    format!("{pid}: {}", String::from_utf8_lossy(&command).replace('\0', " "))
}

fn parents() -> HashMap<i32, i32> {
    let names = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let pids = names.filter_map(|name| name.parse().ok());
    pids.filter_map(|pid| Some((pid, stat(pid)?.1))).collect()
}

/// State and parent of a process, proc(5).
fn stat(pid: i32) -> Option<(char, i32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold anything.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}
