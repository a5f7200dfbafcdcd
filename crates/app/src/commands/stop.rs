//! `portcullis stop` and `portcullis resume`

use std::path::PathBuf;

use portcullis_core::{Clock as _, Stop, StopSource, StopSubject, SystemClock};
use serde::Serialize;

use super::locate;
use crate::{
    config,
    exit::{Exit, Failure, Outcome},
    printer::Printer,
    stops::StopDirectory,
};

/// Stop a server, a tool, a principal, a tenant or everything, in every gateway that shares the directory.
///
/// Within a second calls under way end, links to a stopped server are closed, and new calls are refused, until
/// `portcullis resume` and after restarts too. Without a subject, shows what is stopped.
#[derive(Debug, clap::Args)]
pub(crate) struct StopArgs {
    /// What kind of thing.
    #[arg(value_enum)]
    kind: Option<Kind>,
    /// Which one; a tool by its server and name, `SERVER__TOOL`.
    name: Option<String>,
    /// Why, for the record and whoever reads it.
    #[arg(long, default_value = "")]
    reason: String,
    #[command(flatten)]
    place: Place,
    /// Write the result as JSON.
    #[arg(long)]
    json: bool,
}

/// Take back what `portcullis stop` or a rule of `[behaviour]` has stopped.
#[derive(Debug, clap::Args)]
pub(crate) struct ResumeArgs {
    /// What kind of thing.
    #[arg(value_enum)]
    kind: Kind,
    /// Which one; a tool by its server and name, `SERVER__TOOL`.
    name: Option<String>,
    #[command(flatten)]
    place: Place,
    /// Write the result as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Place {
    /// Directory that says what is stopped. Taken from the configuration when absent.
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// Configuration file.
    #[arg(long, value_name = "FILE", conflicts_with = "directory")]
    config: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    Server,
    Tool,
    Principal,
    Tenant,
    All,
}

#[derive(Serialize)]
struct Stopped<'d> {
    directory: &'d std::path::Path,
    stops: &'d [Stop],
    /// Files in the directory that name nothing that can be stopped.
    ignored: &'d [String],
}

pub(crate) fn stop(args: &StopArgs, printer: &Printer) -> Outcome {
    let directory = args.place.directory()?;
    if let Some(kind) = args.kind {
        let subject = subject(kind, args.name.as_deref())?;
        directory.stop(StopSource::Command, &subject, &args.reason, SystemClock.now_ms())?;
    }
    show(&directory, args.json, printer);
    Ok(Exit::Fine)
}

pub(crate) fn resume(args: &ResumeArgs, printer: &Printer) -> Outcome {
    let directory = args.place.directory()?;
    let subject = subject(args.kind, args.name.as_deref())?;
    directory.resume(StopSource::Command, &subject)?;
    // What a rule has stopped is an operator's to take back.
    directory.resume(StopSource::Behaviour, &subject)?;
    show(&directory, args.json, printer);
    let stops = directory.read().stops;
    let left: Vec<_> = stops.iter().filter(|stop| stop.subject == subject).collect();
    if left.is_empty() {
        return Ok(Exit::Fine);
    }
    let sources: Vec<_> = left.iter().map(|stop| stop.source.as_str()).collect();
    let what = format!("`{subject}` stays stopped by {}", sources.join(" and "));
    let remedy = format!(
        "a file is removed from `{}`, the endpoint takes back its own with POST /resume, a signal with SIGUSR2",
        directory.path().display()
    );
    Err(Failure::new(Exit::Findings, what).remedy(remedy))
}

impl Place {
    fn directory(&self) -> Result<StopDirectory, Failure> {
        if let Some(directory) = &self.directory {
            return Ok(StopDirectory::at(directory));
        }
        if self.config.is_none() && locate(None).is_err() {
            return config::default_stop_directory().map(|path| StopDirectory::at(&path)).ok_or_else(|| {
                Failure::new(Exit::Usage, "the home directory is not known")
                    .remedy("name the directory with `--directory`")
            });
        }
        // A stop must not wait for somebody to correct the rest of the file.
        let file = locate(self.config.as_deref())?;
        match config::load(&file) {
            Ok(loaded) => Ok(StopDirectory::at(&loaded.config.stop.directory)),
            Err(_) => Err(Failure::new(Exit::Usage, format!("{} cannot be used", file.display())).remedy(
                "name the directory with `--directory`; `portcullis check` says what is wrong with the file",
            )),
        }
    }
}

fn subject(kind: Kind, name: Option<&str>) -> Result<StopSubject, Failure> {
    let text = match (kind, name) {
        (Kind::All, None) => "all".to_owned(),
        (Kind::All, Some(_)) => return Err(Failure::new(Exit::Usage, "`all` takes no name")),
        (_, None) => return Err(Failure::new(Exit::Usage, "say which one")),
        (Kind::Server, Some(name)) => format!("server:{name}"),
        (Kind::Tool, Some(name)) => format!("tool:{name}"),
        (Kind::Principal, Some(name)) => format!("principal:{name}"),
        (Kind::Tenant, Some(name)) => format!("tenant:{name}"),
    };
    text.parse().map_err(|fault: portcullis_core::StopFault| Failure::new(Exit::Usage, fault.to_string()))
}

fn show(directory: &StopDirectory, json: bool, printer: &Printer) {
    let reading = directory.read();
    if json {
        return printer.json(&Stopped {
            directory: directory.path(),
            stops: &reading.stops,
            ignored: &reading.strange,
        });
    }
    for stop in &reading.stops {
        printer.line(&format!(
            "{:<40} {:<10} {}",
            stop.subject.to_string(),
            stop.source.as_str(),
            stop.reason
        ));
    }
    for name in &reading.strange {
        printer.warning(&format!("`{name}` names nothing that can be stopped"), None);
    }
    if reading.stops.is_empty() {
        printer.done(&format!("nothing is stopped by `{}`", directory.path().display()));
    } else {
        printer.done("gateways that watch this directory act on it within a second, and record it");
    }
}
