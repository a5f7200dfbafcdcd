//! What the server finds within its reach when it is started.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::Value;

use super::Yard;
use crate::{
    report::{Kind, Report},
    trouble::Trouble,
};

/// Connections held open while the server starts.
const HELD: usize = 3;
/// What a server may know of the gateway's environment, besides the locale.
const HARMLESS: &[&str] = &["PATH", "HOME", "LANG", "TZ", "TMPDIR", "USER", "PWD", "SHLVL", "_", "OLDPWD"];

/// What it wrote down.
pub(super) struct Findings {
    standard: Vec<Option<String>>,
    inherited: Vec<Value>,
    environment: Vec<String>,
    others: u64,
    gateway: Option<Reached>,
    supervised: Reached,
    pub(super) supervisor: i32,
}

/// What it reached of another process through `/proc`.
#[derive(Deserialize)]
struct Reached {
    pid: i32,
    descriptors: u64,
    files_opened: u64,
    environment: bool,
    memory: bool,
}

#[derive(Deserialize)]
struct Written {
    standard: Vec<Option<String>>,
    inherited: Vec<Value>,
    environment: Vec<String>,
    others: u64,
    gateway: Option<Reached>,
    supervisor: Reached,
}

impl Findings {
    pub(super) fn read(path: &Path) -> Result<Self, Trouble> {
        let bytes = fs::read(path).map_err(Trouble::io("reading what the hostile server found"))?;
        let written = serde_json::from_slice::<Written>(&bytes).map_err(Trouble::other)?;
        let Written { standard, inherited, environment, others, gateway, supervisor } = written;
        let pid = supervisor.pid;
        Ok(Self {
            standard,
            inherited,
            environment,
            others,
            gateway,
            supervised: supervisor,
            supervisor: pid,
        })
    }
}

/// Starts the hostile server while the gateway holds all it ever holds.
pub(super) async fn reach(yard: &Yard, report: &mut Report) -> Result<(), Trouble> {
    let mut held = Vec::new();
    for _ in 0..HELD {
        held.push(yard.client.connect(yard.gateway.address()).await?);
    }
    holdings(yard, report)?;
    yard.honest(report, "the hostile server does an honest job").await?;
    let found = Findings::read(&yard.findings)?;
    let pipes = found.standard.iter().all(|it| it.as_ref().is_some_and(|it| it.starts_with("pipe:")));
    let seen = format!("{:?}", found.standard);
    report.check(
        Kind::Attack,
        "pass descriptors over 0, 1 or 2",
        "pipes, which cannot carry any",
        seen,
        pipes,
    );
    let seen = format!("{:?}", found.inherited);
    report.check(Kind::Attack, "use descriptors 3 to 4095", "[]", seen, found.inherited.is_empty());
    let secret = |name: &&String| !HARMLESS.contains(&name.as_str()) && !name.starts_with("LC_");
    let secrets: Vec<_> = found.environment.iter().filter(secret).collect();
    report.check(
        Kind::Attack,
        "read the gateway's environment as its own",
        "[]",
        format!("{secrets:?}"),
        secrets.is_empty(),
    );
    beyond(&found, yard.gateway.pid(), report);
    Ok(())
}

/// The gateway really holds what must not be found: a log, listeners, connections.
fn holdings(yard: &Yard, report: &mut Report) -> Result<(), Trouble> {
    let place = PathBuf::from(format!("/proc/{}/fd", yard.gateway.pid()));
    let entries = fs::read_dir(&place).map_err(Trouble::io("looking at what the gateway holds"))?.flatten();
    let links: Vec<_> = entries.filter_map(|entry| fs::read_link(entry.path()).ok()).collect();
    let sockets = links.iter().filter(|link| link.to_string_lossy().starts_with("socket:")).count();
    report.state("the gateway holds its log", true, links.contains(&yard.gateway.log()));
    report.state("the gateway holds two listeners and the connections", true, sockets >= 2 + HELD);
    Ok(())
}

/// What only the sandbox keeps away, which is left off here so that the launcher itself is under attack.
fn beyond(found: &Findings, gateway: i32, report: &mut Report) {
    let sandbox = "the sandbox (an own view of /proc, no tracing), which this scenario leaves off";
    let whose =
        found.gateway.iter().map(|reached| ("gateway", reached)).chain([("supervisor", &found.supervised)]);
    for (whose, reached) in whose {
        let rows = [
            ("open files through /proc/PID/fd", reached.files_opened > 0),
            ("read /proc/PID/environ", reached.environment),
            ("open /proc/PID/mem for writing, as to trace", reached.memory),
        ];
        for (what, succeeds) in rows {
            let name = format!("{what} of the {whose}");
            if succeeds {
                let all = format!(
                    "{name} ({} descriptors listed, {} files opened)",
                    reached.descriptors, reached.files_opened
                );
                report.not_covered(all, sandbox);
            } else {
                report.check(Kind::Attack, name, "refused", "refused", true);
            }
        }
    }
    if found.others > 0 {
        report.not_covered(format!("{} other processes are visible in /proc", found.others), sandbox);
    }
    // What it reached was the gateway's, so that the lines above mean what they say.
    if let Some(reached) = &found.gateway {
        report.state("the process it took for the gateway", gateway, reached.pid);
    }
}
