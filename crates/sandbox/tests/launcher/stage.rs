//! A directory with something to protect, and a user to run as.

use std::{
    fs,
    io::Write as _,
    os::{
        fd::AsRawFd as _,
        unix::{
            fs::{PermissionsExt as _, chown},
            net::UnixListener,
            process::CommandExt as _,
        },
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use portcullis_sandbox::{Draft, Plan};

use crate::support::{RIG, mark};

/// Who starts a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum User {
    /// The user of the tests, when that is root.
    Root,
    /// Somebody without privilege.
    Ordinary,
}

/// An ordinary user that owns nothing here.
const NOBODY: u32 = 65_534;

pub(crate) fn users() -> Vec<User> {
    if rustix::process::geteuid().is_root() { vec![User::Root, User::Ordinary] } else { vec![User::Ordinary] }
}

/// What one attempt came to.
#[derive(Debug)]
pub(crate) struct Attempted {
    pub(crate) status: i32,
    #[allow(dead_code, reason = "shown when a test fails")]
    pub(crate) said: String,
}

impl Attempted {
    /// The attempt itself failed, or it was killed for making it.
    pub(crate) fn refused(&self) -> bool {
        self.status == 10 || self.status > 128
    }
}

/// Removed when dropped.
pub(crate) struct Stage {
    directory: PathBuf,
    user: User,
    _socket: UnixListener,
    secret: fs::File,
}

const SECRET: &str = "the secret";

impl Stage {
    pub(crate) fn new(user: User) -> Self {
        let directory = std::env::temp_dir().join(format!("portcullis-{}", mark()));
        for part in ["outside", "readable", "work"] {
            fs::create_dir_all(directory.join(part)).unwrap();
        }
        let directory = directory.canonicalize().unwrap();
        // By another process: what this one has open for writing, a program that another test starts meanwhile
        // inherits, and a file that somebody may write to cannot be run.
        let copied = Command::new("cp").arg(RIG).arg(directory.join("rig")).status().unwrap();
        assert!(copied.success());
        for file in ["outside/secret", "readable/file", "readable/other"] {
            fs::write(directory.join(file), SECRET).unwrap();
        }
        let socket = UnixListener::bind(directory.join("outside/socket")).unwrap();
        // Only the sandbox is to stand between the attempt and its effect.
        for entry in ["", "outside", "readable", "work", "outside/secret", "outside/socket", "readable/file"]
        {
            let path = directory.join(entry);
            fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).unwrap();
            if user == User::Ordinary && rustix::process::geteuid().is_root() {
                chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
            }
        }
        let secret = fs::File::open(directory.join("outside/secret")).unwrap();
        Self { directory, user, _socket: socket, secret }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// A plan for the rig that allows nothing else.
    pub(crate) fn draft(&self) -> Draft {
        let mut draft = Draft::new("/usr/bin:/bin".as_ref(), &self.directory);
        draft.execute(self.path("rig").as_os_str()).unwrap();
        draft
    }

    pub(crate) fn contain(&self, plan: &Plan, attempt: &str) -> Attempted {
        let plan = serde_json::to_string(plan).unwrap();
        let rig = self.path("rig");
        self.run(&["contain", &plan, rig.to_str().unwrap(), "probe"], attempt)
    }

    pub(crate) fn outside(&self, attempt: &str) -> Attempted {
        self.run(&["probe"], attempt)
    }

    /// What the self-test says about a plan.
    pub(crate) fn prove(&self, plan: &Plan, place: &Path) -> String {
        let asked = format!("{}\n{}\n", serde_json::to_string(plan).unwrap(), place.display());
        self.start(&["__prove"], &[], asked.as_bytes()).said
    }

    /// What its attempts come to outside.
    pub(crate) fn unproved(&self, place: &Path) -> String {
        self.start(&["unproved"], &[place.to_str().unwrap()], b"").said
    }

    /// Outside, as root, with the machine's names and mounts out of reach.
    pub(crate) fn apart(&self, attempt: &str) -> Attempted {
        self.run(&["apart"], attempt)
    }

    /// Nothing that is to be protected has changed.
    pub(crate) fn is_untouched(&self) -> bool {
        let same = |file| fs::read_to_string(self.path(file)).is_ok_and(|text| text == SECRET);
        ["outside/secret", "readable/file", "readable/other"].into_iter().all(same)
    }

    fn run(&self, how: &[&str], attempt: &str) -> Attempted {
        self.start(how, &attempt.split(' ').collect::<Vec<_>>(), b"")
    }

    fn start(&self, how: &[&str], args: &[&str], input: &[u8]) -> Attempted {
        let mut command = Command::new(self.path("rig"));
        command.args(how).args(args).current_dir("/").env("SECRET", SECRET);
        if self.user == User::Ordinary && rustix::process::geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        // Held open, so that waiting for it takes for ever.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let secret = self.secret.as_raw_fd();
        leak(&mut command, secret);
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take();
        stdin.as_mut().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        drop(stdin);
        let status = output.status.code().unwrap_or(128);
        let said = [output.stdout, output.stderr].concat();
        Attempted { status, said: String::from_utf8_lossy(&said).into_owned() }
    }
}

/// Has the command find `descriptor` open as its 57, as a careless parent would leave it.
#[allow(unsafe_code, reason = "what is tried has no safe form")]
fn leak(command: &mut Command, descriptor: i32) {
    // SAFETY: dup2 takes two numbers and is safe to call between fork and exec.
    unsafe {
        command.pre_exec(move || {
            if libc::dup2(descriptor, 57) < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
        });
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}
