//! Calls that nobody makes: what policies are tried with.

mod node;
mod read;
mod recorded;

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use portcullis_core::{
    AuthMethod, Call, Caller, Canonical, Channel, Conduct, Context, Deed, Details, Flow, Grant, Item, Label,
    LabelClass, Labels, ListKind, PrincipalKind, RecordId, ServerName, Target,
    wire::{Limits, Message, Method, Version, decode_one},
};
use portcullis_policy::{Answer, Known};

pub(crate) use node::{object, text, words};
pub(crate) use read::{read_call, read_file};
pub(crate) use recorded::{Recorded, read_record};

/// A call, what has entered its conversation, and when it is made.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) call: Call,
    pub(crate) flow: Flow,
    pub(crate) cx: Context,
    /// What of it is known.
    pub(crate) known: Known,
}

/// One case of a file.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    /// Its line in the file.
    pub(crate) line: u32,
    pub(crate) asked: Asked,
    pub(crate) expected: Option<Expected>,
}

/// What should become of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) answer: Answer,
    /// Policies that have to be among those that made it so.
    pub(crate) by: Vec<String>,
}

/// The parts of a call, before they are put together.
pub(crate) struct Parts {
    pub(crate) caller: Caller,
    pub(crate) channel: Channel,
    pub(crate) endpoint: Option<ServerName>,
    pub(crate) version: Version,
    pub(crate) method: Method,
    pub(crate) server: Option<ServerName>,
    pub(crate) item: Item,
    /// A JSON object.
    pub(crate) arguments: Option<Vec<u8>>,
}

impl Parts {
    /// The call; an error when the arguments are none that a caller could send.
    pub(crate) fn call(self) -> Result<Call, String> {
        let method = self.method.as_str().unwrap_or_default();
        let mut body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{"#).into_bytes();
        if let Some(arguments) = &self.arguments {
            body.extend_from_slice(br#""arguments":"#);
            body.extend_from_slice(arguments);
        }
        body.extend_from_slice(b"}}");
        let message = decode_one(Bytes::from(body), &Limits::default()).map_err(|error| error.to_string())?;
        let Message::Request(request) = message else { return Err(format!("`{method}` is no request")) };
        Ok(Call {
            caller: self.caller,
            channel: self.channel,
            peer: None,
            endpoint: self.endpoint,
            version: self.version,
            request,
            target: Target { server: self.server, item: self.item, definition: None },
            put_back: None,
        })
    }
}

/// How a principal of that kind is established, where nothing more is said.
pub(crate) const fn method_of(kind: PrincipalKind) -> AuthMethod {
    match kind {
        PrincipalKind::LocalUser => AuthMethod::LoopbackPeer,
        PrincipalKind::Dev => AuthMethod::StaticDev,
        PrincipalKind::Oauth => AuthMethod::BearerToken,
        PrincipalKind::Gateway => AuthMethod::Internal,
    }
}

/// A channel by the word policies have for it.
pub(crate) fn channel(word: &str) -> Option<Channel> {
    Some(match word {
        "http" => Channel::Http,
        "legacy-sse" => Channel::LegacySse,
        "stdio" => Channel::Stdio,
        "internal" => Channel::Internal,
        _ => return None,
    })
}

/// An item of that kind, as [`Item::kind`] writes it.
pub(crate) fn item(kind: &str, name: &str) -> Option<Item> {
    let name: Arc<str> = name.into();
    Some(match kind {
        "Tool" => Item::Tool(name),
        "Prompt" => Item::Prompt(name),
        "Resource" => Item::Resource(name),
        "Task" => Item::Task(name),
        "List" => Item::List(match &*name {
            "tools" => ListKind::Tools,
            "prompts" => ListKind::Prompts,
            "resources" => ListKind::Resources,
            "templates" => ListKind::Templates,
            _ => return None,
        }),
        "Server" => Item::Server,
        _ => return None,
    })
}

/// Labels as records write them, `<class>:<server>`; the first that is none is the error.
pub(crate) fn labels(words: &[String]) -> Result<Labels, String> {
    let label = |(at, word): (usize, &String)| {
        let (class, server) = word.split_once(':')?;
        let record = RecordId::new("case".into(), u64::try_from(at).ok()?);
        Some(Label { class: LabelClass::parse(class)?, server: server.parse().ok()?, record })
    };
    let label = |at_word: (usize, &String)| label(at_word).ok_or_else(|| at_word.1.clone());
    Ok(Labels::new(words.iter().enumerate().map(label).collect::<Result<Vec<_>, _>>()?))
}

/// What an item does; the first word that is no deed is the error.
pub(crate) fn conduct(words: &[String]) -> Result<Conduct, String> {
    words.iter().map(|word| Deed::parse(word).ok_or_else(|| word.clone())).collect()
}

/// What a token grants.
pub(crate) fn grant(issuer: &str, client: Option<&str>, scopes: &[String], details: Details) -> Arc<Grant> {
    Arc::new(Grant {
        issuer: issuer.into(),
        client: client.map(Arc::from),
        scopes: scopes.iter().map(|scope| Arc::from(scope.as_str())).collect(),
        details,
        token_id: None,
        token: None,
    })
}

/// What the arguments of a case name, as it says itself: without the definition of a tool nobody else could.
pub(crate) fn canonical(hosts: Vec<String>, programs: Vec<String>, statements: Vec<String>) -> Canonical {
    let set = |words: Vec<String>| words.into_iter().collect::<BTreeSet<_>>();
    Canonical { texts: Vec::new(), hosts: set(hosts), programs: set(programs), statements: set(statements) }
}
