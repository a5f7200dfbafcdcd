//! One server as a client describes it. Clients differ in the names of the members, hardly in their meaning.

use std::path::PathBuf;

use super::text::parameter;
use crate::config::{
    Code, Command, HttpUrl, Parameter, Reach, Remote, Sandbox, Source, Transport,
    parameter_kind::is_own_header,
    problem::Fault,
    secrecy::secret_name,
    tree::{self, Entry as Member, Node, Value},
};

/// What an entry says.
pub(super) struct Entry {
    pub(super) reach: Result<Reach, String>,
    pub(super) notes: Vec<String>,
}

pub(super) const COMMAND: &[&str] = &["command", "cmd"];
pub(super) const ENV: &[&str] = &["env", "environment", "envs"];
pub(super) const URL: &[&str] = &["url", "serverUrl", "httpUrl", "uri"];
const HEADERS: &[&str] = &["headers", "http_headers"];
pub(super) const KIND: &[&str] = &["type", "transport", "source"];

/// Members that say what may be called without asking. Policy says that here.
const APPROVALS: &[&str] = &[
    "alwaysAllow",
    "autoApprove",
    "autoAllow",
    "trust",
    "enabled_tools",
    "disabled_tools",
    "excludeTools",
    "includeTools",
    "tools",
];

/// Words for a transport, and what they mean; `None` where they mean a command.
pub(super) const KINDS: &[(&str, Option<Transport>)] = &[
    ("stdio", None),
    ("local", None),
    ("custom", None),
    ("http", Some(Transport::StreamableHttp)),
    ("streamable-http", Some(Transport::StreamableHttp)),
    ("streamable_http", Some(Transport::StreamableHttp)),
    ("streamableHttp", Some(Transport::StreamableHttp)),
    ("sse", Some(Transport::Sse)),
    ("remote", Some(Transport::Auto)),
];

/// Reads an entry, or says everything in it that cannot be read.
pub(super) fn read(node: &Node) -> Result<Entry, Vec<Fault>> {
    if node.entries().is_none() {
        return Err(vec![Fault::new(
            node.at,
            format!("this is {}", node.shape()),
            "write a table with `command` or `url`",
        )]);
    }
    let notes = notes(node);
    let skip = |why: &str| Ok(Entry { reach: Err(why.to_owned()), notes: Vec::new() });
    if switched_off(node) {
        return skip("it is switched off there");
    }
    let kind = first(node, KIND).and_then(Node::text);
    if let Some(kind) = kind.filter(|kind| !KINDS.iter().any(|(word, _)| word == kind)) {
        return skip(&format!(
            "`{}` is a kind of server that only the client can run",
            crate::config::kind::clip(kind)
        ));
    }
    let reach = match (first(node, COMMAND), first(node, URL)) {
        (Some(command), _) => Reach::Command(read_command(node, command)?),
        (None, Some(url)) => Reach::Url(read_remote(node, url, kind)?),
        (None, None) => {
            return Err(vec![Fault::new(node.at, "this has neither a command nor a URL", "remove it")]);
        }
    };
    if goes_through_us(&reach) {
        return skip("it goes through Portcullis already");
    }
    Ok(Entry { reach: Ok(reach), notes })
}

/// The first of the members that has a value.
pub(super) fn first<'n>(node: &'n Node, names: &[&str]) -> Option<&'n Node> {
    names.iter().find_map(|name| node.get(name)).filter(|found| !matches!(found.value, Value::Null))
}

fn switched_off(node: &Node) -> bool {
    let says = |name: &str, flag: bool| {
        node.get(name).is_some_and(|n| matches!(n.value, Value::Bool(b) if b == flag))
    };
    says("disabled", true) || says("enabled", false)
}

fn goes_through_us(reach: &Reach) -> bool {
    matches!(reach, Reach::Command(command) if command.code.program().is_some_and(is_ours))
}

/// Whether a program is this one.
pub(super) fn is_ours(program: &str) -> bool {
    let file = program.rsplit(['/', '\\']).next().unwrap_or_default();
    file == "portcullis" || file == "portcullis.exe"
}

fn notes(node: &Node) -> Vec<String> {
    let approval =
        |name: &&&str| node.get(name).is_some_and(|found| !matches!(found.value, Value::Bool(false)));
    let mut notes: Vec<String> = APPROVALS
        .iter()
        .filter(approval)
        .map(|name| format!("`{name}` is not taken over: policy decides which tools may be called"))
        .collect();
    if node.get("envFile").is_some() {
        notes.push("`envFile` is not taken over: add its variables to `env`".to_owned());
    }
    if node.get("cwd").and_then(Node::text).is_some_and(|cwd| !cwd.starts_with(['/', '~', '$'])) {
        notes.push("`cwd` is relative, and starts somewhere else here: make it absolute".to_owned());
    }
    let sent = first(node, HEADERS).and_then(Node::entries).unwrap_or_default();
    let own = sent.iter().filter(|header| is_own_header(&header.key));
    notes.extend(
        own.map(|header| format!("the header `{}` is not taken over: the gateway sets it", header.key)),
    );
    notes
}

/// The command as a string, as the first element of a list, or as a table of its own.
fn read_command(node: &Node, command: &Node) -> Result<Command, Vec<Fault>> {
    let mut faults = Vec::new();
    let (program, holder) = match &command.value {
        Value::Table(_) => (first(command, &["path", "command"]), command),
        Value::List(items) => (items.first(), node),
        _ => (Some(command), node),
    };
    let program = match program {
        Some(node) => fixed(node, ".command", &mut faults),
        None => {
            faults.push(Fault::new(command.at, "this names no program", "write one").within(".command"));
            None
        }
    };
    if program.as_deref().is_some_and(|text| text.contains(' ') && !text.contains('/')) {
        let what = "this has arguments in it, and there is no shell to part them";
        faults.push(Fault::new(command.at, what, "write the arguments into `args`").within(".command"));
    }
    let rest = command.items().unwrap_or_default().iter().skip(1);
    let args: Vec<&Node> = rest.chain(holder.get("args").and_then(Node::items).unwrap_or_default()).collect();
    let args = arguments(&args, &mut faults);
    let env = environment(node, holder, &mut faults);
    let cwd = node.get("cwd").and_then(|cwd| fixed(cwd, ".cwd", &mut faults)).map(PathBuf::from);
    match program {
        Some(program) if faults.is_empty() => {
            Ok(Command { code: Code::Program(program), args, env, cwd, sandbox: Sandbox::default() })
        }
        _ => Err(faults),
    }
}

/// An argument is judged by its own `--name=` or by the flag before it.
fn arguments(args: &[&Node], faults: &mut Vec<Fault>) -> Vec<Parameter> {
    let mut before = "";
    let mut parameters = Vec::new();
    for (index, node) in args.iter().enumerate() {
        let text = node.text().unwrap_or_default();
        let assignment = text.split_once('=').filter(|(flag, _)| flag.starts_with('-') && secret_name(flag));
        let argument = match assignment {
            Some((flag, value)) => assigned(flag, Node::made(node.at, Value::Text(value.to_owned()))),
            None => parameter(before, node, false),
        };
        match argument {
            Ok(parameter) => parameters.push(parameter),
            Err(fault) => faults.push(fault.within(&format!(".args[{index}]"))),
        }
        before = if text.starts_with('-') && !text.contains('=') { text } else { "" };
    }
    parameters
}

/// `--flag=value` with a secret value.
fn assigned(flag: &str, value: Node) -> Result<Parameter, Fault> {
    Ok(match parameter(flag, &value, false)? {
        Parameter::Plain(text) => Parameter::Plain(format!("{flag}={text}")),
        Parameter::Fetched { source, prefix } => {
            Parameter::Fetched { source, prefix: format!("{flag}={prefix}") }
        }
    })
}

/// A value that has to be known when the server is configured, such as its program.
fn fixed(node: &Node, inside: &str, faults: &mut Vec<Fault>) -> Option<String> {
    match parameter("", node, false) {
        Ok(Parameter::Plain(text)) if !text.is_empty() => return Some(text),
        Ok(Parameter::Plain(_)) => {
            faults.push(Fault::new(node.at, "this is empty", "write a value").within(inside))
        }
        Ok(Parameter::Fetched { .. }) => {
            faults.push(
                Fault::new(node.at, "this cannot be fetched from elsewhere", "write it out").within(inside),
            );
        }
        Err(fault) => faults.push(fault.within(inside)),
    }
    None
}

/// Variables with their values, and variables that are passed on by name.
fn environment(node: &Node, holder: &Node, faults: &mut Vec<Fault>) -> Vec<(String, Parameter)> {
    let table = first(node, ENV).or_else(|| first(holder, ENV));
    let mut variables = named(table, false, faults);
    let passed_on = ["env_keys", "env_vars"].iter().filter_map(|name| node.get(name)?.items()).flatten();
    for name in passed_on.filter_map(Node::text) {
        variables.push((name.to_owned(), from_variable(name, "")));
    }
    variables
}

fn from_variable(name: &str, prefix: &str) -> Parameter {
    Parameter::Fetched { source: Source::Env(name.to_owned()), prefix: prefix.to_owned() }
}

fn named(table: Option<&Node>, header: bool, faults: &mut Vec<Fault>) -> Vec<(String, Parameter)> {
    let mut read = |member: &Member| {
        let inside = format!(".{}.{}", if header { "headers" } else { "env" }, tree::key(&member.key));
        match parameter(&member.key, &member.node, header) {
            Ok(parameter) => Some((member.key.clone(), parameter)),
            Err(fault) => {
                faults.push(fault.within(&inside));
                None
            }
        }
    };
    let members = table.and_then(Node::entries).unwrap_or_default();
    members.iter().filter(|member| !matches!(member.node.value, Value::Null)).filter_map(&mut read).collect()
}

fn read_remote(node: &Node, url: &Node, kind: Option<&str>) -> Result<Remote, Vec<Fault>> {
    let mut faults = Vec::new();
    let parsed = HttpUrl::parse(url.text().unwrap_or_default());
    let headers = headers(node, &mut faults);
    if let Err(problem) = &parsed {
        faults.push(
            Fault::new(url.at, format!("the URL {problem}"), "correct it in the client's file")
                .within(".url"),
        );
    }
    if let Some(name) = parsed.as_ref().ok().and_then(|url| url.query_names().find(|name| secret_name(name)))
    {
        let what = format!("the query parameter `{}` looks like a secret", crate::config::kind::clip(name));
        faults.push(
            Fault::new(url.at, what, "send it as a header, which can come from a private file")
                .within(".url"),
        );
    }
    if let Some(url) = parsed.as_ref().ok().filter(|url| !url.is_https() && !url.is_loopback()) {
        let remedy =
            "use https, or give the server a table with `danger_allow_plain_http` in portcullis.toml";
        faults.push(
            Fault::new(node.at, format!("`{url}` would be called without encryption"), remedy).within(".url"),
        );
    }
    let transport = match kind.and_then(|kind| KINDS.iter().find(|(word, _)| *word == kind)) {
        Some((_, Some(transport))) => *transport,
        _ => Transport::Auto,
    };
    match parsed {
        Ok(url) if faults.is_empty() => Ok(Remote {
            url,
            headers,
            credential: None,
            credential_resource: None,
            transport,
            ca_file: None,
            certificate: None,
            signature: None,
            danger_tls12: false,
        }),
        _ => Err(faults),
    }
}

fn headers(node: &Node, faults: &mut Vec<Fault>) -> Vec<(String, Parameter)> {
    let nested = node.get("requestOptions").and_then(|options| options.get("headers"));
    let mut headers = named(first(node, HEADERS).or(nested), true, faults);
    headers.retain(|(name, _)| !is_own_header(name));
    for member in node.get("env_http_headers").and_then(Node::entries).unwrap_or_default() {
        headers.extend(member.node.text().map(|variable| (member.key.clone(), from_variable(variable, ""))));
    }
    if let Some(variable) = node.get("bearer_token_env_var").and_then(Node::text) {
        headers.push(("Authorization".to_owned(), from_variable(variable, "Bearer ")));
    }
    headers
}
