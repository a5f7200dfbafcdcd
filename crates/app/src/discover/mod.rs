//! Every MCP server there is on this machine, and whether it goes through Portcullis (control SC-02).

mod clients;
mod machine;
mod registered;
pub(crate) mod sarif;

use std::path::PathBuf;

use serde::Serialize;

pub(crate) use clients::in_settings;
pub(crate) use machine::{running, waiting};
pub(crate) use registered::Registered;

/// Where a server was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Place {
    /// In the settings of clients, a user's and those of projects.
    Clients,
    /// Among running processes, by their pipes.
    Processes,
    /// Behind sockets that wait for connections, which are asked.
    Sockets,
}

/// Whether a server is one that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// It is not.
    Shadow,
    /// It goes through Portcullis, or is one of its servers.
    Registered,
    /// What should say so cannot be read.
    Unreadable,
}

impl State {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Shadow => "shadow",
            Self::Registered => "registered",
            Self::Unreadable => "unreadable",
        }
    }
}

/// One server, seen in one place.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Sighting {
    pub(crate) state: State,
    pub(crate) place: Place,
    /// A file with line, a process, an address.
    pub(crate) at: String,
    /// What it is called there.
    pub(crate) name: String,
    /// Why it is taken for a server.
    pub(crate) evidence: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pid: Option<u32>,
    /// The program it runs, and its SHA-256.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) executable: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) digest: Option<String>,
    /// The user it runs as, or who owns the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) container: Option<String>,
    /// What started it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) started_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remedy: Option<String>,
}

impl Sighting {
    fn new(state: State, place: Place, at: String, name: String, evidence: String) -> Self {
        Self {
            state,
            place,
            at,
            name,
            evidence,
            file: None,
            line: None,
            pid: None,
            executable: None,
            digest: None,
            owner: None,
            container: None,
            started_by: None,
            remedy: None,
        }
    }
}

/// The name of a user, or its number.
fn user(uid: u32) -> String {
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(uid)).then(|| name.to_owned())
    });
    named.unwrap_or_else(|| uid.to_string())
}
