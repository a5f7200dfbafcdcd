//! Calls in one line.

use std::sync::Arc;

use bytes::Bytes;
use portcullis_core::{
    AuthMethod, Call, Caller, Channel, Context, Item, ListKind, Principal, PrincipalKind, Refusal, Target,
};
use portcullis_policy::{Authoriser, Options, Permitted, PolicySet};
use portcullis_wire::{Limits, Message, Version, decode_one};

/// 2026-11-22T00:00:00Z.
pub(crate) const NOW: Context = Context { now_ms: 1_795_305_600_000 };

/// The local user.
pub(crate) fn local() -> Caller {
    caller(PrincipalKind::LocalUser, "uid:1000")
}

/// A caller without tenant or actor.
pub(crate) fn caller(kind: PrincipalKind, id: &str) -> Caller {
    let principal = Principal { kind, id: id.into() };
    Caller { principal, actor: None, tenant: None, method: AuthMethod::StdioPeer, grant: None }
}

/// `Tool git/status`, `List */tools`, `Server git`, `Server *`: an item and the server it belongs to.
pub(crate) fn target(text: &str) -> Target {
    let (kind, rest) = text.split_once(' ').unwrap();
    let (place, name) = rest.split_once('/').unwrap_or((rest, ""));
    let name: Arc<str> = name.into();
    let item = match kind {
        "Tool" => Item::Tool(name),
        "Prompt" => Item::Prompt(name),
        "Resource" => Item::Resource(name),
        "Task" => Item::Task(name),
        "Server" => Item::Server,
        "List" => Item::List(match &*name {
            "tools" => ListKind::Tools,
            "prompts" => ListKind::Prompts,
            "resources" => ListKind::Resources,
            other => panic!("{other}"),
        }),
        other => panic!("{other}"),
    };
    Target { server: (place != "*").then(|| place.parse().unwrap()), item, definition: None }
}

/// A call of `method` on `item` with these `arguments`; no arguments if they are empty.
pub(crate) fn call(caller: Caller, method: &str, item: &str, arguments: &str) -> Call {
    let params = if arguments.is_empty() { "{}".into() } else { format!(r#"{{"arguments":{arguments}}}"#) };
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
    let Message::Request(request) = decode_one(Bytes::from(body), &Limits::default()).unwrap() else {
        panic!("not a request");
    };
    Call {
        caller,
        channel: Channel::Stdio,
        peer: None,
        endpoint: None,
        version: Version::LATEST,
        request,
        target: target(item),
        put_back: None,
    }
}

/// `policies` in force.
pub(crate) fn authoriser(policies: &str) -> Authoriser {
    authoriser_with(policies, Options::default())
}

/// `policies` in force with `options`.
pub(crate) fn authoriser_with(policies: &str, options: Options) -> Authoriser {
    let set = PolicySet::load(&[("test.cedar", policies)]).unwrap_or_else(|faults| {
        let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
        panic!("{}", faults.join("\n"))
    });
    Authoriser::new(set, options).unwrap()
}

/// The verdict in one line: the policies that permit, or what the operator reads.
pub(crate) fn verdict<T>(result: Result<Permitted<T>, Refusal>) -> Result<String, String> {
    match result {
        Ok(permitted) => Ok(permitted.policies().join(" ")),
        Err(refusal) => Err(refusal.detail().to_owned()),
    }
}
