//! What is asked.

use std::{net::IpAddr, sync::Arc};

use portcullis_wire::{Request, Version};
use serde::Serialize;

use crate::{Caller, Digest, Secret, ServerName};

/// How the request reached the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Channel {
    /// Streamable HTTP.
    Http,
    /// HTTP+SSE of 2024-11-05.
    LegacySse,
    /// Standard input and output.
    Stdio,
    /// A server's own connections to the world.
    Egress,
    /// The gateway's own activity.
    Internal,
}

/// Which of a server's lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ListKind {
    /// `tools/list`
    Tools,
    /// `prompts/list`
    Prompts,
    /// `resources/list`
    Resources,
    /// `resources/templates/list`
    Templates,
}

/// The thing a request is about, named as the upstream server names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Item {
    /// A tool, by name.
    Tool(Arc<str>),
    /// A prompt, by name.
    Prompt(Arc<str>),
    /// A resource, by concrete URI.
    Resource(Arc<str>),
    /// A list.
    List(ListKind),
    /// A task, by the id its server gave it.
    Task(Arc<str>),
    /// The server as a whole: discovery, ping, subscriptions, logging.
    Server,
}

impl Item {
    /// The item's kind as it appears in records, metrics and Cedar entity types.
    pub fn kind(&self) -> &'static str {
        match self {
            Item::Tool(_) => "Tool",
            Item::Prompt(_) => "Prompt",
            Item::Resource(_) => "Resource",
            Item::List(_) => "List",
            Item::Task(_) => "Task",
            Item::Server => "Server",
        }
    }

    /// The upstream's name for it; empty for the server as a whole.
    pub fn name(&self) -> &str {
        match self {
            Item::Tool(n) | Item::Prompt(n) | Item::Resource(n) | Item::Task(n) => n,
            Item::List(ListKind::Tools) => "tools",
            Item::List(ListKind::Prompts) => "prompts",
            Item::List(ListKind::Resources) => "resources",
            Item::List(ListKind::Templates) => "templates",
            Item::Server => "",
        }
    }
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The server, or none when the gateway itself answers for all of an endpoint's servers.
    pub server: Option<ServerName>,
    /// The item.
    pub item: Item,
    /// Digest of the definition the caller was shown, when the item has one.
    pub definition: Option<Digest>,
}

/// One request on its way through the spine.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who.
    pub caller: Caller,
    /// Through which door.
    pub channel: Channel,
    /// From which address, when there is one.
    pub peer: Option<IpAddr>,
    /// The endpoint asked: a server name, or none for the aggregate.
    pub endpoint: Option<ServerName>,
    /// The protocol version this request is to be read under.
    pub version: Version,
    /// The request, byte for byte as received.
    pub request: Request,
    /// What it is about.
    pub target: Target,
    /// What was put back into the request where the caller had written words for it.
    pub put_back: Option<Arc<PutBack>>,
}

/// Values that a request holds in place of the words that a caller knows them by.
#[derive(Clone, Debug)]
pub struct PutBack {
    /// The request as the caller wrote it: what people and records may see.
    pub as_written: Request,
    /// The values.
    pub values: Vec<Secret>,
}

impl Call {
    /// The request as the caller wrote it.
    pub fn as_written(&self) -> &Request {
        self.put_back.as_ref().map_or(&self.request, |it| &it.as_written)
    }
}

impl AsRef<Call> for Call {
    fn as_ref(&self) -> &Call {
        self
    }
}
