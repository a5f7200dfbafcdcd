//! A server on HTTP, on a free port of 127.0.0.1.

use std::{path::Path, time::Duration};

use super::{
    Launch, Sandbox, SpawnError,
    launch::{EVERYTHING, fixture_program},
    process::{Channel, Process},
};
use crate::bed::Bed;

/// How long a server may take to listen.
const DEADLINE: Duration = Duration::from_secs(30);

/// A running server.
pub struct HttpServer {
    url: String,
    _process: Process,
}

impl HttpServer {
    /// The reference server with one of everything on Streamable HTTP, at `/mcp` (legacy era, with sessions).
    ///
    /// # Errors
    /// When it does not start or does not listen within 30 s.
    pub async fn everything(bed: &Bed) -> Result<Self, SpawnError> {
        Self::node(bed, EVERYTHING, "streamableHttp", "/mcp").await
    }

    /// The same on HTTP+SSE of 2024-11-05, at `/sse`.
    ///
    /// # Errors
    /// When it does not start or does not listen within 30 s.
    pub async fn everything_sse(bed: &Bed) -> Result<Self, SpawnError> {
        Self::node(bed, EVERYTHING, "sse", "/sse").await
    }

    /// Our own conformance fixture as a process of its own, recording to `journal`. In the process of the
    /// test, [`crate::fixture::http::Listening`] does the same.
    ///
    /// # Errors
    /// When the program was not built, does not start or does not listen within 30 s.
    pub async fn fixture(journal: Option<&Path>) -> Result<Self, SpawnError> {
        let journal = journal.map(|path| path.to_str().expect("the paths of tests are UTF-8"));
        let args = ["--exit-with-stdin", "--http", "127.0.0.1:0"].into_iter();
        let args = args.chain(journal.into_iter().flat_map(|journal| ["--journal", journal]));
        let args = args.map(str::to_owned).collect();
        let launch = Launch { program: fixture_program()?, args, env: Vec::new(), sandbox: Sandbox::none() };
        Self::start(&launch, Channel::Output, "").await
    }

    /// The authorization server of `testbed/servers` (npm oidc-provider). Its URL is its issuer identifier.
    ///
    /// # Errors
    /// When it does not start or does not listen within 30 s.
    pub async fn authorization_server(bed: &Bed) -> Result<Self, SpawnError> {
        Self::authorization_server_for(bed, None, false).await
    }

    /// The same with a client `gateway` that may exchange tokens and proves itself with one of these public keys; if
    /// wanted with access tokens that say nothing.
    ///
    /// # Errors
    /// When it does not start or does not listen within 30 s.
    pub async fn authorization_server_for(
        bed: &Bed,
        gateway_keys: Option<&serde_json::Value>,
        opaque: bool,
    ) -> Result<Self, SpawnError> {
        let mut env = Vec::new();
        env.extend(opaque.then(|| ("OPAQUE_TOKENS", "1".to_owned())));
        env.extend(gateway_keys.map(|keys| ("GATEWAY_JWKS", keys.to_string())));
        Self::authorization_server_with(bed, &env).await
    }

    /// The same with these variables, which its script explains.
    ///
    /// # Errors
    /// When it does not start or does not listen within 30 s.
    pub async fn authorization_server_with(
        bed: &Bed,
        variables: &[(&str, String)],
    ) -> Result<Self, SpawnError> {
        let script =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testbed/servers/authorization-server.mjs");
        let script = script.to_str().expect("the repository's path is UTF-8").to_owned();
        let modules = bed.module("").to_str().expect("the path of the bed is UTF-8").to_owned();
        let mut env = vec![("PORTCULLIS_BED_NODE_MODULES".to_owned(), modules)];
        env.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        let launch =
            Launch { program: bed.node().to_owned(), args: vec![script], env, sandbox: Sandbox::default() };
        Self::start(&launch, Channel::Output, "").await
    }

    /// A program of `testbed/servers/traced.py`, `api` or `server`, which tells `collector` what it does.
    ///
    /// # Errors
    /// When it does not start or does not listen within 30 s.
    pub async fn traced(bed: &Bed, collector: &str, role: &[&str]) -> Result<Self, SpawnError> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testbed/servers/traced.py");
        let script = script.to_str().expect("the repository's path is UTF-8");
        let args = [script, collector].into_iter().chain(role.iter().copied()).map(str::to_owned).collect();
        let launch =
            Launch { program: bed.python().to_owned(), args, env: Vec::new(), sandbox: Sandbox::default() };
        let path = if role.first() == Some(&"server") { "/mcp" } else { "/" };
        Self::start(&launch, Channel::Output, path).await
    }

    /// Where it listens, path included.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    async fn node(bed: &Bed, module: &str, mode: &str, path: &str) -> Result<Self, SpawnError> {
        let launch = Launch::node(bed, module, &[mode]);
        let preload = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testbed/loopback-only.cjs");
        let preload = preload.to_str().expect("the repository's path is UTF-8").to_owned();
        let args = ["--require".to_owned(), preload].into_iter().chain(launch.args).collect();
        let env = [("PORT", "0"), ("EXIT_WITH_STDIN", "1")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self::start(&Launch { args, env: env.into(), ..launch }, Channel::Errors, path).await
    }

    /// Waits for `listening on ADDRESS`, which is said once connections are accepted.
    async fn start(launch: &Launch, channel: Channel, path: &str) -> Result<Self, SpawnError> {
        let mut process = Process::start(launch)?;
        let address = |line: &str| line.strip_prefix("listening on ").map(str::to_owned);
        let address = process.wait_for(channel, "where it listens", DEADLINE, address).await?;
        let url = if address.starts_with("http") { address } else { format!("http://{address}{path}") };
        Ok(Self { url, _process: process })
    }
}
