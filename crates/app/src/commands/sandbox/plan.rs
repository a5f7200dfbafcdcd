//! The options a plan is made of.

use std::{ffi::OsStr, path::PathBuf};

use portcullis_sandbox::{Draft, Limits, Plan, PlanFault};

use crate::{
    commands::grants::{Grants, Held},
    exit::{Exit, Failure},
    printer::Printer,
    tier,
};

/// What the command may do. Everything that is not listed is refused.
#[derive(Debug, clap::Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    pub(super) grants: Grants,
    /// Variable of the environment that is passed on, by name.
    #[arg(long, value_name = "NAME")]
    env: Vec<String>,
    /// Directory to work in; when absent, the one for temporary files.
    #[arg(long, value_name = "DIR")]
    cwd: Option<PathBuf>,
    /// Most memory, of all its processes together.
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().memory)]
    memory: u64,
    /// Most processes and threads.
    #[arg(long, value_name = "NUMBER", default_value_t = Limits::default().processes)]
    processes: u64,
    /// Most of the processors' time: 100 is one processor.
    #[arg(long, value_name = "PERCENT", default_value_t = Limits::default().cpu)]
    cpu: u64,
    /// Most room for temporary files.
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().scratch)]
    scratch: u64,
    /// Size of the largest file it may write.
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().file)]
    file: u64,
    /// Most open files of each process.
    #[arg(long, value_name = "NUMBER", default_value_t = Limits::default().open_files)]
    open_files: u64,
    /// Time after which it is ended.
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<u64>,
    /// The command and its arguments.
    #[arg(required = true, last = true, value_name = "CMD")]
    pub(super) command: Vec<String>,
}

/// A command, and what it may do.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) plan: Plan,
    pub(super) program: PathBuf,
    pub(super) args: Vec<String>,
}

impl PlanArgs {
    pub(super) fn plan(&self, printer: &Printer) -> Result<Planned, Failure> {
        self.grants.reach.policy(printer)?;
        let from = std::env::current_dir().map_err(|error| {
            Failure::new(Exit::Usage, format!("the working directory cannot be used: {error}"))
        })?;
        let path = std::env::var_os("PATH").unwrap_or_default();
        let Held { tier, runtime } = &self.grants.held;
        let tier = tier::settled(*tier, runtime.as_deref())
            .map_err(|what| Failure::new(Exit::Usage, what).remedy("or leave `--tier` out"))?;
        let mut draft = Draft::new(&path, &from);
        draft.tier(tier);
        let program = self.fill(&mut draft).map_err(|fault| {
            Failure::new(Exit::Usage, fault.to_string()).remedy("name a file or directory that exists")
        })?;
        let args = self.command.iter().skip(1).cloned().collect();
        Ok(Planned { plan: draft.finish(), program, args })
    }

    fn fill(&self, draft: &mut Draft) -> Result<PathBuf, PlanFault> {
        let Grants { held: _, read, write, execute, reach, danger_host_network } = &self.grants;
        read.iter().try_for_each(|path| draft.read(path))?;
        write.iter().try_for_each(|path| draft.write(path))?;
        execute.iter().try_for_each(|program| draft.execute(OsStr::new(program)).map(drop))?;
        self.env.iter().for_each(|name| draft.env(name));
        self.cwd.iter().try_for_each(|path| draft.cwd(path))?;
        draft.egress(reach.egress())?;
        if *danger_host_network {
            draft.danger_host_network();
        }
        *draft.limits() = Limits {
            memory: self.memory,
            processes: self.processes,
            cpu: self.cpu,
            scratch: self.scratch,
            file: self.file,
            open_files: self.open_files,
            seconds: self.seconds,
        };
        let command = self.command.first().map(String::as_str).unwrap_or_default();
        draft.execute(OsStr::new(command))
    }
}
