//! `portcullis uninstall`

use std::path::PathBuf;

use serde::Serialize;

use super::{
    counted,
    install::{parse_client, read, refusal},
};
use crate::{
    clients::{
        Client, language_of,
        rewrite::{self, Restored, Unwrap},
        undo::{Changes, Undo},
    },
    config::sources,
    exit::{Exit, Failure, Outcome},
    files,
    printer::Printer,
};

/// Take back what `portcullis install` changed in a client's settings, byte for byte. What others changed there
/// since stays as it is.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Whose servers.
    #[arg(value_parser = parse_client)]
    client: &'static Client,
    /// The client's settings, when only those of one file are to be taken back.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Write the result as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let undo = Undo::of_this_user()?;
    let mut changes = undo.all(args.client.id)?;
    if let Some(file) = &args.config {
        let file = std::fs::canonicalize(file).unwrap_or_else(|_| file.clone());
        changes.retain(|changes| changes.file == file);
    }
    let mut done = Vec::new();
    for changes in changes {
        done.extend(take_back(args.client, changes, &undo, printer)?);
    }
    if args.json {
        printer.json(&Summary { client: args.client.id, files: done });
    } else if done.is_empty() {
        printer.done(&format!("nothing of {} was changed by `portcullis install`", args.client.title));
    } else {
        done.iter().for_each(|file| file.show(printer));
    }
    Ok(Exit::Fine)
}

/// Nothing when the file is gone, and with it what was changed.
fn take_back(
    client: &Client,
    mut changes: Changes,
    undo: &Undo,
    printer: &Printer,
) -> Result<Option<File>, Failure> {
    let file = changes.file.clone();
    if !file.exists() {
        changes.entries.clear();
        undo.keep(&changes)?;
        return Ok(None);
    }
    let text = read(&file, printer)?;
    let language = language_of(&file, &text, Some(client));
    let restored = rewrite::unwrap(&text, language, client, &changes.entries)
        .map_err(|refused| refusal(&file, client, refused, printer))?;
    refuse_changed(&changes, &restored)?;
    files::write_unchanged(&file, &text, &restored.text)?;
    let named = changes.entries.drain(..).map(|entry| entry.label).zip(&restored.entries);
    let (restored, gone): (Vec<_>, Vec<_>) = named.partition(|(_, what)| **what == Unwrap::Restored);
    undo.keep(&changes)?;
    let labels = |named: Vec<(String, &Unwrap)>| named.into_iter().map(|(label, _)| label).collect();
    Ok(Some(File { file, restored: labels(restored), gone: labels(gone) }))
}

/// All or nothing: a file of which a part goes through us only by halves helps nobody.
fn refuse_changed(changes: &Changes, restored: &Restored) -> Result<(), Failure> {
    let named = changes.entries.iter().zip(&restored.entries);
    let labels: Vec<&str> = named
        .filter(|(_, what)| **what == Unwrap::ChangedSince)
        .map(|(entry, _)| entry.label.as_str())
        .collect();
    if labels.is_empty() {
        return Ok(());
    }
    let file = changes.file.display();
    let what =
        format!("{file} was changed after `portcullis install`, in what that wrote: {}", labels.join(", "));
    Err(Failure::new(Exit::Findings, what)
        .remedy("take `portcullis run … --` out of those by hand, then run this again"))
}

/// The result for programs.
#[derive(Serialize)]
struct Summary {
    client: &'static str,
    files: Vec<File>,
}

#[derive(Serialize)]
struct File {
    file: PathBuf,
    restored: Vec<String>,
    /// Not there any more, or not through us any more, before this.
    gone: Vec<String>,
}

impl File {
    fn show(&self, printer: &Printer) {
        let file = sources::label(&self.file);
        for label in &self.gone {
            printer.status(&format!("{}: {label}: was not there any more", file.display()));
        }
        let restored = counted(self.restored.len(), "server");
        printer.done(&format!("{restored} restored in {}; restart the client", file.display()));
    }
}
