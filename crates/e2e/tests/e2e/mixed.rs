//! Records against what servers really received, one to one, over a mixed run in which everything breaks: the gateway is
//! killed at random points, its disk is full or read-only, and its clock jumps.
//!
//! | variable | what it says |
//! |---|---|
//! | `PORTCULLIS_MIXED_CALLS` | how many calls there are |
//! | `PORTCULLIS_MIXED_SEED` | which random points |
//! | `PORTCULLIS_MIXED_DISK` | `ext4`, which takes root, for a disk that turns read-only under open files |

#![allow(clippy::print_stdout, reason = "a run is told by its seed and by what it came to")]

mod compare;
mod load;

use std::{
    env,
    path::{Path, PathBuf},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use portcullis_testkit::{
    bed::Bed,
    fixture::http::{Framing, Listening, Serving},
    gateway::{Disk, FakeClock, Gateway, Medium, Setup, portcullis},
    journal::{Journal, Writer},
    server::{Launch, Sandbox},
};
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use compare::Compared;
use load::{Load, Met};

/// What is done to a gateway in one of its lives, before it is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    Nothing,
    FullDisk,
    ReadOnlyDisk,
    /// Seconds from the right time.
    Clock(i64),
}

const YEAR: i64 = 365 * 86_400;

const TROUBLES: [Trouble; 8] = [
    Trouble::Nothing,
    Trouble::FullDisk,
    Trouble::Clock(3_600),
    Trouble::ReadOnlyDisk,
    Trouble::Clock(-YEAR),
    Trouble::FullDisk,
    Trouble::Clock(20 * YEAR),
    Trouble::Clock(0),
];

/// Refuses one tool, so that refusals are among the records.
const POLICY: &str = "@id(\"open\") permit (principal, action, resource);\n\
    @id(\"no\") forbid (principal, action, resource == Mcp::Tool::\"web/test_error_handling\");\n";
const FAST: &str = "[limits]\nrequests_per_second = 1000000\n[behaviour]\nwatch = false\n";

struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }
}

fn setting(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number")))
}

/// Everything a gateway stands on, and what breaks.
struct World {
    files: TempDir,
    web: Journal,
    pipe: Journal,
    fixture: Serving,
    clock: FakeClock,
    disk: Disk,
}

impl World {
    async fn new(calls: usize) -> Self {
        let files = tempfile::tempdir().unwrap();
        let [web, pipe] = ["web", "pipe"].map(|name| Journal::at(files.path().join(name)));
        let writer = Writer::open(web.path()).unwrap();
        let fixture = Listening::bind(([127, 0, 0, 1], 0).into(), Framing::Json, Some(writer)).await.unwrap();
        let clock = FakeClock::new(&Bed::load().unwrap(), files.path()).unwrap();
        let medium = match env::var("PORTCULLIS_MIXED_DISK").as_deref() {
            Ok("ext4") => Medium::Ext4,
            _ => Medium::Memory,
        };
        // Each call is two records, each record a line and an entry of the tree.
        let bytes = (64 << 20) + 8_192 * u64::try_from(calls).unwrap();
        let disk = Disk::new(medium, bytes, &clock).unwrap();
        Self { files, web, pipe, fixture: fixture.spawn().unwrap(), clock, disk }
    }

    fn key(&self) -> PathBuf {
        self.files.path().join("log.key")
    }

    async fn gateway(&self) -> Gateway {
        let mut made = Command::new(portcullis().unwrap());
        made.args(["audit", "key", "new", "--name", "example.com/mixed"]).arg(self.key());
        assert!(made.output().await.unwrap().status.success());
        let piped = Launch { sandbox: Sandbox::none(), ..Launch::fixture(Some(self.pipe.path())).unwrap() };
        let (log, key) = (self.disk.path().join("log"), self.key());
        let setup = Setup::new().http("web", self.fixture.url()).stdio("pipe", &piped).sections(FAST);
        let setup = setup.audit(&format!("log = {log:?}\nlog_key = {key:?}\nrotate_bytes = 2000000"));
        setup.policy(POLICY).disk(&self.disk).start().await.unwrap()
    }

    /// One life: calls, trouble in the middle of them, more calls, and a kill while many are under way.
    async fn live(
        &self,
        load: &mut Load,
        gateway: &mut Gateway,
        trouble: Trouble,
        [before, after]: [usize; 2],
    ) {
        let address = gateway.address();
        load.begin_life(address).await;
        load.calls(address, before).await;
        match trouble {
            Trouble::Nothing => {}
            Trouble::Clock(seconds) => self.clock.jump(seconds).unwrap(),
            Trouble::FullDisk => {
                self.disk.fill().unwrap();
                load.until(address, "a full disk", unrecorded).await;
                load.calls(address, 50).await;
                self.disk.free().unwrap();
                load.until(address, "room", |met| *met == Met::Answer).await;
            }
            Trouble::ReadOnlyDisk if self.disk.medium() == Medium::Memory => {}
            Trouble::ReadOnlyDisk => {
                self.disk.read_only().unwrap();
                load.until(address, "a disk that is read-only", unrecorded).await;
                load.calls(address, 50).await;
                load.kill(gateway);
                return self.does_not_start(gateway).await;
            }
        }
        load.killed_after(gateway, after).await;
        if trouble == Trouble::ReadOnlyDisk {
            self.disk.read_only().unwrap();
            self.does_not_start(gateway).await;
        }
    }

    /// A gateway that cannot record does not begin to serve.
    async fn does_not_start(&self, gateway: &Gateway) {
        let said = gateway.does_not_start().await.unwrap();
        assert!(said.contains("ead-only"), "{said}");
        self.disk.repair().unwrap();
    }

    async fn verify(&self, lines: u64) {
        let mut command = Command::new(portcullis().unwrap());
        let public = self.files.path().join("log.key.pub");
        command.args(["audit", "verify", "--json", "--key"]).arg(public).arg(self.log());
        let output = command.output().await.unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&report["ok"], report["size"].as_u64()), (&Value::Bool(true), Some(lines)), "{report:#}");
    }

    fn log(&self) -> PathBuf {
        Path::new(&self.disk.seen()).join("log")
    }
}

/// Refused, and not on record.
fn unrecorded(met: &Met) -> bool {
    matches!(met, Met::Bare { status: 503 })
}

#[tokio::test(flavor = "multi_thread")]
async fn records_equal_what_servers_received_whatever_breaks() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let calls = usize::try_from(setting("PORTCULLIS_MIXED_CALLS", 3_000)).unwrap();
    let mut dice = Dice(setting("PORTCULLIS_MIXED_SEED", now));
    println!("{calls} calls, PORTCULLIS_MIXED_SEED={}", dice.0);
    let (world, begun) = (World::new(calls).await, Instant::now());
    let mut gateway = world.gateway().await;
    let mut load = Load::default();
    let most = (calls / TROUBLES.len() / 2).clamp(20, 2_000);
    for trouble in TROUBLES.into_iter().cycle() {
        let counts = [1 + dice.below(most), 1 + dice.below(most)];
        world.live(&mut load, &mut gateway, trouble, counts).await;
        gateway = gateway.again().await.unwrap();
        if load.done() >= calls && load.killed.len() >= TROUBLES.len() {
            break;
        }
    }
    load.begin_life(gateway.address()).await;
    load.calls(gateway.address(), 50).await;
    let log = gateway.log();
    let (status, _) = gateway.stop().await.unwrap();
    assert!(status.is_some_and(|status| status.success()), "{status:?}");
    let compared = Compared::of(&load, &log, &[&world.web, &world.pipe]);
    println!("{compared:#?}\n{} kills, {:?}", load.killed.len(), begun.elapsed());
    world.verify(compared.lines).await;
    assert_eq!(compared.runs, load.killed.len() + 1);
    let mixed = compared.effects >= calls / 2 && compared.refused >= calls / 20 && compared.unrecorded >= 50;
    assert!(mixed, "too little of something");
}
