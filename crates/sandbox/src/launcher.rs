//! The gateway's side of a supervised server.

use std::{
    env, fmt, io,
    os::{fd::OwnedFd, unix::net::UnixStream},
    path::PathBuf,
    process,
    sync::Arc,
    time::Duration,
};

use portcullis_core::{
    Boundary, BoxFuture, Exit, LaunchError, LaunchPlan, Launched, Launcher, Process, ServerName,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    net::{
        TcpListener,
        unix::{OwnedReadHalf, OwnedWriteHalf, pipe},
    },
    process::{Child, Command},
    sync::{mpsc, watch},
    time::timeout,
};

use crate::{
    DeniedCall, Plan, StartError, door,
    egress::{self, Gate, Gates},
    environment::{environment, passed},
    order::{self, Stdio},
    report::{KILL, Report, TERMINATE},
    stderr,
    strays::{self, Registration},
    supervise::SUBCOMMAND,
};

/// How long a supervisor may take to end its tree before it is itself killed.
const SUPERVISOR_LIMIT: Duration = Duration::from_secs(5);

/// Starts servers under a supervisor, see the crate's description.
pub struct ProcessLauncher {
    supervisor: PathBuf,
    gates: Option<Arc<Gates>>,
    on_denied: Option<OnDenied>,
    /// One for each server that has not ended.
    alive: watch::Sender<usize>,
}

/// Is told of system calls that a server in a sandbox made and that were refused.
pub type OnDenied = Arc<dyn Fn(&ServerName, &DeniedCall) + Send + Sync>;

type Reports = Lines<BufReader<OwnedReadHalf>>;

impl ProcessLauncher {
    /// A launcher whose supervisor is this very program, which must call [`crate::supervise::main`] when
    /// its first argument is [`SUBCOMMAND`].
    ///
    /// # Errors
    /// When this process cannot be made the subreaper of what it starts.
    pub fn new() -> io::Result<Self> {
        // Resolved in the new process, where it still means the running program even after an upgrade
        // has replaced the file.
        Self::with_supervisor("/proc/self/exe")
    }

    /// A launcher with another program as supervisor.
    ///
    /// # Errors
    /// As [`ProcessLauncher::new`].
    pub fn with_supervisor(program: impl Into<PathBuf>) -> io::Result<Self> {
        strays::become_subreaper()?;
        Ok(Self { supervisor: program.into(), gates: None, on_denied: None, alive: watch::Sender::new(0) })
    }

    /// Serves the ways out of its servers through `gates`. Without, a server whose plan names hosts is not started.
    #[must_use]
    pub fn through(self, gates: Arc<Gates>) -> Self {
        Self { gates: Some(gates), ..self }
    }

    /// Tells of system calls that its servers made and that were refused.
    #[must_use]
    pub fn telling(self, on_denied: OnDenied) -> Self {
        Self { on_denied: Some(on_denied), ..self }
    }

    /// Resolves when every server has ended and what was refused of it is told, or after `limit`.
    pub async fn all_ended(&self, limit: Duration) {
        let mut alive = self.alive.subscribe();
        let _those_that_do_not_end = timeout(limit, alive.wait_for(|alive| *alive == 0)).await;
    }

    /// The gate of a server whose plan names hosts.
    fn gate(&self, plan: &LaunchPlan) -> io::Result<Option<Arc<Gate>>> {
        let Boundary::Plan(text) = &plan.boundary else { return Ok(None) };
        let Plan { egress, danger_host_network, .. } = serde_json::from_str(text)?;
        if egress.is_closed() || danger_host_network {
            return Ok(None);
        }
        let gates = self.gates.as_ref().ok_or_else(|| io::Error::other("nobody serves its way out"))?;
        gates.of(&plan.server, &egress).map(Some).map_err(io::Error::other)
    }

    async fn start(&self, plan: &LaunchPlan) -> Result<Launched, LaunchError> {
        let setup =
            |error: io::Error| LaunchError::Setup { server: plan.server.clone(), reason: error.to_string() };
        if let Boundary::Unsettled(reason) = &plan.boundary {
            return Err(LaunchError::Setup { server: plan.server.clone(), reason: reason.to_string() });
        }
        let gate = self.gate(plan).map_err(setup)?;
        let (here, door) = gate.is_some().then(door::pair).transpose().map_err(setup)?.unzip();
        let prepared = self.prepare(plan, door).await.map_err(setup)?;
        let Prepared { child, registration, mut reports, commands, ends } = prepared;
        let first = reports.next_line().await.ok().flatten();
        match first.as_deref().and_then(Report::parse) {
            Some(Report::Started(_)) => {}
            Some(Report::Failed(reason)) => {
                return Err(LaunchError::Command { command: plan.command.display().to_string(), reason });
            }
            Some(report @ Report::Unmet { .. }) => {
                return Err(setup(io::Error::other(StartError::from_report(report))));
            }
            _ => return Err(setup(io::Error::other("the supervisor ended before the server was started"))),
        }
        let (lines, stderr) = mpsc::channel(stderr::QUEUE);
        tokio::spawn(stderr::forward(ends.error, lines));
        let heard = self.on_denied.clone().map(|on_denied| (plan.server.clone(), on_denied));
        let process = Arc::new(Tree::watch(
            child,
            registration,
            Told { reports, heard },
            (commands, self.alive.clone()),
        ));
        if let (Some(gate), Some(here)) = (gate, here) {
            let way_out = door::take(here).and_then(listener).map_err(setup)?;
            tokio::spawn(egress::serve(way_out, gate, process.ended()));
        }
        Ok(Launched { stdin: Box::new(ends.input), stdout: Box::new(ends.output), stderr, process })
    }

    /// Starts a supervisor and gives it its order.
    #[allow(clippy::disallowed_methods, reason = "this is where the few variables that may pass are picked")]
    async fn prepare(&self, plan: &LaunchPlan, door: Option<OwnedFd>) -> io::Result<Prepared> {
        let (ours, theirs) = UnixStream::pair()?;
        let (ends, stdio) = pipes(door)?;
        let mut command = Command::new(&self.supervisor);
        command.args([SUBCOMMAND, plan.server.as_str()]).env_clear().stdin(OwnedFd::from(theirs));
        command.stdout(process::Stdio::null()).stderr(process::Stdio::null());
        let (child, registration) = strays::spawn_supervisor(&mut command)?;
        // Our copy of the supervisor's end, without which its death would not be seen.
        drop(command);
        let body = order::encode(plan, &environment(env::vars_os(), &plan.env, passed(&plan.boundary)));
        order::send_head(&ours, &stdio, body.expose().len())?;
        drop(stdio);
        ours.set_nonblocking(true)?;
        let (reports, mut commands) = tokio::net::UnixStream::from_std(ours)?.into_split();
        commands.write_all(body.expose()).await?;
        Ok(Prepared { child, registration, reports: BufReader::new(reports).lines(), commands, ends })
    }
}

impl fmt::Debug for ProcessLauncher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessLauncher").field("supervisor", &self.supervisor).finish_non_exhaustive()
    }
}

impl Launcher for ProcessLauncher {
    fn launch<'a>(&'a self, plan: &'a LaunchPlan) -> BoxFuture<'a, Result<Launched, LaunchError>> {
        Box::pin(self.start(plan))
    }
}

struct Prepared {
    child: Child,
    registration: Registration,
    reports: Reports,
    commands: OwnedWriteHalf,
    ends: OurEnds,
}

struct OurEnds {
    input: pipe::Sender,
    output: pipe::Receiver,
    error: pipe::Receiver,
}

fn listener(way_out: std::net::TcpListener) -> io::Result<TcpListener> {
    way_out.set_nonblocking(true)?;
    TcpListener::from_std(way_out)
}

fn pipes(door: Option<OwnedFd>) -> io::Result<(OurEnds, Stdio)> {
    let (their_input, input) = io::pipe()?;
    let (output, their_output) = io::pipe()?;
    let (error, their_error) = io::pipe()?;
    let ours = OurEnds {
        input: pipe::Sender::from_owned_fd(input.into())?,
        output: pipe::Receiver::from_owned_fd(output.into())?,
        error: pipe::Receiver::from_owned_fd(error.into())?,
    };
    let (input, output, error) = (their_input.into(), their_output.into(), their_error.into());
    Ok((ours, Stdio { input, output, error, door }))
}

/// What a supervisor tells, and who wants to know.
struct Told {
    reports: Reports,
    heard: Option<(ServerName, OnDenied)>,
}

/// A supervisor and what it supervises. Dropping it closes the control socket, which ends the tree.
struct Tree {
    id: u32,
    commands: OwnedWriteHalf,
    kill_supervisor: mpsc::Sender<()>,
    exit: watch::Receiver<Option<Exit>>,
}

impl Tree {
    fn watch(
        child: Child,
        registration: Registration,
        reports: Told,
        (commands, alive): (OwnedWriteHalf, watch::Sender<usize>),
    ) -> Self {
        let (kill_supervisor, kill) = mpsc::channel(1);
        let (ended, exit) = watch::channel(None);
        let id = child.id().unwrap_or_default();
        alive.send_modify(|alive| *alive += 1);
        tokio::spawn(async move {
            let exit = see_out(child, registration, reports, kill).await;
            ended.send_replace(Some(exit));
            alive.send_modify(|alive| *alive = alive.saturating_sub(1));
        });
        Self { id, commands, kill_supervisor, exit }
    }

    /// Resolves when it has ended, without keeping it from that.
    fn ended(&self) -> impl Future<Output = ()> + use<> {
        let mut exit = self.exit.clone();
        async move {
            let _gone = exit.wait_for(Option::is_some).await;
        }
    }

    async fn exited(&self) -> Exit {
        let mut exit = self.exit.clone();
        exit.wait_for(Option::is_some).await.ok().and_then(|exit| *exit).unwrap_or(Exit::Unknown)
    }

    async fn stop(&self, grace: Duration) -> Exit {
        for (command, patience) in [(TERMINATE, grace), (KILL, grace)] {
            if let Ok(exit) = timeout(patience, self.exited()).await {
                return exit;
            }
            let _supervisor_gone = self.commands.try_write(&[command]);
        }
        if let Ok(exit) = timeout(SUPERVISOR_LIMIT, self.exited()).await {
            return exit;
        }
        let _already_asked = self.kill_supervisor.try_send(());
        self.exited().await
    }
}

impl Process for Tree {
    fn id(&self) -> u32 {
        self.id
    }

    fn exited(&self) -> BoxFuture<'_, Exit> {
        Box::pin(self.exited())
    }

    fn stop(&self, grace: Duration) -> BoxFuture<'_, Exit> {
        Box::pin(self.stop(grace))
    }
}

/// Waits for the end of a tree. Without a last word from the supervisor, whatever it left is ended here.
async fn see_out(
    mut child: Child,
    registration: Registration,
    mut reports: Told,
    kill: mpsc::Receiver<()>,
) -> Exit {
    let last_word = tokio::select! {
        exit = last_word(&mut reports) => exit,
        () = given_up(kill) => None,
    };
    // After its last word the supervisor has nothing left to do; without one it must not go on either.
    let _already_gone = child.start_kill();
    let _status = child.wait().await;
    drop(registration);
    if last_word.is_none() {
        strays::end_all().await;
    }
    last_word.unwrap_or(Exit::Unknown)
}

async fn last_word(told: &mut Told) -> Option<Exit> {
    loop {
        match Report::parse(&told.reports.next_line().await.ok()??)? {
            Report::Ended(exit) => return Some(exit),
            Report::Denied(calls) => {
                told.heard.iter().for_each(|(server, on_denied)| on_denied(server, &calls));
            }
            Report::Started(_) | Report::Probed(_) | Report::Seen(_) => {}
            Report::Failed(_) | Report::Unmet { .. } => return None,
        }
    }
}

/// Resolves when the supervisor is to be killed: on demand, or when it has not ended its tree some time
/// after nobody was left to care.
async fn given_up(mut kill: mpsc::Receiver<()>) {
    if kill.recv().await.is_none() {
        tokio::time::sleep(SUPERVISOR_LIMIT).await;
    }
}
