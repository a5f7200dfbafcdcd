//! A gateway in front of fake servers, with its log in memory and its clock on the runtime's time.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt as _;
use parking_lot::Mutex;
use portcullis_audit::{Digests, MemorySink, Recorder, RecorderOptions};
use portcullis_core::{Approvals, Channel, Clock, Digest, NoApprovals};
use portcullis_gateway::{
    Gateway, Server, Settings, Snapshot, flow::Declared, outbound::Timing, views::View,
};
use portcullis_identity::{AuthConfig, Authenticated, Authenticator, Head};
use portcullis_inspect::{Inspector, InspectorOptions, pins::InMemory};
use portcullis_policy::{Authoriser, Options, PolicySet};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::fake::{FakeServer, Journal, Spec};

/// Lets everybody do everything.
pub(crate) const OPEN: &str = "@id(\"open\") permit (principal, action, resource);";

/// What a house is built from.
pub(crate) struct Plan {
    pub(crate) policy: String,
    pub(crate) servers: Vec<(String, Spec)>,
    pub(crate) settings: Settings,
    pub(crate) timing: Timing,
    pub(crate) withhold: bool,
    /// Of every server.
    pub(crate) views: Vec<Arc<View>>,
    /// What is declared about the tools of every server.
    pub(crate) declared: Declared,
    pub(crate) inspection: InspectorOptions,
    pub(crate) approvals: Arc<dyn Approvals>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            policy: OPEN.to_owned(),
            servers: Vec::new(),
            settings: Settings { input_wait_ms: 20_000, ..Settings::default() },
            timing: Timing { idle: Duration::from_secs(30), total: Duration::from_secs(90) },
            withhold: false,
            views: Vec::new(),
            declared: Declared::default(),
            inspection: InspectorOptions::default(),
            approvals: Arc::new(NoApprovals),
        }
    }
}

/// The gateway and everything around it.
pub(crate) struct House {
    pub(crate) gateway: Arc<Gateway>,
    /// In force now; those that were replaced are in `retired`.
    servers: Mutex<BTreeMap<String, Arc<FakeServer>>>,
    retired: Mutex<Vec<Arc<FakeServer>>>,
    pub(crate) sink: Arc<MemorySink>,
    pub(crate) journal: Arc<Journal>,
    pub(crate) recorder: Recorder,
    pub(crate) clock: Arc<dyn Clock>,
    plan: Plan,
    reloads: AtomicU64,
}

impl House {
    pub(crate) fn build(plan: Plan) -> Self {
        let sink = Arc::new(MemorySink::new());
        let journal = Journal::new(sink.clone());
        let clock = Arc::new(RuntimeClock(Instant::now()));
        let options = RecorderOptions {
            withhold_on_failed_outcome: plan.withhold,
            full_refusals_per_second: 1_000_000,
            ..RecorderOptions::new("spine")
        };
        let recorder = Recorder::new(sink.clone(), clock.clone(), options, Digests::default()).unwrap();
        let servers: BTreeMap<_, _> = plan
            .servers
            .iter()
            .map(|(name, spec)| (name.clone(), FakeServer::new(name, spec.clone(), journal.clone())))
            .collect();
        let wired = servers.values().zip(servers.keys()).map(|(fake, name)| wired(name, fake, &plan));
        let snapshot = snapshot(&plan, wired.collect(), 0);
        let gateway = Gateway::new(snapshot, recorder.clone(), clock.clone());
        let (servers, retired) = (Mutex::new(servers), Mutex::default());
        Self { gateway, servers, retired, sink, journal, recorder, clock, plan, reloads: AtomicU64::new(0) }
    }

    pub(crate) fn server(&self, name: &str) -> Arc<FakeServer> {
        let servers = self.servers.lock();
        servers.get(name).unwrap_or_else(|| panic!("no server `{name}`")).clone()
    }

    /// Every server there ever was.
    pub(crate) fn all_servers(&self) -> Vec<Arc<FakeServer>> {
        self.servers.lock().values().cloned().chain(self.retired.lock().iter().cloned()).collect()
    }

    /// Puts the same configuration in force with another policy, where one is given. Servers in `anew` are
    /// replaced, which ends the old ones.
    pub(crate) fn reload(&self, policy: Option<&str>, anew: &[&str]) {
        let previous = self.gateway.snapshot();
        let mut fakes = self.servers.lock();
        let servers: Vec<_> = fakes
            .iter_mut()
            .map(|(name, fake)| {
                if !anew.contains(&name.as_str()) {
                    return previous.servers[&name.parse().unwrap()].clone();
                }
                let successor = fake.successor();
                self.retired.lock().push(std::mem::replace(fake, successor));
                wired(name, fake, &self.plan)
            })
            .collect();
        drop(fakes);
        let number = self.reloads.fetch_add(1, Ordering::SeqCst) + 1;
        let policy = policy.unwrap_or(&self.plan.policy).to_owned();
        let plan = Plan { policy, settings: self.plan.settings.clone(), ..Plan::default() };
        self.gateway.put_in_force(snapshot(&plan, servers, number), Digests::default());
    }

    /// The log without events: decisions and outcomes.
    pub(crate) fn records(&self) -> Vec<Value> {
        self.sink.records().into_iter().filter(|record| record["type"] != "event").collect()
    }
}

fn wired(name: &str, fake: &Arc<FakeServer>, plan: &Plan) -> Arc<Server> {
    let server = Server::new(name.parse().unwrap(), fake.clone(), plan.timing, String::new());
    Arc::new(Server { views: plan.views.clone(), declared: plan.declared.clone(), ..server })
}

fn snapshot(plan: &Plan, servers: Vec<Arc<Server>>, number: u64) -> Snapshot {
    let policies =
        PolicySet::load(&[("test.cedar", &plan.policy)]).unwrap_or_else(|e| panic!("policy: {e:?}"));
    Snapshot {
        consent: None,
        authenticator: Authenticator::new(&AuthConfig::LoopbackUser),
        authoriser: Authoriser::new(policies, Options::default()).unwrap(),
        inspector: Inspector::new(plan.inspection.clone()).unwrap(),
        pins: Arc::new(InMemory::default()),
        approvals: plan.approvals.clone(),
        servers: servers.into_iter().map(|server| (server.name.clone(), server)).collect(),
        settings: plan.settings.clone(),
        config_digest: Digest::of(&number.to_be_bytes()),
        stated: None,
    }
}

/// The local user behind a loopback socket.
pub(crate) fn local_user() -> Authenticated {
    authenticated(&AuthConfig::LoopbackUser)
}

/// Somebody else.
pub(crate) fn somebody(name: &str) -> Authenticated {
    authenticated(&AuthConfig::StaticDev { name: name.into() })
}

fn authenticated(config: &AuthConfig) -> Authenticated {
    let head = Head {
        channel: Channel::Http,
        peer: Some(std::net::Ipv4Addr::LOCALHOST.into()),
        certificate: None,
        headers: None,
        query: None,
        listener_is_loopback: true,
        method: "POST",
        path: "/mcp",
        resource: None,
        now_ms: 0,
    };
    // Without tokens nothing has to be waited for.
    Authenticator::new(config).authenticate(&head).now_or_never().unwrap().unwrap()
}

/// A clock that goes with the runtime's time, which tests pause.
struct RuntimeClock(Instant);

impl Clock for RuntimeClock {
    fn now_ms(&self) -> u64 {
        1_800_000_000_000 + u64::try_from(self.0.elapsed().as_millis()).unwrap()
    }
}

/// Returns when nobody has anything left to do but wait: with time paused, the runtime moves it only then.
pub(crate) async fn settled() {
    sleep(Duration::from_millis(1)).await;
}
