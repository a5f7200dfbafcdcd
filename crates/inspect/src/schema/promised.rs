//! What a tool has promised about its results, and whether one keeps the promise.

use portcullis_core::wire::{Message, Node, json::Kind};

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
    /// Where a message has the result.
    pub form: Form,
}

/// How a message holds what a tool came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As the response to the call, or to `tasks/result` (MCP 2025-11-25).
    Response {
        /// Whether `resultType` says what a result is (from MCP 2026-07-28 on). Before, it means nothing.
        typed: bool,
        /// Whether the caller asked for a task in place of a result (MCP 2025-11-25).
        as_task: bool,
    },
    /// As the member `result` of a task that is completed: in the response to `tasks/get`, and in notifications (tasks
    /// extension of MCP 2026-07-28).
    Task,
}

/// How a result breaks its tool's promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    Missing,
    Misfit(Vec<ArgumentFault>),
}

impl Promised<'_> {
    /// Whether a message keeps the promise (MCP 2025-11-25, Tools, output schema). Structured content has to fit
    /// wherever there is any, in results that report an error too.
    pub(crate) fn check(&self, message: &Message) -> Result<(), Broken> {
        let holder = match message {
            Message::Response(response) => response.result(),
            Message::Notification(notification) if self.form == Form::Task => notification.params(),
            _ => None,
        };
        match (holder, self.form) {
            (None, _) => Ok(()),
            (Some(result), Form::Response { typed, as_task }) => {
                self.check_result(result, is_last_word(result, typed, as_task))
            }
            (Some(task), Form::Task) if !is(task, "status", "completed") => Ok(()),
            (Some(task), Form::Task) => match task.get("result") {
                Some(result) => self.check_result(result, !has_failed(result)),
                None if self.required => Err(Broken::Missing),
                None => Ok(()),
            },
        }
    }

    fn check_result(&self, result: Node<'_>, is_last_word: bool) -> Result<(), Broken> {
        let content = result.get("structuredContent");
        let fits = content.map(|content| self.schema.validate_result(content.raw()));
        match (content, fits) {
            (_, Some(Ok(()))) => Ok(()),
            // Some servers write `null` for nothing.
            (Some(content), Some(Err(faults))) if !content.is_null() => Err(Broken::Misfit(faults)),
            _ if self.required && is_last_word => Err(Broken::Missing),
            _ => Ok(()),
        }
    }
}

/// Whether the result is what the call came to: neither an error, nor a question or a task in place of it. A server
/// that says so where nobody could have asked for that is not believed.
fn is_last_word(result: Node<'_>, typed: bool, as_task: bool) -> bool {
    let complete = !typed || result.get("resultType").is_none() || is(result, "resultType", "complete");
    let task = as_task && result.get("task").is_some_and(|task| task.kind() == Kind::Object);
    complete && !has_failed(result) && !task
}

fn has_failed(result: Node<'_>) -> bool {
    result.get("isError").and_then(Node::as_bool) == Some(true)
}

fn is(node: Node<'_>, member: &str, value: &str) -> bool {
    node.get(member).and_then(Node::as_str).is_some_and(|found| found == value)
}
