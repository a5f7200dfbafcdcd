//! A server that does whatever it is told to, in a sandbox and, for the twin, without one.

use std::{
    fs,
    path::{Path, PathBuf},
};

use portcullis_testkit::{
    gateway::{Gateway, Record},
    server::{Launch, Sandbox},
};
use serde_json::json;
use tempfile::TempDir;

use crate::{
    ground::{ALLOWED, SAYS, SOON},
    http::{Request, exchange},
    message::{call, text_of},
    place::Place,
    report::{Kind, Report},
    trouble::Trouble,
};

const ENDPOINT: &str = "/mcp/rogue";

/// What stands in the files that no server may read.
pub(crate) const CANARY: &str = "CANARY-8c1f";
/// A line that servers are meant to find.
pub(crate) const NOTE: &str = "buy milk";

/// Directories: `notes` may be changed, `shared` may be read, `secret` is nobody's business.
pub(crate) struct Files {
    home: TempDir,
}

/// A gateway in front of the server `rogue`.
pub(crate) struct Rogue {
    pub(crate) gateway: Gateway,
}

impl Files {
    pub(crate) fn make() -> Result<Self, Trouble> {
        let files = Self { home: tempfile::tempdir().map_err(Trouble::io("making a directory"))? };
        for (file, text) in [
            ("notes/note.txt", NOTE),
            ("shared/data.txt", "shared"),
            ("secret/canary.txt", CANARY),
            ("secret/deep/other.txt", CANARY),
        ] {
            let path = files.path(file);
            fs::create_dir_all(path.parent().unwrap_or(&path)).map_err(Trouble::io("making a directory"))?;
            fs::write(path, text).map_err(Trouble::io("writing a file"))?;
        }
        Ok(files)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// The same for arguments.
    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    /// What the server is to have, and nothing else.
    pub(crate) fn sandbox(&self) -> Sandbox {
        Sandbox { read: vec![self.path("shared")], write: vec![self.path("notes")], ..Sandbox::default() }
    }

    /// Whether everything but `notes` is as it was.
    pub(crate) fn untouched(&self) -> bool {
        let is =
            |file: &str, text: &str| fs::read_to_string(self.path(file)).is_ok_and(|found| found == text);
        let entries = |name: &str| fs::read_dir(self.path(name)).map_or(0, Iterator::count);
        is("shared/data.txt", "shared")
            && is("secret/canary.txt", CANARY)
            && is("secret/deep/other.txt", CANARY)
            && (entries("shared"), entries("secret"), entries("")) == (1, 2, 3)
    }
}

impl Rogue {
    pub(crate) async fn open(place: &Place, sandbox: Sandbox, more: &str) -> Result<Self, Trouble> {
        let setup = place.setup().stdio("rogue", &place.rogue(sandbox)).with(more);
        Ok(Self { gateway: setup.start().await? })
    }

    /// The same with another server on the same gateway.
    pub(crate) async fn beside_a_calm_one(place: &Place, sandbox: Sandbox) -> Result<Self, Trouble> {
        let setup =
            place.setup().stdio("rogue", &place.rogue(sandbox)).stdio("calm", &Launch::fixture(None)?);
        Ok(Self { gateway: setup.start().await? })
    }

    /// The other server answers.
    pub(crate) async fn calm(&self) -> Result<(), Trouble> {
        let request = Request::call("/mcp/calm", ALLOWED, call(ALLOWED, "{}"));
        let answer = exchange(self.gateway.address(), &request.bytes()).await?.first();
        if text_of(&answer.json()) == SAYS { Ok(()) } else { Err(Trouble::other(answer.body)) }
    }

    /// Whether control groups are in force.
    pub(crate) fn has_groups(&self) -> Result<bool, Trouble> {
        Ok(!self.isolation()?.contains("control groups none"))
    }

    /// What it says about a deed.
    pub(crate) async fn does(&self, deed: &str, args: &[&str]) -> Result<String, Trouble> {
        let arguments = json!({ "deed": deed, "args": args }).to_string();
        let request = Request::call(ENDPOINT, "do", call("do", &arguments));
        let answer = exchange(self.gateway.address(), &request.bytes()).await?.first();
        let json = answer.json();
        let text = text_of(&json);
        Ok(if text.is_empty() { answer.body } else { text.to_owned() })
    }

    /// A deed that must fail.
    pub(crate) async fn fails(
        &self,
        report: &mut Report,
        name: &str,
        deed: &str,
        args: &[&str],
    ) -> Result<(), Trouble> {
        let said = self.does(deed, args).await?;
        let passed = said.starts_with("failed") && !said.contains(CANARY);
        report.check(Kind::Attack, name, "it fails", short(&said), passed);
        Ok(())
    }

    /// A deed that must succeed.
    pub(crate) async fn succeeds(
        &self,
        report: &mut Report,
        name: &str,
        deed: &str,
        args: &[&str],
    ) -> Result<(), Trouble> {
        let said = self.does(deed, args).await?;
        report.check(Kind::Twin, name, "it is done", short(&said), said.starts_with("done"));
        Ok(())
    }

    /// The first record of its egress that was refused, for this destination.
    pub(crate) async fn refusal(&self, destination: &str) -> Result<Record, Trouble> {
        let refused = |record: &Record| {
            record.text("channel") == "egress"
                && record.text("server") == "rogue"
                && record.text("item") == destination
                && !record.refused().is_empty()
        };
        Ok(self.gateway.wait_for("a refusal", SOON, refused).await?)
    }

    /// Waits until it is on record that the server has ended in this way.
    pub(crate) async fn end(&self, how: &str) -> Result<Record, Trouble> {
        let ended =
            |record: &Record| record.text("subject") == "rogue" && record.text("detail").contains(how);
        Ok(self.gateway.wait_for("how it ended", SOON, ended).await?)
    }

    /// What its records say about the sandbox it is in.
    pub(crate) fn isolation(&self) -> Result<String, Trouble> {
        let records = self.gateway.records()?;
        let runs = records.iter().filter_map(|record| record.value().get("controls")?.as_array());
        let mut its = runs.flatten().filter(|run| run.get("control").is_some_and(|it| it == "ISO-01"));
        Ok(its.next().map(ToString::to_string).unwrap_or_default())
    }
}

fn short(said: &str) -> String {
    said.chars().take(120).collect()
}

/// The file as it is now, for comparing.
pub(crate) fn content(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
