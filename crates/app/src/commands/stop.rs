//! `portcullis stop` and `portcullis resume`

use std::path::PathBuf;

use portcullis_core::{Clock as _, Stop, StopSource, StopSubject, SystemClock};
use portcullis_gateway::Met;
use serde::Serialize;

use super::{counted, locate};
use crate::{
    config,
    exit::{Exit, Failure, Outcome},
    printer::Printer,
    stops::{self, Heard, Known, StopDirectory, Word},
};

/// Stop a server, a tool, a principal, a tenant or everything, in every gateway that shares the directory.
///
/// Within a second calls under way end, links to a stopped server are closed, and new calls are refused, until
/// `portcullis resume` and after restarts too. Every gateway that runs is waited for and says what it ended. Without a
/// subject, shows what is stopped.
#[derive(Debug, clap::Args)]
pub(crate) struct StopArgs {
    /// `server`, `tool`, `principal`, `tenant` or `all`; or kind and name in one, as records and alerts write them:
    /// `server:files`, `principal:oauth:corp:alice`.
    kind: Option<String>,
    /// Which one: a tool by its server and name, `SERVER__TOOL`; a principal as policies write it, such as
    /// `oauth:corp:alice`, or what of that is enough to tell who is meant.
    name: Option<String>,
    /// Why, for the record and whoever reads it.
    #[arg(long, default_value = "")]
    reason: String,
    /// Stop it although no configuration and no gateway knows of such a thing: one that starts later may.
    #[arg(long, requires = "kind")]
    anyway: bool,
    #[command(flatten)]
    place: Place,
    /// Write the result as JSON.
    #[arg(long)]
    json: bool,
}

/// Take back what `portcullis stop` or a rule of `[behaviour]` has stopped.
#[derive(Debug, clap::Args)]
pub(crate) struct ResumeArgs {
    /// `server`, `tool`, `principal`, `tenant` or `all`; or kind and name in one, as records and alerts write them:
    /// `server:files`, `principal:oauth:corp:alice`.
    kind: String,
    /// Which one: a tool by its server and name, `SERVER__TOOL`; a principal as policies write it, such as
    /// `oauth:corp:alice`, or what of that is enough to tell who is meant.
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

#[derive(Serialize)]
struct Stopped<'d> {
    directory: &'d std::path::Path,
    stops: &'d [Stop],
    /// Files in the directory that name nothing that can be stopped.
    ignored: &'d [String],
    /// Gateways that run and watch the directory, and what they have in force.
    gateways: &'d [Word],
}

/// What a gateway takes back with what the operator takes back: what a rule has stopped is theirs to resume.
const RESUMED: [StopSource; 2] = [StopSource::Command, StopSource::Behaviour];

pub(crate) fn stop(args: &StopArgs, printer: &Printer) -> Outcome {
    let (directory, configured) = args.place.directory()?;
    let Some(kind) = args.kind.as_deref() else {
        show(&directory, &heard(&directory, |_| true)?, args.json, printer);
        return Ok(Exit::Fine);
    };
    // What stops everything needs nothing looked up.
    let known = if args.anyway || kind == "all" { None } else { known(&directory, configured) };
    let subject = subject(kind, args.name.as_deref(), known.as_ref())?;
    directory.stop(StopSource::Command, &subject, &args.reason, SystemClock.now_ms())?;
    let in_force = |word: &Word| word.about(&subject, &[StopSource::Command]).is_some();
    let heard = heard(&directory, in_force)?;
    show(&directory, &heard, args.json, printer);
    heard.words.iter().for_each(|word| told(&subject, word, printer));
    let what = match (heard.words.iter().find(|word| !in_force(word)), heard.mute) {
        (None, 0) => return Ok(Exit::Fine),
        (Some(word), _) => format!("the gateway with process {} has not put it in force", word.process),
        (None, mute) => {
            format!("{} running do not say whether they have put it in force", counted(mute, "gateway"))
        }
    };
    Err(Failure::new(Exit::Unreachable, what).remedy("end the process, or look at what it says"))
}

pub(crate) fn resume(args: &ResumeArgs, printer: &Printer) -> Outcome {
    let (directory, configured) = args.place.directory()?;
    let known = known(&directory, configured);
    // What is stopped can be resumed, whether it is still known or not.
    let read = |known: Option<&Known>| subject(&args.kind, args.name.as_deref(), known);
    let subject = read(known.as_ref()).or_else(|unknown| read(None).map_err(|_| unknown))?;
    let mut resumed = false;
    for source in RESUMED {
        resumed |= directory.resume(source, &subject)?;
    }
    let heard = heard(&directory, |word| word.about(&subject, &RESUMED).is_none())?;
    show(&directory, &heard, args.json, printer);
    let stops = directory.read().stops;
    let left: Vec<_> = stops.iter().filter(|stop| stop.subject == subject).collect();
    if left.is_empty() && resumed {
        return Ok(Exit::Fine);
    }
    if left.is_empty() {
        return Err(Failure::new(Exit::Findings, format!("`{subject}` was not stopped"))
            .remedy("`portcullis stop` shows what is"));
    }
    let sources: Vec<_> = left.iter().map(|stop| stop.source.as_str()).collect();
    let what = format!("`{subject}` stays stopped by {}", sources.join(" and "));
    let remedy = format!(
        "a file is removed from `{}`, the endpoint takes back its own with POST /resume, a signal with SIGUSR2",
        directory.path().display()
    );
    Err(Failure::new(Exit::Findings, what).remedy(remedy))
}

/// The subject that is meant, among what is known if something is.
fn subject(kind: &str, name: Option<&str>, known: Option<&Known>) -> Result<StopSubject, Failure> {
    let text = match (kind, name) {
        ("all", Some(_)) => return Err(Failure::new(Exit::Usage, "`all` takes no name")),
        ("server" | "tool" | "principal" | "tenant", None) => {
            return Err(Failure::new(Exit::Usage, "say which one"));
        }
        (kind, None) => kind.to_owned(),
        (kind, Some(name)) => format!("{kind}:{name}"),
    };
    known.map_or_else(|| stops::subject(&text), |known| known.subject(&text))
}

impl Place {
    /// The directory, and what the configuration knows where there is one.
    fn directory(&self) -> Result<(StopDirectory, Option<Known>), Failure> {
        if let Some(directory) = &self.directory {
            return Ok((StopDirectory::at(directory), None));
        }
        if self.config.is_none() && locate(None).is_err() {
            let default = config::default_stop_directory().map(|path| (StopDirectory::at(&path), None));
            return default.ok_or_else(|| {
                Failure::new(Exit::Usage, "the home directory is not known")
                    .remedy("name the directory with `--directory`")
            });
        }
        // A stop must not wait for somebody to correct the rest of the file.
        let file = locate(self.config.as_deref())?;
        match config::load(&file) {
            Ok(loaded) => {
                let directory = StopDirectory::at(&loaded.config.stop.directory);
                Ok((directory, Some(Known::of(&loaded.config))))
            }
            Err(_) => Err(Failure::new(Exit::Usage, format!("{} cannot be used", file.display())).remedy(
                "name the directory with `--directory`; `portcullis check` says what is wrong with the file",
            )),
        }
    }
}

/// What the configuration and the gateways that run know; none where there is neither. A stop does not wait for that, and
/// not for what cannot be read.
fn known(directory: &StopDirectory, configured: Option<Known>) -> Option<Known> {
    let running =
        stops::at_once(directory.path()).unwrap_or_default().words.into_iter().map(|word| word.knows);
    configured.into_iter().chain(running).reduce(Known::and)
}

fn heard(directory: &StopDirectory, wanted: impl Fn(&Word) -> bool) -> Result<Heard, Failure> {
    stops::heard(directory.path(), wanted).map_err(|error| {
        Failure::new(Exit::Usage, format!("`{}` cannot be read: {error}", directory.path().display()))
    })
}

/// Tells what a gateway did about a stop.
fn told(subject: &StopSubject, word: &Word, printer: &Printer) {
    let Some(it) = word.about(subject, &[StopSource::Command]) else { return };
    let Word { process, config, .. } = word;
    printer.done(&format!("in force in process {process} ({config}): {}", met(subject, it.met)));
}

fn met(subject: &StopSubject, Met { calls, sessions, tasks }: Met) -> String {
    let ended = [(calls, "call"), (sessions, "session"), (tasks, "task")];
    let ended: Vec<_> =
        ended.iter().filter(|(number, _)| *number > 0).map(|(number, what)| counted(*number, what)).collect();
    match (subject, ended.is_empty()) {
        (_, false) => format!("ended {}", ended.join(", ")),
        (StopSubject::Principal(_) | StopSubject::Tenant(_), true) => {
            "nobody of that name is connected at present".to_owned()
        }
        (_, true) => "no call to it was under way".to_owned(),
    }
}

fn show(directory: &StopDirectory, heard: &Heard, json: bool, printer: &Printer) {
    let reading = directory.read();
    if json {
        printer.json(&Stopped {
            directory: directory.path(),
            stops: &reading.stops,
            ignored: &reading.strange,
            gateways: &heard.words,
        });
        return;
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
    if heard.mute > 0 {
        let what = format!("{} running do not say what they have in force", counted(heard.mute, "gateway"));
        printer.warning(&what, None);
    }
    let place = directory.path().display();
    if reading.stops.is_empty() {
        printer.done(&format!("nothing is stopped by `{place}`"));
    } else if heard.words.is_empty() && heard.mute == 0 {
        printer.done(&format!("no gateway that watches `{place}` runs; those that start act on it"));
    }
}
