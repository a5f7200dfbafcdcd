//! A disk and a clock that a test can break under a running gateway.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Arc, Mutex},
};

use tempfile::TempDir;

use super::write;
use crate::{bed::Bed, server::SpawnError};

/// Holds the mount namespace, and does in it what it reads.
const HOLDER: &str =
    r#"while read -r line; do if eval "$line" >/dev/null 2>&1; then echo done; else echo failed; fi; done"#;

/// What a disk is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Medium {
    /// Memory. The kernel makes it read-only while nobody has a file on it open for writing.
    Memory,
    /// A file with an ext4 of its own, which an error turns read-only under everybody. Takes root and a loop device.
    Ext4,
}

/// A small disk, mounted in a namespace of its own, which goes away with its last clone.
#[derive(Debug, Clone)]
pub struct Disk(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    medium: Medium,
    place: TempDir,
    holder: Mutex<Holder>,
    pid: u32,
    clock: FakeClock,
}

#[derive(Debug)]
struct Holder {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Disk {
    /// A disk of `bytes`. Programs on it are told the time by `clock`.
    ///
    /// # Errors
    /// When nothing can be mounted in a namespace of one's own.
    pub fn new(medium: Medium, bytes: u64, clock: &FakeClock) -> io::Result<Self> {
        let place = tempfile::tempdir()?;
        fs::create_dir(place.path().join("disk"))?;
        let mut command = Command::new("unshare");
        command.args(if is_root() { &["--mount"][..] } else { &["--map-root-user", "--mount"] });
        command.args(["--propagation", "private", "sh", "-c", HOLDER]);
        command.current_dir(place.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let input = child.stdin.take().expect("standard input is piped");
        let output = BufReader::new(child.stdout.take().expect("standard output is piped"));
        let (pid, holder) = (child.id(), Mutex::new(Holder { child, input, output }));
        let disk = Self(Arc::new(Inner { medium, place, holder, pid, clock: clock.clone() }));
        match medium {
            Medium::Memory => disk.order(&format!("mount -t tmpfs -o size={bytes},mode=0700 disk disk"))?,
            Medium::Ext4 => {
                disk.order(&format!("truncate -s {bytes} image && mkfs.ext4 -q image"))?;
                disk.order(MOUNT_EXT4)?;
            }
        }
        Ok(disk)
    }

    /// What it is made of.
    #[must_use]
    pub fn medium(&self) -> Medium {
        self.0.medium
    }

    /// Where programs on it find it.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.0.place.path().join("disk")
    }

    /// Where everybody else does.
    #[must_use]
    pub fn seen(&self) -> PathBuf {
        let path = self.path();
        let inside = path.strip_prefix("/").expect("temporary directories have absolute paths");
        Path::new("/proc").join(self.0.pid.to_string()).join("root").join(inside)
    }

    /// Nothing more fits.
    ///
    /// # Errors
    /// When it cannot be filled for another reason.
    pub fn fill(&self) -> io::Result<()> {
        let mut filler = File::options().create(true).append(true).open(self.filler())?;
        loop {
            // What others have removed is room only when the journal says so.
            filler.sync_all()?;
            let before = filler.metadata()?.len();
            for size in [1 << 20, 4_096, 1] {
                let chunk = vec![0; size];
                while wrote(filler.write(&chunk))? {}
            }
            if filler.metadata()?.len() == before {
                return Ok(());
            }
        }
    }

    /// There is room again.
    ///
    /// # Errors
    /// When what filled it cannot be taken away.
    pub fn free(&self) -> io::Result<()> {
        fs::remove_file(self.filler())
    }

    /// Nothing on it can be changed any more.
    ///
    /// # Errors
    /// When the kernel refuses: see [`Medium::Memory`].
    pub fn read_only(&self) -> io::Result<()> {
        match self.0.medium {
            Medium::Memory => self.order("mount -o remount,ro disk"),
            Medium::Ext4 => {
                let device = "$(basename $(findmnt -n -o SOURCE --target disk))";
                self.order(&format!("echo broken > /sys/fs/ext4/{device}/trigger_fs_error"))
            }
        }
    }

    /// It works again. Nobody may use it meanwhile.
    ///
    /// # Errors
    /// When it cannot be mounted again.
    pub fn repair(&self) -> io::Result<()> {
        match self.0.medium {
            Medium::Memory => self.order("mount -o remount,rw disk"),
            Medium::Ext4 => {
                self.order("umount disk")?;
                // Status 1: errors were found and corrected.
                self.order("e2fsck -fy image || test $? = 1")?;
                self.order(MOUNT_EXT4)
            }
        }
    }

    fn filler(&self) -> PathBuf {
        self.seen().join("filler")
    }

    fn order(&self, line: &str) -> io::Result<()> {
        let mut holder = self.0.holder.lock().expect("no panic under the lock");
        writeln!(holder.input, "{line}")?;
        let mut said = String::new();
        holder.output.read_line(&mut said)?;
        if said == "done\n" { Ok(()) } else { Err(io::Error::other(format!("`{line}` failed"))) }
    }

    /// A program that is `program` on this disk.
    pub(super) fn program(&self, program: &Path, home: &Path) -> Result<PathBuf, SpawnError> {
        let script = home.join("on-disk");
        let user = if is_root() { "" } else { "--user --preserve-credentials " };
        let (clock, pid, program) = (self.0.clock.variables(), self.0.pid, program.display());
        let lines =
            format!("#!/bin/sh\n{clock}\nexec nsenter --target {pid} --mount {user}-- '{program}' \"$@\"\n");
        write(&script, &lines)?;
        let runs = fs::set_permissions(&script, fs::Permissions::from_mode(0o700));
        runs.map_err(|source| SpawnError::File { path: script.clone(), source })?;
        Ok(script)
    }
}

const MOUNT_EXT4: &str = "mount -o loop,errors=remount-ro image disk";

/// Whether there was room.
fn wrote(written: io::Result<usize>) -> io::Result<bool> {
    match written {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::StorageFull => Ok(false),
        Err(error) => Err(error),
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The time of day as a program is told it by a library that is loaded before its own. Intervals stay what they are.
#[derive(Debug, Clone)]
pub struct FakeClock {
    library: PathBuf,
    offset: PathBuf,
}

impl FakeClock {
    /// A clock that is right until it is put elsewhere, kept in `place`.
    ///
    /// # Errors
    /// When there is no such library or its file cannot be written.
    pub fn new(bed: &Bed, place: &Path) -> io::Result<Self> {
        let clock = Self { library: bed.faketime().map_err(io::Error::other)?, offset: place.join("clock") };
        clock.jump(0)?;
        Ok(clock)
    }

    /// Puts it `seconds` from the right time.
    ///
    /// # Errors
    /// When its file cannot be written.
    pub fn jump(&self, seconds: i64) -> io::Result<()> {
        // In one step: it is read all the time.
        let next = self.offset.with_extension("new");
        fs::write(&next, format!("{seconds:+}"))?;
        fs::rename(next, &self.offset)
    }

    fn variables(&self) -> String {
        let (library, offset) = (self.library.display(), self.offset.display());
        format!(
            "export LD_PRELOAD='{library}' FAKETIME_TIMESTAMP_FILE='{offset}' FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1"
        )
    }
}
