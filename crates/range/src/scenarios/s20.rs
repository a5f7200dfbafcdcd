//! S-20: a server that can do more than it is for.

use std::net::TcpListener;

use futures_util::FutureExt;
use portcullis_testkit::server::Sandbox;

use super::Scenario;
use crate::{
    place::Place,
    report::Report,
    rogue::{CANARY, Files, Rogue},
    trouble::Trouble,
};

pub(super) const SCENARIO: Scenario = Scenario {
    id: "S-20",
    title: "overbroad permissions",
    claim: "a server has what is listed for it and nothing else of the machine, and each record of a call names the plan \
            that says so; the same server without a sandbox has all of it",
    run: |place, report| run(place, report).boxed(),
};

async fn run(place: &Place, report: &mut Report) -> Result<(), Trouble> {
    let files = Files::make()?;
    let listener = TcpListener::bind("127.0.0.1:0").map_err(Trouble::io("listening"))?;
    let port = listener.local_addr().map_err(Trouble::io("listening"))?.to_string();
    let (secret, note, shared) =
        (files.text("secret"), files.text("notes/note.txt"), files.text("shared/data.txt"));
    let canary = format!("{secret}/canary.txt");
    let process = format!("/proc/{}/fd", std::process::id());
    let beyond: [(&str, &str, &[&str]); 9] = [
        ("a file that is not listed", "read", &[&canary]),
        ("a directory that is not listed", "list", &[&secret]),
        ("the machine's users", "list", &["/home"]),
        ("the machine's services", "list", &["/run"]),
        ("a file that may only be read", "write", &[&shared]),
        ("a file beside it", "remove", &[&shared]),
        ("another service of the machine", "connect", &[&port]),
        ("a port of its own", "listen", &["127.0.0.1:0"]),
        ("a process of the machine", "list", &[&process]),
    ];
    let contained = Rogue::open(place, files.sandbox(), "").await?;
    contained.succeeds(report, "what may be changed is read", "read", &[&note]).await?;
    contained.succeeds(report, "what may be changed is changed", "write", &[&note]).await?;
    contained.succeeds(report, "what may be read is read", "read", &[&shared]).await?;
    for (name, deed, args) in beyond {
        contained.fails(report, name, deed, args).await?;
    }
    report.state("everything but its notes is as it was", true, files.untouched());
    let isolation = contained.isolation()?;
    report.state(
        "a plan on record, and that it was in force",
        true,
        isolation.contains("plan sha256:") && isolation.contains("\"ran\""),
    );
    drop(contained);

    let free = Rogue::open(place, Sandbox::none(), "").await?;
    for (name, deed, args) in beyond.into_iter().filter(|(_, deed, _)| *deed != "remove") {
        free.succeeds(report, &format!("without a sandbox: {name}"), deed, args).await?;
    }
    let isolation = free.isolation()?;
    report.state("that there was no sandbox on record", true, isolation.contains("danger_no_sandbox"));
    report.state("the canary is one", true, free.does("read", &[&canary]).await?.contains(CANARY));
    report.not_covered(
        "a tool that a reader may not call",
        "S-02 and the tests of lists: it is neither listed nor callable",
    );
    report.not_covered(
        "a report of permissions that were never used",
        "counting what a plan's rules were used for",
    );
    Ok(())
}
