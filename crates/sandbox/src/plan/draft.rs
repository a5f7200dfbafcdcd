//! Making a plan of what a person writes.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use portcullis_core::Digest;

use super::{
    Egress, Limits, Plan, PlanFault, SCRATCH, Tier,
    resolve::resolve,
    system::{ALIASES, BOUNDARIES, LOADERS, NAMES, READ},
};

/// As many interpreters of interpreters as the kernel follows (execve(2)).
const MAX_INTERPRETERS: usize = 4;

/// Variables every server gets: where programs are, and how to speak.
const ENV: &[&str] = &["LANG", "LC_*", "PATH", "TZ"];

/// A plan in the making. It starts with what every program needs to start at all and nothing else.
#[derive(Debug)]
pub struct Draft {
    plan: Plan,
    /// Directories programs are looked for in.
    path: OsString,
    /// From where relative paths are meant.
    from: PathBuf,
}

impl Draft {
    /// A plan that allows nothing but the libraries of the distribution to be read.
    ///
    /// `path` is the list of directories programs are looked for in, `from` the directory that relative paths
    /// start at.
    pub fn new(path: &OsStr, from: &Path) -> Self {
        let plan = Plan {
            tier: Tier::Kernel,
            read: BTreeSet::new(),
            write: BTreeSet::new(),
            execute: BTreeSet::new(),
            links: BTreeMap::new(),
            sealed: BTreeMap::new(),
            egress: Egress::default(),
            danger_host_network: false,
            env: ENV.iter().map(|name| (*name).to_owned()).collect(),
            cwd: SCRATCH.into(),
            limits: Limits::default(),
        };
        let mut draft = Self { plan, path: path.to_owned(), from: from.to_owned() };
        for path in READ {
            // Each distribution has some of them.
            let _absent = draft.find(Path::new(path)).map(|real| draft.plan.read.insert(real));
        }
        for alias in ALIASES {
            let _absent = draft.find(Path::new(alias));
        }
        for loader in LOADERS {
            let _absent = draft.find(Path::new(loader)).map(|real| draft.plan.execute.insert(real));
        }
        draft
    }

    /// Lets a file or directory be read.
    ///
    /// # Errors
    /// When it does not exist or is a boundary of the machine.
    pub fn read(&mut self, path: &Path) -> Result<(), PlanFault> {
        let real = self.grant(path)?;
        let readable = real.ancestors().any(|above| self.plan.read.contains(above));
        if !readable {
            self.plan.read.insert(real);
        }
        Ok(())
    }

    /// Lets a directory be read, as long as its files are those of this digest when the program is executed.
    ///
    /// # Errors
    /// As [`Draft::read`].
    pub fn sealed(&mut self, path: &Path, digest: Digest) -> Result<(), PlanFault> {
        self.read(path)?;
        let real = self.find(path)?;
        // On its own, so that it is mounted as what can only be read wherever it stands.
        self.plan.read.insert(real.clone());
        self.plan.sealed.insert(real, digest);
        Ok(())
    }

    /// Lets a file or directory be read and changed.
    ///
    /// # Errors
    /// As [`Draft::read`].
    pub fn write(&mut self, path: &Path) -> Result<(), PlanFault> {
        let real = self.grant(path)?;
        self.plan.write.insert(real);
        Ok(())
    }

    /// Lets a program be executed, with the interpreters its first line names, and gives its path.
    ///
    /// # Errors
    /// When there is no such program.
    pub fn execute(&mut self, program: &OsStr) -> Result<PathBuf, PlanFault> {
        let executed = self.execute_all(program)?;
        Ok(executed.into_iter().next().map(|(called, _)| called).unwrap_or_default())
    }

    /// The same, and gives each program as it is called and as it is.
    pub(crate) fn execute_all(&mut self, program: &OsStr) -> Result<Vec<(PathBuf, PathBuf)>, PlanFault> {
        let mut executed = Vec::new();
        let mut next = vec![self.look_up(program)?];
        while let Some(called) = next.pop().filter(|_| executed.len() <= MAX_INTERPRETERS) {
            let real = self.grant(&called)?;
            next.extend(self.interpreters(&real)?);
            self.plan.execute.insert(real.clone());
            executed.push((called, real));
        }
        Ok(executed)
    }

    /// Works in `path` if any of it can be seen, and where temporary files are otherwise.
    pub(crate) fn work_in(&mut self, path: &Path) -> Result<(), PlanFault> {
        let real = self.find(path)?;
        let granted = self.plan.read.iter().chain(&self.plan.write);
        if granted.into_iter().any(|it| real.starts_with(it) || it.starts_with(&real))
            && real != Path::new("/")
        {
            self.plan.cwd = real;
        }
        Ok(())
    }

    /// Sets the working directory, which has to be granted as well to be of use.
    ///
    /// # Errors
    /// When it does not exist.
    pub fn cwd(&mut self, path: &Path) -> Result<(), PlanFault> {
        self.plan.cwd = self.find(path)?;
        Ok(())
    }

    /// Has something else than the kernel put the boundaries up.
    pub fn tier(&mut self, tier: Tier) {
        self.plan.tier = tier;
    }

    /// Lets it reach hosts, each attempt on record.
    ///
    /// # Errors
    /// When one of them cannot be a rule.
    pub fn egress(&mut self, egress: Egress) -> Result<(), PlanFault> {
        egress.policy().map_err(PlanFault::Hosts)?;
        self.plan.egress = egress;
        Ok(())
    }

    /// Lets it use the network of the machine as the gateway does, and read how names are found there.
    pub fn danger_host_network(&mut self) {
        self.plan.danger_host_network = true;
        for path in NAMES {
            let _absent = self.find(Path::new(path)).map(|real| self.plan.read.insert(real));
        }
    }

    /// Passes a variable on.
    pub fn env(&mut self, name: impl Into<String>) {
        self.plan.env.insert(name.into());
    }

    /// The limits, to be changed.
    pub fn limits(&mut self) -> &mut Limits {
        &mut self.plan.limits
    }

    /// The finished plan.
    pub fn finish(self) -> Plan {
        self.plan
    }

    /// Follows a path and remembers the links on the way.
    fn find(&mut self, path: &Path) -> Result<PathBuf, PlanFault> {
        let resolved = resolve(path, &self.from)?;
        self.plan.links.extend(resolved.links);
        Ok(resolved.real)
    }

    fn grant(&mut self, path: &Path) -> Result<PathBuf, PlanFault> {
        let real = self.find(path)?;
        match BOUNDARIES.iter().find(|(boundary, _)| real == Path::new(boundary)) {
            Some((_, why)) => Err(PlanFault::Boundary { path: real, why }),
            None => Ok(real),
        }
    }

    fn look_up(&self, program: &OsStr) -> Result<PathBuf, PlanFault> {
        if program.as_encoded_bytes().contains(&b'/') {
            return Ok(self.from.join(program));
        }
        let candidates = std::env::split_paths(&self.path).map(|dir| self.from.join(dir).join(program));
        let mut files = candidates.filter(|file| is_executable(file));
        files.next().ok_or_else(|| PlanFault::NoProgram(program.to_string_lossy().into_owned()))
    }

    /// What the first line of a script names; `env` is followed to the program it starts.
    fn interpreters(&self, script: &Path) -> Result<Vec<PathBuf>, PlanFault> {
        let Some((interpreter, argument)) = first_line(script) else { return Ok(Vec::new()) };
        if interpreter.file_name() != Some(OsStr::new("env")) {
            return Ok(vec![interpreter]);
        }
        let mut words =
            argument.split_ascii_whitespace().filter(|word| !word.starts_with('-') && !word.contains('='));
        let started = words.next().map(|program| self.look_up(OsStr::new(program))).transpose()?;
        Ok(started.into_iter().chain([interpreter]).collect())
    }
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// `#!interpreter argument`, as much of it as the kernel reads.
fn first_line(script: &Path) -> Option<(PathBuf, String)> {
    let mut head = Vec::new();
    File::open(script).ok()?.take(256).read_to_end(&mut head).ok()?;
    let line = head.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let line = String::from_utf8_lossy(line);
    let (interpreter, argument) = line.trim().split_once([' ', '\t']).unwrap_or((line.trim(), ""));
    Some((interpreter.into(), argument.to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use super::*;

    fn draft() -> Draft {
        Draft::new(OsStr::new("/usr/bin:/bin"), Path::new("/"))
    }

    #[test]
    fn nothing_is_granted_that_would_undo_the_sandbox() {
        for path in ["/", "/proc", "/sys/", "/dev", "/proc/../dev", "/run", "/nonexistent"] {
            assert!(draft().read(Path::new(path)).is_err(), "{path}");
            assert!(draft().write(Path::new(path)).is_err(), "{path}");
        }
        draft().read(Path::new("/etc/hosts")).unwrap();
    }

    #[test]
    fn a_script_brings_its_interpreters() {
        use std::os::unix::fs::PermissionsExt as _;
        let script = std::env::temp_dir().join(format!("portcullis-script-{}", std::process::id()));
        for (line, expected) in [
            ("#!/bin/sh -e", &["sh"][..]),
            ("#!/usr/bin/env sh", &["env", "sh"]),
            ("#!/usr/bin/env -S A=b sh -e", &["env", "sh"]),
            ("plain", &[]),
        ] {
            std::fs::write(&script, format!("{line}\n")).unwrap();
            std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
            let (mut with, without) = (draft(), draft().finish());
            with.execute(script.as_os_str()).unwrap();
            let with = with.finish();
            let real = |name: &&str| Path::new("/usr/bin").join(name).canonicalize().unwrap();
            let mut expected: BTreeSet<PathBuf> = expected.iter().map(real).collect();
            expected.insert(script.canonicalize().unwrap());
            assert_eq!(with.execute.difference(&without.execute).cloned().collect::<BTreeSet<_>>(), expected);
        }
        std::fs::remove_file(script).unwrap();
        assert!(draft().execute(OsStr::new("no-such-program")).is_err());
    }

    #[test]
    fn every_difference_changes_the_digest() {
        let plain = draft().finish();
        let changed = |change: fn(&mut Draft)| {
            let mut draft = draft();
            change(&mut draft);
            draft.finish().digest()
        };
        assert_eq!(plain.digest(), draft().finish().digest());
        let changes: [fn(&mut Draft); 8] = [
            Draft::danger_host_network,
            |draft| draft.read(Path::new("/etc/hosts")).unwrap(),
            |draft| draft.write(Path::new("/etc/hosts")).unwrap(),
            |draft| draft.env("X"),
            |draft| {
                let hosts = ["api.example.com".to_owned()].into();
                draft.egress(Egress { hosts, ..Egress::default() }).unwrap();
            },
            |draft| draft.limits().seconds = Some(1),
            |draft| draft.cwd(Path::new("/usr")).unwrap(),
            |draft| draft.sealed(Path::new("/usr"), Digest::of(b"x")).unwrap(),
        ];
        let mut digests: Vec<_> = changes.iter().map(|change| changed(*change).to_string()).collect();
        digests.push(plain.digest().to_string());
        digests.sort();
        digests.dedup();
        assert_eq!(digests.len(), 9);
    }
}
