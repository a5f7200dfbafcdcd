//! A program on pipes, spoken to line by line and by hand.

use std::{path::Path, process::Stdio};

use portcullis_testkit::{gateway::portcullis, server::Launch};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use crate::raw::SOON;

/// A running program.
pub(crate) struct Pipe {
    pub(crate) child: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
}

impl Pipe {
    /// Starts `portcullis run` in front of `server`, called `odd`, recording to `record`.
    pub(crate) fn run(server: &Launch, record: &Path) -> Self {
        let mut command = Command::new(portcullis().unwrap());
        command
            .args(["run", "--name", "odd", "--record"])
            .arg(record)
            .args(server.sandbox.options())
            .arg("--")
            .arg(&server.program)
            .args(&server.args);
        Self::start(command)
    }

    /// Starts `command`, which is killed when the value is dropped.
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { input: child.stdin.take(), child, output }
    }

    /// Writes bytes as they are.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.input.as_mut().unwrap().write_all(bytes).await.unwrap();
    }

    /// Writes one message.
    pub(crate) async fn send(&mut self, message: &Value) {
        self.write(format!("{message}\n").as_bytes()).await;
    }

    /// Closes the program's input.
    pub(crate) fn close(&mut self) {
        self.input = None;
    }

    /// Closes both pipes at once, as the end of a client does.
    pub(crate) fn vanish(self) -> Child {
        self.child
    }

    /// Reads one message.
    pub(crate) async fn receive(&mut self) -> Value {
        let line = timeout(SOON, self.output.next_line()).await.expect("no line in time").unwrap();
        serde_json::from_str(&line.expect("the output ended")).unwrap()
    }

    /// Sends a request and returns what answers it; what comes in between is dropped.
    pub(crate) async fn ask(&mut self, message: &Value) -> Value {
        self.send(message).await;
        loop {
            let answer = self.receive().await;
            if answer["id"] == message["id"] && answer.get("method").is_none() {
                return answer;
            }
        }
    }
}
