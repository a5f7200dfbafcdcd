//! Results of self-tests, kept: a server is not started with a plan that was not tried out on this machine as it is.
//!
//! One file for each plan, kernel, program and user: a note signed with a key that is made when it is first needed, so that
//! a result can be shown to somebody else, and that whoever can write files here but not read the key cannot say that a plan
//! holds. A result is good for a week, so that what changes without being seen, such as the kernel's settings, is found in
//! time.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use portcullis_audit::{
    note::{Algorithm, KeyRing, Note, SigningKey},
    tlog::read_key_file,
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
    runtime::node_name,
};

/// How long a result is good for.
const GOOD_FOR: Duration = Duration::from_secs(7 * 24 * 3600);

/// The first line of a signed result: what it is about, so that it is never taken for something else that is signed.
const TITLE: &str = "portcullis self-test v1";

/// The file of the key, beside the directory of results.
const KEY: &str = "selftest.key";

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
        let (now, key) = (now_ms(), self.key());
        let proof = match key.as_ref().and_then(|key| self.kept(&of, now, key)) {
            Some(proof) => proof,
            None => {
                let proof = self.prove(plan)?;
                if let Some((file, key)) = self.file(&of).zip(key) {
                    keep(&file, &Kept::made(of, now, proof.clone()), &key);
                }
                proof
            }
        };
        self.judged(&proof)
    }

    /// The same, and nothing is left behind.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn look(&self, plan: &Plan) -> Result<Digest, String> {
        let key = self.key_file().and_then(|file| read_key_file(&file).ok());
        let kept = key.and_then(|key| self.kept(&Circumstances::now(plan), now_ms(), &key));
        let own = self.own();
        let missing: Vec<&Path> = own.ancestors().take_while(|directory| !directory.exists()).collect();
        let proof = kept.map_or_else(|| self.prove(plan), Ok);
        for made in [&*self.ground()].into_iter().chain(missing) {
            // One that somebody else has put something into stays.
            let _in_use = std::fs::remove_dir(made);
        }
        self.judged(&proof?)
    }

    fn judged(&self, proof: &Proof) -> Result<Digest, String> {
        let open: Vec<&Probed> = proof.open().collect();
        if open.is_empty() { Ok(proof.digest()) } else { Err(told(&open, &self.own())) }
    }

    fn file(&self, of: &Circumstances) -> Option<PathBuf> {
        self.directory.as_deref().map(|directory| directory.join(of.file()))
    }

    fn kept(&self, of: &Circumstances, now: u64, key: &KeyRing) -> Option<Proof> {
        let kept = read(&self.file(of)?, key)?;
        kept.is_of(of, now).then_some(kept.proof)
    }

    fn key_file(&self) -> Option<PathBuf> {
        Some(self.directory.as_deref()?.with_file_name(KEY))
    }

    /// A result as a signed note, dated, and good for a week.
    ///
    /// # Errors
    /// When there is no key.
    pub(crate) fn signed(&self, plan: &Plan, proof: Proof) -> Result<String, String> {
        let key = self.key().ok_or("there is no key to sign with, and none can be made")?;
        let kept = Kept::made(Circumstances::now(plan), now_ms(), proof);
        kept.signed(&key).ok_or_else(|| "it could not be signed".to_owned())
    }

    /// The key that signs results; made when there is none.
    fn key(&self) -> Option<KeyRing> {
        let file = self.key_file()?;
        if !file.exists() {
            let name = format!("{}/portcullis-selftest", node_name());
            let key = SigningKey::generate(&name, Algorithm::Ed25519).ok()?;
            files::private_directory(file.parent()?).ok()?;
            let made = files::write(&file, key.line().expose(), Access::Private, Existing::Keep);
            let public = file.with_extension("key.pub");
            let text = format!("{}\n", key.public());
            let shown =
                made.and_then(|()| files::write(&public, text.as_bytes(), Access::Usual, Existing::Replace));
            // Whoever was faster has made one as well.
            drop(shown);
        }
        read_key_file(&file).ok()
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
            "what it may reach includes the records, keys and pins in `{own}`; `portcullis sandbox test` shows what it could \
             do there"
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
            program: program(plan.tier.runtime().map(PathBuf::as_path)),
            user: rustix::process::geteuid().as_raw(),
        }
    }

    fn file(&self) -> String {
        let parts = [&self.plan, &self.kernel, &self.program, &self.user.to_string()];
        let digest = Digest::of_parts(parts.map(|part| part.as_bytes())).to_string();
        format!("{}.note", digest.trim_start_matches("sha256:"))
    }
}

/// This program and the runtime, told apart from any other build of them.
fn program(runtime: Option<&Path>) -> String {
    use std::os::unix::fs::MetadataExt as _;
    let build = |path: &Path| {
        let about = std::fs::metadata(path);
        about.map(|it| format!("{} {} {} {}", it.dev(), it.ino(), it.len(), it.mtime_nsec() + it.mtime()))
    };
    let own = build(Path::new("/proc/self/exe")).unwrap_or_default();
    let runtime = runtime.map(|path| format!(" {}", build(path).unwrap_or_default()));
    format!("{} {own}{}", env!("CARGO_PKG_VERSION"), runtime.unwrap_or_default())
}

impl Kept {
    fn made(of: Circumstances, made_ms: u64, proof: Proof) -> Self {
        Self { of, made_ms, expires_ms: made_ms.saturating_add(millis(GOOD_FOR)), proof }
    }

    fn signed(&self, key: &KeyRing) -> Option<String> {
        let text = format!("{TITLE}\n{}\n", serde_json::to_string(self).ok()?);
        key.sign_text(text, self.made_ms / 1_000).map(|note| note.to_string())
    }

    /// One that is signed by this key.
    fn verified(note: &[u8], key: &KeyRing) -> Option<Self> {
        let note = Note::parse(note).ok()?;
        let signed = key.public().all(|key| note.verify(key).is_ok());
        let text = note.text().strip_prefix(TITLE)?.trim();
        serde_json::from_str(text).ok().filter(|_| signed)
    }

    fn is_of(&self, of: &Circumstances, now: u64) -> bool {
        self.of == *of && self.proof.plan == of.plan && (self.made_ms..self.expires_ms).contains(&now)
    }
}

/// What cannot be read, or could have been written by somebody else, is as good as nothing.
fn read(file: &Path, key: &KeyRing) -> Option<Kept> {
    Kept::verified(read_private(file).ok()?.expose(), key)
}

/// What cannot be kept is found out anew the next time.
fn keep(file: &Path, kept: &Kept, key: &KeyRing) {
    let Some(text) = kept.signed(key) else { return };
    let made = file.parent().map(files::private_directory);
    if made.is_some_and(|made| made.is_ok()) {
        let _next_time = files::write(file, text.as_bytes(), Access::Private, Existing::Replace);
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
    #![allow(clippy::unwrap_used, reason = "test code")]
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

    /// Nobody can make a plan hold by writing a file.
    #[test]
    fn a_result_is_believed_as_it_was_signed_and_no_other() {
        let ring = || {
            let key = SigningKey::generate("test/selftest", Algorithm::Ed25519).unwrap();
            KeyRing::parse(&String::from_utf8_lossy(key.line().expose())).unwrap()
        };
        let (own, other) = (ring(), ring());
        let of = Circumstances { plan: "p".into(), kernel: "k".into(), program: "b".into(), user: 1 };
        let kept = Kept::made(of, 7_000, Proof { plan: "p".into(), probes: Vec::new() });
        let note = kept.signed(&own).unwrap_or_default();
        assert!(note.starts_with(TITLE) && note.contains("test/selftest"), "{note}");
        let believed = |note: &str, key: &KeyRing| Kept::verified(note.as_bytes(), key).is_some();
        assert!(believed(&note, &own));
        assert!(!believed(&note, &other), "by somebody else");
        let unsigned = note.split("\n\n").next().unwrap_or_default();
        for (changed, what) in [
            (note.replace("\"plan\":\"p\"", "\"plan\":\"q\""), "of another plan"),
            (note.replace("7000", "7001"), "made at another time"),
            (note.replace(TITLE, "portcullis pins v1"), "about something else"),
            (format!("{unsigned}\n"), "signed by nobody"),
            (String::new(), "nothing"),
        ] {
            assert_ne!(changed, note, "{what}");
            assert!(!believed(&changed, &own), "{what}");
        }
    }
}
