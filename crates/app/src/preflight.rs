//! Everything that can be known of a start before there is one: `serve` goes on from here, and `check` ends here.
//!
//! Nothing is made, written or started for it.

use std::{
    ffi::OsStr,
    fs, io,
    os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    path::{Path, PathBuf},
};

use portcullis_audit::{CommitmentKey, CommitmentKeyError, tlog};

use crate::{
    compose::{Deployment, Fetched, Upstream},
    config::{self, Beside, Config, Problem, Report, Severity, TransparencyConfig},
    confine::{Effects, confine},
    own::Own,
    policies::steered,
    runtime,
};

/// What is known.
pub(crate) struct Preflight {
    /// The configuration, when every setting is right.
    pub(crate) config: Option<Config>,
    /// The same with everything fetched, when it can be served.
    pub(crate) deployment: Option<Deployment>,
    /// What keeps it from being served, and what is weaker than it should be.
    pub(crate) report: Report,
    /// What keeps single servers from being started: the others are served. Nothing when it was not asked for.
    pub(crate) unserved: Report,
}

/// Looks at a configuration file and at all it names. Whether its servers can be started is left to the start.
pub(crate) fn of_gateway(file: &Path) -> Preflight {
    examine(file, |_, _| Report::default())
}

/// The same, and whether each server can be started.
pub(crate) fn of_everything(file: &Path) -> Preflight {
    examine(file, |config, servers| {
        let (own, mut report) = (Own::of(config), Report::default());
        let problems = servers.iter().filter_map(|server| server_problem(server, config, &own));
        problems.for_each(|problem| report.push(problem));
        report
    })
}

fn examine(file: &Path, look: impl FnOnce(&Config, &[Upstream]) -> Report) -> Preflight {
    let (config, mut report) = config::examine(file);
    let (is_right, mut unserved) = (!report.has_errors(), Report::default());
    let deployment = config.as_ref().and_then(|config| {
        report.extend(places(config));
        let looked = Deployment::examined(config.clone(), |servers| unserved = look(config, servers));
        let deployment = looked.map_err(|more| report.extend(more)).ok()?;
        report.extend(deployment.warnings.clone());
        labels_matter(&deployment, &mut report);
        Some(deployment)
    });
    Preflight {
        config: config.filter(|_| is_right),
        deployment: deployment.filter(|_| !report.has_errors()),
        report: report.sorted(),
        unserved: unserved.sorted(),
    }
}

fn server_problem(server: &Upstream, config: &Config, own: &Own) -> Option<Problem> {
    let field = format!("server.{}.command", server.name);
    let problem = |severity, what: String, remedy| config.problem(&field, severity, what, remedy);
    if let Some(program) = missing(server) {
        // Outside of a sandbox it is looked for when the server is first used.
        let what = format!("the program `{program}` was not found");
        return Some(problem(Severity::Warning, what, "install it, or write its full path"));
    }
    let confined = confine(server, config, own, Effects::None)?;
    let (what, remedy) = confined.refusal()?;
    Some(problem(Severity::Error, format!("it will not be started: {what}"), remedy))
}

/// The program of a server without a sandbox, where it is not there.
fn missing(server: &Upstream) -> Option<&str> {
    let Fetched::Command { program, env, sandbox, admission: None, .. } = &server.reach else { return None };
    let own_path = env.iter().find(|(name, _)| name == "PATH").map(|(_, value)| value.expose());
    let path = own_path.map(|path| OsStr::from_bytes(path).to_owned()).or_else(|| std::env::var_os("PATH"));
    let is_found = || {
        program.contains('/') && is_executable(Path::new(program))
            || std::env::split_paths(&path.unwrap_or_default()).any(|it| is_executable(&it.join(program)))
    };
    (sandbox.danger_none && !is_found()).then_some(program)
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|about| about.is_file() && about.mode() & 0o111 != 0)
}

fn labels_matter(deployment: &Deployment, report: &mut Report) {
    let config = &deployment.config;
    if let Some((what, remedy)) = steered(&deployment.policies).filter(|_| !config.servers.is_empty()) {
        report.push(config.problem("policy.files", Severity::Warning, what, remedy));
    }
}

/// A place that a start makes, or writes to.
struct Place {
    field: &'static str,
    path: PathBuf,
    is_directory: bool,
}

/// What stands in the way of the gateway's own files.
fn places(config: &Config) -> Report {
    let audit = &config.audit;
    let file = |field, path: &Path| Place { field, path: path.to_owned(), is_directory: false };
    let directory = |field, path: &Path| Place { field, path: path.to_owned(), is_directory: true };
    let mut wanted = vec![file("audit.file", &audit.file)];
    wanted.extend(audit.spare.iter().map(|(path, _)| file("audit.danger_spare_file", path)));
    wanted.extend(audit.transparency.iter().map(|log| directory("audit.log", &log.directory)));
    let streams = Beside::Streams.beside(&audit.file);
    wanted.extend(config.streams.first().map(|_| directory("audit.file", &streams)));
    wanted.extend(config.admin.listen.map(|_| directory("stop.directory", &config.stop.directory)));
    let mut report = Report::default();
    for Place { field, path, is_directory } in wanted {
        if let Err(what) = usable(&path, is_directory) {
            let remedy = "name a place that can be made and written to";
            report.push(config.problem(field, Severity::Error, what, remedy));
        }
    }
    commitment_key(config, &mut report);
    audit.transparency.iter().for_each(|log| log_key(config, log, &mut report));
    report
}

/// Whether this can be written to, or made where it is not there yet.
fn usable(path: &Path, is_directory: bool) -> Result<(), String> {
    let shown = path.display();
    match fs::symlink_metadata(path) {
        Ok(about) if is_directory && !about.is_dir() && !path.is_dir() => {
            return Err(format!("`{shown}` is not a directory"));
        }
        Ok(about) if !is_directory && about.is_dir() => return Err(format!("`{shown}` is a directory")),
        Ok(about) if !is_directory && !about.is_file() => return Err(format!("`{shown}` is not a file")),
        Ok(_) if !is_directory => {
            let opened = fs::OpenOptions::new().read(true).append(true).open(path);
            opened.map_err(|error| format!("`{shown}` cannot be written: {error}"))?;
        }
        _ => {}
    }
    let above = path.ancestors().skip(usize::from(!is_directory)).find(|directory| directory.exists());
    let Some(directory) = above else { return Ok(()) };
    if !directory.is_dir() {
        return Err(format!("`{shown}` cannot be made: `{}` is a file", directory.display()));
    }
    writable(directory).map_err(|error| {
        format!("`{shown}` cannot be made: `{}` cannot be written to: {error}", directory.display())
    })
}

fn writable(directory: &Path) -> io::Result<()> {
    use rustix::fs::{Access, AtFlags, CWD, accessat};
    Ok(accessat(CWD, directory, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)?)
}

/// One that is not there is made when the gateway starts.
fn commitment_key(config: &Config, report: &mut Report) {
    const FIELD: &str = "audit.commitment_key";
    let path = &config.audit.commitment_key;
    let what = match CommitmentKey::read(path) {
        Ok(_) => return,
        Err(CommitmentKeyError::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
            match usable(path, false) {
                Ok(()) => return,
                Err(what) => what,
            }
        }
        Err(error) => error.to_string(),
    };
    report.push(config.problem(FIELD, Severity::Error, what, "name another file, or correct this one"));
}

fn log_key(config: &Config, log: &TransparencyConfig, report: &mut Report) {
    if let Err(fault) = tlog::read_key_file(&log.key) {
        let remedy = runtime::key_remedy(&fault, &log.key);
        let is_set = config.settled.iter().any(|it| it.name == "audit.log_key" && it.origin.is_some());
        let field = if is_set { "audit.log_key" } else { "audit.log" };
        report.push(config.problem(field, Severity::Error, fault.to_string(), remedy));
    }
}
