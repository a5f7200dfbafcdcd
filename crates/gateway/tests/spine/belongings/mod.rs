//! Nothing of one caller's gets to another, whatever callers do with what they hold, and with what others hold.
//!
//! Callers start tasks, are asked for input, page through lists, open sessions, and use every handle that anybody was ever
//! given. Servers mark all they give out with its owner and believe every handle they are shown, so whatever gets
//! through is seen. `SPINE_SEEDS` and `SPINE_SEED` as for `sim`.

mod person;
mod server;

use std::{collections::BTreeMap, sync::Arc};

use portcullis_gateway::Settings;
use serde_json::json;
use tokio::time::{Duration, sleep};

use self::{
    person::{Kind, Person, Pool},
    server::{TOOLS, Trusting},
};
use crate::{
    client::Network,
    fake::{Spec, What},
    house::{House, Plan, settled, somebody},
    sim::rng::Rng,
};

/// Seeds of an ordinary run.
const SEEDS: u64 = 24;
const STEPS: u64 = 120;
pub(super) const PEOPLE: [&str; 3] = ["alice", "bob", "carol"];

#[derive(Clone, Copy, Debug)]
enum Step {
    Plain,
    Task,
    State,
    Held,
    Tools,
    Page,
    Use,
    Listen,
    Announce,
    Session,
    Wait,
}

const WEIGHTS: [(u64, Step); 11] = [
    (12, Step::Plain),
    (12, Step::Task),
    (12, Step::State),
    (12, Step::Held),
    (8, Step::Tools),
    (8, Step::Page),
    (70, Step::Use),
    (8, Step::Listen),
    (12, Step::Announce),
    (4, Step::Session),
    (4, Step::Wait),
];

#[test]
fn nothing_of_one_callers_gets_to_another() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let one = number("SPINE_SEED");
    let seeds = one.map_or(0..number("SPINE_SEEDS").unwrap_or(SEEDS), |seed| seed..seed + 1);
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut faults = Vec::new();
    for seed in seeds {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let pool = runtime.block_on(play(seed));
        faults.extend(pool.faults.into_iter().map(|fault| format!("seed {seed}: {fault}")));
        pool.counts.into_iter().for_each(|(what, times)| *counts.entry(what).or_default() += times);
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    eprintln!("{counts:?}");
    if one.is_none() {
        let kinds = [Kind::Task, Kind::State, Kind::Held, Kind::Cursor];
        let used = kinds.iter().flat_map(|kind| ["own", "foreign"].map(|whose| format!("{whose} {kind:?}")));
        for what in used.chain(["withheld", "told of an own task", "lists"].map(str::to_owned)) {
            assert!(counts.get(&what).is_some_and(|times| *times > 10), "hardly any `{what}`: {counts:?}");
        }
    }
}

async fn play(seed: u64) -> Pool {
    let mut rng = Rng::of(seed, 0xb0b);
    // Half of the time the stateless server is shown a credential of each caller's own.
    let house = build(seed % 2 == 1);
    let network = Network::memory(&house);
    let servers =
        ["alpha", "beta"].map(|name| (name, Arc::new(Trusting::new(Rng::of(seed, name.len() as u64)))));
    for (name, brain) in &servers {
        house.server(name).think(brain.clone());
    }
    let mut people = Vec::new();
    for name in PEOPLE {
        people.push(Person::arrive(&house, &network, name).await);
    }
    let mut pool = Pool::default();
    for _ in 0..STEPS {
        let at = usize::try_from(rng.between(0, PEOPLE.len() as u64)).unwrap();
        let sessions: Vec<_> = people.iter().map(|person| (person.name, person.session())).collect();
        let person = &mut people[at];
        match rng.weighted(&WEIGHTS) {
            Step::Plain => person.call(&mut rng, "plain").await,
            Step::Task => person.call(&mut rng, "task").await,
            Step::State => person.call(&mut rng, "state").await,
            Step::Held => person.call(&mut rng, "ask").await,
            Step::Tools => person.list(&mut rng, "tools/list").await,
            Step::Page => person.list(&mut rng, "prompts/list").await,
            Step::Use => person.use_any(&mut rng, &pool).await,
            Step::Listen => person.listen(&mut rng, &pool).await,
            Step::Announce => announce(&house, &mut rng, &pool),
            Step::Session => {
                for (owner, id) in sessions {
                    let endpoint = "beta".parse().unwrap();
                    let found = house.gateway.sessions.find(&id, &somebody(person.name), Some(&endpoint));
                    if found.is_ok() != (owner == person.name) {
                        pool.faults.push(format!(
                            "{}: the session of {owner}: {}",
                            person.name,
                            found.is_ok()
                        ));
                    }
                }
            }
            Step::Wait => sleep(Duration::from_secs(2)).await,
        }
        settled().await;
        for person in &mut people {
            person.hear(&mut pool).await;
        }
    }
    settled().await;
    for person in &mut people {
        person.hear(&mut pool).await;
    }
    servers.iter().for_each(|(name, brain)| {
        pool.faults.extend(brain.faults().into_iter().map(|it| format!("{name}: {it}")))
    });
    let own: &[&str] = if seed % 2 == 1 { &["alpha", "beta"] } else { &["beta"] };
    pool.faults.extend(own.iter().flat_map(|server| shared_links(&house, server)));
    pool
}

fn build(per_caller: bool) -> House {
    let prompts: Vec<_> = (0..45).map(|n| json!({"name": format!("p{n}")})).collect();
    let tools: Vec<_> =
        TOOLS.iter().map(|name| json!({"name": name, "inputSchema": {"type": "object"}})).collect();
    let spec = |version: &str, capabilities: serde_json::Value| {
        let mut spec = Spec::read(version, "{}");
        spec.capabilities = Some(capabilities);
        spec.tools = tools.clone();
        spec.prompts = prompts.clone();
        spec.manual = vec!["tools/list".to_owned()];
        spec
    };
    let modern = json!({"tools": {}, "prompts": {}, "extensions": {"io.modelcontextprotocol/tasks": {}}});
    let servers = vec![
        ("alpha".to_owned(), Spec { per_caller, ..spec("2026-07-28", modern) }),
        ("beta".to_owned(), spec("2025-11-25", json!({"tools": {"listChanged": true}, "prompts": {}}))),
    ];
    let settings = Settings { page_items: 20, input_wait_ms: 3_600_000, ..Settings::default() };
    House::build(Plan { servers, settings, ..Plan::default() })
}

/// The server speaks of a task, to whoever listens, whosever it is.
fn announce(house: &House, rng: &mut Rng, pool: &Pool) {
    if let Some(task) = pool.some(rng, Kind::Task) {
        let params = json!({"taskId": task.value, "status": "working"});
        house
            .server("alpha")
            .announce(&json!({"jsonrpc": "2.0", "method": "notifications/tasks", "params": params}));
    }
    house.server("beta").announce(&json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}));
}

/// Links of a server with state, or with credentials of its callers', that carried calls of more than one caller.
fn shared_links(house: &House, server: &str) -> Vec<String> {
    let mut owners: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for entry in house.journal.entries() {
        let owner = entry.message["params"]["_meta"]["owner"].as_str();
        if let (What::Request, Some(owner)) = (entry.what, owner.filter(|_| entry.server == server)) {
            let known = owners.entry(entry.link).or_default();
            if !known.iter().any(|it| it == owner) {
                known.push(owner.to_owned());
            }
        }
    }
    let shared = owners.iter().filter(|(_, owners)| owners.len() > 1);
    shared.map(|(link, owners)| format!("link {link} of {server} carried {}", owners.join(", "))).collect()
}
