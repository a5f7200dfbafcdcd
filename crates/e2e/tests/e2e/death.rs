//! Sudden death: `kill -9` of gateway, server or client leaves no process behind, and no effect without a record
//! of the decision that allowed it.

use std::{
    cell::Cell,
    collections::BTreeSet,
    fs,
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
};

use portcullis_testkit::{
    bed::Bed,
    fixture::http::{Framing, Listening},
    gateway::{Disk, FakeClock, Gateway, Medium, Record, Setup, portcullis, read_records, wait_for_record},
    journal::{Journal, Writer},
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    message::{LEGACY, call, initialize, legacy, modern},
    odd::odd,
    pipe::Pipe,
    processes::{all_gone, descendants, runs},
    raw::{Request, SOON},
    until::until,
};

/// The limit on one caller's rate would slow the tests down.
const FAST: &str = "[limits]\nrequests_per_second = 100000\n";

/// It may have ended by itself.
fn kill(pid: i32) {
    let _gone = kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
}

async fn call_odd(gateway: &Gateway, tool: &str) -> crate::raw::Answer {
    let message = modern(1, "tools/call", call(tool, json!({ "text": "hello" })));
    Request::modern("/mcp/odd", &message).send(gateway.address()).await
}

/// Sends a call and leaves it under way.
async fn leave_under_way(gateway: &Gateway, tool: &str) -> TcpStream {
    let message = modern(1, "tools/call", call(tool, json!({})));
    let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
    stream.write_all(&Request::modern("/mcp/odd", &message).bytes()).await.unwrap();
    let decided = |it: &Record| it.allows("tools/call", "odd", tool);
    gateway.wait_for("the decision", SOON, decided).await.unwrap();
    stream
}

#[tokio::test]
async fn a_killed_gateway_takes_every_process_with_it() {
    let mut gateway = Setup::new().stdio("odd", &odd(&[])).start().await.unwrap();
    let bred = call_odd(&gateway, "breed").await.json()["result"]["content"][0]["text"].clone();
    let bred: i32 = bred.as_str().unwrap().parse().unwrap();
    assert!(runs(bred));
    let under_way = leave_under_way(&gateway, "never").await;
    let mut below = descendants(gateway.pid());
    below.push(bred);
    gateway.kill();
    all_gone(&below, SOON).await;
    drop(under_way);

    // What was under way is not forgotten: the decision is there, and the next start goes on in the same log.
    let decided = |it: &Record| it.allows("tools/call", "odd", "never");
    assert!(gateway.records().unwrap().iter().any(decided));
    let gateway = gateway.again().await.unwrap();
    assert_eq!(call_odd(&gateway, "echo").await.code(), 0);
    let (status, records) = gateway.stop().await.unwrap();
    assert!(status.is_some_and(|status| status.success()), "{status:?}");
    assert!(records.iter().any(decided));
    assert_eq!(records.iter().filter(|it| it.text("event") == "started").count(), 2, "{records:?}");
}

#[tokio::test]
async fn where_records_may_be_missing_the_operator_is_told() {
    let mut gateway = Setup::new().stdio("odd", &odd(&[])).start().await.unwrap();
    let gaps = async |gateway: &Gateway| {
        let (_, metrics) = gateway.admin("/metrics").await.unwrap();
        let line = metrics.lines().find(|line| line.starts_with("portcullis_log_gaps ")).unwrap();
        line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()
    };
    assert_eq!(gaps(&gateway).await, 0);
    gateway.kill();
    let mut log = std::fs::OpenOptions::new().append(true).open(gateway.log()).unwrap();
    std::io::Write::write_all(&mut log, b"{\"v\":1,\"half").unwrap();
    let gateway = gateway.again().await.unwrap();
    let told = "records may be missing: log-torn-tail: 12 bytes";
    until("the warning", || gateway.said().contains(told)).await;
    assert_eq!(gaps(&gateway).await, 1);
    let records = gateway.records().unwrap();
    let marker = records.iter().find(|it| it.text("event") == "log-torn-tail").unwrap();
    assert!(marker.text("id").starts_with("log-"), "{marker:?}");
    assert!(marker.value()["seq"].is_u64(), "{marker:?}");
}

#[tokio::test]
async fn a_stopped_gateway_takes_every_process_with_it() {
    let gateway = Setup::new().stdio("odd", &odd(&[])).start().await.unwrap();
    let bred = call_odd(&gateway, "breed").await.json()["result"]["content"][0]["text"].clone();
    let mut below = descendants(gateway.pid());
    below.push(bred.as_str().unwrap().parse().unwrap());
    all_ended(gateway).await;
    all_gone(&below, SOON).await;
}

#[tokio::test]
async fn a_killed_server_fails_its_call_and_is_started_again() {
    let gateway = Setup::new().stdio("odd", &odd(&[])).start().await.unwrap();
    assert_eq!(call_odd(&gateway, "echo").await.code(), 0);
    let first = server(&gateway).unwrap();
    let over = Cell::new(false);
    let failing = async {
        let message = modern(1, "tools/call", call("never", json!({})));
        let answer = Request::modern("/mcp/odd", &message).send(gateway.address()).await;
        over.set(true);
        answer
    };
    let killing = async {
        let decided = |it: &Record| it.allows("tools/call", "odd", "never");
        gateway.wait_for("the decision", SOON, decided).await.unwrap();
        // The decision is on record before the call is sent: should the first server die in between, the call
        // goes to the next one.
        until("the end of the call", || {
            server(&gateway).filter(|_| !over.get()).into_iter().for_each(kill);
            over.get()
        })
        .await;
    };
    let (failed, ()) = tokio::join!(failing, killing);
    assert_eq!((failed.status, failed.code()), (502, 50201), "{failed:?}");
    let outcome = |it: &Record| it.text("outcome") == "unknown";
    gateway.wait_for("the outcome", SOON, outcome).await.unwrap();
    gateway.wait_for("the exit", SOON, |it| it.text("event") == "child-exited").await.unwrap();
    // More than one may have been killed, and then the next is not started at once.
    let again = async { while call_odd(&gateway, "echo").await.code() != 0 {} };
    tokio::time::timeout(SOON, again).await.expect("it is started again");
    assert_ne!(server(&gateway), Some(first));
}

/// The process of `odd-server` that a gateway has started, if one runs.
fn server(gateway: &Gateway) -> Option<i32> {
    let name = |pid: &i32| fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    descendants(gateway.pid()).into_iter().find(|pid| name(pid).starts_with(env!("CARGO_BIN_EXE_odd-server")))
}

/// Kills the server again and again while it is called: every call is answered, and how it ended is on record.
#[tokio::test]
async fn a_server_killed_under_load_leaves_no_call_without_an_end() {
    let gateway = Setup::new().stdio("odd", &odd(&[])).sections(FAST).start().await.unwrap();
    let killing = async {
        for killed in 1..=4 {
            until("a server", || server(&gateway).is_some()).await;
            kill(server(&gateway).unwrap());
            let exits = |it: &&Record| it.text("event") == "child-exited";
            until("the exit", || gateway.records().unwrap().iter().filter(exits).count() >= killed).await;
        }
    };
    let mut statuses = BTreeSet::new();
    let calling = async {
        loop {
            let answers = futures_util::future::join_all((0..8).map(|_| call_odd(&gateway, "echo"))).await;
            statuses.extend(answers.iter().map(|answer| (answer.status, answer.code())));
        }
    };
    tokio::select! {
        () = killing => {}
        () = calling => {}
    }
    let documented = BTreeSet::from([(200, 0), (502, 50201)]);
    assert!(statuses.is_subset(&documented), "{statuses:?}");
    all_ended(gateway).await;
}

/// Clients that hang up in the middle, many at once: what they began ends, and how is on record.
#[tokio::test]
async fn clients_that_vanish_under_load_leave_no_call_without_an_end() {
    let gateway = Setup::new().stdio("odd", &odd(&[])).sections(FAST).start().await.unwrap();
    for calls in [10, 30, 60] {
        let flood = tokio::spawn(flood(gateway.address(), "echo"));
        let allowed = |it: &&Record| it.allows("tools/call", "odd", "echo");
        until("calls", || gateway.records().unwrap().iter().filter(allowed).count() >= calls).await;
        flood.abort();
    }
    assert_eq!(call_odd(&gateway, "echo").await.code(), 0);
    all_ended(gateway).await;
}

/// Stops the gateway and looks for decisions of which the end is not recorded.
async fn all_ended(gateway: Gateway) {
    let (status, records) = gateway.stop().await.unwrap();
    assert!(status.is_some_and(|status| status.success()), "{status:?}");
    let ended: BTreeSet<_> = records.iter().map(|it| it.text("decision")).collect();
    let open: Vec<_> =
        records.iter().filter(|it| it.is_allowed() && !ended.contains(it.text("id"))).collect();
    assert!(open.is_empty(), "{open:?}");
}

#[tokio::test]
async fn a_killed_client_takes_its_gateway_and_server_with_it() {
    let bed = Bed::load().unwrap();
    let files = tempfile::tempdir().unwrap();
    let record = files.path().join("record.jsonl");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testbed/clients/python-2.py");
    let program = portcullis().unwrap();
    let args = [
        "run",
        "--name",
        "odd",
        "--record",
        record.to_str().unwrap(),
        "--",
        env!("CARGO_BIN_EXE_odd-server"),
    ];
    let plan = json!([{
        "name": "odd", "transport": "stdio", "command": program.to_str().unwrap(), "args": args,
        "env": { "HOME": files.path().to_str().unwrap() },
        "list": false, "calls": [{ "name": "never", "arguments": {} }], "reads": [], "prompts": [],
    }]);
    let input = files.path().join("plan.json");
    fs::write(&input, plan.to_string()).unwrap();
    let mut command = Command::new(bed.python());
    command.arg(script).arg("legacy").stdin(fs::File::open(&input).unwrap());
    let mut client = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let decided =
        wait_for_record(&record, "the decision", SOON, |it| it.allows("tools/call", "odd", "never"))
            .await
            .unwrap();
    let below = descendants(i32::try_from(client.id()).unwrap());
    assert!(below.len() >= 2, "gateway and server: {below:?}");
    client.kill().unwrap();
    client.wait().unwrap();
    all_gone(&below, SOON).await;
    let ended = |it: &Record| it.text("decision") == decided.text("id");
    wait_for_record(&record, "the outcome", SOON, ended).await.unwrap();
}

/// Kills the gateway after a varying number of calls have reached the server, and compares what the server did
/// with what the log says was allowed.
#[tokio::test]
async fn nothing_happens_that_was_not_written_down_before() {
    let files = tempfile::tempdir().unwrap();
    let journal = Journal::at(files.path().join("journal"));
    let writer = Writer::open(journal.path()).unwrap();
    let fixture = Listening::bind(([127, 0, 0, 1], 0).into(), Framing::Json, Some(writer)).await.unwrap();
    let fixture = fixture.spawn().unwrap();
    let mut gateway = Setup::new().http("odd", fixture.url()).sections(FAST).start().await.unwrap();
    for calls in [1, 3, 7, 20, 50] {
        let before = effects(&journal);
        let flood = tokio::spawn(flood(gateway.address(), "test_simple_text"));
        until(&format!("{calls} calls"), || effects(&journal) >= before + calls).await;
        gateway.kill();
        flood.abort();
        let allowed = gateway
            .records()
            .unwrap()
            .iter()
            .filter(|it| it.allows("tools/call", "odd", "test_simple_text"))
            .count();
        let done = effects(&journal);
        assert!(done <= allowed, "{done} calls reached the server, {allowed} were written down");
        gateway = gateway.again().await.unwrap();
    }
}

/// Calls a tool over and over, some at a time, whatever comes back.
async fn flood(gateway: SocketAddr, tool: &str) {
    let one = |number: u64| async move {
        let message = modern(number, "tools/call", call(tool, json!({})));
        let Ok(mut stream) = TcpStream::connect(gateway).await else { return };
        let mut rest = Vec::new();
        // Either may fail: the gateway is about to be killed.
        let _ = stream.write_all(&Request::modern("/mcp/odd", &message).bytes()).await;
        let _ = stream.read_to_end(&mut rest).await;
    };
    for first in (0..).step_by(16) {
        futures_util::future::join_all((first..first + 16).map(one)).await;
    }
}

/// Tool calls the server received.
fn effects(journal: &Journal) -> usize {
    journal.received().unwrap().iter().filter(|it| it.calls("test_simple_text")).count()
}

/// A client that is gone without a word: the pipe's other end is closed, and a call is under way.
#[tokio::test]
async fn a_client_that_vanishes_from_its_pipes_leaves_nothing() {
    let files = tempfile::tempdir().unwrap();
    let record = files.path().join("record.jsonl");
    let mut pipe = Pipe::run(&odd(&[]), &record);
    pipe.ask(&initialize(LEGACY)).await;
    pipe.send(&legacy(1, "tools/call", call("never", json!({})))).await;
    wait_for_record(&record, "the decision", SOON, |it| it.allows("tools/call", "odd", "never"))
        .await
        .unwrap();
    let pid = i32::try_from(pipe.child.id().unwrap()).unwrap();
    let mut below = descendants(pid);
    below.push(pid);
    let mut child = pipe.vanish();
    all_gone(&below, SOON).await;
    child.wait().await.unwrap();
}

/// A log on a full disk refuses calls; with a spare log they go on, and each is on record there.
#[tokio::test]
async fn a_spare_log_takes_records_while_the_disk_is_full() {
    let files = tempfile::tempdir().unwrap();
    let clock = FakeClock::new(&Bed::load().unwrap(), files.path()).unwrap();
    let disk = Disk::new(Medium::Memory, 4 << 20, &clock).unwrap();
    let spare = files.path().join("spare.jsonl");
    let audit = format!("danger_spare_file = {spare:?}");
    let setup = Setup::new().stdio("odd", &odd(&[])).sections(FAST).audit(&audit).disk(&disk);
    let gateway = setup.start().await.unwrap();
    assert_eq!(call_odd(&gateway, "echo").await.code(), 0);
    assert!(read_records(&spare).unwrap().is_empty());
    disk.fill().unwrap();
    for _ in 0..20 {
        assert_eq!(call_odd(&gateway, "echo").await.code(), 0);
    }
    let spared = read_records(&spare).unwrap();
    let allowed = spared.iter().filter(|it| it.allows("tools/call", "odd", "echo")).count();
    // What is left of the log's last page takes some.
    assert!(spared[0].text("event") == "log-spare-begins" && allowed >= 10, "{allowed} of 20");
    disk.free().unwrap();
    let again = |it: &Record| it.text("event") == "log-spare-ends";
    until_recorded(&gateway, again).await;
    let (status, records) = gateway.stop().await.unwrap();
    assert!(status.is_some_and(|status| status.success()), "{status:?}");
    let danger =
        |it: &&Record| it.text("event") == "danger" && it.text("detail").contains("danger_spare_file");
    assert_eq!(records.iter().filter(danger).count(), 1);
    let all: Vec<_> =
        records.iter().chain(&spared).filter(|it| it.allows("tools/call", "odd", "echo")).collect();
    let ids: BTreeSet<_> = all.iter().map(|it| it.text("id")).collect();
    assert!(all.len() >= 21 && ids.len() == all.len(), "each call is on record once");
}

/// Calls until the log says so: it has to be written to find out that it can be.
async fn until_recorded(gateway: &Gateway, is_it: impl Fn(&Record) -> bool) {
    let calling = async {
        while !gateway.records().unwrap().iter().any(&is_it) {
            assert_eq!(call_odd(gateway, "echo").await.code(), 0);
        }
    };
    tokio::time::timeout(SOON, calling).await.expect("the log works again");
}
