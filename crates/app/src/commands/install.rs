//! `portcullis install`

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{counted, tell};
use crate::{
    clients::{
        CLIENTS, Client, Wrap, language_of,
        places::{self, Candidate, Directories, Scope},
        rewrite::{self, Refused, Remembered, Rewrite, Rewritten},
        undo::{Changes, Undo},
    },
    config::{self, sources},
    exit::{Exit, Failure, Outcome},
    files,
    printer::Printer,
};

/// Let a client's servers be started through Portcullis: writes `portcullis run … --` before each command in its
/// settings and leaves every other byte as it is. `portcullis uninstall` takes that back.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Whose servers: `claude-desktop`, `cursor`, `vscode`, …
    #[arg(value_parser = parse_client)]
    client: &'static Client,
    /// The client's settings, when they are not where it keeps them for this user.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only show what would be changed.
    #[arg(long)]
    dry_run: bool,
    /// Write the result as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn parse_client(id: &str) -> Result<&'static Client, String> {
    let known = || CLIENTS.iter().map(|client| client.id).collect::<Vec<_>>().join(", ");
    Client::named(id).ok_or_else(|| format!("known are {}", known()))
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let program = this_program()?;
    let undo = Undo::of_this_user()?;
    // All files are read before the first is written, so that a refusal leaves nothing half done.
    let plans = settings_of(args)?.into_iter().map(|file| Plan::make(file, args, &program, printer));
    let plans: Vec<Plan> = plans.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
    if plans.is_empty() {
        return Err(Failure::new(Exit::Usage, format!("no server of {} was found", args.client.title))
            .remedy("`--config` names the file that holds them"));
    }
    if !args.dry_run {
        plans.iter().try_for_each(|plan| plan.carry_out(args.client, &undo))?;
    }
    if args.json {
        let files = plans.iter().map(|plan| plan.summary(!args.dry_run)).collect::<Vec<_>>();
        printer.json(&Summary { client: args.client.id, files });
    } else {
        plans.iter().for_each(|plan| plan.show(args.dry_run, printer));
    }
    let impossible = plans.iter().flat_map(|plan| &plan.rewritten.entries);
    let impossible = impossible.filter(|entry| matches!(entry.wrap, Wrap::Impossible(_))).count();
    Ok(if impossible > 0 { Exit::Findings } else { Exit::Fine })
}

/// The program as clients are to start it: they do not search where a shell does.
fn this_program() -> Result<String, Failure> {
    let path = std::env::current_exe().ok().and_then(|path| path.to_str().map(str::to_owned));
    path.ok_or_else(|| {
        Failure::new(Exit::Usage, "the path of this program cannot be written into settings")
            .remedy("move it to a path that is UTF-8")
    })
}

/// The file named, or those that there are where the client keeps them for this user.
fn settings_of(args: &Args) -> Result<Vec<PathBuf>, Failure> {
    if let Some(file) = &args.config {
        return Ok(vec![file.clone()]);
    }
    let directories = Directories::of_this_user().ok_or_else(|| {
        Failure::new(Exit::Usage, "the home directory is not known").remedy("`--config` names the settings")
    })?;
    let mut places = places::moved();
    places.extend(places::candidates(&directories, None));
    let own = |place: &Candidate| place.client == args.client.id && place.scope == Scope::User;
    places.retain(own);
    let mut files: Vec<PathBuf> = places.iter().flat_map(|place| places::expand(&place.path)).collect();
    files.dedup();
    if files.is_empty() {
        let looked: Vec<String> = places.iter().map(|place| place.path.display().to_string()).collect();
        let what = format!("{} has no settings here: looked for {}", args.client.title, looked.join(", "));
        return Err(Failure::new(Exit::Usage, what).remedy("`--config` names them"));
    }
    Ok(files)
}

/// What will be done to one file.
struct Plan {
    file: PathBuf,
    text: String,
    rewritten: Rewritten,
}

impl Plan {
    /// Nothing for a file without servers, unless it was named.
    fn make(file: PathBuf, args: &Args, program: &str, printer: &Printer) -> Result<Option<Self>, Failure> {
        let text = read(&file, printer)?;
        let language = language_of(&file, &text, Some(args.client));
        match rewrite::wrap(&text, language, args.client, program) {
            Ok(rewritten) => Ok(Some(Self { file, text, rewritten })),
            Err(Refused::NoServers) if args.config.is_none() => Ok(None),
            Err(refused) => Err(refusal(&file, args.client, refused, printer)),
        }
    }

    fn changed(&self) -> impl Iterator<Item = &Rewrite> {
        self.rewritten.entries.iter().filter(|entry| matches!(entry.wrap, Wrap::Changed(_)))
    }

    /// Remembers the changes, then makes them.
    fn carry_out(&self, client: &Client, undo: &Undo) -> Result<(), Failure> {
        if self.changed().next().is_none() {
            return Ok(());
        }
        let file = std::fs::canonicalize(&self.file).unwrap_or_else(|_| self.file.clone());
        let before = undo.of(client.id, &file)?.unwrap_or_else(|| Changes {
            client: client.id.to_owned(),
            file: file.clone(),
            entries: Vec::new(),
        });
        let mut after = before.clone();
        for entry in self.changed() {
            after.entries.retain(|known| !known.is(&entry.field, &entry.label));
            after.entries.push(Remembered {
                field: entry.field.clone(),
                label: entry.label.clone(),
                edits: entry.recorded.clone(),
            });
        }
        undo.keep(&after)?;
        files::write_unchanged(&file, &self.text, &self.rewritten.text).inspect_err(|_| {
            // The failure to write is the one to tell; what is remembered in vain harms nothing.
            let _ = undo.keep(&before);
        })
    }

    fn show(&self, dry_run: bool, printer: &Printer) {
        let file = sources::label(&self.file);
        for entry in &self.rewritten.entries {
            let state = match &entry.wrap {
                Wrap::Changed(_) if dry_run => "would go through Portcullis".to_owned(),
                Wrap::Changed(_) => "goes through Portcullis now".to_owned(),
                Wrap::Already => "goes through Portcullis already".to_owned(),
                Wrap::NoCommand(why) => format!("left as it is: {why}"),
                Wrap::Impossible(why) => format!("cannot go through Portcullis: {why}"),
            };
            printer.line(&format!("{}:{}: {}: {state}", file.display(), entry.at.line, entry.label));
        }
        if !dry_run {
            let changed = self.changed().count();
            let next = if changed > 0 { "; restart the client" } else { "" };
            printer.done(&format!("{} changed in {}{next}", counted(changed, "server"), file.display()));
        }
    }

    fn summary(&self, written: bool) -> File<'_> {
        let server = |entry: &'_ Rewrite| {
            let (state, why) = match &entry.wrap {
                Wrap::Changed(_) => ("changed", None),
                Wrap::Already => ("already", None),
                Wrap::NoCommand(why) => ("no_command", Some((*why).to_owned())),
                Wrap::Impossible(why) => ("impossible", Some(why.clone())),
            };
            Server { label: entry.label.clone(), line: entry.at.line, state, why }
        };
        File {
            file: &self.file,
            written: written && self.changed().next().is_some(),
            servers: self.rewritten.entries.iter().map(server).collect(),
        }
    }
}

pub(super) fn read(file: &Path, printer: &Printer) -> Result<String, Failure> {
    sources::read(file).map_err(|problem| told(file, vec![problem], printer))
}

/// Tells why a client's file is left alone.
pub(super) fn refusal(file: &Path, client: &Client, refused: Refused, printer: &Printer) -> Failure {
    let unchanged = format!("{} is unchanged", file.display());
    match refused {
        Refused::Unreadable(faults) => {
            let shown = sources::label(file);
            told(file, faults.into_iter().map(|fault| fault.in_file(&shown, "")).collect(), printer)
        }
        Refused::NoServers => {
            let what = format!("this does not hold servers the way {} keeps them: {unchanged}", client.title);
            Failure::new(Exit::Usage, what).remedy("name the right client, or the right file")
        }
        Refused::Unsure(why) => Failure::new(Exit::Findings, format!("{why}: {unchanged}"))
            .remedy("write `portcullis run --` before the commands by hand"),
    }
}

fn told(file: &Path, problems: Vec<config::Problem>, printer: &Printer) -> Failure {
    let mut report = config::Report::default();
    problems.into_iter().for_each(|problem| report.push(problem));
    tell(&report, printer);
    super::unusable(file, &report)
}

/// The result for programs.
#[derive(Serialize)]
struct Summary<'s> {
    client: &'s str,
    files: Vec<File<'s>>,
}

#[derive(Serialize)]
struct File<'s> {
    file: &'s Path,
    written: bool,
    servers: Vec<Server>,
}

#[derive(Serialize)]
struct Server {
    label: String,
    line: u32,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}
