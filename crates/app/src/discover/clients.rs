//! Servers in the settings of clients.

use std::{
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use super::{Place, Registered, Sighting, State, user};
use crate::{
    clients::{
        Client,
        places::{self, Candidate, Directories},
        survey::{Reached, Surveyed, survey},
    },
    config::sources,
};

/// Servers in the settings of every known client of this user, and in those of the projects.
pub(crate) fn in_settings(
    directories: &Directories,
    projects: &[PathBuf],
    registered: &Registered,
) -> Vec<Sighting> {
    let mut candidates = places::moved();
    candidates.extend(places::candidates(directories, None));
    for project in projects {
        let of_project = places::candidates(directories, Some(project));
        candidates.extend(of_project.into_iter().filter(|one| one.scope == places::Scope::Project));
    }
    let mut seen = std::collections::BTreeSet::new();
    let mut found = Vec::new();
    for candidate in candidates {
        for path in places::expand(&candidate.path) {
            if seen.insert((candidate.client, path.clone())) {
                found.extend(in_file(&candidate, &path, registered));
            }
        }
    }
    found
}

fn in_file(candidate: &Candidate, path: &Path, registered: &Registered) -> Vec<Sighting> {
    let Some(client) = Client::named(candidate.client) else { return Vec::new() };
    let read = sources::read(path).map_err(|problem| problem.what);
    let surveyed = read.and_then(|text| {
        survey(path, &text, client).map_err(|faults| {
            faults.first().map_or_else(String::new, |fault| format!("line {}: {}", fault.at.line, fault.what))
        })
    });
    match surveyed {
        Ok(servers) => servers.into_iter().map(|server| sighting(client, path, server, registered)).collect(),
        Err(why) => {
            let mut sighting = at(State::Unreadable, path, None, client.title.to_owned(), why);
            sighting.remedy = Some("correct the file, so that what it starts can be told".to_owned());
            vec![sighting]
        }
    }
}

fn sighting(client: &Client, path: &Path, server: Surveyed, registered: &Registered) -> Sighting {
    let (state, evidence, remedy) = match &server.reached {
        Reached::ThroughUs => (State::Registered, "goes through Portcullis".to_owned(), None),
        Reached::Other => (State::Registered, "is a part of the client".to_owned(), None),
        Reached::Command(program) => {
            let program = program.rsplit(['/', '\\']).next().unwrap_or_default();
            let remedy = format!("`portcullis install {} --config {}`", client.id, path.display());
            (State::Shadow, format!("{} starts `{program}` by itself", client.title), Some(remedy))
        }
        Reached::Url(url) if registered.is_own_url(url) => {
            (State::Registered, "goes through Portcullis".to_owned(), None)
        }
        Reached::Url(url) => {
            let shown = super::registered::without_secrets(url);
            let remedy = "put it behind `portcullis serve` and write the gateway's URL in its place";
            (State::Shadow, format!("{} reaches {shown} by itself", client.title), Some(remedy.to_owned()))
        }
    };
    let mut sighting = at(state, path, Some(server.at.line), server.label, evidence);
    sighting.remedy = remedy;
    sighting
}

fn at(state: State, path: &Path, line: Option<u32>, name: String, evidence: String) -> Sighting {
    let shown = sources::label(path);
    let place =
        line.map_or_else(|| shown.display().to_string(), |line| format!("{}:{line}", shown.display()));
    let mut sighting = Sighting::new(state, Place::Clients, place, name, evidence);
    sighting.file = Some(path.to_owned());
    sighting.line = line;
    sighting.owner = std::fs::metadata(path).ok().map(|about| user(about.uid()));
    sighting
}
