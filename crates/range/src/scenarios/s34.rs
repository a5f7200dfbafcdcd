//! S-34: malice and mistakes that nobody can see or reconstruct.
//!
//! An incident is played: `alice` calls a tool, asks for one she may not have, and is stopped. An investigator then
//! has copies of the log, its public key, a checkpoint kept elsewhere, and nothing else.

mod evidence;

use futures_util::FutureExt;
use serde_json::Value;

use super::Scenario;
use crate::{
    attack::{Attack, nothing_more, refuse_all, wanted},
    ground::{ALLOWED, FORBIDDEN, Ground, NOTES},
    http::Request,
    message::call,
    place::Place,
    report::{Kind, Report},
    trouble::Trouble,
};
use evidence::Evidence;

pub(super) const SCENARIO: Scenario = Scenario {
    id: "S-34",
    title: "lack of observability",
    claim: "who asked, for what, under which policy and what came of it is answered from the log alone; a record \
            that is removed, edited or cut off is named; what no record shows is not established, never absent; a \
            stopped tool is refused and has no effect until it is resumed",
    run: |place, report| run(place, report).boxed(),
};

const ALICE: &str = "[auth]\nmode = \"dev\"\ndanger_dev_principal = \"alice\"\n";

async fn run(place: &Place, report: &mut Report) -> Result<(), Trouble> {
    let evidence = Evidence::new(place).await?;
    let keep = evidence.settings();
    let mut ground = Ground::open(place, |setup| setup.audit(&keep).sections(ALICE)).await?;
    ground.serve(report, "an honest call", &Ground::honest(), nothing_more).await?;
    let denied = Request::call(NOTES, FORBIDDEN, call(FORBIDDEN, "{}")).bytes();
    let denied = Attack::new("the tool she may not have", denied, wanted(403, 40301, "denied"));
    refuse_all(&ground.gateway, report, [denied], nothing_more).await?;
    stopped(place, report, &mut ground).await?;
    ground.silence(report)?;

    let last = evidence.wait_for_all(&ground.gateway).await?;
    report.state(
        "the log verifies with its key alone",
        (0, None),
        evidence.verify(&evidence.whole, &[]).await?,
    );
    answers(report, &evidence).await?;
    tampering(report, &evidence, last).await?;
    unfinished(report, &evidence, &ground).await?;
    report.not_covered("an outage of a collector of traces and alerts", "export over OTLP and to a SIEM");
    report.not_covered("the agent between alice and the server", "delegated identities");
    Ok(())
}

/// The kill switch: refused without an effect, and served again.
async fn stopped(place: &Place, report: &mut Report, ground: &mut Ground) -> Result<(), Trouble> {
    let tool = format!("notes__{ALLOWED}");
    evidence::program(place, ground, &["stop", "tool", &tool, "--reason", "incident 7"]).await?;
    evidence::wait_for_event(&ground.gateway, "contained").await?;
    let attack =
        Attack::new("a call of the stopped tool", Ground::honest().bytes(), wanted(403, 40301, "stopped"));
    refuse_all(&ground.gateway, report, [attack], nothing_more).await?;
    evidence::program(place, ground, &["resume", "tool", &tool]).await?;
    evidence::wait_for_event(&ground.gateway, "stop-lifted").await?;
    ground.serve(report, "the tool is resumed", &Ground::honest(), nothing_more).await
}

/// What an investigator asks, and what the records say.
async fn answers(report: &mut Report, evidence: &Evidence) -> Result<(), Trouble> {
    let query = async |args: &[&str]| evidence.query(args).await;
    let member = |record: &Value, path: &str| {
        record.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let refused = query(&["--principal", "dev:alice", "--decision", "refuse"]).await?;
    let of =
        |kind: &str| refused.iter().filter(|it| member(it, "/decision/kind") == kind).collect::<Vec<_>>();
    let [denied] = of("denied")[..] else { return Err(Trouble::other("not one call was denied")) };
    report.state(
        "who asked for what she may not have",
        "alice".to_owned(),
        member(denied, "/caller/principal/id"),
    );
    report.state("for what", FORBIDDEN.to_owned(), member(denied, "/item"));
    let policy = member(denied, "/policy");
    report.check(Kind::State, "by which policy version", "a digest", &*policy, policy.starts_with("sha256:"));
    report.state("what the stop refused", 1, of("stopped").len());
    let (_, chain) = evidence.trace(&member(denied, "/id")).await?;
    report.state("what came of it", "absent".to_owned(), chain.state("outcome"));
    let honest = query(&["--tool", ALLOWED, "--decision", "allow"]).await?;
    let first = honest.first().map(|it| member(it, "/id")).unwrap_or_default();
    let (status, chain) = evidence.trace(&first).await?;
    let parts = ["run", "configuration", "connection", "catalogue", "caller", "decision", "outcome"];
    let states: Vec<_> = parts.iter().map(|part| chain.state(part)).collect();
    report.state("every part of her call's chain", vec!["present".to_owned(); parts.len()], states);
    // The server is remote, so nobody launched it: no record shows that either way.
    report.state("what no record shows", (1, "not_established".to_owned()), (status, chain.state("launch")));
    let stops = query(&["--event", "contained"]).await?;
    let timed = stops.first().is_some_and(|it| member(it, "/detail").contains("contained_ms="));
    report.state("the time to contain is on record", true, timed);
    Ok(())
}

/// Makes a record a century younger.
fn age(entry: &mut Vec<u8>) {
    *entry = String::from_utf8_lossy(entry).replace("\"time\":\"20", "\"time\":\"21").into();
}

/// Copies of the log that were tampered with.
async fn tampering(report: &mut Report, evidence: &Evidence, last: u64) -> Result<(), Trouble> {
    let middle = last / 2;
    let edits: [(&str, evidence::Edit); 2] = [
        ("one record removed", |entries, at| drop(entries.remove(at))),
        ("one record edited", |entries, at| entries.get_mut(at).into_iter().for_each(age)),
    ];
    for (name, edit) in edits {
        let copy = evidence.spoilt(middle, edit)?;
        let found = evidence.verify(copy.path(), &[]).await?;
        let wanted = (1, Some(middle));
        report.check(Kind::Attack, name, format!("{wanted:?}"), format!("{found:?}"), found == wanted);
    }
    let found = evidence.verify(&evidence.early, &[]).await?;
    report.state("an older copy alone cannot be told", (0, None), found);
    let kept = evidence.whole.join("checkpoint").display().to_string();
    let (status, cut) = evidence.verify(&evidence.early, &["--since", &kept]).await?;
    let named = cut.is_some_and(|entry| entry > 0 && entry <= last);
    report.check(
        Kind::Attack,
        "the tail cut off",
        "1, the first entry that is gone",
        format!("{status}, {cut:?}"),
        status == 1 && named,
    );
    Ok(())
}

/// Lines that end inside a call: how it ended is pending, and not nothing.
async fn unfinished(report: &mut Report, evidence: &Evidence, ground: &Ground) -> Result<(), Trouble> {
    let (lines, id) = evidence.cut_inside_a_call(&ground.gateway.log())?;
    let (_, chain) = evidence.trace_in(&lines, &id).await?;
    report.state("a call that the records end in", "pending".to_owned(), chain.state("outcome"));
    Ok(())
}
