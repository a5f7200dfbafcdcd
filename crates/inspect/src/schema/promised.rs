//! What a tool has promised about its results, and whether one keeps the promise.

use portcullis_core::wire::{Node, Response, json::Kind};

use super::{ArgumentFault, ToolSchema};

/// What to do about results that do not fit their tool's output schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Misfits {
    /// Withhold them.
    #[default]
    Refuse,
    /// Pass them on.
    Accept,
}

/// The output schema of the tool that was called.
#[derive(Clone, Copy, Debug)]
pub struct Promised<'s> {
    /// The schema.
    pub schema: &'s ToolSchema,
    /// Whether the server's protocol version has structured content, so that a result without any breaks the promise
    /// (from MCP 2025-06-18 on).
    pub required: bool,
    /// Whether `resultType` says what a result is (from MCP 2026-07-28 on). Before, it means nothing.
    pub typed: bool,
    /// Whether the caller asked for a task in place of a result (MCP 2025-11-25).
    pub as_task: bool,
}

/// How a result breaks its tool's promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    Missing,
    Misfit(Vec<ArgumentFault>),
}

impl Promised<'_> {
    /// Whether a response keeps the promise (MCP 2025-11-25, Tools, output schema). Structured content has to fit
    /// wherever there is any, in results that report an error too.
    pub(crate) fn check(&self, response: &Response) -> Result<(), Broken> {
        let Some(result) = response.result() else { return Ok(()) };
        let content = result.get("structuredContent");
        let fits = content.map(|content| self.schema.validate_result(content.raw()));
        match (content, fits) {
            (_, Some(Ok(()))) => Ok(()),
            // Some servers write `null` for nothing.
            (Some(content), Some(Err(faults))) if !content.is_null() => Err(Broken::Misfit(faults)),
            _ if self.required && self.is_last_word(result) => Err(Broken::Missing),
            _ => Ok(()),
        }
    }

    /// Whether the result is what the call came to: neither an error, nor a question or a task in place of it. A server
    /// that says so where nobody could have asked for that is not believed.
    fn is_last_word(&self, result: Node<'_>) -> bool {
        let is = |kind: std::borrow::Cow<'_, str>| kind == "complete";
        let complete = !self.typed || result.get("resultType").and_then(Node::as_str).is_none_or(is);
        let failed = result.get("isError").and_then(Node::as_bool) == Some(true);
        let task = self.as_task && result.get("task").is_some_and(|task| task.kind() == Kind::Object);
        complete && !failed && !task
    }
}
