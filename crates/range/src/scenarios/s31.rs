//! S-31: a server that turns out to be malware: it overwrites what it can, multiplies, works for others and wants to
//! stay.

use std::time::{Duration, Instant};

use futures_util::FutureExt;

use super::Scenario;
use crate::{
    place::Place,
    report::{Kind, Report},
    rogue::{Files, Rogue, content},
    trouble::Trouble,
};

pub(super) const SCENARIO: Scenario = Scenario {
    id: "S-31",
    title: "malware",
    claim: "what a server overwrites is its own directory; it has no more processes and memory than is planned; \
            another server is served meanwhile; it can leave nothing where it would be started again, and nothing of it \
            runs once it is stopped",
    run: |place, report| run(place, report).boxed(),
};

/// Where programs are started from by themselves.
const PERSISTENT: &[&str] = &[
    "/etc/cron.d/portcullis-range",
    "/var/spool/cron/crontabs/portcullis-range",
    "/etc/systemd/system/portcullis-range.service",
    "/etc/profile.d/portcullis-range.sh",
    "/usr/local/bin/portcullis-range",
    "/root/.config/autostart/portcullis-range.desktop",
];

/// How long a calm server may take meanwhile.
const CALM: Duration = Duration::from_secs(5);

async fn run(place: &Place, report: &mut Report) -> Result<(), Trouble> {
    let files = Files::make()?;
    let rogue = Rogue::beside_a_calm_one(place, files.sandbox()).await?;
    rogue.calm().await?;
    rogue.fails(report, "a directory that is not listed", "overwrite", &[&files.text("secret")]).await?;
    rogue.fails(report, "one that may only be read", "overwrite", &[&files.text("shared")]).await?;
    rogue
        .succeeds(report, "whatever it finds above its own directory", "overwrite", &[&files.text("")])
        .await?;
    report.state("everything but its notes is as it was", true, files.untouched());
    report.state("its notes", "send coins".to_owned(), content(&files.path("notes/note.txt")));
    for path in PERSISTENT {
        rogue.fails(report, path, "write", &[path]).await?;
    }
    rogue.fails(report, "more processes than are planned", "multiply", &["400"]).await?;
    rogue.succeeds(report, "some processes", "multiply", &["20"]).await?;
    let began = Instant::now();
    let (burnt, calm) = tokio::join!(rogue.does("burn", &["64"]), rogue.calm());
    burnt?;
    calm?;
    let took = began.elapsed();
    report.check(
        Kind::Twin,
        "another server while it computes",
        format!("within {CALM:?}"),
        format!("{took:.1?}"),
        took < CALM,
    );
    if std::fs::metadata("/sys/fs/cgroup").is_ok_and(|_| rogue.has_groups().unwrap_or(false)) {
        let said = rogue.does("allocate", &["2000000000"]).await?;
        report.check(
            Kind::Attack,
            "more memory than is planned",
            "it is ended",
            said.chars().take(100).collect::<String>(),
            !said.starts_with("done"),
        );
        rogue.end("more memory than its limit").await?;
    } else {
        report.not_covered("more memory than is planned", "a machine on which control groups can be made");
    }
    rogue.calm().await?;
    report.not_covered("bringing back what it has overwritten", "snapshots of what a server may change");
    report.not_covered(
        "an alert on a mass of changes, and a stop without being told",
        "watching what is written",
    );
    Ok(())
}
