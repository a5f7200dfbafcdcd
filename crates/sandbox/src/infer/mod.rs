//! A first plan for a server, from its command alone.
//!
//! What a person writes into a client's settings says a good deal: the program, the package, and as arguments the
//! files it is for. The plan grants those and nothing else; what is missing has to be listed.

mod npx;
mod runtime;

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use portcullis_core::Digest;

use crate::plan::{Draft, Egress, Plan, PlanFault, Tier};

/// A server's command, and what is listed for it besides.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Program, by name or path.
    pub program: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Names of the variables it is given.
    pub env: Vec<String>,
    /// Where relative paths start, and where it works if it can see that place.
    pub cwd: PathBuf,
    /// Directories programs are looked for in.
    pub path: OsString,
    /// Listed files that may be read.
    pub read: Vec<PathBuf>,
    /// Listed files that may be changed.
    pub write: Vec<PathBuf>,
    /// Listed programs.
    pub execute: Vec<String>,
    /// Directories that are read, with the digest their files have to have when it is executed.
    pub sealed: Vec<(PathBuf, Digest)>,
    /// Listed hosts.
    pub egress: Egress,
    /// The network of the machine.
    pub danger_host_network: bool,
    /// What puts the boundaries up.
    pub tier: Tier,
    /// Whether `npx` is taken as it is instead of having npm get the package ready.
    pub runner_as_it_is: bool,
}

/// What is to be run instead, which is the same as what was asked for with package runners taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inferred {
    /// What it may do.
    pub plan: Plan,
    /// Program, by its path.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
}

/// Why no plan can be made of a command.
#[derive(Debug, thiserror::Error)]
pub enum InferFault {
    /// Something it needs cannot be granted.
    #[error(transparent)]
    Plan(#[from] PlanFault),
    /// A package runner could not say what it would run.
    #[error("`{runner}` could not get the package ready: {reason}")]
    Runner {
        /// Which one.
        runner: &'static str,
        /// What it said.
        reason: String,
    },
    /// The program has others act for it, outside of any boundary of ours.
    #[error("`{program}` has {who} act for it, which no boundary of ours contains")]
    Proxy {
        /// Its name.
        program: String,
        /// Who.
        who: &'static str,
    },
}

/// Programs that only pass orders on, and to whom.
const PROXIES: &[(&str, &str)] = &[
    ("docker", "the Docker service"),
    ("podman", "a container runtime"),
    ("nerdctl", "the containerd service"),
    ("ssh", "another machine"),
    ("systemd-run", "the service manager"),
];

/// Programs that servers start, by a word in their command.
const NEEDS: &[(&str, &[&str])] = &[("mcp-server-git", &["git"]), ("mcp_server_git", &["git"])];

/// Makes a plan. A package that a runner names is fetched first, outside of any sandbox but without running
/// anything of it.
///
/// # Errors
/// When there is no such program, or something that would have to be granted cannot be.
pub fn infer(asked: &Asked) -> Result<Inferred, InferFault> {
    let name = name_of(Path::new(&asked.program));
    if let Some((program, who)) = PROXIES.iter().find(|(program, _)| *program == name) {
        return Err(InferFault::Proxy { program: (*program).to_owned(), who });
    }
    let (program, args) = match name {
        "npx" if !asked.runner_as_it_is => npx::take_apart(asked)?,
        _ => (asked.program.clone(), asked.args.clone()),
    };
    let mut draft = Draft::new(&asked.path, &asked.cwd);
    let found = runtime::execute(&mut draft, OsStr::new(&program))?;
    let own = runtime::script(&found, &args, &asked.cwd);
    if let Some(script) = &own {
        draft.read(&runtime::package_of(script))?;
    }
    for (word, programs) in NEEDS {
        if std::iter::once(&program).chain(&args).any(|part| part.split('/').any(|it| it == *word)) {
            programs.iter().try_for_each(|it| draft.execute(OsStr::new(it)).map(drop))?;
        }
    }
    for path in args.iter().filter_map(|arg| named_path(arg, &asked.cwd)) {
        if own.as_ref() != Some(&path) {
            draft.write(&path)?;
        }
    }
    asked.sealed.iter().try_for_each(|(path, digest)| draft.sealed(path, *digest))?;
    asked.read.iter().try_for_each(|path| draft.read(path))?;
    asked.write.iter().try_for_each(|path| draft.write(path))?;
    asked.execute.iter().try_for_each(|it| runtime::execute(&mut draft, OsStr::new(it)).map(drop))?;
    asked.env.iter().for_each(|name| draft.env(name));
    draft.egress(asked.egress.clone())?;
    draft.tier(asked.tier.clone());
    if asked.danger_host_network {
        draft.danger_host_network();
    }
    draft.work_in(&asked.cwd)?;
    Ok(Inferred { plan: draft.finish(), program: found, args })
}

fn name_of(path: &Path) -> &str {
    path.file_name().and_then(OsStr::to_str).unwrap_or_default()
}

/// The existing file or directory that an argument, or the value of an option, names.
fn named_path(arg: &str, cwd: &Path) -> Option<PathBuf> {
    let value = match (arg.starts_with('-'), arg.split_once('=')) {
        (true, Some((_, value))) => value,
        (true, None) => return None,
        (false, _) => arg,
    };
    let path = cwd.join(value);
    (!value.is_empty() && path.symlink_metadata().is_ok()).then_some(path)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use std::fs;

    use super::*;

    fn asked(command: &str, cwd: &Path) -> Asked {
        let mut words = command.split(' ').map(str::to_owned);
        Asked {
            program: words.next().unwrap(),
            args: words.collect(),
            cwd: cwd.to_owned(),
            path: "/usr/bin:/bin".into(),
            ..Asked::default()
        }
    }

    #[test]
    fn a_command_grants_its_package_to_read_and_its_arguments_to_change() {
        let dir = std::env::temp_dir().join(format!("portcullis-infer-{}", std::process::id()));
        for path in ["a/node_modules/x/dist", "a/node_modules/y", "proj/src", "notes", "bin"] {
            fs::create_dir_all(dir.join(path)).unwrap();
        }
        let dir = dir.canonicalize().unwrap();
        for file in [
            "a/node_modules/x/dist/index.js",
            "proj/package.json",
            "proj/src/main.js",
            "alone.js",
            "bin/node",
        ] {
            fs::write(dir.join(file), "").unwrap();
        }
        let at = |name: &str| dir.join(name);
        let plain = Draft::new("/usr/bin:/bin".as_ref(), &dir).finish();
        for (command, read, write, cwd) in [
            ("bin/node a/node_modules/x/dist/index.js notes", &["a/node_modules"][..], &["notes"][..], "."),
            ("bin/node proj/src/main.js --dir=notes --other=none", &["proj"], &["notes"], "."),
            ("bin/node --flag proj/src/main.js .", &["proj"], &["."], "."),
            ("/bin/true notes/../notes", &[], &["notes"], "."),
            ("/bin/true none stdio", &[], &[], "/tmp"),
        ] {
            let inferred = infer(&asked(command, &dir)).unwrap();
            let granted: Vec<_> = inferred.plan.read.difference(&plain.read).cloned().collect();
            let paths =
                |names: &[&str]| names.iter().map(|it| at(it).canonicalize().unwrap()).collect::<Vec<_>>();
            assert_eq!(granted, paths(read), "{command}");
            assert_eq!(inferred.plan.write.iter().cloned().collect::<Vec<_>>(), paths(write), "{command}");
            assert_eq!(inferred.plan.cwd, at(cwd).canonicalize().unwrap(), "{command}");
        }
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn what_cannot_be_contained_is_refused() {
        for command in
            ["docker run -i image", "/usr/bin/ssh host", "/bin/true /", "no-such-program", "/bin/true /proc"]
        {
            assert!(infer(&asked(command, Path::new("/tmp"))).is_err(), "{command}");
        }
    }
}
