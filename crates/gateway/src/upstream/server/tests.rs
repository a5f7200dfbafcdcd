//! Which link a caller gets, with a scripted way to the server.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

use std::sync::atomic::AtomicUsize;

use bytes::Bytes;
use portcullis_core::{Exchange, Outbound, Replier, ServerInfo};
use portcullis_wire::Version;
use serde_json::json;
use tokio::sync::broadcast;

use super::*;
use crate::upstream::{
    config::Program,
    fake::{health, profile, wait_until},
};

struct FakeLink {
    info: ServerInfo,
    alive: AtomicBool,
    number: usize,
    way: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    connects: AtomicUsize,
    closed: AtomicUsize,
    dropped: AtomicUsize,
    failing: AtomicBool,
    /// Open when connecting may go on.
    gate: Gate,
}

struct Gate(tokio::sync::Semaphore);

impl Default for Gate {
    fn default() -> Self {
        Self(tokio::sync::Semaphore::new(100))
    }
}

impl Link for FakeLink {
    fn info(&self) -> &ServerInfo {
        &self.info
    }

    fn request(&self, _outbound: Outbound) -> BoxFuture<'_, Result<Box<dyn Exchange>, UpstreamError>> {
        panic!("not part of these tests")
    }

    fn notify(&self, _body: Bytes) -> BoxFuture<'_, Result<(), UpstreamError>> {
        panic!("not part of these tests")
    }

    fn unsolicited(&self) -> broadcast::Receiver<Bytes> {
        panic!("not part of these tests")
    }

    fn replier(&self) -> Arc<dyn Replier> {
        panic!("not part of these tests")
    }

    fn is_alive(&self) -> bool {
        self.alive.load(Ordering::SeqCst)
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.alive.store(false, Ordering::SeqCst);
        self.way.closed.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::ready(()))
    }
}

impl Drop for FakeLink {
    fn drop(&mut self) {
        self.way.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

struct FakeWay {
    version: Version,
    counts: Arc<Counts>,
    links: Arc<Mutex<Vec<std::sync::Weak<FakeLink>>>>,
}

impl Upstream for FakeWay {
    fn connect<'a>(
        &'a self,
        _profile: &'a LinkProfile,
    ) -> BoxFuture<'a, Result<Arc<dyn Link>, UpstreamError>> {
        Box::pin(async {
            let number = self.counts.connects.fetch_add(1, Ordering::SeqCst);
            let _through = self.counts.gate.0.acquire().await.unwrap();
            if self.counts.failing.load(Ordering::SeqCst) {
                return Err(UpstreamError::Unreachable("refused".into()));
            }
            let info = ServerInfo {
                version: self.version,
                capabilities: Bytes::new(),
                server_info: None,
                instructions: None,
            };
            let link =
                Arc::new(FakeLink { info, alive: AtomicBool::new(true), number, way: self.counts.clone() });
            self.links.lock().push(Arc::downgrade(&link));
            Ok(link as Arc<dyn Link>)
        })
    }

    fn describe(&self) -> String {
        "fake".into()
    }
}

struct Bench {
    server: Arc<Server>,
    counts: Arc<Counts>,
    links: Arc<Mutex<Vec<std::sync::Weak<FakeLink>>>>,
}

fn bench(version: Version, change: impl FnOnce(&mut ServerConfig)) -> Bench {
    let mut config = ServerConfig::new("fake".parse().unwrap(), Transport::Stdio(Program::default()));
    config.stop_grace = Duration::from_millis(200);
    change(&mut config);
    let counts = Arc::new(Counts::default());
    let links = Arc::new(Mutex::new(Vec::new()));
    let way = FakeWay { version, counts: counts.clone(), links: links.clone() };
    let reporter = Reporter { server: config.name.clone(), observer: Arc::new(|_, _| {}) };
    let server = Server::over(Arc::new(config), Box::new(way), health(), reporter);
    Bench { server: Arc::new(server), counts, links }
}

impl Bench {
    fn count(&self, what: fn(&Counts) -> &AtomicUsize) -> usize {
        what(&self.counts).load(Ordering::SeqCst)
    }

    fn kill(&self, number: usize) {
        let link =
            self.links.lock().iter().filter_map(std::sync::Weak::upgrade).find(|link| link.number == number);
        link.unwrap().alive.store(false, Ordering::SeqCst);
    }

    async fn get(&self, principal: &str, session: Option<&str>) -> Result<Arc<dyn Link>, UpstreamError> {
        let mut profile = profile(&json!({}), session);
        profile.on_behalf.principal.id = principal.into();
        self.server.connect(&profile).await
    }
}

fn same(one: &Arc<dyn Link>, other: &Arc<dyn Link>) -> bool {
    std::ptr::addr_eq(Arc::as_ptr(one), Arc::as_ptr(other))
}

#[tokio::test]
async fn a_stateless_server_has_one_link_even_for_callers_who_come_together() {
    let bench = bench(Version::V2026_07_28, |_| {});
    let together =
        join_all((0..20).map(|n| bench.get(if n % 2 == 0 { "a" } else { "b" }, None)).collect::<Vec<_>>())
            .await;
    let first = together.first().unwrap().as_ref().unwrap();
    assert!(together.iter().all(|link| same(link.as_ref().unwrap(), first)));
    assert_eq!((bench.count(|c| &c.connects), bench.server.open_links()), (1, 1));
    bench.kill(0);
    assert!(!same(&bench.get("a", None).await.unwrap(), first), "a dead link is replaced");
    assert_eq!(bench.server.health().state, HealthState::Up);
}

#[tokio::test]
async fn a_server_with_sessions_has_one_link_per_profile() {
    let bench = bench(Version::V2025_11_25, |_| {});
    let callers = [("a", None), ("a", Some("1")), ("a", Some("2")), ("b", None)];
    let twice = callers.iter().chain(&callers).map(|(principal, session)| bench.get(principal, *session));
    let links: Vec<_> = join_all(twice.collect::<Vec<_>>()).await.into_iter().map(Result::unwrap).collect();
    for (i, one) in links.iter().enumerate() {
        for (j, other) in links.iter().enumerate() {
            assert_eq!(same(one, other), i % 4 == j % 4, "{i} {j}");
        }
    }
    assert_eq!((bench.count(|c| &c.connects), bench.server.open_links()), (4, 4));
}

#[tokio::test]
async fn callers_wait_for_who_connects_and_share_the_result() {
    let bench = bench(Version::V2025_11_25, |_| {});
    let hold = bench.counts.gate.0.acquire_many(100).await.unwrap();
    let server = bench.server.clone();
    let impatient = tokio::time::timeout(Duration::from_millis(50), async {
        server.connect(&profile(&json!({}), None)).await
    });
    assert!(impatient.await.is_err());
    drop(hold);
    // What the impatient caller began is finished without it.
    wait_until("the link is open", || bench.server.open_links() == 1).await;
    bench.get("alice", None).await.unwrap();
    assert_eq!(bench.count(|c| &c.connects), 1);
}

#[tokio::test]
async fn failures_are_repeated_at_once_and_then_tried_again() {
    let bench = bench(Version::V2025_11_25, |_| {});
    bench.counts.failing.store(true, Ordering::SeqCst);
    for _ in 0..10 {
        let error = bench.get("a", None).await.err().unwrap();
        assert!(error.nothing_happened() && error.to_string().contains("refused"), "{error}");
    }
    assert_eq!(bench.count(|c| &c.connects), 1);
    assert_eq!((bench.server.health().state, bench.server.trouble().is_some()), (HealthState::Down, true));
    bench.counts.failing.store(false, Ordering::SeqCst);
    let mut link = bench.get("a", None).await;
    while link.is_err() {
        tokio::time::sleep(Duration::from_millis(20)).await;
        link = bench.get("a", None).await;
    }
    assert_eq!(bench.count(|c| &c.connects), 2);
    assert_eq!((bench.server.health().state, bench.server.trouble()), (HealthState::Up, None));
}

#[tokio::test]
async fn a_server_that_keeps_ending_is_not_started_for_every_request() {
    for version in [Version::V2025_11_25, Version::V2026_07_28] {
        let bench = bench(version, |_| {});
        let mut refused = 0;
        for _ in 0..20 {
            match bench.get("a", None).await {
                Ok(_) => bench.kill(bench.count(|c| &c.connects) - 1),
                Err(error) => {
                    assert!(error.nothing_happened() && error.to_string().contains("again"), "{error}");
                    refused += 1;
                }
            }
        }
        assert_eq!((bench.count(|c| &c.connects), refused), (2, 18), "{version}");
    }
}

#[tokio::test]
async fn links_are_limited_and_only_spare_ones_make_room() {
    let bench = bench(Version::V2025_11_25, |config| config.max_links = 2);
    let first = bench.get("a", None).await.unwrap();
    bench.get("b", None).await.unwrap();
    assert!(matches!(bench.get("c", None).await, Err(UpstreamError::Busy)));
    bench.kill(1);
    bench.get("c", None).await.unwrap();
    assert!(first.is_alive());
    assert_eq!(bench.server.open_links(), 2);
}

#[tokio::test]
async fn unused_links_end_and_held_ones_stay() {
    let bench = bench(Version::V2025_11_25, |config| config.idle_close = Duration::from_millis(100));
    let held = bench.get("a", None).await.unwrap();
    bench.get("b", None).await.unwrap();
    wait_until("the unused link ends", || bench.count(|c| &c.dropped) == 1).await;
    assert!(held.is_alive());
    drop(held);
    wait_until("the other one ends too", || bench.count(|c| &c.dropped) == 2).await;
    assert_eq!(bench.server.open_links(), 0);
}

#[tokio::test]
async fn the_end_of_a_session_ends_its_links_only() {
    let bench = bench(Version::V2025_11_25, |_| {});
    let links = (bench.get("a", Some("1")).await.unwrap(), bench.get("a", Some("2")).await.unwrap());
    bench.server.end_session("1");
    wait_until("the link is closed", || bench.count(|c| &c.closed) == 1).await;
    assert!(!links.0.is_alive() && links.1.is_alive());
    assert_eq!(bench.server.open_links(), 1);
}

#[tokio::test]
async fn closing_waits_for_who_holds_a_link_and_then_ends_everything() {
    for version in [Version::V2025_11_25, Version::V2026_07_28] {
        let bench = bench(version, |_| {});
        let held = bench.get("a", None).await.unwrap();
        let start = Instant::now();
        bench.server.close().await;
        assert!(start.elapsed() >= Duration::from_millis(200), "the grace time of who holds a link");
        assert!(!held.is_alive());
        let error = bench.get("a", None).await.err().unwrap();
        assert!(error.nothing_happened(), "{error}");
        assert_eq!(bench.count(|c| &c.connects), 1);
    }
}
