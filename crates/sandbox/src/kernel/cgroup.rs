//! Limits of a whole tree of processes: a control group of its own, where this process may make one.

use std::{
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use rustix::process::Pid;

use crate::plan::Limits;

const MOUNT: &str = "/sys/fs/cgroup";

/// How often the removal of a group is tried: the kernel empties it shortly after its last process is gone.
const REMOVALS: u32 = 100;

/// Files that count what was killed for want of memory, of version 2 and of version 1.
const COUNTERS: &[&str] = &["memory.events", "memory.oom_control"];

/// Control groups, removed when dropped.
#[derive(Debug)]
pub(crate) struct Cgroup {
    directories: Vec<PathBuf>,
    version: Option<&'static str>,
}

/// A controller of version 1 with the files that set its limits.
type Controller = (&'static str, Vec<(&'static str, String)>);

impl Cgroup {
    /// Makes groups with these limits, of version 2 if the machine has it and of version 1 otherwise.
    pub(crate) fn new(name: &str, limits: &Limits) -> Self {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        Self::below(Path::new(MOUNT), &own, name, limits)
    }

    fn below(mount: &Path, own: &str, name: &str, limits: &Limits) -> Self {
        let controllers = fs::read_to_string(mount.join("cgroup.controllers")).unwrap_or_default();
        if ["memory", "pids", "cpu"]
            .iter()
            .all(|needed| controllers.split_whitespace().any(|it| it == *needed))
        {
            return Self::unified(mount, own, name, limits);
        }
        let made = by_controller(limits).into_iter().map(|(controller, files)| {
            let home = path_in(own, |listed| listed.split(',').any(|it| it == controller));
            first_of(&mount.join(controller), home, name, &files)
        });
        let made: Vec<_> = made.collect();
        let whole = made.iter().all(Option::is_some);
        Self { directories: made.into_iter().flatten().collect(), version: whole.then_some("v1") }
    }

    fn unified(mount: &Path, own: &str, name: &str, limits: &Limits) -> Self {
        let files = [
            ("memory.max", limits.memory.to_string()),
            ("memory.oom.group", "1".to_owned()),
            ("pids.max", limits.processes.to_string()),
            ("cpu.max", format!("{} 100000", limits.cpu * 1000)),
        ];
        let made = first_of(mount, path_in(own, str::is_empty), name, &files);
        Self { version: made.is_some().then_some("v2"), directories: made.into_iter().collect() }
    }

    /// The version in force; `None` when some limit is not.
    pub(crate) fn version(&self) -> Option<&'static str> {
        self.version
    }

    /// Whether the kernel has killed something in here because it was more memory than the limit.
    pub(crate) fn has_run_out(&self) -> bool {
        let counts =
            |group: &PathBuf| COUNTERS.iter().find_map(|file| fs::read_to_string(group.join(file)).ok());
        self.directories.iter().filter_map(counts).any(|text| killed(&text))
    }

    /// Puts a process, and so all it will start, under the limits.
    pub(crate) fn add(&self, process: Pid) -> io::Result<()> {
        self.directories
            .iter()
            .try_for_each(|group| fs::write(group.join("cgroup.procs"), process.to_string()))
    }
}

impl Drop for Cgroup {
    #[allow(clippy::disallowed_methods, reason = "the kernel tells nobody when a group can be removed")]
    fn drop(&mut self) {
        for group in &self.directories {
            for _ in 0..REMOVALS {
                match fs::remove_dir(group) {
                    Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                        thread::sleep(Duration::from_millis(2));
                    }
                    _ => break,
                }
            }
        }
    }
}

fn killed(counters: &str) -> bool {
    let count = counters.lines().find_map(|line| line.strip_prefix("oom_kill "));
    count.is_some_and(|count| count.trim() != "0")
}

fn by_controller(limits: &Limits) -> [Controller; 3] {
    [
        ("memory", vec![("memory.limit_in_bytes", limits.memory.to_string())]),
        ("pids", vec![("pids.max", limits.processes.to_string())]),
        (
            "cpu",
            vec![
                ("cpu.cfs_period_us", "100000".to_owned()),
                ("cpu.cfs_quota_us", (limits.cpu * 1000).to_string()),
            ],
        ),
    ]
}

/// The group of this process in the hierarchy whose list of controllers is meant (cgroups(7)).
fn path_in(own: &str, meant: impl Fn(&str) -> bool) -> &Path {
    let mut lines = own.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
    let path = lines.find(|(controllers, _)| meant(controllers)).map_or("", |(_, path)| path);
    Path::new(path.trim_start_matches('/'))
}

/// A new group in the first place upwards from our own where one can be made and limited. In a group that has
/// processes, such as our own, version 2 lets no limited one be.
fn first_of(mount: &Path, home: &Path, name: &str, files: &[(&str, String)]) -> Option<PathBuf> {
    home.ancestors().find_map(|parent| {
        let parent = mount.join(parent);
        let _set_already = fs::write(parent.join("cgroup.subtree_control"), "+memory +pids +cpu");
        let group = parent.join(name);
        fs::create_dir(&group).ok()?;
        let limited = files.iter().try_for_each(|(file, value)| fs::write(group.join(file), value));
        if limited.is_err() {
            let _ = fs::remove_dir(&group);
        }
        limited.ok().map(|()| group)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_killed_is_counted_in_either_version() {
        for (counters, expected) in [
            ("low 0\nhigh 0\nmax 12\noom 1\noom_kill 1\noom_group_kill 1\n", true),
            ("low 0\nhigh 0\nmax 12\noom 0\noom_kill 0\n", false),
            ("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n", true),
            ("oom_kill_disable 0\nunder_oom 0\noom_kill 0\n", false),
            ("", false),
        ] {
            assert_eq!(killed(counters), expected, "{counters:?}");
        }
    }
}
