//! The gateway with all servers of the test bed behind it, and gateways over stdio in front of some of them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
};

use portcullis_testkit::{
    bed::Bed,
    gateway::{Gateway, Record, Setup, portcullis, read_records},
    server::{HttpServer, Launch},
};
use tempfile::TempDir;

use super::{
    Client,
    plan::{POLICY, Target, UPSTREAMS, Upstream},
};

/// A log is written by one process, so each gateway over stdio has its own.
static LOGS: AtomicUsize = AtomicUsize::new(0);

/// A running house.
pub(super) struct House {
    gateway: Gateway,
    launches: Vec<(&'static str, Launch)>,
    http: HttpServer,
    sse: HttpServer,
    directory: TempDir,
}

impl House {
    /// Starts everything.
    pub(super) async fn build(bed: &Bed) -> Self {
        let directory = tempfile::tempdir().unwrap();
        furnish(directory.path());
        let at = |name: &str| directory.path().join(name);
        let launches = vec![
            ("everything", Launch::everything(bed)),
            ("filesystem", Launch::filesystem(bed, &at("files"))),
            ("git", Launch::git(bed, &at("repository"))),
            ("memory", Launch::memory(bed, &at("memory/graph.jsonl"))),
            ("time", Launch::time(bed)),
        ];
        let (http, sse) = tokio::join!(HttpServer::everything(bed), HttpServer::everything_sse(bed));
        let (http, sse) = (http.unwrap(), sse.unwrap());
        let setup = launches.iter().fold(Setup::new(), |setup, (name, launch)| setup.stdio(name, launch));
        let setup = remotes(setup, &http, &sse).sections("[limits]\nrequests_per_second = 10000\n");
        let gateway = setup.policy(POLICY).start().await.unwrap();
        Self { gateway, launches, http, sse, directory }
    }

    /// What a client is to do here.
    pub(super) fn plan(&self, client: &Client) -> Vec<Target> {
        let Client { name: client, breadth, sse, hands_down, .. } = *client;
        let everyone: Vec<_> = UPSTREAMS.iter().collect();
        let directory = self.directory.path().to_str().unwrap();
        let at = |upstream: &Upstream| Target::at(upstream, directory, breadth);
        let before = |name, upstreams: &[&Upstream]| Target::before(name, upstreams, directory, breadth);
        let mut plan = vec![before("all", &everyone).over("http", self.gateway.url())];
        plan.extend(everyone.iter().map(|it| at(it).over("http", self.gateway.url_of(it.name))));
        if sse {
            plan.push(before("all", &everyone).over("sse", self.gateway.sse_url()));
            plan.push(at(everyone[0]).over("sse", self.gateway.sse_url_of(everyone[0].name)));
        }
        for (name, launch) in &self.launches {
            let upstream = everyone.iter().find(|it| it.name == *name).unwrap();
            plan.push(self.run(at(upstream), launch, hands_down));
        }
        let remote: Vec<_> = everyone.into_iter().filter(|it| it.name.starts_with("everything-")).collect();
        plan.push(self.serve(before("remote", &remote), client));
        plan
    }

    /// `portcullis run -- CMD` for one server, whose variables are in the client's settings. Of a client that hands
    /// down its own as well, they have to be named.
    fn run(&self, mut target: Target, launch: &Launch, hands_down: bool) -> Target {
        let (log, server) = (self.fresh("jsonl"), target.name.clone());
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let mut args = vec!["run".to_owned(), "--name".to_owned(), server, "--record".to_owned(), text(&log)];
        args.extend(["--policy".to_owned(), text(&self.gateway.policy())]);
        let named = launch.env.iter().filter(|_| hands_down);
        args.extend(named.flat_map(|(name, _)| ["--env".to_owned(), name.clone()]));
        args.extend(launch.sandbox.options());
        args.extend(["--".to_owned(), text(&launch.program)]);
        args.extend(launch.args.iter().cloned());
        target.name = format!("{} over run", target.name);
        let mut target = self.as_stdio(target, args, log);
        target.env.extend(launch.env.iter().cloned());
        target
    }

    /// `portcullis serve --stdio` in front of the two servers that can be reached over HTTP.
    fn serve(&self, mut target: Target, client: &str) -> Target {
        let home = self.directory.path().join(client);
        fs::create_dir_all(&home).unwrap();
        let config = remotes(Setup::new(), &self.http, &self.sse).policy(POLICY).write_to(&home).unwrap();
        let args = ["serve", "--stdio", "--config", config.to_str().unwrap()].map(str::to_owned).into();
        target.name = format!("{} over serve --stdio", target.name);
        self.as_stdio(target, args, home.join("audit.jsonl"))
    }

    fn as_stdio(&self, mut target: Target, args: Vec<String>, log: PathBuf) -> Target {
        let home = self.directory.path().to_str().unwrap().to_owned();
        target.transport = "stdio";
        target.command = Some(portcullis().unwrap().to_str().unwrap().to_owned());
        target.args = args;
        target.env = BTreeMap::from([("HOME".to_owned(), home)]);
        target.log = Some(log);
        target
    }

    fn fresh(&self, ending: &str) -> PathBuf {
        let number = LOGS.fetch_add(1, Ordering::Relaxed);
        self.directory.path().join(format!("{number}.{ending}"))
    }

    /// What the logs of a client's own gateways say that they should not, once it is done.
    pub(super) fn compare_logs(&self, targets: &[Target], client: &str) -> Vec<String> {
        let check = |target: &Target| {
            let records = read_records(target.log.as_ref()?).unwrap();
            let wrong = inconsistencies(&records, target.calls.len());
            Some(
                wrong
                    .into_iter()
                    .map(|it| format!("{client}, log of {}: {it}", target.name))
                    .collect::<Vec<_>>(),
            )
        };
        targets.iter().filter_map(check).flatten().collect()
    }

    /// Stops everything and says what the log of the common gateway says that it should not.
    pub(super) async fn tear_down(self) -> Vec<String> {
        let (status, records) = self.gateway.stop().await.unwrap();
        let mut wrong = inconsistencies(&records, UPSTREAMS.len());
        if !status.is_some_and(|status| status.success()) {
            wrong.push(format!("the gateway ended with {status:?}"));
        }
        wrong
    }
}

/// A log has to hold at least `calls` calls, nothing refused, and how everything ended.
fn inconsistencies(records: &[Record], calls: usize) -> Vec<String> {
    let allowed: Vec<_> = records.iter().filter(|it| it.is_allowed()).collect();
    let called = allowed.iter().filter(|it| it.text("method") == "tools/call").count();
    let mut wrong = Vec::new();
    if called < calls {
        wrong.push(format!("{called} of {calls} calls recorded"));
    }
    let ended: Vec<_> =
        records.iter().filter(|it| it.kind() == "outcome").map(|it| it.text("decision")).collect();
    wrong.extend(
        allowed
            .iter()
            .filter(|it| !ended.contains(&it.text("id")))
            .map(|it| format!("no outcome: {:?}", it.value())),
    );
    // A server may ask for roots in whatever call comes first; the client answers and calls again.
    let happy = ["completed", "cancelled", "input-required"];
    let unhappy = |it: &&Record| it.kind() == "outcome" && !happy.contains(&it.text("outcome"));
    wrong.extend(records.iter().filter(unhappy).map(|it| format!("{:?}", it.value())));
    wrong.extend(records.iter().filter(|it| !harmless(it)).map(|it| format!("refused: {:?}", it.value())));
    wrong
}

/// Clients find out which version is spoken by asking in another one, so some refusals are part of the game.
fn harmless(record: &Record) -> bool {
    matches!(record.refused(), "" | "unknown-method" | "unsupported-version" | "http-method")
}

fn remotes(setup: Setup, http: &HttpServer, sse: &HttpServer) -> Setup {
    setup.http("everything-http", http.url()).sse("everything-sse", sse.url())
}

/// Puts there what the servers are asked for.
fn furnish(directory: &Path) {
    fs::create_dir(directory.join("files")).unwrap();
    fs::write(directory.join("files/hello.txt"), "hello from a file\n").unwrap();
    let entity = r#"{"type":"entity","name":"Ada Lovelace","entityType":"person","observations":["wrote the first program"]}"#;
    fs::create_dir(directory.join("memory")).unwrap();
    fs::write(directory.join("memory/graph.jsonl"), format!("{entity}\n")).unwrap();
    let repository = directory.join("repository");
    git(&repository, &["init", "--quiet", repository.to_str().unwrap()]);
    let author = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgsign=false"];
    let commit = ["commit", "--quiet", "--allow-empty", "--message", "the first commit"];
    git(&repository, &[&["-C", repository.to_str().unwrap()], &author[..], &commit[..]].concat());
}

fn git(repository: &Path, args: &[&str]) {
    let status = Command::new("git").args(args).status().unwrap();
    assert!(status.success(), "git {args:?} for {}", repository.display());
}
