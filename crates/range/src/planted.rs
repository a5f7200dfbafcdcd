//! A gateway in front of a server that says what it is told to.

use std::{
    fs,
    path::{Path, PathBuf},
};

use portcullis_testkit::gateway::{Gateway, Setup};
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    http::{Answer, Request, exchange},
    message::{META, MODERN, request},
    place::Place,
    trouble::Trouble,
};

const ENDPOINT: &str = "/mcp/planted";

/// The server `planted`, its journal, and the gateway.
pub(crate) struct Planted {
    pub(crate) gateway: Gateway,
    journal: PathBuf,
    _home: TempDir,
}

impl Planted {
    pub(crate) async fn open(place: &Place, script: &Value, sections: &str) -> Result<Self, Trouble> {
        Self::open_as(place, script, &[], |setup| setup.sections(sections)).await
    }

    /// With a server that may read these files, and whatever else is set up.
    pub(crate) async fn open_as(
        place: &Place,
        script: &Value,
        reads: &[&Path],
        with: impl FnOnce(Setup) -> Setup,
    ) -> Result<Self, Trouble> {
        let home = tempfile::tempdir().map_err(Trouble::io("making a directory"))?;
        let (file, journal) = (home.path().join("script"), home.path().join("journal"));
        fs::write(&file, script.to_string()).map_err(Trouble::io("writing the script"))?;
        fs::write(&journal, "").map_err(Trouble::io("writing the journal"))?;
        let mut launch = place.planted(&file, &journal);
        launch.sandbox.read.extend(reads.iter().map(|path| path.to_path_buf()));
        let setup = with(place.setup().stdio("planted", &launch));
        Ok(Self { gateway: setup.start().await?, journal, _home: home })
    }

    /// Sends a request of 2026-07-28; `params` is a JSON object without its braces.
    pub(crate) async fn ask(&self, method: &str, name: &str, params: &str) -> Result<Answer, Trouble> {
        let comma = if params.is_empty() { "" } else { "," };
        let body = request("1", method, &format!("{{{params}{comma}{META}}}"));
        let post =
            Request::post(ENDPOINT, body).header("mcp-protocol-version", MODERN).header("mcp-method", method);
        let post = if name.is_empty() { post } else { post.header("mcp-name", name) };
        Ok(exchange(self.gateway.address(), &post.bytes()).await?.first())
    }

    pub(crate) async fn call(&self, tool: &str, arguments: &Value) -> Result<Answer, Trouble> {
        self.ask("tools/call", tool, &format!(r#""name":"{tool}","arguments":{arguments}"#)).await
    }

    /// What the server was asked by clients.
    pub(crate) fn journal(&self) -> Result<String, Trouble> {
        fs::read_to_string(&self.journal).map_err(Trouble::io("reading the journal"))
    }

    /// Every record, as it stands in the log.
    pub(crate) fn log(&self) -> Result<String, Trouble> {
        fs::read_to_string(self.gateway.log()).map_err(Trouble::io("reading the log"))
    }
}
