//! S-28: what a stdio server can do with what it was given, and with what it was not.
//!
//! Two servers behind a gateway that holds its log, its sockets and TLS connections: one attacks, one is calm.

mod descriptors;
mod streams;
mod tree;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use portcullis_testkit::{
    gateway::Gateway,
    journal::Journal,
    server::{Launch, Sandbox},
};
use tempfile::TempDir;

use super::Scenario;
use crate::{
    ground::{ALLOWED, SAYS},
    http::{Answer, Request, converse},
    message::{call, text_of},
    place::Place,
    process::descendants,
    report::{Kind, Report},
    tls::Client,
    trouble::Trouble,
};

pub(super) const SCENARIO: Scenario = Scenario {
    id: "S-28",
    title: "insecure descriptor handling",
    claim: "a stdio server is given three pipes and nothing else; garbage, floods and endless lines cost it its \
            own link at most; once it stops listening, or the gateway ends, its whole tree is gone in time; the \
            calm server was served throughout",
    run: |place, report| run(place, report).boxed(),
};

const LIMITS: &str = "[limits]\nrequests_per_second = 100000\nrequest_seconds = 5\n";
/// How long the calm server may take while the other one attacks.
const CALM: Duration = Duration::from_secs(3);

/// How long a server that keeps ending may have to wait for its next start.
const PAUSE: Duration = Duration::from_secs(10);

/// The gateway, its two servers, and a client.
struct Yard {
    gateway: Gateway,
    client: Client,
    journal: Journal,
    served: usize,
    /// What the hostile server found, each time it was started.
    findings: PathBuf,
    _home: TempDir,
}

async fn run(place: &Place, report: &mut Report) -> Result<(), Trouble> {
    let mut yard = Yard::open(place).await?;
    yard.calm(report, "the calm server, before").await?;
    descriptors::reach(&yard, report).await?;
    streams::garbage(&mut yard, report).await?;
    streams::flood(&mut yard, report).await?;
    streams::endless(&mut yard, report).await?;
    tree::deaf(&mut yard, report).await?;
    let mut yard = tree::killed(yard, report).await?;
    yard.calm(report, "the calm server, after").await?;
    let calls = yard.journal.received()?.iter().filter(|it| it.is_request("tools/call")).count();
    report.state("calls that reached the calm server", yard.served, calls);
    tree::stopped(yard, report).await
}

impl Yard {
    async fn open(place: &Place) -> Result<Self, Trouble> {
        let home = tempfile::tempdir().map_err(Trouble::io("making a directory"))?;
        let (client, tls) = Client::for_gateway_in(home.path())?;
        // Of its own: it may write there, and the gateway's key is beside it.
        let calm = home.path().join("calm");
        std::fs::create_dir(&calm).map_err(Trouble::io("making a directory"))?;
        let (findings, journal) = (home.path().join("findings"), Journal::at(calm.join("journal")));
        let hostile = place.hostile(&[&findings.to_string_lossy()]);
        let setup = place.setup().sections(&tls).sections(LIMITS);
        let setup = setup
            .stdio("hostile", &stubborn(&hostile))
            .stdio("calm", &Launch::fixture(Some(journal.path()))?);
        let gateway = setup.start().await?;
        Ok(Self { gateway, client, journal, served: 0, findings, _home: home })
    }

    /// Calls a tool of a server.
    async fn call(&self, server: &str, tool: &str, arguments: &str) -> Result<Answer, Trouble> {
        let mut stream = self.client.connect(self.gateway.address()).await?;
        let request = Request::call(&format!("/mcp/{server}"), tool, call(tool, arguments));
        Ok(converse(&mut stream, &request.bytes()).await.first())
    }

    /// Calls a tool of the hostile server and returns status and text, or the answer that has none.
    async fn provoke(&self, tool: &str, arguments: &str) -> Result<(u16, String), Trouble> {
        let answer = self.call("hostile", tool, arguments).await?;
        let json = answer.json();
        let text = text_of(&json);
        Ok((answer.status, if text.is_empty() { answer.body } else { text.to_owned() }))
    }

    /// The calm server answers, and soon.
    async fn calm(&mut self, report: &mut Report, name: &str) -> Result<(), Trouble> {
        let began = Instant::now();
        let answer = self.call("calm", ALLOWED, "{}").await?;
        let took = began.elapsed();
        let passed = answer.status == 200 && text_of(&answer.json()) == SAYS && took < CALM;
        self.served += usize::from(answer.status == 200);
        let seen = format!("{} after {took:.1?}", answer.status);
        report.check(Kind::Twin, name, format!("200 within {CALM:?}"), seen, passed);
        Ok(())
    }

    /// The hostile server does an honest job. One that ended too often is started again after a pause only.
    async fn honest(&self, report: &mut Report, name: &str) -> Result<(), Trouble> {
        let wanted = (200, "hello".to_owned());
        let end = Instant::now() + PAUSE;
        let mut seen = self.provoke("echo", r#"{"text":"hello"}"#).await?;
        while seen.0 == 502 && Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(100)).await;
            seen = self.provoke("echo", r#"{"text":"hello"}"#).await?;
        }
        let passed = seen == wanted;
        report.check(Kind::Twin, name, "200 `hello`", format!("{seen:?}"), passed);
        Ok(())
    }

    /// The processes of the hostile server that runs: its supervisor and everything below.
    fn tree(&self) -> Result<Vec<i32>, Trouble> {
        let pid = descriptors::Findings::read(&self.findings)?.supervisor;
        Ok([vec![pid], descendants(pid)].concat())
    }

    /// How many events of this kind there are about the hostile server.
    fn events(&self, event: &str, about: &str) -> Result<usize, Trouble> {
        let records = self.gateway.records()?;
        let its = records.iter().filter(|it| it.text("event") == event && it.text("subject") == "hostile");
        Ok(its.filter(|it| it.text("detail").contains(about)).count())
    }
}

/// The same server, deaf to the polite signal.
fn stubborn(launch: &Launch) -> Launch {
    let mut args = vec!["-c".to_owned(), "trap '' TERM; exec \"$0\" \"$@\"".to_owned()];
    args.push(launch.program.to_string_lossy().into_owned());
    args.extend(launch.args.iter().cloned());
    Launch { program: PathBuf::from("/bin/sh"), args, env: Vec::new(), sandbox: Sandbox::none() }
}
