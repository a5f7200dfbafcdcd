//! What came back.

use portcullis_wire::{Message, Method};
use serde::Serialize;

use crate::ServerName;

/// Which server-to-client channel carries the content; every one is inspected by the same rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Surface {
    /// `result` of a response, unless it is one of the next two.
    Result,
    /// `result` of `resources/read`: what a resource holds.
    Resource,
    /// `result` of `prompts/get`: a prompt.
    Prompt,
    /// `error` of a response.
    Error,
    /// A notification.
    Notification,
    /// A request from the server: elicitation, sampling, roots.
    ServerRequest,
    /// A page of definitions of tools, prompts or resources.
    Definition,
    /// What a server says about itself: name, capabilities, instructions.
    Introduction,
}

impl Surface {
    /// The channel of a result of `method`.
    pub fn of_result(method: Method) -> Self {
        match method {
            Method::ResourcesRead => Self::Resource,
            Method::PromptsGet => Self::Prompt,
            _ => Self::Result,
        }
    }

    /// The name in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Result => "result",
            Self::Resource => "resource",
            Self::Prompt => "prompt",
            Self::Error => "error",
            Self::Notification => "notification",
            Self::ServerRequest => "server-request",
            Self::Definition => "definition",
            Self::Introduction => "introduction",
        }
    }
}

/// One message from a server, before inspection.
#[derive(Debug)]
pub struct Answer {
    /// Which server, or none when the gateway wrote it.
    pub server: Option<ServerName>,
    /// Which channel.
    pub surface: Surface,
    /// The message, already through the strict walk.
    pub message: Message,
}
