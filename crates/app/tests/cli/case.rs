//! A directory of its own for each test, and the program run in it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The directory of one test; removed with it.
pub(crate) struct Case {
    directory: PathBuf,
}

/// What one run left behind.
pub(crate) struct Run {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Case {
    pub(crate) fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("portcullis-cli-{}-{name}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let case = Self { directory: directory.canonicalize().unwrap() };
        // Programs that configurations name have to be found, and only those.
        for program in ["npx", "uvx"] {
            case.write(&format!("bin/{program}"), "");
            case.chmod(&format!("bin/{program}"), 0o755);
        }
        case
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self.chmod(name, 0o644);
    }

    pub(crate) fn chmod(&self, name: &str, mode: u32) {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    pub(crate) fn mode(&self, name: &str) -> u32 {
        use std::os::unix::fs::MetadataExt as _;
        fs::metadata(self.path(name)).unwrap().mode() & 0o777
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Copies the files of a fixture directory.
    pub(crate) fn copy(&self, fixtures: &Path) {
        for entry in fs::read_dir(fixtures).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            self.write(name, &fs::read_to_string(&path).unwrap());
        }
    }

    pub(crate) fn run(&self, args: &[&str]) -> Run {
        let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(args)
            .current_dir(&self.directory)
            .env_clear()
            .env("HOME", self.path("home"))
            .env("PATH", self.path("bin"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| {
            String::from_utf8(bytes).unwrap().replace(self.directory.to_str().unwrap(), "[DIR]")
        };
        Run {
            status: output.status.code().unwrap(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Runs the program, which must succeed.
    pub(crate) fn succeed(&self, args: &[&str]) -> Run {
        let run = self.run(args);
        assert_eq!(run.status, 0, "{args:?}\n{}", run.stderr);
        run
    }
}

impl Drop for Case {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

impl Run {
    /// Compares everything with the snapshot of that name.
    pub(crate) fn check(&self, name: &str) {
        let got = format!(
            "exit status: {}\n----- standard output\n{}----- standard error\n{}",
            self.status,
            hide_digests(&self.stdout),
            hide_digests(&self.stderr)
        );
        let path = snapshots().join(format!("{name}.txt"));
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &got).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        assert!(got == expected, "{} differs; now:\n{got}\nexpected:\n{expected}", path.display());
    }

    /// Everything that was written.
    pub(crate) fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// Digests change with every default; that they are there is what matters.
fn hide_digests(text: &str) -> String {
    let mut parts = text.split("sha256:");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let hex = part.bytes().take_while(u8::is_ascii_hexdigit).count();
        shown.push_str(if hex == 64 { "sha256:[DIGEST]" } else { "sha256:" });
        shown.push_str(part.get(if hex == 64 { hex } else { 0 }..).unwrap());
    }
    shown
}

pub(crate) fn fixtures(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(kind)
}

/// The fixture files of a kind, by name.
pub(crate) fn fixture_files(kind: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(fixtures(kind)).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.filter(|path| path.is_file()).collect();
    files.sort();
    files
}

fn snapshots() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots")
}

/// What every fixture uses for a secret. It must never be shown.
pub(crate) const SECRET: &str = "hunter2";
