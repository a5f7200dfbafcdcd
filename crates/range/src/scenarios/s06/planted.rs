//! What is there to be found: real servers, and what each is told by.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
};

use portcullis_testkit::{
    bed::Bed,
    gateway::Gateway,
    journal::Journal,
    server::{HttpServer, Launch, Sandbox, StdioServer},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::copy,
    net::{TcpListener, UnixListener, UnixStream},
    process::{Child, Command},
    task::JoinHandle,
};

use super::text;
use crate::{place::Place, trouble::Trouble};

/// Processes that are no servers, and hold pipes all the same.
const OTHERS: usize = 300;

/// Whether a sighting is of a certain server.
pub(super) type IsIt = Box<dyn Fn(&Value) -> bool + Send>;

/// Everything planted; gone with the value.
pub(super) struct Planted {
    home: TempDir,
    journal: Journal,
    http: HttpServer,
    legacy: HttpServer,
    sse: HttpServer,
    registered: HttpServer,
    child: StdioServer,
    gateway: Gateway,
    socket: PathBuf,
    relay: JoinHandle<()>,
    behind_us: StdioServer,
    native: StdioServer,
    _silent: TcpListener,
    _others: Vec<Child>,
}

impl Drop for Planted {
    fn drop(&mut self) {
        self.relay.abort();
    }
}

const SETTINGS: &str = r#"{ "mcpServers": {
  "planted": { "command": "npx", "args": ["-y", "some-server"] },
  "wrapped": { "command": "/usr/local/bin/portcullis", "args": ["run", "--", "npx", "some-server"] }
} }"#;

impl Planted {
    pub(super) async fn all(place: &Place) -> Result<Self, Trouble> {
        let bed = Bed::load().map_err(Trouble::other)?;
        let home = tempfile::tempdir().map_err(Trouble::io("making a directory"))?;
        let settings = home.path().join(".cursor/mcp.json");
        fs::create_dir_all(home.path().join(".cursor")).map_err(Trouble::io("making a directory"))?;
        fs::write(&settings, SETTINGS).map_err(Trouble::io("writing a client's settings"))?;
        let journal = Journal::at(home.path().join("journal"));
        let socket = home.path().join("server.sock");
        let relay = relay(&socket)?;
        let registered = HttpServer::fixture(None).await?;
        let gateway = place.setup().http("notes", registered.url()).start().await?;
        Ok(Self {
            http: HttpServer::fixture(Some(journal.path())).await?,
            legacy: HttpServer::everything(&bed).await?,
            sse: HttpServer::everything_sse(&bed).await?,
            child: talking(&Launch::everything(&bed)).await?,
            native: talking(&Launch::fixture(None)?).await?,
            behind_us: talking(&behind_us(place, &Launch::everything(&bed), home.path())).await?,
            _silent: TcpListener::bind("127.0.0.1:0").await.map_err(Trouble::io("listening"))?,
            _others: others()?,
            registered,
            gateway,
            journal,
            socket,
            relay,
            home,
        })
    }

    pub(super) fn home(&self) -> &Path {
        self.home.path()
    }

    pub(super) fn config(&self) -> PathBuf {
        self.gateway.config()
    }

    /// Every server that has to be reported.
    pub(super) fn shadows(&self) -> Vec<(&'static str, IsIt)> {
        let socket = self.socket.display().to_string();
        vec![
            ("a server of MCP 2026-07-28 on HTTP", at_url(self.http.url())),
            ("a server with sessions on HTTP", at_url(self.legacy.url())),
            ("a server on HTTP+SSE", at_url(self.sse.url())),
            ("a server on a Unix socket", Box::new(move |it| text(it, "at") == socket)),
            ("a child process of an interpreter", is_child(&self.child, "node")),
            ("a child process of its own", is_child(&self.native, "conformance-fixture")),
            ("an entry of a client's settings", Box::new(|it| text(it, "name") == "planted")),
        ]
    }

    /// Every server that is known.
    pub(super) fn known(&self) -> Vec<(&'static str, IsIt)> {
        vec![
            ("a server of the gateway's configuration", at_url(self.registered.url())),
            ("a child process through `portcullis run`", is_child(&self.behind_us, "portcullis")),
            ("an entry that goes through Portcullis", Box::new(|it| text(it, "name") == "wrapped")),
        ]
    }

    /// The methods that the first server was asked for.
    pub(super) fn asked(&self) -> Result<Vec<String>, Trouble> {
        let received = self.journal.received()?.into_iter();
        Ok(received.map(|it| it.method.unwrap_or_else(|| "a request without a method".to_owned())).collect())
    }

    /// What the child process says when it is asked for its tools.
    pub(super) async fn still_answers(&mut self) -> Result<String, Trouble> {
        Ok(self.child.request("tools/list", json!({})).await?.to_string())
    }
}

fn at_url(url: &str) -> IsIt {
    let address = url.trim_start_matches("http://").to_owned();
    Box::new(move |it| text(it, "place") == "sockets" && text(it, "at") == address)
}

fn is_child(server: &StdioServer, program: &'static str) -> IsIt {
    let (at, ours) = (format!("pid {}", server.pid()), format!("(pid {})", std::process::id()));
    Box::new(move |it| {
        text(it, "place") == "processes"
            && text(it, "at") == at
            && text(it, "name") == program
            && text(it, "started_by").ends_with(&ours)
    })
}

async fn talking(launch: &Launch) -> Result<StdioServer, Trouble> {
    let mut server = StdioServer::start(launch)?;
    server.initialize("2025-06-18").await?;
    Ok(server)
}

fn behind_us(place: &Place, launch: &Launch, home: &Path) -> Launch {
    let record = home.join("run.jsonl").display().to_string();
    let mut args = ["run", "--record", &record].map(str::to_owned).to_vec();
    args.extend(launch.sandbox.options());
    args.extend(["--".to_owned(), launch.program.display().to_string()]);
    args.extend(launch.args.iter().cloned());
    Launch { program: place.program().to_owned(), args, env: Vec::new(), sandbox: Sandbox::none() }
}

/// A Unix socket behind which a new server answers each connection.
fn relay(path: &Path) -> Result<JoinHandle<()>, Trouble> {
    let listener = UnixListener::bind(path).map_err(Trouble::io("listening on a Unix socket"))?;
    let launch = Launch::fixture(None)?;
    Ok(tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, launch.clone()));
        }
    }))
}

async fn answer(stream: UnixStream, launch: Launch) -> Option<()> {
    let mut command = Command::new(&launch.program);
    command.args(&launch.args).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut server = command.spawn().ok()?;
    let (mut input, mut output) = (server.stdin.take()?, server.stdout.take()?);
    let (mut reading, mut writing) = stream.into_split();
    tokio::select! {
        _ = copy(&mut reading, &mut input) => None,
        _ = copy(&mut output, &mut writing) => None,
    }
}

fn others() -> Result<Vec<Child>, Trouble> {
    let other = |_| {
        let mut command = Command::new("sleep");
        command.arg("600").stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        command.spawn().map_err(Trouble::io("starting `sleep`"))
    };
    (0..OTHERS).map(other).collect()
}
