//! The programs that take part, and the script that runs the suite.

use std::{
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::{failure::Failure, workspace};

pub(super) struct Programs {
    pub(super) gateway: PathBuf,
    pub(super) fixture: PathBuf,
    pub(super) client: PathBuf,
    /// Where results go. What an earlier run left there is overwritten.
    pub(super) results: PathBuf,
}

impl Programs {
    pub(super) fn build() -> Result<Programs, Failure> {
        let directory =
            workspace::build(&["--package", "portcullis", "--package", "portcullis-testkit", "--bins"])?;
        let results = directory.parent().unwrap_or(&directory).join("conformance");
        std::fs::create_dir_all(&results).map_err(|e| Failure::broken(results.display(), e))?;
        let program = |name| directory.join(name);
        Ok(Programs {
            gateway: program("portcullis"),
            fixture: program("conformance-fixture"),
            client: program("conformance-client"),
            results,
        })
    }
}

/// A process that listens. It ends with this value.
pub(super) struct Running {
    pub(super) url: String,
    child: Child,
}

impl Running {
    /// Starts our fixture.
    pub(super) fn fixture(programs: &Programs) -> Result<Running, Failure> {
        let mut command = Command::new(&programs.fixture);
        command.args(["--http", "127.0.0.1:0", "--exit-with-stdin"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        Self::start(command, |child| child.stdout.take().map(|output| Box::new(output) as Box<dyn Read>))
    }

    /// Starts the gateway in front of a server, with its files in `home`. The URL is that of the one server.
    pub(super) fn gateway(programs: &Programs, home: &Path, upstream: &str) -> Result<Running, Failure> {
        let config = home.join("portcullis.toml");
        std::fs::create_dir_all(home)
            .and_then(|()| std::fs::write(&config, CONFIG.replace("{upstream}", upstream)))
            .and_then(|()| std::fs::write(home.join("policy.cedar"), POLICY))
            .map_err(|e| Failure::broken(home.display(), e))?;
        let mut command = Command::new(&programs.gateway);
        command.arg("serve").arg("--config").arg(config).stdin(Stdio::null()).stderr(Stdio::piped());
        let mut running = Self::start(command, |child| {
            child.stderr.take().map(|errors| Box::new(errors) as Box<dyn Read>)
        })?;
        running.url.push_str("/fixture");
        Ok(running)
    }

    /// Waits for the line `… listening on URL`.
    fn start(
        mut command: Command,
        output: impl Fn(&mut Child) -> Option<Box<dyn Read>>,
    ) -> Result<Running, Failure> {
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command.spawn().map_err(|e| Failure::broken(&program, e))?;
        let mut running = Running { url: String::new(), child };
        let Some(output) = output(&mut running.child) else {
            return Err(Failure::broken(program, "no output"));
        };
        let mut said = String::new();
        let mut lines = BufReader::new(output);
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line).unwrap_or(0) == 0 {
                return Err(Failure::broken(program, format!("ended before it listened; it said:\n{said}")));
            }
            if let Some((_, url)) = line.split_once("listening on ") {
                running.url = url.trim().to_owned();
                return Ok(running);
            }
            said.push_str(&line);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only when the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const CONFIG: &str = r#"[gateway]
listen = "127.0.0.1:0"

[policy]
files = ["policy.cedar"]

[audit]
file = "audit.jsonl"

[limits]
requests_per_second = 100000

[server.fixture]
url = "{upstream}"
transport = "streamable-http"
"#;

const POLICY: &str = "@id(\"allow-all\")\npermit (principal, action, resource);\n";

/// Runs the suite by `scripts/conformance`. That a check failed is no failure here: the results tell.
pub(super) fn suite(arguments: &[&str], out: &Path) -> Result<(), Failure> {
    let script = workspace::root().join("scripts/conformance");
    let mut command = Command::new(script);
    command.args(arguments).arg("--out").arg(out).stdout(Stdio::null());
    let status = command.status().map_err(|e| Failure::broken("scripts/conformance", e))?;
    match status.code() {
        Some(0 | 1) => Ok(()),
        _ => Err(Failure::broken("scripts/conformance", status)),
    }
}
