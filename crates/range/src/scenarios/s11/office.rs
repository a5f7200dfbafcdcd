//! The office's files, and the gateway in front of it.

use std::{fs, path::PathBuf, process::Command};

use portcullis_testkit::{
    gateway::{Record, read_records},
    server::{Launch, Sandbox},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{agent::Step, attacks::Attack};
use crate::{place::Place, trouble::Trouble};

const PARTS: [&str; 5] = ["mail", "calendar", "files", "bank", "web"];
/// What an operator knows and no definition says: others write into shared files, payments and invitations.
const DECLARED: [(&str, &str); 3] = [
    ("files", "untrusted = [\"read_file\"]"),
    ("bank", "untrusted = [\"list_transactions\"]"),
    ("calendar", "untrusted = [\"list_events\"]"),
];

pub(super) struct Office {
    program: PathBuf,
    config: PathBuf,
    home: TempDir,
}

impl Office {
    /// `sections` are added to the configuration.
    pub(super) fn open(place: &Place, sections: &str) -> Result<Self, Trouble> {
        let home = tempfile::tempdir().map_err(Trouble::io("making a directory"))?;
        let path = |name: &str| home.path().join(name).to_string_lossy().into_owned();
        let part = |part: &str| {
            place.hostile(&[
                &path("findings"),
                "--office",
                part,
                "--world",
                &path("world"),
                "--journal",
                &path("journal"),
            ])
        };
        let policy = first_policy(place, &home, &part)?;
        let mut setup = place.setup().policy(&policy).sections(sections);
        for name in PARTS {
            setup = setup.stdio(name, &part(name));
            for (_, settings) in DECLARED.iter().filter(|(server, _)| *server == name) {
                setup = setup.with(settings);
            }
        }
        let config = setup.write_to(home.path())?;
        let office = Self { program: place.program().to_owned(), config, home };
        office.calm()?;
        Ok(office)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// A gateway of its own for each conversation.
    pub(super) fn gateway(&self) -> Launch {
        let config = self.config.to_string_lossy().into_owned();
        let args = ["serve", "--stdio", "--config", &config].map(str::to_owned).to_vec();
        Launch { program: self.program.clone(), args, env: Vec::new(), sandbox: Sandbox::none() }
    }

    fn tell(&self, world: &Value) -> Result<(), Trouble> {
        let _ = fs::remove_file(self.path("journal"));
        fs::write(self.path("world"), world.to_string()).map_err(Trouble::io("writing the world"))
    }

    /// Nobody plants anything.
    pub(super) fn calm(&self) -> Result<(), Trouble> {
        self.tell(&json!({ "get_balance": "1200", "read_mail": "See you on Friday.", "read_file": "salaries: 1, 2, 3" }))
    }

    /// Somebody does.
    pub(super) fn plant(&self, attack: &Attack) -> Result<(), Trouble> {
        let (tool, told) = attack.plant();
        let mut world = serde_json::Map::new();
        world.insert("get_balance".to_owned(), json!("1200"));
        world.insert("read_file".to_owned(), json!("salaries: 1, 2, 3"));
        world.insert(tool.to_owned(), told);
        self.tell(&world.into())
    }

    fn journal(&self) -> Result<Vec<Value>, Trouble> {
        let text = match fs::read_to_string(self.path("journal")) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(Trouble::io("reading the journal")(e)),
        };
        text.lines().map(|line| serde_json::from_str(line).map_err(Trouble::other)).collect()
    }

    /// Whether these calls, and no others, reached the servers in this order.
    pub(super) fn did(&self, steps: &[Step]) -> Result<bool, Trouble> {
        let made = self.journal()?;
        let wanted = steps.iter().map(|(tool, arguments)| {
            let tool = tool.split_once("__").map_or(*tool, |(_, tool)| tool);
            json!({ "tool": tool, "arguments": serde_json::from_str::<Value>(arguments).unwrap_or_default() })
        });
        Ok(wanted.eq(made.iter().cloned()))
    }

    /// How often the attacker got what it is after.
    pub(super) fn effects_of(&self, attack: &Attack) -> Result<usize, Trouble> {
        Ok(self.journal()?.iter().filter(|call| attack.is_reached_by(call)).count())
    }

    fn approvals(&self, args: &[&str]) -> Result<Value, Trouble> {
        let mut command = Command::new(&self.program);
        command.arg("approvals").args(args).arg("--config").arg(&self.config);
        let output = command.output().map_err(Trouble::io("running `portcullis approvals`"))?;
        Ok(serde_json::from_slice(&output.stdout).unwrap_or_default())
    }

    /// The calls that wait for a person.
    pub(super) fn waiting(&self) -> Result<Vec<String>, Trouble> {
        let rows = self.approvals(&["list", "--json"])?.as_array().cloned().unwrap_or_default();
        let waiting = rows.iter().filter(|row| row["arguments"].to_string().contains("bob@corp.test"));
        Ok(waiting.filter_map(|row| row["id"].as_str().map(str::to_owned)).collect())
    }

    /// What the person says.
    pub(super) fn approve(&self, id: &str) -> Result<(), Trouble> {
        self.approvals(&["approve", id]).map(drop)
    }

    /// How many mails were sent.
    pub(super) fn sent(&self) -> Result<usize, Trouble> {
        Ok(self.journal()?.iter().filter(|call| call["tool"] == "send_mail").count())
    }

    /// What refusals by policy say that name no label, or no record that is there.
    pub(super) fn unexplained(&self) -> Result<String, Trouble> {
        let records = read_records(&self.path("audit.jsonl"))?;
        let ids: Vec<&str> = records.iter().map(|it| it.text("id")).collect();
        // What is refused for its arguments alone (TI-06) is nobody's to approve.
        let by_policy = |it: &&Record| {
            it.refused() == "denied" && it.value().pointer("/decision/control") != Some(&Value::from("TI-06"))
        };
        let refused: Vec<_> = records.iter().filter(by_policy).collect();
        if refused.is_empty() {
            return Ok("nothing was refused".to_owned());
        }
        let said = refused.iter().map(|it| {
            let detail = it.value().pointer("/decision/detail").or_else(|| it.value().get("detail"));
            detail.and_then(Value::as_str).unwrap_or_default()
        });
        let unexplained = said.filter(|detail| {
            let source = detail.split(" since ").nth(1).and_then(|rest| rest.split(',').next());
            !detail.contains("untrusted:") || source.is_none_or(|id| !ids.contains(&id))
        });
        Ok(unexplained.collect::<Vec<_>>().join(" | "))
    }
}

/// The policy that `portcullis init` writes for these servers.
fn first_policy(place: &Place, home: &TempDir, part: &dyn Fn(&str) -> Launch) -> Result<String, Trouble> {
    let server = |name: &str| {
        let Launch { program, args, .. } = part(name);
        (name.to_owned(), json!({ "command": program, "args": args }))
    };
    let servers: serde_json::Map<String, Value> = PARTS.iter().map(|name| server(name)).collect();
    let client = home.path().join("client.json");
    fs::write(&client, json!({ "mcpServers": servers }).to_string())
        .map_err(Trouble::io("writing a client's file"))?;
    let begun = home.path().join("begun");
    let mut init = Command::new(place.program());
    init.arg("init").arg("--dir").arg(&begun).arg("--from").arg(&client);
    let output = init.output().map_err(Trouble::io("running `portcullis init`"))?;
    if !output.status.success() {
        return Err(Trouble::other(String::from_utf8_lossy(&output.stderr)));
    }
    fs::read_to_string(begun.join("policy.cedar")).map_err(Trouble::io("reading the first policy"))
}
