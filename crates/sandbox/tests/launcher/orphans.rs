//! Whatever is killed, nothing of a server is left.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use crate::support::{
    Gateway, launch, mark, marked, script, signal, wait_for_count, wait_for_none, wait_until,
};
use portcullis_core::Exit;
use rustix::process::Signal;

/// Ignores every polite signal and leaves processes in sessions and groups of their own, orphaned twice,
/// without standard input, without the environment.
const NASTY: &str = r#"
trap "" TERM HUP INT PIPE
setsid sh -c 'trap "" TERM HUP; while :; do sleep 1; done' "$0" &
(setsid sh -c '(trap "" TERM; sleep 1000) & exec sleep 1000' "$0" &)
setsid env -i PATH="$PATH" sh -c 'trap "" TERM; while :; do sleep 1; done' "$0" &
sh -c 'exec 0<&- 1>&- 2>&-; while :; do sleep 1; done' "$0" &
while :; do sleep 1; done
"#;

/// Processes of [`NASTY`] that stay, with their supervisor.
const NASTY_COUNT: usize = 7;

fn nasty_gateway() -> (String, Gateway) {
    let mark = mark();
    let gateway = Gateway::holding(&mark, NASTY);
    wait_for_count(&mark, gateway.process.id(), NASTY_COUNT);
    (mark, gateway)
}

#[test]
fn killing_the_gateway_leaves_nothing() {
    let (mark, mut gateway) = nasty_gateway();
    gateway.process.kill().unwrap();
    gateway.process.wait().unwrap();
    wait_for_none(&mark, 0);
}

#[test]
fn killing_the_supervisor_leaves_nothing() {
    let (mark, mut gateway) = nasty_gateway();
    signal(gateway.supervisor, Signal::KILL);
    assert_eq!(gateway.verdict(), "was killed after its supervisor was lost");
    assert_eq!(marked(&mark, gateway.process.id()), [0; 0], "gone before the gateway says so");
}

/// As in many containers: the session and the group of the gateway have no number there (pid_namespaces(7)).
#[test]
fn a_session_founded_outside_the_pid_namespace_leaves_nothing_either() {
    let status = Command::new("unshare")
        .args(["--user", "--map-root-user", "--pid", "--fork", "--mount-proc", "--"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "orphans::killing_the_supervisor_leaves_nothing"])
        .args(["orphans::a_frozen_supervisor_is_overcome", "orphans::dropping_the_handle_ends_the_tree"])
        .status();
    assert!(status.unwrap().success());
}

#[test]
fn killing_the_server_leaves_nothing() {
    let (mark, mut gateway) = nasty_gateway();
    signal(gateway.server(), Signal::KILL);
    assert_eq!(gateway.verdict(), "was killed by signal 9");
    // The supervisor itself may still be on its way out.
    wait_for_none(&mark, gateway.process.id());
}

#[test]
fn killing_gateway_and_supervisor_at_once_ends_the_server() {
    let mark = mark();
    let mut gateway =
        Gateway::holding(&mark, "trap '' TERM HUP; while read line; do :; done; exec sleep 1000");
    wait_for_count(&mark, gateway.process.id(), 2);
    signal(gateway.process.id(), Signal::STOP);
    signal(gateway.supervisor, Signal::KILL);
    gateway.process.kill().unwrap();
    gateway.process.wait().unwrap();
    wait_for_none(&mark, 0);
}

#[test]
fn a_server_that_exits_takes_its_daemons_along() {
    let mark = mark();
    let mut gateway = Gateway::holding(&mark, "setsid sh -c 'exec sleep 1000' \"$0\" & sleep 0.2; exit 5");
    assert_eq!(gateway.verdict(), "exited with status 5");
    wait_for_none(&mark, gateway.process.id());
}

#[tokio::test]
async fn dropping_the_handle_ends_the_tree() {
    let mark = mark();
    let launched = launch(&script(&mark, NASTY)).await;
    wait_for_count(&mark, 0, NASTY_COUNT);
    drop(launched);
    wait_for_none(&mark, 0);
}

#[tokio::test]
async fn stopping_goes_from_polite_to_forceful() {
    let cases = [
        ("while read line; do :; done; exit 3", Exit::Code(3)),
        ("trap 'exit 4' TERM; while :; do sleep 0.01; done", Exit::Code(4)),
        ("trap '' TERM; while :; do sleep 1; done", Exit::Signal(9)),
    ];
    for (text, expected) in cases {
        let mark = mark();
        let launched = launch(&script(&mark, text)).await;
        wait_for_count(&mark, 0, 2);
        drop(launched.stdin);
        let exit = launched.process.stop(Duration::from_millis(300)).await;
        assert_eq!(exit, expected, "{text}");
        wait_for_none(&mark, 0);
    }
}

#[tokio::test]
async fn a_frozen_supervisor_is_overcome() {
    let mark = mark();
    let launched = launch(&script(&mark, NASTY)).await;
    wait_for_count(&mark, 0, NASTY_COUNT);
    signal(launched.process.id(), Signal::STOP);
    let start = Instant::now();
    assert_eq!(launched.process.stop(Duration::from_millis(50)).await, Exit::Unknown);
    assert!(start.elapsed() < Duration::from_secs(15));
    wait_for_none(&mark, 0);
}

#[tokio::test]
async fn abandoned_processes_do_not_stay_as_zombies_after_the_end() {
    let mark = mark();
    let launched = launch(&script(&mark, "for i in 1 2 3 4 5; do (sleep 0.01 &); done; exit 0")).await;
    let supervisor = launched.process.id();
    assert_eq!(launched.process.exited().await, Exit::Code(0));
    wait_until("the supervisor is waited for", || {
        !std::path::Path::new(&format!("/proc/{supervisor}")).exists()
    });
}
