//! What every scenario starts from.

use std::path::{Path, PathBuf};

use portcullis_testkit::{
    egress::EgressProxy,
    gateway::{Setup, portcullis, program_beside},
    server::{Launch, Sandbox, SpawnError},
};

/// The programs under attack and attacking.
#[derive(Debug, Clone)]
pub struct Place {
    portcullis: PathBuf,
    hostile: PathBuf,
    planted: PathBuf,
    rogue: PathBuf,
}

impl Place {
    /// Attacks `program`, or the one cargo built beside this program.
    ///
    /// # Errors
    /// When a program was not built.
    pub fn new(program: Option<PathBuf>) -> Result<Self, SpawnError> {
        let portcullis = program.map_or_else(portcullis, Ok)?;
        let hostile = program_beside("hostile-server", "cargo build -p portcullis-range")?;
        let planted = program_beside("planted-server", "cargo build -p portcullis-range")?;
        let rogue = program_beside("rogue-server", "cargo build -p portcullis-range")?;
        Ok(Self { portcullis, hostile, planted, rogue })
    }

    /// The program under attack.
    pub(crate) fn program(&self) -> &Path {
        &self.portcullis
    }

    /// A gateway with nothing in it.
    pub(crate) fn setup(&self) -> Setup {
        Setup::new().program(&self.portcullis)
    }

    /// The program, for a command of its own.
    pub(crate) fn command(&self) -> tokio::process::Command {
        tokio::process::Command::new(&self.portcullis)
    }

    /// The way out, set up with these arguments.
    pub(crate) async fn egress(&self, args: &[&str]) -> Result<EgressProxy, SpawnError> {
        EgressProxy::start(self.portcullis.clone(), args).await
    }

    /// The server that attacks what starts it.
    pub(crate) fn hostile(&self, args: &[&str]) -> Launch {
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        Launch { program: self.hostile.clone(), args, env: Vec::new(), sandbox: Sandbox::none() }
    }

    /// The server that does whatever it is told to.
    pub(crate) fn rogue(&self, sandbox: Sandbox) -> Launch {
        Launch { program: self.rogue.clone(), args: Vec::new(), env: Vec::new(), sandbox }
    }

    /// A server that says what the script in a file tells it to, and keeps a journal of what it was asked.
    pub(crate) fn planted(&self, script: &Path, journal: &Path) -> Launch {
        let args = [script, journal].map(|path| path.to_string_lossy().into_owned()).into();
        let sandbox = journal.parent().map(Sandbox::writing).unwrap_or_default();
        Launch { program: self.planted.clone(), args, env: Vec::new(), sandbox }
    }
}
