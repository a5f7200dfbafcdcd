//! Cases as people write them.

use std::{collections::HashSet, path::Path};

use portcullis_core::{
    AuthMethod, Caller, Channel, Clock as _, Conduct, Context, Flow, Item, Labels, Principal, ServerName,
    SystemClock,
    wire::{Method, Version},
};
use portcullis_identity::authorization_details;
use portcullis_policy::{Answer, Known};

use super::{Asked, Case, Expected, Parts, canonical, channel, conduct, grant, item, labels};
use crate::config::{
    Problem, Report,
    problem::Fault,
    sources,
    tree::{Entry, Language, Node, Value, push_json},
};

/// The members that say what is asked for, the item's kind, and the method where none is named.
const ITEMS: [(&str, &str, Method); 6] = [
    ("tool", "Tool", Method::ToolsCall),
    ("prompt", "Prompt", Method::PromptsGet),
    ("resource", "Resource", Method::ResourcesRead),
    ("task", "Task", Method::TasksGet),
    ("list", "List", Method::ToolsList),
    ("server", "Server", Method::ServerDiscover),
];

/// Every case of a file; all mistakes in it at once.
pub(crate) fn read_file(path: &Path) -> Result<Vec<Case>, Report> {
    let mut report = Report::default();
    let shown = sources::label(path);
    let text = match sources::read(path) {
        Ok(text) => text,
        Err(problem) => {
            report.push(problem);
            return Err(report);
        }
    };
    let language = Language::of(path).unwrap_or(Language::Toml);
    let (document, faults) = language.parse(&text);
    let whole = faults.is_empty();
    faults.into_iter().for_each(|fault| report.push(fault.in_file(&shown, "")));
    let mut cases = Vec::new();
    let mut names = HashSet::new();
    match document.get("case").and_then(Node::items) {
        Some(nodes) if whole => {
            for node in nodes {
                let (case, problems) = read_case(&shown, node);
                problems.into_iter().for_each(|problem| report.push(problem));
                let Some(case) = case else { continue };
                if !names.insert(case.name.clone()) {
                    let what = format!("there are two cases called `{}`", case.name);
                    report.push(
                        Fault::new(node.at, what, "give each a name of its own").in_file(&shown, "case.name"),
                    );
                }
                cases.push(case);
            }
        }
        _ if whole => {
            let what = "there is no list of cases in it";
            let remedy = "write `[[case]]` for each, as docs/policy.md describes";
            report.push(Fault::new(document.at, what, remedy).in_file(&shown, "case"));
        }
        _ => {}
    }
    for entry in document.entries().unwrap_or_default().iter().filter(|entry| entry.key != "case") {
        let fault = Fault::new(entry.at, "there is no such setting", "write cases only: `[[case]]`");
        report.push(fault.in_file(&shown, &entry.key));
    }
    if report.has_errors() { Err(report.sorted()) } else { Ok(cases) }
}

fn read_case(file: &Path, node: &Node) -> (Option<Case>, Vec<Problem>) {
    let mut reader = Reader::of(node);
    let name = reader.text("name").map(str::to_owned);
    if name.is_none() {
        reader.fault_at(node, "name", "a case needs a name", "add `name = \"what it shows\"`");
    }
    let expected = reader.expected();
    let asked = reader.asked(node);
    reader.refuse_unknown();
    let field = name.clone().unwrap_or_else(|| "case".to_owned());
    let problems =
        reader.faults.into_iter().map(|(member, fault)| fault.in_file(file, &format!("{field}: {member}")));
    let problems: Vec<_> = problems.collect();
    let case = || Some(Case { name: name?, line: node.at.line, asked: asked?, expected });
    (case().filter(|_| problems.is_empty()), problems)
}

/// The call that these members describe, from a command line; every mistake as a line of its own.
pub(crate) fn read_call(entries: Vec<Entry>) -> Result<Asked, Vec<String>> {
    let node = Node::made(crate::config::Position::START, Value::Table(entries));
    let mut reader = Reader::of(&node);
    let asked = reader.asked(&node);
    let faults =
        reader.faults.iter().map(|(member, fault)| format!("`{member}`: {}; {}", fault.what, fault.remedy));
    let faults: Vec<_> = faults.collect();
    asked.filter(|_| faults.is_empty()).ok_or(faults)
}

/// An item, the server it belongs to, and the method it is usually asked for with.
struct Named {
    server: Option<ServerName>,
    item: Item,
    usual: Method,
}

/// The members of a case.
struct Reader<'n> {
    entries: &'n [Entry],
    asked_for: HashSet<&'static str>,
    faults: Vec<(String, Fault)>,
}

impl<'n> Reader<'n> {
    fn of(node: &'n Node) -> Self {
        let mut reader = Self {
            entries: node.entries().unwrap_or_default(),
            asked_for: HashSet::new(),
            faults: Vec::new(),
        };
        if node.entries().is_none() {
            reader.fault_at(node, "", &format!("this is {}", node.shape()), "write a table");
        }
        reader
    }

    fn fault_at(&mut self, node: &Node, member: &str, what: &str, remedy: &str) {
        self.faults.push((member.to_owned(), Fault::new(node.at, what, remedy)));
    }

    fn member(&mut self, name: &'static str) -> Option<&'n Node> {
        self.asked_for.insert(name);
        self.entries.iter().find(|entry| entry.key == name).map(|entry| &entry.node)
    }

    fn text(&mut self, name: &'static str) -> Option<&'n str> {
        let node = self.member(name)?;
        let text = node.text();
        if text.is_none() {
            self.fault_at(node, name, &format!("this is {}", node.shape()), "write a string");
        }
        text
    }

    /// A string that `read` understands.
    fn parsed<T>(&mut self, name: &'static str, remedy: &str, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        let text = self.text(name)?;
        let value = read(text);
        if let (None, Some(node)) = (&value, self.member(name)) {
            self.fault_at(node, name, &format!("`{text}` is not allowed here"), remedy);
        }
        value
    }

    fn words(&mut self, name: &'static str) -> Vec<String> {
        let Some(node) = self.member(name) else { return Vec::new() };
        let one = node.text().map(|text| vec![text.to_owned()]);
        let many = || node.items()?.iter().map(|item| item.text().map(str::to_owned)).collect();
        one.or_else(many).unwrap_or_else(|| {
            self.fault_at(node, name, "this is not a list of strings", "write `[\"one\", \"two\"]`");
            Vec::new()
        })
    }

    fn flag(&mut self, name: &'static str) -> Option<bool> {
        let node = self.member(name)?;
        if let Value::Bool(flag) = node.value {
            return Some(flag);
        }
        self.fault_at(node, name, &format!("this is {}", node.shape()), "write true or false");
        None
    }

    fn refuse_unknown(&mut self) {
        let unknown: Vec<_> =
            self.entries.iter().filter(|entry| !self.asked_for.contains(entry.key.as_str())).collect();
        for entry in unknown {
            let fault =
                Fault::new(entry.at, "there is no such member", "docs/policy.md lists those there are");
            self.faults.push((entry.key.clone(), fault));
        }
    }

    fn expected(&mut self) -> Option<Expected> {
        let answer = self.parsed("expect", "write `allow`, `deny` or `approve`", Answer::parse);
        let by = self.words("by");
        if let (None, Some(node)) = (answer, self.member("by")) {
            self.fault_at(node, "by", "this says by which policies something is expected", "add `expect`");
        }
        Some(Expected { answer: answer?, by })
    }

    fn asked(&mut self, whole: &Node) -> Option<Asked> {
        // All of it is read before anything is given up, so that every mistake is told.
        let caller = self.caller(whole);
        let item = self.item(whole);
        let usual = item.as_ref().map(|item| item.usual);
        let method = self.method(usual);
        let channel = self
            .parsed("channel", "write `http`, `legacy-sse`, `stdio` or `internal`", channel)
            .unwrap_or(Channel::Http);
        let version = self.parsed("version", "write a protocol version, such as `2025-11-25`", |text| {
            text.parse::<Version>().ok()
        });
        let endpoint = self.parsed("endpoint", "write the name of a server, or `*`", place_of);
        let (arguments, flow, cx) = (self.arguments(), self.flow(), self.time());
        let item = item?;
        let parts = Parts {
            caller: caller?,
            channel,
            endpoint: endpoint.flatten(),
            version: version.unwrap_or(Version::LATEST),
            method: method?,
            server: item.server,
            item: item.item,
            arguments,
        };
        match parts.call() {
            Ok(call) => Some(Asked { call, flow, cx, known: Known::ALL }),
            Err(what) => {
                self.fault_at(whole, "arguments", &what, "write arguments that a caller could send");
                None
            }
        }
    }

    fn caller(&mut self, whole: &Node) -> Option<Caller> {
        const FORM: &str = "write kind and id as policies do, such as `oauth:corp:alice`";
        let who = self.parsed("principal", FORM, |text| text.parse().ok());
        if self.member("principal").is_none() {
            self.fault_at(whole, "principal", "it is not said who asks", FORM);
        }
        let actor = self.parsed("actor", FORM, |text| text.parse().ok());
        let tenant = self.text("tenant").map(Into::into);
        let (scopes, issuer, client) = (self.words("scopes"), self.text("issuer"), self.text("client"));
        let proven = self.flag("proof_of_possession").unwrap_or(false);
        let who: Principal = who?;
        const DETAILS: &str =
            "write a JSON array of details as a string, as docs/authentication.md describes them";
        // A case has no address: its details hold where it is asked.
        let details = self.parsed("authorization_details", DETAILS, |text| {
            authorization_details(text.as_bytes()).ok().map(|details| details.at(|_| true))
        });
        let has_token = issuer.is_some() || client.is_some() || !scopes.is_empty() || details.is_some();
        let details = details.unwrap_or_default();
        let granted = has_token.then(|| grant(issuer.unwrap_or_default(), client, &scopes, details));
        let method = if proven { AuthMethod::DpopToken } else { super::method_of(who.kind) };
        Some(Caller { principal: who, actor, tenant, method, grant: granted })
    }

    /// What is asked for.
    fn item(&mut self, whole: &Node) -> Option<Named> {
        let there: Vec<_> = ITEMS.into_iter().filter(|(member, ..)| self.member(member).is_some()).collect();
        let [(member, kind, method)] = there[..] else {
            let what = "a case is about one tool, prompt, resource, task, list or server";
            self.fault_at(whole, "tool", what, "write one of them, such as `tool = \"git/git_status\"`");
            return None;
        };
        let form = match kind {
            "Server" => "write the name of a server, or `*`",
            "List" => "write a server, or `*`, and a list, such as `git/tools`",
            _ => "write the server and the name the server uses, such as `git/git_status`",
        };
        self.parsed(member, form, |text| {
            let (place, name) = if kind == "Server" { (text, "") } else { text.split_once('/')? };
            let item = item(kind, name).filter(|_| kind == "Server" || !name.is_empty())?;
            let usual = match &item {
                Item::List(list) => list_method(*list),
                _ => method,
            };
            Some(Named { server: place_of(place)?, item, usual })
        })
    }

    fn method(&mut self, usual: Option<Method>) -> Option<Method> {
        let known = |name: &str| Some(Method::parse(name)).filter(|method| method.as_str().is_some());
        match self.member("method") {
            Some(_) => self.parsed("method", "write an MCP method, such as `tools/call`", known),
            None => usual,
        }
    }

    fn arguments(&mut self) -> Option<Vec<u8>> {
        let node = self.member("arguments")?;
        if node.entries().is_none() {
            self.fault_at(node, "arguments", &format!("this is {}", node.shape()), "write a table");
            return None;
        }
        let mut json = Vec::new();
        match push_json(node, &mut json) {
            Ok(()) => Some(json),
            Err(fault) => {
                self.faults.push(("arguments".to_owned(), fault));
                None
            }
        }
    }

    fn flow(&mut self) -> Flow {
        let labels: Labels =
            self.understood("labels", "write `untrusted:SERVER` or `private:SERVER`", labels);
        let remedy = "write `untrusted`, `private`, `outward` or `irrevocable`";
        let conduct: Conduct = self.understood("conduct", remedy, conduct);
        let approved = self.flag("approved").unwrap_or(false);
        let canonical = canonical(self.words("hosts"), self.words("programs"), self.words("statements"));
        Flow {
            labels,
            conduct,
            approved,
            needs_detail: self.flag("needs_detail").unwrap_or(false),
            canonical,
        }
    }

    fn understood<T: Default>(
        &mut self,
        name: &'static str,
        remedy: &str,
        read: impl Fn(&[String]) -> Result<T, String>,
    ) -> T {
        let words = self.words(name);
        read(&words).unwrap_or_else(|word| {
            if let Some(node) = self.member(name) {
                self.fault_at(node, name, &format!("`{word}` is not allowed here"), remedy);
            }
            T::default()
        })
    }

    /// When it is asked: now, unless the case says otherwise.
    fn time(&mut self) -> Context {
        let remedy = "write an instant in UTC, such as `2026-11-29T10:15:00Z`";
        let said = self.parsed("time", remedy, |text| {
            text.parse::<portcullis_audit::query::Instant>().ok()?.milliseconds()
        });
        Context { now_ms: said.unwrap_or_else(|| SystemClock.now_ms()) }
    }
}

fn list_method(list: portcullis_core::ListKind) -> Method {
    use portcullis_core::ListKind::{Prompts, Resources, Templates, Tools};
    match list {
        Tools => Method::ToolsList,
        Prompts => Method::PromptsList,
        Resources => Method::ResourcesList,
        Templates => Method::ResourcesTemplatesList,
    }
}

/// A server, or none for what stands in front of all of them; none at all when it is neither.
#[allow(clippy::option_option, reason = "what is wrong and what is left open differ")]
fn place_of(text: &str) -> Option<Option<ServerName>> {
    if text == "*" { Some(None) } else { text.parse().ok().map(Some) }
}
