//! A plan in plain words.

use std::{collections::BTreeSet, fmt, path::Path};

use super::{
    Plan,
    resolve::resolve,
    system::{LOADERS, READ},
};

impl fmt::Display for Plan {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let system = real_paths(READ);
        let loaders = real_paths(LOADERS);
        let listed = |paths: &BTreeSet<std::path::PathBuf>, but: &BTreeSet<std::path::PathBuf>| {
            let shown = paths.difference(but).map(|path| shown(path));
            or_nothing(shown.collect())
        };
        let none = BTreeSet::new();
        if !self.tier.is_kernel() {
            writeln!(out, "is held by    {}", self.tier)?;
        }
        writeln!(out, "reads         libraries of the system, {}", listed(&self.read, &system))?;
        for (path, digest) in &self.sealed {
            writeln!(out, "starts if     {} is {digest}", shown(path))?;
        }
        writeln!(out, "changes       {}", listed(&self.write, &none))?;
        writeln!(out, "runs          {}", listed(&self.execute, &loaders))?;
        writeln!(out, "connects to   {}", self.reach())?;
        writeln!(out, "is told       {}", or_nothing(self.env.iter().cloned().collect()))?;
        writeln!(out, "works in      {}", shown(&self.cwd))?;
        let limits = &self.limits;
        writeln!(
            out,
            "may use       {} of memory, {} processes, {} % of a processor, {} of temporary files, files of {}, {} \
             open files",
            size(limits.memory),
            limits.processes,
            limits.cpu,
            size(limits.scratch),
            size(limits.file),
            limits.open_files
        )?;
        match limits.seconds {
            Some(seconds) => writeln!(out, "is ended      after {seconds} s")?,
            None => writeln!(out, "is ended      when it is no longer used")?,
        }
        write!(out, "plan          {}", self.digest())
    }
}

impl Plan {
    /// What it can reach.
    fn reach(&self) -> String {
        let egress = &self.egress;
        if self.danger_host_network {
            return "whatever this machine can: danger_host_network".to_owned();
        }
        if egress.is_closed() {
            return "nothing: it has no network".to_owned();
        }
        let hosts = egress.hosts.iter().map(|host| format!("{host} over TLS"));
        let plain = egress.danger_plain_hosts.iter().map(|host| format!("{host} with anything (danger)"));
        let private = egress.danger_addresses.iter().map(|address| format!("even at {address} (danger)"));
        let listed: Vec<String> = hosts.chain(plain).chain(private).collect();
        format!("{}; through a proxy that records each attempt, and nothing else", listed.join(", "))
    }
}

fn real_paths(table: &[&str]) -> BTreeSet<std::path::PathBuf> {
    let found = table.iter().filter_map(|path| resolve(Path::new(path), Path::new("/")).ok());
    found.map(|resolved| resolved.real).collect()
}

/// A path as a part of one line.
fn shown(path: &Path) -> String {
    let text = path.to_string_lossy();
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() { line.extend(character.escape_debug()) } else { line.push(character) }
    }
    line
}

fn or_nothing(words: Vec<String>) -> String {
    if words.is_empty() { "nothing else".to_owned() } else { words.join(", ") }
}

/// In the largest unit that leaves a whole number.
fn size(bytes: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let whole = units.iter().find(|(unit, _)| bytes >= *unit && bytes.is_multiple_of(*unit));
    whole.map_or_else(|| format!("{bytes} bytes"), |(unit, name)| format!("{} {name}", bytes / unit))
}
