//! CPU time and memory of a process and its descendants, from /proc.

use std::{collections::HashMap, fs};

use serde::Serialize;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// User and system time so far, microseconds (kernel resolution: 10 ms).
    pub(crate) cpu_us: u64,
    pub(crate) rss_mb: f64,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Memory {
    /// Resident, shared pages counted in full by every process.
    pub(crate) rss_mb: f64,
    /// Resident, shared pages divided among the processes that share them.
    pub(crate) pss_mb: f64,
    pub(crate) processes: usize,
}

pub(crate) fn usage(root: u32) -> Usage {
    let pids = tree(root);
    let rss_kb: u64 = pids.iter().map(|pid| rss_kb(*pid)).sum();
    Usage {
        cpu_us: pids.iter().filter_map(|pid| stat(*pid)).map(|stat| stat.cpu_us).sum(),
        rss_mb: mb(rss_kb),
    }
}

pub(crate) fn memory(root: u32) -> Memory {
    let pids = tree(root);
    let pss_kb: u64 = pids.iter().map(|pid| kb_field(&format!("/proc/{pid}/smaps_rollup"), "Pss:")).sum();
    let rss_kb: u64 = pids.iter().map(|pid| rss_kb(*pid)).sum();
    Memory { rss_mb: mb(rss_kb), pss_mb: mb(pss_kb), processes: pids.len() }
}

/// The process and all its descendants.
fn tree(root: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    let all = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    for pid in all {
        if let Some(stat) = stat(pid) {
            children.entry(stat.parent).or_default().push(pid);
        }
    }
    let (mut found, mut pending) = (Vec::new(), vec![root]);
    while let Some(pid) = pending.pop() {
        if stat(pid).is_some() {
            found.push(pid);
            pending.extend(children.remove(&pid).unwrap_or_default());
        }
    }
    found
}

struct Stat {
    parent: u32,
    cpu_us: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command name, in parentheses, may contain anything; fields are counted from after it.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Some(Stat { parent: fields.get(1)?.parse().ok()?, cpu_us: ticks * 1_000_000 / per_second })
}

fn rss_kb(pid: u32) -> u64 {
    kb_field(&format!("/proc/{pid}/status"), "VmRSS:")
}

fn kb_field(path: &str, name: &str) -> u64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|value| value.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}

fn mb(kb: u64) -> f64 {
    kb as f64 / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_process() {
        let own = std::process::id();
        assert!(usage(own).rss_mb > 0.0);
        let memory = memory(own);
        assert!(memory.pss_mb > 0.0 && memory.rss_mb >= memory.pss_mb && memory.processes >= 1);
    }
}
