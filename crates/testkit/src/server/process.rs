//! A child process that does not outlive its value.

use std::{
    io::{BufRead, BufReader, Read},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, PidfdFlags, Signal, kill_process, kill_process_group, pidfd_open},
};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::timeout,
};

use super::{Launch, SpawnError};

/// The lines of standard error kept for error messages.
const KEPT_LINES: usize = 40;

/// A running server: its own process group, both outputs read line by line for as long as it runs.
pub(crate) struct Process {
    program: PathBuf,
    child: Child,
    /// Lines of standard output.
    pub(super) output: Lines,
    /// Lines of standard error.
    pub(crate) errors: Lines,
    said: Arc<Mutex<Vec<String>>>,
}

pub(crate) type Lines = UnboundedReceiver<String>;

/// Which output to wait on.
#[derive(Clone, Copy)]
pub(crate) enum Channel {
    Output,
    Errors,
}

impl Process {
    pub(crate) fn start(launch: &Launch) -> Result<Self, SpawnError> {
        let mut command = Command::new(&launch.program);
        command.args(&launch.args).envs(launch.env.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let child = command.spawn();
        let mut child =
            child.map_err(|source| SpawnError::Start { program: launch.program.clone(), source })?;
        let said = Arc::<Mutex<Vec<String>>>::default();
        let output = read_lines(child.stdout.take().expect("standard output is piped"), None);
        let errors =
            read_lines(child.stderr.take().expect("standard error is piped"), Some(Arc::clone(&said)));
        Ok(Self { program: launch.program.clone(), child, output, errors, said })
    }

    /// The child's standard input, as long as nobody closed it.
    pub(super) fn input(&mut self) -> &mut Option<std::process::ChildStdin> {
        &mut self.child.stdin
    }

    pub(crate) fn program(&self) -> PathBuf {
        self.program.clone()
    }

    /// The id of the process itself, which leads its group.
    pub(crate) fn pid(&self) -> i32 {
        Pid::from_child(&self.child).as_raw_nonzero().get()
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Sends `signal` to the process alone and waits for its end, which must come within `patience`. `None` when
    /// it did not and was killed.
    pub(crate) fn end(&mut self, signal: Signal, patience: Duration) -> Option<ExitStatus> {
        let pid = Pid::from_child(&self.child);
        if let Ok(Some(status)) = self.child.try_wait() {
            return Some(status);
        }
        let _ = kill_process(pid, signal);
        if !ends_within(pid, patience) {
            let _ = kill_process(pid, Signal::KILL);
            let _ = self.child.wait();
            return None;
        }
        self.child.wait().ok()
    }

    /// Waits for the first line that `look` makes something of.
    pub(crate) async fn wait_for<T>(
        &mut self,
        channel: Channel,
        wanted: &str,
        deadline: Duration,
        look: impl Fn(&str) -> Option<T>,
    ) -> Result<T, SpawnError> {
        let lines = match channel {
            Channel::Output => &mut self.output,
            Channel::Errors => &mut self.errors,
        };
        let found = timeout(deadline, first(lines, look)).await;
        let (program, wanted, said) = (self.program(), wanted.to_owned(), self.said());
        match found {
            Ok(Some(found)) => Ok(found),
            Ok(None) => Err(SpawnError::Ended { program, wanted, said }),
            Err(_) => Err(SpawnError::Silent { program, wanted, waited: deadline, said }),
        }
    }

    /// The end of its standard error.
    pub(crate) fn said(&self) -> String {
        self.said.lock().expect("no panic under the lock").join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The group has to go as a whole: an interpreter may have started others. It is gone already when
        // the server ended by itself.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}

/// Waits for the end of a child that nobody has waited for yet.
fn ends_within(pid: Pid, patience: Duration) -> bool {
    let Ok(ended) = pidfd_open(pid, PidfdFlags::empty()) else { return false };
    let patience = Timespec::try_from(patience).expect("a patience of seconds fits");
    let mut waiting = [PollFd::new(&ended, PollFlags::IN)];
    matches!(poll(&mut waiting, Some(&patience)), Ok(1))
}

async fn first<T>(lines: &mut Lines, look: impl Fn(&str) -> Option<T>) -> Option<T> {
    while let Some(line) = lines.recv().await {
        if let Some(found) = look(&line) {
            return Some(found);
        }
    }
    None
}

/// Reads until the end on a thread of its own, so that a full pipe never stops the server.
fn read_lines(from: impl Read + Send + 'static, keep: Option<Arc<Mutex<Vec<String>>>>) -> Lines {
    let (sender, lines) = unbounded_channel();
    thread::spawn(move || pump(BufReader::new(from), &sender, keep.as_deref()));
    lines
}

fn pump(from: impl BufRead, to: &UnboundedSender<String>, keep: Option<&Mutex<Vec<String>>>) {
    for line in from.lines() {
        let Ok(line) = line else { return };
        if let Some(keep) = keep {
            let mut kept = keep.lock().expect("no panic under the lock");
            if kept.len() == KEPT_LINES {
                kept.remove(0);
            }
            kept.push(line.clone());
        }
        // Nobody may be listening any more; the pipe has to be emptied all the same.
        let _ = to.send(line);
    }
}
