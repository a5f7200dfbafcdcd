//! Results of self-tests, kept: a server is not started with a plan that was not tried out on this machine as it is.
//!
//! One file for each plan, kernel, program and user. A result is good for a week, so that what changes without being
//! seen, such as the kernel's settings, is found in time.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use portcullis_core::Digest;
use portcullis_sandbox::{
    Plan,
    selftest::{Probed, Proof, SUBCOMMAND},
};
use serde::{Deserialize, Serialize};

use crate::{
    config::read_private,
    files::{self, Access, Existing},
};

/// How long a result is good for.
const GOOD_FOR: Duration = Duration::from_secs(7 * 24 * 3600);

/// Failed attempts that are named.
const NAMED: usize = 3;

/// Where results are kept, and what must not be reached is put.
#[derive(Clone, Debug)]
pub(crate) struct Proofs {
    directory: Option<PathBuf>,
}

/// What a result depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Circumstances {
    plan: String,
    kernel: String,
    program: String,
    user: u32,
}

/// A result in its file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    of: Circumstances,
    /// Milliseconds since 1970.
    made_ms: u64,
    expires_ms: u64,
    proof: Proof,
}

impl Proofs {
    /// In the user's home; kept nowhere when it is not known.
    pub(crate) fn of_user() -> Self {
        let home = std::env::home_dir().filter(|home| home.is_absolute());
        Self { directory: home.map(|home| home.join(".local/state/portcullis/selftest")) }
    }

    /// The digest of a result that says that every boundary of `plan` holds: one that is kept, or a new one.
    ///
    /// # Errors
    /// Why there is none, for a person.
    pub(crate) fn settle(&self, plan: &Plan) -> Result<Digest, String> {
        let of = Circumstances::now(plan);
        let file = self.directory.as_deref().map(|directory| directory.join(of.file()));
        let now = now_ms();
        let kept = file.as_deref().and_then(read).filter(|kept| kept.is_of(&of, now));
        let proof = match kept {
            Some(kept) => kept.proof,
            None => {
                let proof = self.prove(plan)?;
                if let Some(file) = file {
                    keep(
                        &file,
                        Kept { of, made_ms: now, expires_ms: now + millis(GOOD_FOR), proof: proof.clone() },
                    );
                }
                proof
            }
        };
        let open: Vec<&Probed> = proof.open().collect();
        if open.is_empty() { Ok(proof.digest()) } else { Err(told(&open, &self.own())) }
    }

    /// A directory that no server has any business with.
    pub(crate) fn ground(&self) -> PathBuf {
        self.own().join("ground")
    }

    fn own(&self) -> PathBuf {
        self.directory.clone().unwrap_or_else(|| std::env::temp_dir().join("portcullis-selftest"))
    }

    /// In a process of its own: one with several threads cannot go into a sandbox.
    fn prove(&self, plan: &Plan) -> Result<Proof, String> {
        let failed = |error: std::io::Error| format!("the self-test could not be run: {error}");
        let mut command = Command::new("/proc/self/exe");
        command
            .arg(SUBCOMMAND)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().map_err(failed)?;
        let asked = format!("{}\n{}\n", plan.to_text(), self.ground().display());
        let written = child.stdin.take().map(|mut input| input.write_all(asked.as_bytes()));
        let output = child.wait_with_output().map_err(failed)?;
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        written.transpose().map_err(failed)?;
        match Proof::parse(&said)
            .filter(|proof| output.status.success() && proof.plan == plan.digest().to_string())
        {
            Some(proof) => Ok(proof),
            None if said.is_empty() => Err("the self-test ended without a word".to_owned()),
            None => Err(format!("the self-test could not be run: {said}")),
        }
    }
}

/// Why a plan is not used.
fn told(open: &[&Probed], own: &Path) -> String {
    if open.iter().all(|it| it.boundary == "files") {
        let own = own.parent().unwrap_or(own).display();
        return format!(
            "what is listed for it includes the records, keys and pins in `{own}`: list less; `portcullis sandbox test` \
             shows what it could do there"
        );
    }
    let named: Vec<String> = open.iter().take(NAMED).map(|it| format!("`{}`", it.probe)).collect();
    let more = if open.len() > NAMED { format!(" and {} more", open.len() - NAMED) } else { String::new() };
    format!(
        "its boundaries do not hold here: the self-test got through ({}{more}); `portcullis sandbox test` shows all of it",
        named.join(", ")
    )
}

impl Circumstances {
    fn now(plan: &Plan) -> Self {
        let kernel = rustix::system::uname();
        let (release, version) = (kernel.release().to_string_lossy(), kernel.version().to_string_lossy());
        Self {
            plan: plan.digest().to_string(),
            kernel: format!("{release} {version}"),
            program: program(),
            user: rustix::process::geteuid().as_raw(),
        }
    }

    fn file(&self) -> String {
        let parts = [&self.plan, &self.kernel, &self.program, &self.user.to_string()];
        let digest = Digest::of_parts(parts.map(|part| part.as_bytes())).to_string();
        format!("{}.json", digest.trim_start_matches("sha256:"))
    }
}

/// This program, told apart from any other build of it.
fn program() -> String {
    use std::os::unix::fs::MetadataExt as _;
    let about = std::fs::metadata("/proc/self/exe");
    let build =
        about.map(|it| format!("{} {} {} {}", it.dev(), it.ino(), it.len(), it.mtime_nsec() + it.mtime()));
    format!("{} {}", env!("CARGO_PKG_VERSION"), build.unwrap_or_default())
}

impl Kept {
    fn is_of(&self, of: &Circumstances, now: u64) -> bool {
        self.of == *of && self.proof.plan == of.plan && (self.made_ms..self.expires_ms).contains(&now)
    }
}

/// What cannot be read, or could have been written by somebody else, is as good as nothing.
fn read(file: &Path) -> Option<Kept> {
    serde_json::from_slice(read_private(file).ok()?.expose()).ok()
}

/// What cannot be kept is found out anew the next time.
fn keep(file: &Path, kept: Kept) {
    let text = serde_json::to_vec(&kept).unwrap_or_default();
    let made = file.parent().map(files::private_directory);
    if made.is_some_and(|made| made.is_ok()) {
        let _next_time = files::write(file, &text, Access::Private, Existing::Replace);
    }
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_good_for_what_it_was_made_of_and_for_a_week() {
        let of = Circumstances { plan: "p".into(), kernel: "k".into(), program: "b".into(), user: 1 };
        let proof = Proof { plan: "p".into(), probes: Vec::new() };
        let made_ms = 1_000_000;
        let kept = Kept { of: of.clone(), made_ms, expires_ms: made_ms + millis(GOOD_FOR), proof };
        let other = |change: fn(&mut Circumstances)| {
            let mut other = of.clone();
            change(&mut other);
            other
        };
        for (of, after, good) in [
            (of.clone(), 0, true),
            (of.clone(), millis(GOOD_FOR) - 1, true),
            (of.clone(), millis(GOOD_FOR), false),
            (other(|it| it.plan = "q".into()), 0, false),
            (other(|it| it.kernel = "l".into()), 0, false),
            (other(|it| it.program = "c".into()), 0, false),
            (other(|it| it.user = 2), 0, false),
        ] {
            assert_eq!(kept.is_of(&of, made_ms + after), good, "{of:?} after {after} ms");
            assert_eq!(of.file() == kept.of.file(), of == kept.of);
        }
        assert!(!kept.is_of(&of, made_ms - 1), "from the future");
    }
}
