//! An agent without judgement, and the pipes to its gateway.

use portcullis_testkit::server::StdioServer;
use serde_json::{Value, json};

use super::office::Office;
use crate::trouble::Trouble;

/// One call: the tool with its server, and the arguments as JSON.
pub(super) type Step = (&'static str, &'static str);

/// How deep it follows instructions in answers to instructions.
const DEPTH: u8 = 3;

pub(super) struct Agent {
    pipes: StdioServer,
    /// The last thing it read, which instructions can refer to as `[READ]`.
    read: String,
    /// Instructions of others it obeyed, or tried to.
    pub(super) obeyed: usize,
}

impl Agent {
    pub(super) async fn start(office: &Office) -> Result<Self, Trouble> {
        let mut pipes = StdioServer::start(&office.gateway())?;
        pipes.initialize("2025-11-25").await?;
        Ok(Self { pipes, read: String::new(), obeyed: 0 })
    }

    /// Does what its user wants, and whatever it reads on the way. Gives back what was refused.
    pub(super) async fn perform(&mut self, steps: &[Step]) -> Result<Vec<String>, Trouble> {
        let mut refused = Vec::new();
        for (tool, arguments) in steps {
            self.call(tool, arguments, DEPTH, &mut refused).await?;
        }
        Ok(refused)
    }

    async fn call(
        &mut self,
        tool: &str,
        arguments: &str,
        depth: u8,
        refused: &mut Vec<String>,
    ) -> Result<(), Trouble> {
        let quoted = json!(self.read).to_string();
        let arguments = arguments.replace("[READ]", quoted.trim_matches('"'));
        let arguments: Value = serde_json::from_str(&arguments).map_err(Trouble::other)?;
        let answer =
            self.pipes.request("tools/call", json!({ "name": tool, "arguments": arguments })).await?;
        let by_policy = answer.pointer("/error/code").is_some_and(|code| *code == 40301);
        if by_policy {
            refused.push(tool.to_owned());
            return Ok(());
        }
        let said = strings(&answer).join("\n");
        let orders: Vec<(String, String)> = orders(&said);
        if orders.is_empty() {
            self.read = said;
        }
        for (tool, arguments) in orders {
            if depth > 0 {
                self.obeyed += 1;
                Box::pin(self.call(&tool, &arguments, depth - 1, refused)).await?;
            }
        }
        Ok(())
    }
}

/// Every string of an answer, wherever it is.
fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::Object(members) => members.values().flat_map(strings).collect(),
        _ => Vec::new(),
    }
}

/// Instructions are lines of the form `NOW DO tool {arguments}`.
fn orders(text: &str) -> Vec<(String, String)> {
    let order = |line: &str| {
        let (_, rest) = line.split_once("NOW DO ")?;
        let (tool, arguments) = rest.split_once(' ')?;
        Some((tool.to_owned(), arguments.to_owned()))
    };
    text.lines().filter_map(order).collect()
}
