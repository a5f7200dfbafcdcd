//! S-15: a server that acts when nobody has asked for anything.

use std::time::Duration;

use futures_util::FutureExt;
use portcullis_testkit::{
    gateway::Record,
    server::{Reach, Sandbox},
};

use super::Scenario;
use crate::{
    ground::SOON,
    place::Place,
    report::{Kind, Report},
    rogue::{Files, Rogue, content},
    trouble::Trouble,
};

pub(super) const SCENARIO: Scenario = Scenario {
    id: "S-15",
    title: "invisible agent activity",
    claim: "what a server does after its answer stays inside of what is listed: the write outside and the direct \
            connection fail, and what goes through its way out is on record with the server's name though no call runs, \
            and an alert",
    run: |place, report| run(place, report).boxed(),
};

async fn run(place: &Place, report: &mut Report) -> Result<(), Trouble> {
    let files = Files::make()?;
    let names = vec!["127.0.0.1:9".to_owned()];
    let reach = Reach { hosts: vec!["listed.test".to_owned()], name_servers: names, ..Reach::default() };
    let server = place.rogue(Sandbox { reach, ..files.sandbox() });
    let setup = place.setup().stdio("rogue", &server).sections("[behaviour]\negress_refusals = 1\n");
    let rogue = Rogue { gateway: setup.start().await? };
    rogue.succeeds(report, "the call it was asked for", "read", &[&files.text("notes/note.txt")]).await?;
    let outside = files.text("secret/written");
    let done = files.text("notes/done");
    let args = [&*outside, "127.0.0.1:9", "elsewhere.test:80", &done];
    rogue.succeeds(report, "a call that leaves something for later", "later", &args).await?;
    let refusal = rogue.refusal("elsewhere.test:80").await?;
    report.state("the server on record", "rogue", refusal.text("server"));
    report.state(
        "a caller on record: nobody had asked",
        true,
        refusal.value().get("caller").is_none_or(|it| it.is_null()),
    );
    let alert = |record: &Record| record.text("event") == "alert";
    let alert = rogue.gateway.wait_for("an alert", SOON, alert).await?;
    report.state("the server in an alert", "server:rogue", alert.text("subject"));
    report.state("the rule in it", true, alert.text("detail").starts_with("egress-refusals: "));
    let said = told(&files).await?;
    report.check(
        Kind::Attack,
        "a write outside, a connection and an upload, half a second after its answer",
        "false false false",
        &*said,
        said == "false false false",
    );
    report.state("everything but its notes is as it was", true, files.untouched());
    report.not_covered(
        "a mark on the record that no call was under way",
        "records of egress that know of calls",
    );
    report.not_covered(
        "an agent that goes to an upstream past the gateway",
        "upstreams that accept the gateway alone",
    );
    report.not_covered(
        "a count of calls at the gateway against those at the server",
        "servers that keep a journal",
    );
    Ok(())
}

/// What the server has written down about it.
async fn told(files: &Files) -> Result<String, Trouble> {
    let end = tokio::time::Instant::now() + SOON;
    loop {
        let said = content(&files.path("notes/done"));
        if !said.is_empty() || tokio::time::Instant::now() > end {
            return Ok(said);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
