//! What is decided: one question, borrowed from a call.

use std::fmt;

use portcullis_core::{Call, Caller, Channel, Item, ListKind, ServerName};
use portcullis_wire::{Method, Version};

/// Who looks at a list, and through which door. Borrowed from the request for the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct View<'a> {
    /// Who.
    pub caller: &'a Caller,
    /// Through which door.
    pub channel: Channel,
    /// The protocol version of the request.
    pub version: Version,
    /// The endpoint asked: a server name, or none for the aggregate.
    pub endpoint: Option<&'a ServerName>,
}

impl<'a> From<&'a Call> for View<'a> {
    fn from(call: &'a Call) -> Self {
        Self {
            caller: &call.caller,
            channel: call.channel,
            version: call.version,
            endpoint: call.endpoint.as_ref(),
        }
    }
}

/// Everything about a request that a decision may depend on, apart from its arguments and the time.
/// Two equal questions have the same answer if no policy looks at those.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Question<'a> {
    pub(crate) view: View<'a>,
    pub(crate) method: Method,
    pub(crate) server: Option<&'a ServerName>,
    pub(crate) item: &'a Item,
    /// Whether some call is asked about rather than this one.
    pub(crate) any_call: bool,
}

impl<'a> Question<'a> {
    /// Whether this call is permitted.
    pub(crate) fn about(call: &'a Call) -> Self {
        Self {
            view: call.into(),
            method: call.request.method_kind(),
            server: call.target.server.as_ref(),
            item: &call.target.item,
            any_call: false,
        }
    }

    /// Whether some call to a listed entry could be permitted.
    pub(crate) fn about_entry(view: View<'a>, server: &'a ServerName, item: &'a Item) -> Self {
        Self { view, method: use_of(item), server: Some(server), item, any_call: true }
    }
}

/// What is asked by a call, in words for the operator.
pub fn in_words(call: &Call) -> String {
    Question::about(call).to_string()
}

/// In words, for the operator.
impl fmt::Display for Question<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let method = self.method.as_str().unwrap_or("an unknown method");
        let (kind, place, name) = (self.item.kind(), place_name(self), self.item.name().escape_debug());
        let user = self.view.caller.principal.to_string();
        match (self.item, self.server) {
            (Item::Server, None) => write!(f, "`{method}` on `Mcp::Endpoint::\"{place}\"`")?,
            (Item::Server, Some(_)) => write!(f, "`{method}` on `Mcp::Server::\"{place}\"`")?,
            _ => write!(f, "`{method}` on `Mcp::{kind}::\"{place}/{name}\"`")?,
        }
        write!(f, " by `Mcp::User::\"{}\"`", user.escape_debug())
    }
}

/// What a listed entry is there for.
fn use_of(item: &Item) -> Method {
    match item {
        Item::Tool(_) => Method::ToolsCall,
        Item::Prompt(_) => Method::PromptsGet,
        Item::Resource(_) => Method::ResourcesRead,
        Item::Task(_) => Method::TasksGet,
        Item::Server => Method::ServerDiscover,
        Item::List(ListKind::Tools) => Method::ToolsList,
        Item::List(ListKind::Prompts) => Method::PromptsList,
        Item::List(ListKind::Resources) => Method::ResourcesList,
        Item::List(ListKind::Templates) => Method::ResourcesTemplatesList,
    }
}

/// A [`Question`] that owns what it needs.
#[derive(Debug)]
pub(crate) struct Key {
    caller: Caller,
    channel: Channel,
    version: Version,
    endpoint: Option<ServerName>,
    method: Method,
    server: Option<ServerName>,
    item: Item,
    any_call: bool,
}

impl Key {
    pub(crate) fn question(&self) -> Question<'_> {
        Question {
            view: View {
                caller: &self.caller,
                channel: self.channel,
                version: self.version,
                endpoint: self.endpoint.as_ref(),
            },
            method: self.method,
            server: self.server.as_ref(),
            item: &self.item,
            any_call: self.any_call,
        }
    }
}

impl From<Question<'_>> for Key {
    fn from(question: Question<'_>) -> Self {
        Self {
            caller: question.view.caller.clone(),
            channel: question.view.channel,
            version: question.view.version,
            endpoint: question.view.endpoint.cloned(),
            method: question.method,
            server: question.server.cloned(),
            item: question.item.clone(),
            any_call: question.any_call,
        }
    }
}

/// The kinds of principal as policies write them.
pub(crate) const KINDS: [&str; 4] = ["local-user", "dev", "oauth", "gateway"];

/// A channel as policies write it.
pub(crate) fn channel_name(channel: Channel) -> &'static str {
    match channel {
        Channel::Http => "http",
        Channel::LegacySse => "legacy-sse",
        Channel::Stdio => "stdio",
        Channel::Egress => "egress",
        Channel::Internal => "internal",
    }
}

/// The name of the endpoint in front of all servers. No server can have it.
pub(crate) const AGGREGATE: &str = "*";

/// How policies write the place an item belongs to: a server, or an endpoint of the gateway itself, which
/// is told apart by the star that no server's name has.
pub(crate) fn place_name(question: &Question<'_>) -> String {
    match (question.server, question.view.endpoint) {
        (Some(server), _) => server.to_string(),
        (None, None) => AGGREGATE.to_owned(),
        (None, Some(endpoint)) => format!("{AGGREGATE}{endpoint}"),
    }
}
