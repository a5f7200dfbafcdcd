//! A server on standard input and output, spoken to line by line.

use std::{io::Write, time::Duration};

use serde_json::{Value, json};

use super::{
    Launch, SpawnError,
    process::{Channel, Process},
};

/// How long a server may take for one answer, its start included: interpreters are slow on a busy machine.
const DEADLINE: Duration = Duration::from_secs(30);

/// A running server.
pub struct StdioServer {
    process: Process,
    next_id: u64,
}

impl StdioServer {
    /// Starts `launch`. The server is ready when it answers, so there is nothing to wait for here.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(launch: &Launch) -> Result<Self, SpawnError> {
        Ok(Self { process: Process::start(launch)?, next_id: 1 })
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.process.pid().unsigned_abs()
    }

    /// Writes one line.
    ///
    /// # Errors
    /// When the server no longer reads.
    pub fn send(&mut self, message: &Value) -> Result<(), SpawnError> {
        let program = self.process.program();
        let input = self.process.input().as_mut().expect("standard input is open as long as the server is");
        let line = format!("{message}\n");
        input.write_all(line.as_bytes()).map_err(|source| SpawnError::Write { program, source })
    }

    /// Reads one line.
    ///
    /// # Errors
    /// When the server ends, stays silent for 30 s or writes something that is no JSON.
    pub async fn receive(&mut self) -> Result<Value, SpawnError> {
        let line = self
            .process
            .wait_for(Channel::Output, "anything", DEADLINE, |line| Some(line.to_owned()))
            .await?;
        serde_json::from_str(&line).map_err(|_| SpawnError::NotJson { program: self.process.program(), line })
    }

    /// Sends a request and returns the response to it, `result` or `error`. What arrives in between is
    /// dropped.
    ///
    /// # Errors
    /// As for [`Self::send`] and [`Self::receive`].
    pub async fn request(&mut self, method: &str, params: Value) -> Result<Value, SpawnError> {
        let id = self.next_id;
        self.next_id += 1;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))?;
        loop {
            let message = self.receive().await?;
            if message.get("id") == Some(&json!(id)) && message.get("method").is_none() {
                return Ok(message);
            }
        }
    }

    /// Does the handshake of the legacy era and returns the response to `initialize`.
    ///
    /// # Errors
    /// As for [`Self::request`].
    pub async fn initialize(&mut self, version: &str) -> Result<Value, SpawnError> {
        let client = json!({ "name": "portcullis-testkit", "version": env!("CARGO_PKG_VERSION") });
        let params = json!({ "protocolVersion": version, "capabilities": {}, "clientInfo": client });
        let response = self.request("initialize", params).await?;
        self.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))?;
        Ok(response)
    }
}
