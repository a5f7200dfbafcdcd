//! Processes that mean to stay.

use std::time::{Duration, Instant};

use super::Yard;
use crate::{
    process::{descendants, survivors},
    report::{Kind, Report},
    trouble::Trouble,
};

/// What the server leaves behind: two shells in sessions of their own and four sleepers.
const LEFT_BEHIND: usize = 6;
/// Three seconds to leave by itself, three more for the polite signal, and time to notice.
const GRACE: Duration = Duration::from_secs(12);
/// Nobody is asked politely when the gateway was killed.
const AT_ONCE: Duration = Duration::from_secs(5);

/// Starts what is to be left behind and returns the tree with it.
async fn leave_behind(yard: &Yard, report: &mut Report) -> Result<Vec<i32>, Trouble> {
    let before = yard.tree()?.len();
    yard.provoke("leave-behind", "{}").await?;
    // The shells take a moment to start their sleepers.
    let end = Instant::now() + GRACE;
    let mut tree = yard.tree()?;
    while tree.len() < before + LEFT_BEHIND && Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(20)).await;
        tree = yard.tree()?;
    }
    report.state("processes left behind", LEFT_BEHIND, tree.len().saturating_sub(before));
    Ok(tree)
}

/// The server closes its input and lives on, deaf to the polite signal, with others below it.
pub(super) async fn deaf(yard: &mut Yard, report: &mut Report) -> Result<(), Trouble> {
    let tree = leave_behind(yard, report).await?;
    yard.provoke("close-input", "{}").await?;
    // Only the next message finds the pipe closed.
    let (status, _) = yard.provoke("echo", "{}").await?;
    gone(&tree, GRACE, "stop listening and stay", report).await;
    let lost = yard.events("degraded", "closed its input")?;
    report.state("the call that found it deaf, and its event", (502, 1), (status, lost));
    yard.calm(report, "the calm server, after its neighbour's end").await?;
    yard.honest(report, "the deaf server's successor").await
}

/// The gateway is killed; nothing stays, and another takes over its files.
pub(super) async fn killed(yard: Yard, report: &mut Report) -> Result<Yard, Trouble> {
    leave_behind(&yard, report).await?;
    let all = descendants(yard.gateway.pid());
    let Yard { mut gateway, client, journal, served, findings, _home } = yard;
    gateway.kill();
    gone(&all, AT_ONCE, "stay when the gateway is killed", report).await;
    let gateway = gateway.again().await?;
    let yard = Yard { gateway, client, journal, served, findings, _home };
    yard.honest(report, "after the gateway was killed and started again").await?;
    Ok(yard)
}

/// The gateway is asked to stop.
pub(super) async fn stopped(yard: Yard, report: &mut Report) -> Result<(), Trouble> {
    leave_behind(&yard, report).await?;
    let all = descendants(yard.gateway.pid());
    let (status, records) = yard.gateway.stop().await?;
    gone(&all, AT_ONCE, "stay when the gateway stops", report).await;
    report.state("the gateway stopped in order", Some(0), status.and_then(|status| status.code()));
    report.state("that is the last record", Some("stopped"), records.last().map(|it| it.text("event")));
    Ok(())
}

async fn gone(pids: &[i32], grace: Duration, name: &str, report: &mut Report) {
    let began = Instant::now();
    let left = survivors(pids, grace).await;
    let passed = left.is_empty() && !pids.is_empty();
    let wanted = format!("none of {} processes after {grace:?}", pids.len());
    report.check(Kind::Attack, name, wanted, format!("{left:?}"), passed);
    report.measure(format!("until all are gone: {name}"), began.elapsed().as_secs_f64(), "s");
}
