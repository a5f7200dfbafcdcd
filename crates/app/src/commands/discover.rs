//! `portcullis discover`

use std::path::{Path, PathBuf};

use portcullis_supply::discover::{Executables, Processes};
use serde::Serialize;

use super::{counted, locate, tell, unusable};
use crate::{
    clients::places::Directories,
    config::{self, Config},
    discover::{Place, Registered, Sighting, State, in_settings, running, sarif, waiting},
    exit::{Exit, Failure, Outcome},
    printer::Printer,
};

/// Find the MCP servers of this machine that do not go through Portcullis: in the settings of clients, among
/// processes, and behind sockets. Nothing that is found is changed, and nothing but sockets is asked.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where to look.
    #[arg(
        long = "in",
        value_name = "PLACE",
        value_delimiter = ',',
        default_value = "clients,processes,sockets"
    )]
    places: Vec<Place>,
    /// Directory of a project whose settings are looked at; repeat it for more. When absent, this directory.
    #[arg(long, value_name = "DIR")]
    project: Vec<PathBuf>,
    /// The gateway's configuration, whose servers are known.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Show servers that go through Portcullis too.
    #[arg(long)]
    all: bool,
    /// Write the result as JSON.
    #[arg(long)]
    json: bool,
    /// Write the result as a SARIF 2.1.0 log.
    #[arg(long, conflicts_with = "json")]
    sarif: bool,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let config = known(args, printer)?;
    let executables = Executables::default();
    let registered = Registered::new(config.as_ref(), &executables);
    let sightings = look(args, &registered, &executables)?;
    let found = sightings.iter().filter(|sighting| sighting.state != State::Registered).count();
    if args.json {
        printer.json(&Summary { found, sightings: &sightings });
    } else if args.sarif {
        printer.json(&sarif::log(&sightings));
    } else {
        show(args, &sightings, found, printer);
    }
    Ok(if found > 0 { Exit::Findings } else { Exit::Fine })
}

/// The configuration named, or the one that is found; there need be none.
fn known(args: &Args, printer: &Printer) -> Result<Option<Config>, Failure> {
    let file = match (locate(args.config.as_deref()), &args.config) {
        (Ok(file), _) => file,
        (Err(_), None) => return Ok(None),
        (Err(failure), Some(_)) => return Err(failure),
    };
    match config::load(&file) {
        Ok(loaded) => Ok(Some(loaded.config)),
        Err(report) => {
            tell(&report, printer);
            Err(unusable(&file, &report))
        }
    }
}

fn look(args: &Args, registered: &Registered, executables: &Executables) -> Result<Vec<Sighting>, Failure> {
    let mut sightings = Vec::new();
    if args.places.contains(&Place::Clients) {
        let directories = Directories::of_this_user().ok_or_else(|| {
            Failure::new(Exit::Usage, "the home directory is not known")
                .remedy("set `HOME`, or leave out `clients`")
        })?;
        let here = std::env::current_dir().unwrap_or_else(|_| Path::new(".").to_owned());
        let projects = if args.project.is_empty() { std::slice::from_ref(&here) } else { &args.project };
        sightings.extend(in_settings(&directories, projects, registered));
    }
    let of_machine = |place: &Place| matches!(place, Place::Processes | Place::Sockets);
    if args.places.iter().any(of_machine) {
        let processes = Processes::now();
        if args.places.contains(&Place::Processes) {
            sightings.extend(running(&processes, executables, registered));
        }
        if args.places.contains(&Place::Sockets) {
            sightings.extend(waiting(&processes, executables, registered));
        }
    }
    sightings.sort_by_key(|sighting| (sighting.state, sighting.place));
    Ok(sightings)
}

fn show(args: &Args, sightings: &[Sighting], found: usize, printer: &Printer) {
    for sighting in sightings.iter().filter(|one| args.all || one.state != State::Registered) {
        printer.line(&format!(
            "{}: {}: {}: {}",
            sighting.state.as_str(),
            sighting.at,
            sighting.name,
            sighting.evidence
        ));
        let details = details(sighting);
        if !details.is_empty() {
            printer.line(&format!("  {}", details.join(", ")));
        }
        if let Some(remedy) = &sighting.remedy {
            printer.line(&format!("  remedy: {remedy}"));
        }
    }
    let known = sightings.len() - found;
    printer.status(&format!("{} without Portcullis, {known} known", counted(found, "server")));
}

fn details(sighting: &Sighting) -> Vec<String> {
    let mut details = Vec::new();
    if sighting.place != Place::Processes {
        details.extend(sighting.pid.map(|pid| format!("pid {pid}")));
    }
    details.extend(sighting.executable.as_ref().map(|path| path.display().to_string()));
    details.extend(sighting.digest.clone());
    details.extend(sighting.owner.as_ref().map(|owner| format!("owner {owner}")));
    details.extend(sighting.started_by.as_ref().map(|by| format!("started by {by}")));
    details.extend(sighting.container.as_ref().map(|id| format!("container {id}")));
    details
}

/// The result for programs.
#[derive(Serialize)]
struct Summary<'s> {
    /// How many servers do not go through Portcullis.
    found: usize,
    sightings: &'s [Sighting],
}
