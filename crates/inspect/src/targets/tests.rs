//! Calls of real shapes, through a whole inspector.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "test code")]

use bytes::Bytes;
use portcullis_core::{
    AuthMethod, Caller, Channel, Consent, Context, Definition, Item, ListKind, Principal, PrincipalKind,
    Target,
    wire::{Limits, Message, Version, decode_one},
};

use proptest::prelude::*;

use super::*;
use crate::{Inspected, Inspector, InspectorOptions};

const CX: Context = Context { now_ms: 0 };

fn call(method: &str, params: &str) -> Call {
    let json = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
    let Ok(Message::Request(request)) = decode_one(Bytes::from(json), &Limits::default()) else {
        panic!("{params}")
    };
    let principal = Principal { kind: PrincipalKind::LocalUser, id: "u".into() };
    Call {
        caller: Caller { principal, actor: None, tenant: None, method: AuthMethod::StdioPeer, grant: None },
        channel: Channel::Stdio,
        peer: None,
        endpoint: None,
        version: Version::LATEST,
        request,
        target: Target { server: None, item: Item::Server, definition: None },
        put_back: None,
    }
}

/// A tool of the server `srv`, and an inspector for it.
struct House {
    inspector: Inspector,
    definition: Definition,
}

impl House {
    fn new(policy: TargetPolicy, tool: &str) -> Self {
        let options = InspectorOptions { targets: policy, ..InspectorOptions::default() };
        let (server, raw) = ("srv".parse().unwrap(), Bytes::copy_from_slice(tool.as_bytes()));
        let definition = Definition::read(server, ListKind::Tools, raw, &Limits::default()).unwrap();
        Self { inspector: Inspector::new(options).unwrap(), definition }
    }

    /// What is said about a call: nothing, what is noted, or the refusal.
    fn said(&self, arguments: &str) -> String {
        let admitted = self.inspector.definition(self.definition.clone(), &CX).unwrap();
        let call = call("tools/call", &format!(r#"{{"name":"t","arguments":{arguments}}}"#));
        match self.inspector.request(call, admitted.schema().map(|it| &**it), Consent::Absent, &CX) {
            Ok(Inspected::Cleared(cleared)) => {
                let ours = cleared.findings().iter().filter(|finding| finding.control == ControlId::Ti06);
                ours.map(|finding| finding.detail.to_string()).collect()
            }
            Ok(Inspected::Edited(..) | Inspected::Asked(..)) => panic!("edited or asked"),
            Err(refusal) => {
                assert_eq!(refusal.control(), Some(ControlId::Ti06), "{refusal:?}");
                refusal.detail().to_owned()
            }
        }
    }
}

const COPY: &str = r#"{"name":"copy_file","inputSchema":{"type":"object","properties":{
    "source":{"type":"string"},"destination":{"type":"string"},"note":{"type":"string"},
    "more":{"type":"array","items":{"type":"object","properties":{"path":{"type":"string"}}}}}}}"#;

fn declared(parameters: &[(&str, &str, TargetKind)], roots: &[&str]) -> TargetPolicy {
    let parameters = parameters
        .iter()
        .map(|(tool, path, kind)| ((*tool).to_owned(), path.split('.').map(str::to_owned).collect(), *kind));
    let roots = roots.iter().map(|root| (*root).to_owned()).collect();
    let ours = DeclaredTargets { parameters: parameters.collect(), roots, ..DeclaredTargets::default() };
    TargetPolicy { servers: [("srv".parse().unwrap(), ours)].into(), ..TargetPolicy::default() }
}

#[test]
fn what_no_honest_caller_writes_is_refused_wherever_it_is() {
    let house = House::new(TargetPolicy::default(), COPY);
    for (arguments, expected) in [
        (r#"{"source":"/a","destination":"b/c","note":"../../x is a path"}"#, ""),
        (r#"{"source":"../a"}"#, "path `source`: climbs"),
        (r#"{"destination":"%2e%2e/a"}"#, "path `destination`: hidden"),
        (r#"{"more":[{"path":"a"},{"path":"/proc/self/environ"}]}"#, "path `more.path`: indirect"),
    ] {
        let said = house.said(arguments);
        assert!(said.starts_with(expected) && said.is_empty() == expected.is_empty(), "{arguments}: {said}");
    }
}

#[test]
fn a_declaration_outweighs_a_guess() {
    let policy = declared(
        &[
            ("copy_file", "source", TargetKind::Text),
            ("*", "note", TargetKind::Word),
            ("other", "destination", TargetKind::Text),
        ],
        &["/srv/notes"],
    );
    let house = House::new(policy, COPY);
    for (arguments, expected) in [
        (r#"{"source":"../a","note":"plain"}"#, ""),
        (r#"{"note":"x;id"}"#, "word `note`: metacharacter"),
        (r#"{"note":"--file=x"}"#, "word `note`: option"),
        (r#"{"destination":"../a"}"#, "path `destination`: climbs"),
        (r#"{"destination":"/srv/notes/a"}"#, ""),
        (r#"{"destination":"/srv/notes2/a"}"#, "path `destination`: outside"),
        (r#"{"more":[{"path":"/etc/passwd"}]}"#, "path `more.path`: outside"),
    ] {
        let said = house.said(arguments);
        assert!(said.starts_with(expected) && said.is_empty() == expected.is_empty(), "{arguments}: {said}");
    }
}

#[test]
fn what_may_be_ordinary_is_held_against_what_is_declared_only() {
    const SQL: &str = r#"{"name":"query_db","inputSchema":{"properties":{"sql":{"type":"string"}}}}"#;
    let drop = r#"{"sql":"drop table t"}"#;
    assert_eq!(House::new(TargetPolicy::default(), SQL).said(drop), "");
    let ours = declared(&[("query_db", "sql", TargetKind::Sql)], &[]);
    assert!(House::new(ours.clone(), SQL).said(drop).starts_with("sql `sql`: statement"));
    assert_eq!(House::new(ours.clone(), SQL).said(r#"{"sql":"select 1"}"#), "");
    let noting = TargetActions::default().with(TargetFault::Statement, TargetAction::Note);
    let noting = TargetPolicy { actions: noting, ..ours };
    assert_eq!(House::new(noting, SQL).said(drop), "sql `sql`: statement");
}

#[test]
fn parameters_are_guessed_with_a_reason() {
    for (tool, schema, expected) in [
        ("read_file", r#"{"path":{"type":"string"},"head":{"type":"number"}}"#, "path=path"),
        ("read_files", r#"{"paths":{"type":"array","items":{"type":"string"}}}"#, "paths=path"),
        ("fetch", r#"{"url":{"type":"string","format":"uri"},"max":{}}"#, "url=url"),
        (
            "get",
            r#"{"resource_uri":{"type":"string"},"at":{"type":"string","format":"uri"}}"#,
            "at=uri resource_uri=uri",
        ),
        (
            "git_diff",
            r#"{"target":{"type":"string"},"repo_path":{"type":"string"}}"#,
            "repo_path=path target=operand",
        ),
        ("send", r#"{"target":{"type":"string"},"source":{"type":"string"}}"#, ""),
        (
            "run",
            r#"{"command":{"type":"string"},"workingDirectory":{"type":"string"}}"#,
            "command=command workingDirectory=path",
        ),
        ("search", r#"{"query":{"type":"string"},"link":{"type":"boolean"}}"#, ""),
        ("sqlite_read", r#"{"query":{"type":"string"}}"#, "query=sql"),
        (
            "deep",
            r#"{"options":{"type":"object","properties":{"cwd":{"type":["string","null"]}}}}"#,
            "options.cwd=path",
        ),
    ] {
        let raw = format!(r#"{{"name":"{tool}","inputSchema":{{"properties":{schema}}}}}"#);
        let definition =
            Definition::read("srv".parse().unwrap(), ListKind::Tools, raw.into(), &Limits::default())
                .unwrap();
        let found = TargetParameters::of(&definition, &TargetPolicy::default());
        let mut said: Vec<_> =
            found.iter().map(|it| format!("{}={}", it.path.join("."), it.kind.as_str())).collect();
        said.sort();
        assert_eq!(said.join(" "), expected, "{tool}");
        assert!(found.iter().all(|it| !it.why.is_empty() && !it.declared));
    }
}

#[test]
fn policies_see_the_one_form() {
    let house = House::new(
        declared(&[("*", "run", TargetKind::Command), ("*", "ask", TargetKind::Sql)], &[]),
        r#"{"name":"t","inputSchema":{"properties":{"path":{},"url":{},"run":{},"ask":{}}}}"#,
    );
    let admitted = house.inspector.definition(house.definition.clone(), &CX).unwrap();
    let arguments =
        r#"{"path":"/srv//a/../b","url":"https://0x7f.1:443/x","run":"ls | wc","ask":"SELECT 1"}"#;
    let call = call("tools/call", &format!(r#"{{"name":"t","arguments":{arguments}}}"#));
    let canonical = house.inspector.canonical(&call, admitted.schema().map(|it| &**it));
    let mut texts: Vec<_> = canonical.texts.iter().map(|(_, text)| text.as_str()).collect();
    texts.sort_unstable();
    assert_eq!(texts, ["/srv/b", "https://127.0.0.1/x", "ls | wc", "select 1"]);
    let words = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(words(&canonical.hosts), "127.0.0.1");
    assert_eq!(words(&canonical.programs), "ls wc");
    assert_eq!(words(&canonical.statements), "select");
}

/// What a server may reach, it may be asked for; not what it may not.
#[test]
fn a_servers_own_hosts_may_be_named() {
    const FETCH: &str =
        r#"{"name":"fetch","inputSchema":{"type":"object","properties":{"url":{"type":"string"}}}}"#;
    let hosts = ["wiki.corp", "*.lab.internal", "127.0.0.1"].map(str::to_owned).to_vec();
    let declared = DeclaredTargets { hosts, ..DeclaredTargets::default() };
    let policy =
        TargetPolicy { servers: [("srv".parse().unwrap(), declared)].into(), ..TargetPolicy::default() };
    let house = House::new(policy, FETCH);
    for (url, expected) in [
        ("https://wiki.corp/x", true),
        ("https://wiki.corp:8443/x", true),
        ("https://a.lab.internal/", true),
        ("https://lab.internal/", false),
        ("https://127.0.0.1/", true),
        ("https://127.0.0.2/", false),
        ("https://0x7f.1/", false),
        ("https://other.corp.internal/", false),
    ] {
        let said = house.said(&format!(r#"{{"url":"{url}"}}"#));
        assert_eq!(said.is_empty(), expected, "{url}: {said}");
    }
}

#[test]
fn resources_are_named_as_files_are() {
    let inspector = Inspector::new(InspectorOptions::default()).unwrap();
    for (uri, expected) in [
        ("file:///srv/notes/a.md", true),
        ("notes://a/b%2Fc", true),
        ("file:///srv/notes/../../etc/passwd", false),
        ("file:///srv/%252e%252e/etc/passwd", false),
        ("file:///proc/self/root/etc/passwd", false),
        ("https://169.254.169.254/latest", false),
    ] {
        let call = call("resources/read", &format!(r#"{{"uri":"{uri}"}}"#));
        assert_eq!(inspector.request(call, None, Consent::Absent, &CX).is_ok(), expected, "{uri}");
    }
}

/// What matters to one reader or another.
const PIECES: &[&str] = &[
    "..",
    "/",
    "%2e",
    "%25",
    "%c0%af",
    "@",
    ":",
    "[",
    "]",
    "0x7f",
    ".",
    "\\",
    "http",
    "https:",
    "//",
    "localhost",
    "é",
    "\u{FF0E}",
    " ",
    "\0",
    "#",
    "?",
    "::1",
    "443",
    "file:",
    "a",
    "%",
    "-",
    ";",
    "~",
    "xn--",
    "_",
];

proptest! {
    #[test]
    fn every_text_has_one_form(text in "\\PC{0,60}", pieces in prop::collection::vec(prop::sample::select(PIECES), 0..14)) {
        read_as_all(&text);
        read_as_all(&pieces.concat());
    }

    #[test]
    fn whatever_is_encoded_again_is_seen_through(depth in 1_usize..6, name in "[a-z]{1,8}") {
        let plain = format!("{name}/../../secret");
        let encoded = (0..depth).fold(plain, |text, _| {
            text.bytes().map(|byte| if byte.is_ascii_lowercase() { char::from(byte).to_string() } else { format!("%{byte:02x}") }).collect()
        });
        prop_assert!(!path::read(&encoded).faults.is_empty(), "{}", encoded);
    }
}
