//! Standard output and standard error as weapons.

use std::time::{Duration, Instant};

use super::Yard;
use crate::{
    process::survivors,
    report::{Kind, Report},
    trouble::Trouble,
};

/// Lines of standard error the gateway repeats at once, and in each second.
const LINES: (f64, f64) = (200.0, 50.0);
const FLOOD: &str = r#"{"lines":100000}"#;
/// Twice the grace of three seconds, for the polite and the other signal, and time to notice.
const GRACE: Duration = Duration::from_secs(12);

/// Text, a message in pieces and answers to calls of others: dropped one by one, each on record.
pub(super) async fn garbage(yard: &mut Yard, report: &mut Report) -> Result<(), Trouble> {
    let answered = yard.provoke("garbage", "{}").await?;
    let dropped = yard.events("degraded", "dropped what it sent")?;
    let strangers = yard.events("degraded", "response to a request that was never sent")?;
    let seen = format!("{answered:?}, {dropped} dropped on record, {strangers} of them answers to others");
    let passed = answered == (200, "after the garbage".to_owned()) && dropped >= 16 && strangers == 10;
    report.check(
        Kind::Attack,
        "garbage on standard output",
        "the answer, 16 dropped on record, 10 of them answers to others",
        seen,
        passed,
    );
    yard.honest(report, "an honest call after the garbage").await?;
    yard.calm(report, "the calm server, after the garbage").await
}

/// Lines that look like the gateway's own, far too many.
pub(super) async fn flood(yard: &mut Yard, report: &mut Report) -> Result<(), Trouble> {
    yard.gateway.heard();
    let began = Instant::now();
    let (flooded, calm) = {
        let flood = yard.provoke("flood-errors", FLOOD);
        let calm = yard.call("calm", crate::ground::ALLOWED, "{}");
        tokio::join!(flood, calm)
    };
    let (flooded, calm) = (flooded?, calm?);
    yard.served += usize::from(calm.status == 200);
    report.check(
        Kind::Twin,
        "the calm server, during the flood",
        "200",
        calm.status.to_string(),
        calm.status == 200,
    );
    report.state("the flood ended", (200, "after the flood".to_owned()), flooded);
    let allowed = LINES.0 + LINES.1 * (began.elapsed().as_secs_f64() + 1.0);
    let heard = yard.gateway.heard();
    let raw = heard.iter().filter(|line| line.contains(['\u{1b}', '\u{202e}', '\r'])).count();
    let marked = heard.iter().filter(|line| line.starts_with("[hostile]")).count();
    let seen = format!("{} lines, {marked} under its name, {raw} with controls", heard.len());
    let passed = heard.len() as f64 <= allowed && marked == heard.len() && marked > 0 && raw == 0;
    let wanted = format!("1 to {allowed:.0} lines, each under its name, none with controls");
    report.check(Kind::Attack, "100000 lines on standard error", wanted, seen, passed);
    // A line of it in the log would be no record, or one too many of decisions by nobody.
    let spoofed =
        yard.gateway.records()?.iter().filter(|it| it.value().to_string().contains("spoofed")).count();
    report.state("records that hold a line of it", 0, spoofed);
    yard.honest(report, "an honest call after the flood").await
}

/// One line without end: its link ends, the others' do not.
pub(super) async fn endless(yard: &mut Yard, report: &mut Report) -> Result<(), Trouble> {
    let tree = yard.tree()?;
    let (status, _) = yard.provoke("endless", "{}").await?;
    let left = survivors(&tree, GRACE).await;
    let lost = yard.events("degraded", "a line without end")?;
    let seen = format!("{status}, {lost} on record, {left:?} left");
    let passed = status == 502 && lost == 1 && left.is_empty();
    report.check(Kind::Attack, "a line without end", "502, 1 on record, [] left", seen, passed);
    yard.calm(report, "the calm server, after the endless line").await?;
    yard.honest(report, "its successor does an honest job").await
}
