//! Plays a conversation over one door.

use std::collections::BTreeMap;

use portcullis_core::wire::Version;
use portcullis_gateway::Settings;
use serde_json::{Value, json};
use tokio::time::{Duration, timeout};

use super::{
    parse::{Case, Line},
    pattern::Names,
};
use crate::{
    client::{Card, Client, Door, Network},
    fake::{Event, Spec},
    house::{House, Plan, settled},
    leaks::check_nothing_left,
};

/// How long anything may take to arrive, in the runtime's time.
const PATIENCE: Duration = Duration::from_secs(120);

/// Plays a conversation and fails the test where it goes another way.
pub(crate) async fn check(case: &Case, door: Door) {
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let plan = plan(case);
    let house = House::build(plan);
    let network = match door {
        Door::Loopback => Network::loopback(&house).await,
        _ => Network::memory(&house),
    };
    let mut player = Player {
        house,
        network,
        door,
        clients: BTreeMap::new(),
        names: Names::default(),
        records: None,
        headers: BTreeMap::new(),
        place: String::new(),
    };
    for line in &case.lines {
        player.place = format!("`{}` over {door:?}, line {}: {}", case.title, line.number, line.text);
        player.line(line).await;
    }
    player.place = format!("`{}` over {door:?}, at the end", case.title);
    player.finish(tasks).await;
}

struct Player {
    house: House,
    network: Network,
    door: Door,
    clients: BTreeMap<String, Client>,
    names: Names,
    /// Records that have been compared; none before the first client is connected.
    records: Option<usize>,
    /// Of the message each server got last.
    headers: BTreeMap<String, Value>,
    place: String,
}

/// What stands before the first message decides what is built.
fn plan(case: &Case) -> Plan {
    let mut plan = Plan::default();
    let mut policies = Vec::new();
    for line in &case.lines {
        let (word, rest) = split(&line.text);
        match word {
            "policy" => policies.push(rest.to_owned()),
            "settings" => settings(&mut plan, &json_of(rest)),
            "server" => {
                let (name, rest) = split(rest);
                let (version, spec) = split(rest);
                let spec = if spec.is_empty() { "{}" } else { spec };
                plan.servers.push((name.to_owned(), Spec::read(version, spec)));
            }
            _ => {}
        }
    }
    if !policies.is_empty() {
        plan.policy = policies.join("\n");
    }
    plan
}

fn settings(plan: &mut Plan, wanted: &Value) {
    let Settings { sessions, .. } = plan.settings.clone();
    for (key, value) in wanted.as_object().expect("settings are an object") {
        let number = value.as_u64().unwrap_or_default();
        match key.as_str() {
            "floor" => plan.settings.floor = value.as_str().unwrap().parse().unwrap(),
            "page_items" => plan.settings.page_items = usize::try_from(number).unwrap(),
            "input_wait_ms" => plan.settings.input_wait_ms = number,
            "input_rounds" => plan.settings.input_rounds = u8::try_from(number).unwrap(),
            "parked_calls" => plan.settings.parked_calls = usize::try_from(number).unwrap(),
            "idle_ms" => {
                plan.settings.sessions = portcullis_gateway::SessionLimits { idle_ms: number, ..sessions };
            }
            "silent_ttl_ms" => plan.settings.lists.silent_ttl_ms = number,
            "list_items" => plan.settings.lists.items = usize::try_from(number).unwrap(),
            "list_pages" => plan.settings.lists.pages = usize::try_from(number).unwrap(),
            "server_idle_ms" => plan.timing.idle = Duration::from_millis(number),
            "withhold" => plan.withhold = value == true,
            other => panic!("no setting `{other}`"),
        }
    }
}

impl Player {
    async fn line(&mut self, line: &Line) {
        let (word, rest) = split(&line.text);
        match word {
            "policy" | "settings" | "server" => {}
            "client" => self.connect(rest).await,
            "time" => tokio::time::sleep(Duration::from_millis(rest.parse().unwrap())).await,
            "sweep" => self.house.gateway.sweep(),
            "reload" => self.house.reload(Some(rest).filter(|policy| !policy.is_empty()), &[]),
            "replace" => self.house.reload(None, &[rest]),
            "log" => match rest {
                "fails" => self.house.sink.fail("no room"),
                "recovers" => self.house.sink.recover(),
                other => panic!("{}: the log cannot `{other}`", self.place),
            },
            "headers" => self.headers(rest),
            "=" => self.record(rest).await,
            _ if self.clients.contains_key(word) => self.client(word, rest).await,
            _ => self.server(word, rest).await,
        }
        if matches!(word, "reload" | "replace" | "sweep") {
            settled().await;
        }
    }

    async fn connect(&mut self, rest: &str) {
        let (name, rest) = split(rest);
        let (version, rest) = split(rest);
        let (endpoint, capabilities) = split(rest);
        let card = Card {
            door: self.door,
            version: (version != "none").then(|| version.parse::<Version>().unwrap()),
            endpoint: (endpoint != "*").then(|| endpoint.parse().unwrap()),
            capabilities: if capabilities.is_empty() { json!({}) } else { json_of(capabilities) },
        };
        let client = Client::connect(&self.house, &self.network, card).await;
        let client = client.unwrap_or_else(|e| panic!("{}: {e}", self.place));
        self.clients.insert(name.to_owned(), client);
        self.records = Some(self.house.records().len());
    }

    async fn client(&mut self, name: &str, rest: &str) {
        let (verb, rest) = split(rest);
        let client = self.clients.get_mut(name).unwrap();
        match verb {
            "->" => client.send(self.names.fill(&json_of(rest))).await,
            "->!" => client.send_raw(rest.replace("\u{21b5}", "\n").into()).await,
            "<-" => {
                let (status, pattern) = match split(rest) {
                    (status, pattern) if status.parse::<u16>().is_ok() => {
                        (status.parse::<u16>().ok(), pattern)
                    }
                    _ => (None, rest),
                };
                let received = timeout(PATIENCE, client.next()).await;
                let received = received.unwrap_or_else(|_| panic!("{}: nothing came", self.place));
                if let (Some(expected), Some(status)) = (status, received.status) {
                    assert_eq!(status, expected, "{}: status of {}", self.place, received.message);
                }
                self.compare(pattern, received.message);
            }
            "hears" => {
                settled().await;
                let extra = client.try_next().map(|r| r.message.to_string());
                assert_eq!(extra, None, "{}", self.place);
            }
            "leaves" => client.leave().await,
            "vanishes" => client.vanish(),
            "drops" => assert!(client.cut(&json_of(rest)), "{}: not under way", self.place),
            "resumes" => {
                let last = client.last_event(&json_of(rest));
                client.resume(&last.unwrap_or_else(|| panic!("{}: no event", self.place)));
            }
            other => panic!("{}: a client cannot `{other}`", self.place),
        }
        if !matches!(verb, "<-" | "->") {
            settled().await;
        }
    }

    async fn server(&mut self, name: &str, rest: &str) {
        let (name, link) = name.split_once('/').map_or((name, None), |(name, link)| (name, Some(link)));
        let (verb, rest) = split(rest);
        let server = self.house.server(name);
        match verb {
            "<-" => {
                let entry = timeout(PATIENCE, server.recv()).await;
                let entry = entry.unwrap_or_else(|_| panic!("{}: nothing came", self.place));
                if let Some(link) = link {
                    assert_eq!(entry.link.to_string(), link, "{}: link of {}", self.place, entry.message);
                }
                let headers = entry.headers.into_iter().map(|(name, value)| (name, json!(value)));
                self.headers.insert(name.to_owned(), Value::Object(headers.collect()));
                self.compare(rest, entry.message);
            }
            "->" => {
                let message = self.names.fill(&json_of(rest));
                let id = message.get("id").filter(|_| message.get("method").is_none()).cloned();
                server.send(event(message), id.as_ref());
            }
            "=>" => server.announce(&framed(self.names.fill(&json_of(rest)))),
            "hears" => {
                settled().await;
                let extra = server.try_recv().map(|entry| entry.message.to_string());
                assert_eq!(extra, None, "{}", self.place);
            }
            "breaks" => server.break_links(),
            "down" => server.set_down(true),
            "up" => server.set_down(false),
            "offers" => {
                let tools: Vec<Value> = serde_json::from_str(rest).unwrap();
                server.change(|spec| spec.tools = tools);
            }
            other => panic!("{}: neither a client nor a server can `{other}`", self.place),
        }
        if verb != "<-" {
            settled().await;
        }
    }

    fn compare(&mut self, pattern: &str, mut actual: Value) {
        let strip = |message: &mut Value| {
            message.as_object_mut().and_then(|members| members.remove("jsonrpc"));
        };
        match &mut actual {
            Value::Array(batch) => batch.iter_mut().for_each(strip),
            one => strip(one),
        }
        let compared = self.names.compare(&json_of(pattern), &actual);
        compared.unwrap_or_else(|e| panic!("{}\n{e}\ngot {actual}", self.place));
    }

    fn headers(&mut self, rest: &str) {
        let (name, pattern) = split(rest);
        let headers = self.headers.get(name).cloned().unwrap_or_else(|| panic!("{}: no message", self.place));
        self.compare(pattern, headers);
    }

    async fn record(&mut self, expected: &str) {
        settled().await;
        let at = self.records.expect("a client before the first record");
        let records = self.house.records();
        let record = records.get(at).unwrap_or_else(|| panic!("{}: no further record", self.place));
        assert_eq!(summary(record), expected, "{}\n{record}", self.place);
        self.records = Some(at + 1);
    }

    /// Nothing is left to hear, and nothing stays behind.
    async fn finish(mut self, tasks: usize) {
        settled().await;
        for (name, client) in &mut self.clients {
            let extra = client.try_next().map(|received| received.message.to_string());
            assert_eq!(extra, None, "{}: `{name}` got more", self.place);
        }
        for server in self.house.all_servers() {
            let extra = server.try_recv().map(|entry| entry.message.to_string());
            assert_eq!(extra, None, "{}: `{}` got more", self.place, server.name());
        }
        for client in self.clients.values_mut() {
            client.leave().await;
        }
        self.clients.clear();
        self.network.stop();
        check_nothing_left(self.house, self.network, tasks, &self.place).await;
    }
}

/// A record in a few words.
fn summary(record: &Value) -> String {
    let text = |key: &str| record[key].as_str().unwrap_or("-").to_owned();
    if record["type"] == "outcome" {
        return text("outcome");
    }
    let decision = &record["decision"];
    let verdict = match decision["verdict"].as_str() {
        Some("allow") => "allow".to_owned(),
        _ => format!("refuse {}", decision["kind"].as_str().unwrap_or_default()),
    };
    let target = match (record["server"].as_str(), record["item"].as_str()) {
        (None, None) => "-".to_owned(),
        (server, item) => {
            let server = server.unwrap_or("*");
            item.filter(|item| !item.is_empty()).map_or(server.to_owned(), |item| format!("{server}/{item}"))
        }
    };
    format!("{verdict} {} {target}", text("method"))
}

fn event(message: Value) -> Event {
    match &message {
        m if m.get("method").is_some() && m.get("id").is_some() => Event::Request(message),
        m if m.get("method").is_some() => Event::Note(message),
        m if m.get("result").is_some() => Event::Result(message["result"].clone()),
        m if m.get("error").is_some() => Event::Error(message["error"].clone()),
        m if m.get("raw").is_some() => Event::Raw(message["raw"].as_str().unwrap().to_owned()),
        other => panic!("a server cannot say {other}"),
    }
}

fn framed(mut message: Value) -> Value {
    message["jsonrpc"] = json!("2.0");
    message
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

fn split(text: &str) -> (&str, &str) {
    text.trim().split_once(' ').map_or((text.trim(), ""), |(first, rest)| (first, rest.trim()))
}
