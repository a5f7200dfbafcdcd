//! `portcullis import`

use std::path::{Path, PathBuf};

use portcullis_core::ServerName;
use serde::Serialize;

use super::{counted, locate, tell};
use crate::{
    clients::{self, CLIENTS, Client, Foreign, Toml},
    config::{self, Problem, Reach, Report, sources},
    exit::{Exit, Failure, Outcome},
    files::{self, Access, Existing},
    printer::Printer,
};

/// Take over the servers of other programs' settings. Secrets written there are moved into private files.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Settings of a client, for example ~/.cursor/mcp.json.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Whose settings they are.
    #[arg(long, value_name = "CLIENT", default_value = "auto", value_parser = parse_client)]
    client: Owner,
    /// Add the servers to the configuration instead of showing what would be added.
    #[arg(long)]
    write: bool,
    /// Configuration file to add to.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Write the result as JSON.
    #[arg(long)]
    json: bool,
}

/// Whose settings a file holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Owner {
    /// Whoever's they look like.
    Auto,
    Client(&'static Client),
}

fn parse_client(id: &str) -> Result<Owner, String> {
    if id == "auto" {
        return Ok(Owner::Auto);
    }
    let known = || CLIENTS.iter().map(|client| client.id).collect::<Vec<_>>().join(", ");
    Client::named(id).map(Owner::Client).ok_or_else(|| format!("known are auto, {}", known()))
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let target = args.write.then(|| locate(args.config.as_deref())).transpose()?;
    let owner = match args.client {
        Owner::Auto => None,
        Owner::Client(client) => Some(client),
    };
    let taken = match &target {
        Some(path) => servers_of(path, printer)?,
        None => Vec::new(),
    };
    let found = Found::in_files(&args.files, owner, &taken);
    if let Some(path) = target.as_ref().filter(|_| !found.toml.text.is_empty()) {
        found.add_to(path, printer)?;
    }
    if args.json {
        printer.json(&found.summary(target.as_deref()));
    } else {
        found.show(target.as_deref(), printer);
    }
    Ok(if found.unreadable {
        Exit::Usage
    } else if found.report.has_errors() {
        Exit::Findings
    } else {
        Exit::Fine
    })
}

/// Names of the servers that the configuration has, which has to be valid to be added to.
fn servers_of(path: &Path, printer: &Printer) -> Result<Vec<ServerName>, Failure> {
    match config::load(path) {
        Ok(loaded) => Ok(loaded.config.servers.into_iter().map(|server| server.name).collect()),
        Err(report) => {
            tell(&report, printer);
            Err(super::unusable(path, &report))
        }
    }
}

/// What was found in clients' files.
#[derive(Default)]
pub(crate) struct Found {
    servers: Vec<(PathBuf, Foreign)>,
    report: Report,
    /// Whether a file as a whole could not be read.
    unreadable: bool,
    pub(crate) toml: Toml,
}

impl Found {
    /// Reads all files; servers named like one in `taken`, or like an earlier one, are a problem.
    pub(crate) fn in_files(paths: &[PathBuf], owner: Option<&'static Client>, taken: &[ServerName]) -> Self {
        let mut found = Self::default();
        let mut taken = taken.to_vec();
        for path in paths {
            found.read(path, owner, &mut taken);
        }
        found.report = std::mem::take(&mut found.report).sorted();
        found
    }

    fn read(&mut self, path: &Path, owner: Option<&'static Client>, taken: &mut Vec<ServerName>) {
        let shown = sources::label(path);
        let reading = sources::read(path).map_err(|problem| vec![problem]).and_then(|text| {
            let whole_file = |faults: Vec<_>| {
                faults.into_iter().map(|fault: config::problem::Fault| fault.in_file(&shown, ""))
            };
            clients::read(path, &text, owner).map_err(|faults| whole_file(faults).collect::<Vec<_>>())
        });
        let reading = match reading {
            Ok(reading) => reading,
            Err(problems) => {
                self.unreadable = true;
                problems.into_iter().for_each(|problem| self.report.push(problem));
                return;
            }
        };
        for (field, fault) in reading.faults {
            self.report.push(fault.in_file(&shown, &field));
        }
        for server in reading.servers {
            self.take(&shown, server, taken);
        }
    }

    fn take(&mut self, file: &Path, server: Foreign, taken: &mut Vec<ServerName>) {
        if let Ok(reach) = &server.reach {
            if taken.contains(&server.name) {
                let what = format!("there is a server `{}` already", server.name);
                let fault = config::problem::Fault::new(server.at, what, "rename one of the two");
                self.report.push(fault.in_file(file, &server.label));
                return;
            }
            taken.push(server.name.clone());
            self.toml.server(&server.name, reach);
        }
        self.servers.push((file.to_owned(), server));
    }

    /// Names of the servers taken over.
    pub(crate) fn names(&self) -> Vec<ServerName> {
        let taken = self.servers.iter().filter(|(_, server)| server.reach.is_ok());
        taken.map(|(_, server)| server.name.clone()).collect()
    }

    /// Whether everything could be read.
    pub(crate) fn refuse_unreadable(&self, printer: &Printer) -> Result<(), Failure> {
        if !self.unreadable {
            return Ok(());
        }
        tell(&self.report, printer);
        Err(Failure::new(Exit::Usage, "nothing was written"))
    }

    /// Adds the servers to the end of a configuration, their secrets in files beside it first.
    fn add_to(&self, config: &Path, printer: &Printer) -> Result<(), Failure> {
        let text = sources::read(config)
            .map_err(|problem| Failure::new(Exit::Usage, problem.what).remedy(problem.remedy))?;
        let gap = if text.is_empty() || text.ends_with("\n\n") {
            ""
        } else if text.ends_with('\n') {
            "\n"
        } else {
            "\n\n"
        };
        let whole = format!("{text}{gap}{}", self.toml.text);
        config::validate(config, &whole).map_err(|report| {
            tell(&report, printer);
            Failure::new(
                Exit::Usage,
                format!("{} would not be valid any more, and is unchanged", config.display()),
            )
        })?;
        self.write_secrets(config.parent().unwrap_or(Path::new("")))?;
        files::write(config, whole.as_bytes(), Access::Usual, Existing::Replace)
    }

    /// Writes the secrets below `directory`, which nobody but the owner can read.
    pub(crate) fn write_secrets(&self, directory: &Path) -> Result<(), Failure> {
        if self.toml.secrets.is_empty() {
            return Ok(());
        }
        files::private_directory(&directory.join("secrets"))?;
        self.toml.secrets.iter().try_for_each(|file| {
            files::write(
                &directory.join(&file.path),
                file.secret.expose(),
                Access::Private,
                Existing::Replace,
            )
        })
    }

    /// Tells what was found; the TOML goes to standard output when nothing was written.
    fn show(&self, written_to: Option<&Path>, printer: &Printer) {
        if written_to.is_none() {
            printer.document(&self.toml.text);
        }
        self.tell(printer);
        let moved = self.toml.secrets.len();
        match written_to {
            Some(path) => {
                let servers = counted(self.names().len(), "server");
                printer.done(&format!(
                    "{servers} added to {}, {} moved into private files",
                    path.display(),
                    counted(moved, "secret")
                ));
                if !self.names().is_empty() {
                    printer.status("next: permit them in the policy, then run `portcullis check`");
                }
            }
            None if moved > 0 => {
                printer.status(&format!(
                    "`--write` moves {} into files only you can read",
                    counted(moved, "secret")
                ));
            }
            None => {}
        }
    }

    /// Tells what was left out and why.
    pub(crate) fn tell(&self, printer: &Printer) {
        for (file, server) in &self.servers {
            let name = format!("{}:{}: {}", file.display(), server.at.line, server.label);
            if let Err(why) = &server.reach {
                printer.status(&format!("{name}: left out: {why}"));
            }
            server.notes.iter().for_each(|note| printer.status(&format!("{name}: {note}")));
        }
        tell(&self.report, printer);
    }

    fn summary<'s>(&'s self, written_to: Option<&'s Path>) -> Summary<'s> {
        let servers = self.servers.iter().map(|(file, server)| Listed {
            file,
            label: &server.label,
            name: server.name.as_str(),
            reach: match &server.reach {
                Ok(Reach::Command(_)) => "command",
                Ok(Reach::Url(_)) => "url",
                Err(_) => "none",
            },
            left_out: server.reach.as_ref().err().map(String::as_str),
            notes: &server.notes,
        });
        Summary {
            servers: servers.collect(),
            problems: self.report.problems(),
            toml: &self.toml.text,
            secrets: self.toml.secrets.iter().map(|file| file.path.as_str()).collect(),
            written_to,
        }
    }
}

/// The result for programs.
#[derive(Serialize)]
struct Summary<'s> {
    servers: Vec<Listed<'s>>,
    problems: &'s [Problem],
    /// What is, or would be, added to the configuration.
    toml: &'s str,
    /// Files that hold, or would hold, secrets, relative to the configuration.
    secrets: Vec<&'s str>,
    written_to: Option<&'s Path>,
}

#[derive(Serialize)]
struct Listed<'s> {
    file: &'s Path,
    label: &'s str,
    name: &'s str,
    reach: &'static str,
    left_out: Option<&'s str>,
    notes: &'s [String],
}
