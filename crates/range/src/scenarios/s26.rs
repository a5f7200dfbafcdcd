//! S-26: a server that connects to whatever it likes.

mod attempts;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::FutureExt;
use portcullis_testkit::{egress::EgressProxy, gateway::Record, names::NameServer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::timeout,
};

use super::Scenario;
use crate::{
    ground::SOON,
    place::Place,
    report::{Kind, Report},
    trouble::Trouble,
};
use attempts::Attempt;

pub(super) const SCENARIO: Scenario = Scenario {
    id: "S-26",
    title: "unrestricted network access",
    claim: "through the way out only the listed host is reached, whatever the spelling, the resolver's answer or the \
            redirect; nothing arrives anywhere else, no question for an unlisted name leaves, \
            and each attempt is on record with server and destination",
    run: |place, report| run(place, report).boxed(),
};

/// What the listed host answers.
const SAYS: &str = "the listed host";

/// A listed host on 127.0.0.1, a collector on 127.0.0.2 that nothing may reach, and the proxy before both.
struct Ground {
    proxy: EgressProxy,
    names: NameServer,
    listed: Listener,
    collector: Listener,
}

/// Accepts, answers and counts.
struct Listener {
    address: SocketAddr,
    count: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(place: &Place, report: &mut Report) -> Result<(), Trouble> {
    let ground = Ground::open(place).await?;
    ground.twin(report, "the listed host, before").await?;
    let attempts = attempts::all(ground.listed.address.port(), ground.collector.address.port());
    for attempt in attempts {
        ground.refuse(report, attempt).await?;
    }
    ground.rebind(report).await?;
    ground.redirect(report).await?;
    ground.too_much(report).await?;
    ground.twin(report, "the listed host, after").await?;
    report.state("connections at the collector", 0, ground.collector.count.load(Ordering::SeqCst));
    let carried = ground.names.asked().iter().filter(|name| name.contains("canary")).count();
    report.state("questions that carried something out", 0, carried);
    report.not_covered(
        "sockets of every other kind, opened beside the proxy",
        "the sandbox around a server: S-15, S-20 and S-24; here the proxy alone is under attack",
    );
    Ok(())
}

impl Ground {
    async fn open(place: &Place) -> Result<Self, Trouble> {
        let collector = listen("127.0.0.2:0", |_| String::new()).await?;
        let inside = collector.address;
        let redirect =
            format!("HTTP/1.1 302 Found\r\nLocation: http://{inside}/\r\nContent-Length: 0\r\n\r\n");
        let ok = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{SAYS}", SAYS.len());
        let listed =
            listen(
                "127.0.0.1:0",
                move |request| {
                    if request.contains("/elsewhere") { redirect.clone() } else { ok.clone() }
                },
            )
            .await?;
        let names = NameServer::start(attempts::ZONE).await.map_err(Trouble::io("a name server"))?;
        let (server, port) = (names.address().to_string(), listed.address.port());
        let rules = attempts::rules(port, inside.port());
        let mut args = vec!["--name", "s26", "--name-server", &server, "--danger-allow-address", "127.0.0.1"];
        args.extend(["--upload-bytes", "100000"]);
        args.extend(rules.iter().flat_map(|(flag, rule)| [*flag, rule.as_str()]));
        let proxy = place.egress(&args).await?;
        Ok(Self { proxy, names, listed, collector })
    }

    /// Asks the listed host for something through the proxy.
    async fn twin(&self, report: &mut Report, name: &str) -> Result<(), Trouble> {
        let to = format!("listed.test:{}", self.listed.address.port());
        let answer = self.say(&get(&to, "/")).await?;
        let last = self.outcome(&to).await?;
        let passed = answer.ends_with(SAYS) && last.text("outcome") == "completed";
        let seen = format!("{}, {}", status(&answer), last.text("outcome"));
        report.check(Kind::Twin, name, "200, completed on record", seen, passed);
        Ok(())
    }

    /// An attempt is refused with this status, for this reason on record, naming server and destination.
    async fn refuse(&self, report: &mut Report, attempt: Attempt) -> Result<(), Trouble> {
        let before = self.proxy.records()?.len();
        let answer = self.say(&attempt.bytes).await?;
        let refusal = self.refusal(before).await?;
        let control = control(&refusal);
        let seen =
            format!("{} {control} {} {}", status(&answer), refusal.text("server"), refusal.text("item"));
        let wanted = format!("{} {} s26 {}", attempt.status, attempt.control, attempt.destination);
        let passed = seen == wanted;
        report.check(Kind::Attack, attempt.name, wanted, seen, passed);
        Ok(())
    }

    /// A name whose second answer leads inside.
    async fn rebind(&self, report: &mut Report) -> Result<(), Trouble> {
        let to = format!("rebind.test:{}", self.listed.address.port());
        let first = self.say(&get(&to, "/")).await?;
        let before = self.proxy.records()?.len();
        let second = self.say(&get(&to, "/")).await?;
        let control = control(&self.refusal(before).await?);
        let seen = format!("{}, then {} {control}", status(&first), status(&second));
        let passed = seen == "200, then 403 TI-06";
        report.check(Kind::Attack, "a name that changes its mind", "200, then 403 TI-06", seen, passed);
        Ok(())
    }

    /// The listed host sends its client inside.
    async fn redirect(&self, report: &mut Report) -> Result<(), Trouble> {
        let to = format!("listed.test:{}", self.listed.address.port());
        let answer = self.say(&get(&to, "/elsewhere")).await?;
        let place = answer
            .lines()
            .find_map(|line| line.to_lowercase().strip_prefix("location: http://").map(str::to_owned));
        let place = place.unwrap_or_default();
        let followed = self.say(&get(place.trim_end_matches('/'), "/")).await?;
        let seen = format!("{}, then {}", status(&answer), status(&followed));
        let passed = seen == "302, then 403";
        report.check(Kind::Attack, "a redirect that leads inside", "302, then 403", seen, passed);
        Ok(())
    }

    /// More than may be sent, to the listed host itself.
    async fn too_much(&self, report: &mut Report) -> Result<(), Trouble> {
        let to = format!("listed.test:{}", self.listed.address.port());
        let body = "x".repeat(200_000);
        let head = format!(
            "CONNECT {to} HTTP/1.1
Host: {to}

"
        );
        let before = self.proxy.records()?.len();
        self.say(format!("{head}{body}").as_bytes()).await?;
        let cut =
            |record: &Record| record.text("detail").contains("more than 100000 bytes would have been sent");
        let find = || Ok::<_, Trouble>(self.proxy.records()?.into_iter().skip(before).find(|it| cut(it)));
        self.proxy.wait_for("the end of an upload", SOON, cut).await?;
        let outcome = find()?.map(|record| record.text("outcome").to_owned()).unwrap_or_default();
        let passed = outcome == "withheld";
        report.check(Kind::Attack, "200 kB to the listed host", "withheld", outcome, passed);
        Ok(())
    }

    async fn say(&self, bytes: &[u8]) -> Result<String, Trouble> {
        let talk = async {
            let mut stream = TcpStream::connect(self.proxy.address()).await?;
            // The proxy may have said no before it has read everything.
            let _ = stream.write_all(bytes).await;
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            Ok(String::from_utf8_lossy(&answer).into_owned())
        };
        timeout(SOON, talk).await.map_err(Trouble::other)?.map_err(Trouble::io("talking to the proxy"))
    }

    /// The first refusal after the first `before` records.
    async fn refusal(&self, before: usize) -> Result<Record, Trouble> {
        let sequence =
            |record: &Record| record.value().get("seq").and_then(serde_json::Value::as_u64).unwrap_or(0);
        let last =
            self.proxy.records()?.get(..before).and_then(|records| records.last().map(sequence)).unwrap_or(0);
        let new = |record: &Record| sequence(record) > last && !record.refused().is_empty();
        Ok(self.proxy.wait_for("a refusal", SOON, new).await?)
    }

    /// How the last connection to this destination ended.
    async fn outcome(&self, to: &str) -> Result<Record, Trouble> {
        let records = self.proxy.records()?;
        let decision = records.iter().rev().find(|record| record.is_allowed() && record.text("item") == to);
        let id = decision.map(|record| record.text("id").to_owned()).unwrap_or_default();
        Ok(self.proxy.wait_for("an outcome", SOON, |record| record.text("decision") == id).await?)
    }
}

fn control(refusal: &Record) -> String {
    let decision = refusal.value().get("decision").and_then(|decision| decision.get("control"));
    decision.and_then(serde_json::Value::as_str).unwrap_or_default().to_owned()
}

fn get(to: &str, path: &str) -> Vec<u8> {
    format!("GET http://{to}{path} HTTP/1.1\r\nHost: {to}\r\n\r\n").into_bytes()
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("nothing")
}

async fn listen(
    address: &str,
    answer: impl Fn(&str) -> String + Send + Sync + 'static,
) -> Result<Listener, Trouble> {
    let listener = TcpListener::bind(address).await.map_err(Trouble::io("listening"))?;
    let address = listener.local_addr().map_err(Trouble::io("listening"))?;
    let count = Arc::<AtomicUsize>::default();
    let (counter, answer) = (Arc::clone(&count), Arc::new(answer));
    let task = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::SeqCst);
            let answer = Arc::clone(&answer);
            tokio::spawn(async move {
                let mut request = vec![0; 4_096];
                let length = stream.read(&mut request).await.unwrap_or(0);
                let text = String::from_utf8_lossy(request.get(..length).unwrap_or_default()).into_owned();
                let _ = stream.write_all(answer(&text).as_bytes()).await;
                // Whatever else is sent is taken, so that the proxy alone decides how much that is.
                while stream.read(&mut request).await.is_ok_and(|length| length > 0) {}
            });
        }
    });
    Ok(Listener { address, count, task })
}
