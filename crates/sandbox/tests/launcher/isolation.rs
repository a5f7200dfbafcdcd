//! What a server is given, and what it is not.

use std::time::{Duration, Instant};

use crate::support::{RIG, launch, mark, script};
use portcullis_core::{Exit, LaunchError, LaunchPlan, Launcher};
use portcullis_sandbox::ProcessLauncher;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn output_of(plan: &LaunchPlan) -> String {
    let mut launched = launch(plan).await;
    drop(launched.stdin);
    let mut output = String::new();
    launched.stdout.read_to_string(&mut output).await.unwrap();
    assert_eq!(launched.process.exited().await, Exit::Code(0));
    output
}

#[tokio::test]
async fn the_environment_is_cleared() {
    assert!(std::env::var_os("CARGO_PKG_NAME").is_some(), "the test needs a variable that must not pass");
    let mark = mark();
    let output = output_of(&script(&mark, "env")).await;
    let names: Vec<&str> =
        output.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    // The shell itself adds PWD, SHLVL and `_`.
    let allowed = |name: &str| {
        name.starts_with("LC_")
            || ["PATH", "HOME", "LANG", "TZ", "TMPDIR", "USER", "RIG_MARK", "PWD", "SHLVL", "_"]
                .contains(&name)
    };
    assert!(names.iter().all(|name| allowed(name)), "{names:?}");
    assert!(output.contains(&format!("RIG_MARK={mark}")));
    assert!(names.contains(&"PATH"));
}

#[tokio::test]
async fn only_the_standard_descriptors_are_open() {
    // `dup` without close-on-exec: what a careless library or parent leaves behind.
    let leaked = rustix::io::dup(std::io::stdout()).unwrap();
    let output = output_of(&script(&mark(), "ls /proc/$$/fd")).await;
    drop(leaked);
    assert_eq!(output.split_whitespace().collect::<Vec<_>>(), ["0", "1", "2"]);
}

#[tokio::test]
async fn privileges_cannot_be_gained_and_the_terminal_is_gone() {
    let output = output_of(&script(
        &mark(),
        "grep NoNewPrivs /proc/self/status; ps -o tty= -p $$ 2>/dev/null || echo ?",
    ))
    .await;
    assert!(output.starts_with("NoNewPrivs:\t1"), "{output}");
    assert!(output.trim_end().ends_with('?'), "{output}");
}

#[tokio::test]
async fn the_working_directory_is_the_configured_one() {
    let plan = LaunchPlan { cwd: Some("/proc".into()), ..script(&mark(), "pwd") };
    assert_eq!(output_of(&plan).await.trim(), "/proc");
}

#[tokio::test]
async fn both_pipes_carry_bytes_both_ways() {
    let mut launched = launch(&script(&mark(), "exec cat")).await;
    let sent: Vec<u8> = (0..=255u8).cycle().take(1 << 20).collect();
    let (mut stdin, expected) = (launched.stdin, sent.clone());
    let writer = tokio::spawn(async move { stdin.write_all(&sent).await.unwrap() });
    let mut received = Vec::new();
    launched.stdout.read_to_end(&mut received).await.unwrap();
    writer.await.unwrap();
    assert!(received == expected, "{} bytes came back", received.len());
}

#[tokio::test]
async fn a_program_that_cannot_run_is_named() {
    let launcher = ProcessLauncher::with_supervisor(RIG).unwrap();
    for command in ["/nonexistent/server", "no-such-program-anywhere", "/etc/passwd"] {
        let plan = LaunchPlan { command: command.into(), ..script(&mark(), "") };
        match launcher.launch(&plan).await {
            Err(LaunchError::Command { command: named, .. }) => assert_eq!(named, command),
            other => panic!("{command}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_missing_supervisor_is_an_error() {
    let launcher = ProcessLauncher::with_supervisor("/nonexistent/supervisor").unwrap();
    let refused = launcher.launch(&script(&mark(), "exit 0")).await;
    assert!(matches!(refused, Err(LaunchError::Setup { .. })), "{refused:?}");
}

#[tokio::test]
async fn a_flood_on_standard_error_is_bounded_and_does_not_block() {
    const LINES: u64 = 300_000;
    let flood = format!(
        "yes 'a line of thirty characters ..' | head -n {LINES} >&2; printf '\\033[31mlast' >&2; echo done"
    );
    let start = Instant::now();
    let mut launched = launch(&script(&mark(), &flood)).await;
    let mut output = String::new();
    launched.stdout.read_to_string(&mut output).await.unwrap();
    assert_eq!(output, "done\n");
    launched.process.exited().await;
    let (mut delivered, mut skipped) = (0, 0);
    while let Some(line) = launched.stderr.recv().await {
        delivered += 1;
        skipped += line.skipped;
        assert!(line.text.len() < 5_000 && !line.text.contains('\u{1b}'));
    }
    let allowed = 200 + 50 * (start.elapsed() + Duration::from_secs(1)).as_secs();
    assert!(delivered <= allowed, "{delivered} lines delivered, {allowed} allowed");
    assert!(delivered + skipped <= LINES + 1);
}
