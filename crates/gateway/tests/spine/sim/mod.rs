//! Random clients, servers and operators, all from one number.
//!
//! `SPINE_SEEDS=1000` runs more of them, `SPINE_SEED=17` one alone; `SPINE_TRACE=1` says what happens in it.

mod actor;
mod acts;
mod brain;
mod check;
mod ears;
mod operator;
pub(crate) mod rng;
mod world;

use std::{collections::BTreeMap, sync::Arc};

use portcullis_core::wire::Version;
use portcullis_gateway::{SessionLimits, Settings, outbound::Timing};
use serde_json::json;
use tokio::time::{Duration, sleep};

use self::{
    actor::Actor,
    brain::{Whim, spec},
    operator::{POLICY, operate},
    rng::Rng,
    world::World,
};
use crate::{
    client::{Card, Door},
    house::{House, Plan},
    leaks::check_nothing_left,
};

/// Seeds of an ordinary run.
const SEEDS: u64 = 64;
/// Every so many seeds are played twice and have to give the same log.
const TWICE: u64 = 8;

/// What a run came to.
struct Outcome {
    log: Vec<String>,
    faults: Vec<String>,
    counts: BTreeMap<String, u64>,
}

#[test]
fn whatever_happens() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let one = number("SPINE_SEED");
    let seeds = one.map_or(0..number("SPINE_SEEDS").unwrap_or(SEEDS), |seed| seed..seed + 1);
    let mut failed = Vec::new();
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for seed in seeds.clone() {
        let mut outcome = play(seed);
        if seed % TWICE == 0 {
            outcome.faults.extend(difference(&outcome.log, &play(seed).log));
        }
        failed.extend(outcome.faults.into_iter().map(|fault| format!("seed {seed}: {fault}")));
        outcome.counts.into_iter().for_each(|(what, times)| *counts.entry(what).or_default() += times);
    }
    assert!(failed.is_empty(), "{} faults:\n{}", failed.len(), failed.join("\n"));
    // Shown when the test fails, or with `--nocapture`.
    eprintln!("{counts:?}");
    if one.is_none() {
        for what in
            ["result", "error", "asked", "input required", "notified", "cancelled", "Break", "Replace"]
        {
            assert!(counts.get(what).is_some_and(|times| *times > 10), "hardly any `{what}`: {counts:?}");
        }
    }
}

fn play(seed: u64) -> Outcome {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(run(seed))
}

async fn run(seed: u64) -> Outcome {
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let mut rng = Rng::new(seed);
    let names: Vec<String> = (0..rng.between(1, 4)).map(|number| format!("s{number}")).collect();
    let house = build(&mut rng, seed, &names);
    let world = Arc::new(World::new(house));
    let operator = operate(world.clone(), Rng::of(seed, u64::MAX), names.clone(), rng.between(0, 12));
    let operator = tokio::spawn(operator);
    let mut running = Vec::new();
    for number in 1..=rng.between(2, 6) {
        let card = card(&mut rng, &names);
        let actor = Actor::new(number, world.clone(), Rng::of(seed, number), card, names.clone());
        running.push(tokio::spawn(actor.live(rng.between(5, 40))));
    }
    let mut actors = Vec::new();
    for actor in running {
        actors.push(actor.await.unwrap());
    }
    operator.await.unwrap();
    // Longer than a question to a client may stay open.
    sleep(Duration::from_secs(30)).await;
    let (questions, requests) = world.house.gateway.sessions.load();
    if (questions, requests) != (0, 0) {
        world.fault(format!("{questions} questions and {requests} requests are left in sessions at rest"));
    }
    for actor in &mut actors {
        let politely = rng.chance(50);
        actor.leave(politely).await;
    }
    drop(actors);
    finish(world, tasks, seed).await
}

async fn finish(world: Arc<World>, tasks: usize, seed: u64) -> Outcome {
    let world = Arc::into_inner(world).expect("everybody else is gone");
    world.house.gateway.close().await;
    // What was under way when the servers were told to close.
    sleep(Duration::from_secs(30)).await;
    let (house, network, facts) = world.into_parts();
    let faults = check::faults(&house, &facts);
    let log = check::comparable(&house);
    check_nothing_left(house, network, tasks, &format!("seed {seed}")).await;
    Outcome { log, faults, counts: facts.counts.into_iter().collect() }
}

fn build(rng: &mut Rng, seed: u64, names: &[String]) -> House {
    let versions = Version::ALL.map(Version::as_str);
    let servers: Vec<_> = names
        .iter()
        .map(|name| {
            let version = if rng.chance(50) { Version::LATEST.as_str() } else { rng.pick(&versions) };
            (name.clone(), spec(name, version, rng))
        })
        .collect();
    let eras: Vec<_> = servers.iter().map(|(_, spec)| spec.version == Some(Version::LATEST)).collect();
    let few = |rng: &mut Rng, usual: usize| if rng.chance(15) { 2 } else { usual };
    let sessions =
        SessionLimits { per_principal: few(rng, 100), total: 100, idle_ms: rng.between(1_000, 60_000) };
    let house = House::build(Plan {
        policy: POLICY.to_owned(),
        servers,
        settings: Settings {
            input_wait_ms: 4_000,
            page_items: 2,
            parked_calls: few(rng, 100),
            sessions,
            ..Settings::default()
        },
        timing: Timing { idle: Duration::from_secs(5), total: Duration::from_secs(20) },
        withhold: rng.chance(20),
        ..Plan::default()
    });
    for (name, modern) in names.iter().zip(eras) {
        house.server(name).think(Arc::new(Whim { seed, modern }));
    }
    house
}

fn card(rng: &mut Rng, names: &[String]) -> Card {
    let door = *rng.pick(&[Door::Direct, Door::Http, Door::Http, Door::Stdio, Door::Stdio, Door::Sse]);
    let version = match door {
        Door::Sse => Version::V2024_11_05,
        _ if rng.chance(40) => Version::LATEST,
        _ => *rng.pick(&Version::ALL),
    };
    let endpoint = if rng.chance(40) { None } else { Some(rng.pick(names).parse().unwrap()) };
    let capabilities = json!({"elicitation": {}, "sampling": {}, "roots": {}});
    Card { door, version: Some(version), endpoint, capabilities }
}

/// Where two logs that should be the same differ.
fn difference(one: &[String], other: &[String]) -> Option<String> {
    let at = one.iter().zip(other).position(|(one, other)| one != other);
    let at = at.or((one.len() != other.len()).then(|| one.len().min(other.len())))?;
    Some(format!("two runs differ at record {at}:\n{:?}\n{:?}", one.get(at), other.get(at)))
}
