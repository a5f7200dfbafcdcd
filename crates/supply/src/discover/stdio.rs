//! Servers that speak over their standard input and output.

use std::collections::BTreeMap;

use super::{
    evidence,
    executable::Executables,
    process::{Process, Processes, Stream},
};

/// A server on the other end of two pipes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StdioServer {
    /// The first process on these pipes: a package runner, or the server itself.
    pub pid: u32,
    /// All processes on them, among them whoever answers.
    pub all: Vec<u32>,
    /// Who started it and holds the other ends.
    pub client: u32,
    /// Why it is taken for one.
    pub evidence: String,
}

/// The stdio servers among processes.
///
/// A stdio server has its standard input and output on pipes, or socket pairs, that its client holds the other
/// ends of; what it was started from says whether it speaks MCP.
pub fn stdio_servers(processes: &Processes, executables: &Executables) -> Vec<StdioServer> {
    let mut groups: BTreeMap<Stream, Vec<&Process>> = BTreeMap::new();
    for process in processes.iter() {
        if let Some(input) = input_of(process) {
            groups.entry(input).or_default().push(process);
        }
    }
    let holders = pipe_holders(processes);
    groups
        .into_iter()
        .filter_map(|(input, group)| judge(processes, executables, &holders, input, &group))
        .collect()
}

/// Where a process reads from and writes to, when both are streams.
fn input_of(process: &Process) -> Option<Stream> {
    let (input, output) = (process.streams.get(&0)?, process.streams.get(&1)?);
    let alike = matches!(
        (input, output),
        (Stream::Pipe(_), Stream::Pipe(_)) | (Stream::Socket(_), Stream::Socket(_))
    );
    // In a pipeline the two are of the same kind too, but then the other ends belong to different processes.
    alike.then_some(*input)
}

fn pipe_holders(processes: &Processes) -> BTreeMap<u64, Vec<u32>> {
    let mut holders: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
    for process in processes.iter() {
        for stream in process.streams.values() {
            if let Stream::Pipe(inode) = stream {
                holders.entry(*inode).or_default().push(process.pid);
            }
        }
    }
    holders
}

/// Who has the other ends: in a pipeline nobody has both.
fn holder_of_both(
    holders: &BTreeMap<u64, Vec<u32>>,
    input: u64,
    output: u64,
    group: &[&Process],
) -> Option<u32> {
    let (writers, readers) = (holders.get(&input)?, holders.get(&output)?);
    let outside = |pid: &&u32| !group.iter().any(|process| process.pid == **pid);
    let both = writers.iter().filter(outside).find(|pid| readers.contains(pid));
    both.copied().filter(|_| input != output)
}

fn judge(
    processes: &Processes,
    executables: &Executables,
    holders: &BTreeMap<u64, Vec<u32>>,
    input: Stream,
    group: &[&Process],
) -> Option<StdioServer> {
    // The one whose parent is none of the group.
    let first = group.iter().find(|process| !group.iter().any(|other| other.pid == process.parent))?;
    let client = match (input, first.streams.get(&1)?) {
        (Stream::Pipe(input), Stream::Pipe(output)) => holder_of_both(holders, input, *output, group)?,
        // The kernel does not tell who has the other end of a socket pair.
        _ => first.parent,
    };
    let client = processes.get(client)?;
    let by_start = group.iter().find_map(|process| evidence::of(process));
    let by_bytes = || {
        group
            .iter()
            .filter(|process| !evidence::is_interpreter(process.name()))
            .find(|process| executables.name_methods(process.pid))
            .map(|process| format!("its program {} has the names of MCP's methods in it", process.name()))
    };
    Some(StdioServer {
        pid: first.pid,
        all: group.iter().map(|process| process.pid).collect(),
        client: client.pid,
        evidence: by_start.or_else(by_bytes)?,
    })
}
