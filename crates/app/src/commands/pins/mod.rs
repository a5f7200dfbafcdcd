//! `portcullis pins`: what servers' definitions were when they were trusted, and what to do about those that changed.

mod decide;
mod diff;
mod list;
mod sign;

use std::path::PathBuf;

use portcullis_core::{PinKind, PinsUnavailable};
use portcullis_inspect::pins::{Book, Pin};

use super::locate;
use crate::{
    config,
    exit::{Exit, Failure, Outcome},
    pins::books_in,
    printer::Printer,
};

/// See what servers' definitions were when they were trusted, and decide about those that changed.
///
/// A definition that is not what was trusted is held back, alone, by every gateway that uses the directory. A running
/// gateway takes up a decision within a second, and tells its clients.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    List(list::Args),
    Diff(diff::Args),
    Approve(decide::Args),
    Reject(decide::RejectArgs),
    Rollback(decide::RollbackArgs),
    Sign(sign::Args),
}

pub(crate) fn run(args: Args, printer: &Printer) -> Outcome {
    match args.command {
        Command::List(args) => list::run(&args, printer),
        Command::Diff(args) => diff::run(&args, printer),
        Command::Approve(args) => decide::approve(&args, printer),
        Command::Reject(args) => decide::reject(&args.decision, printer),
        Command::Rollback(args) => decide::roll_back(&args.decision, printer),
        Command::Sign(args) => sign::run(&args, printer),
    }
}

/// Where the pins are.
#[derive(Debug, clap::Args)]
struct Where {
    /// Configuration file that says where the pins are.
    #[arg(long, value_name = "FILE", conflicts_with = "dir")]
    config: Option<PathBuf>,
    /// Directory of the pins; when absent, that of the configuration, and without one ~/.local/state/portcullis/pins.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Where {
    fn directory(&self) -> Result<PathBuf, Failure> {
        if let Some(dir) = &self.dir {
            return Ok(dir.clone());
        }
        if let Ok(file) = locate(self.config.as_deref()) {
            let loaded = config::load(&file).map_err(|report| super::unusable(&file, &report))?;
            return Ok(loaded.config.pins.directory);
        }
        let home = std::env::home_dir().filter(|home| home.is_absolute());
        home.map(|home| home.join(".local/state/portcullis/pins")).ok_or_else(|| {
            Failure::new(Exit::Usage, "the home directory is not known").remedy("name the pins with `--dir`")
        })
    }
}

/// What of the pins is meant.
#[derive(Debug, Default, clap::Args)]
struct What {
    /// Server, as `portcullis pins list` names it.
    server: Option<String>,
    /// Name of the tool, prompt, resource or template.
    name: Option<String>,
    /// Kind, where several have the name: tool, prompt, resource, template, instructions, server-info.
    #[arg(long, value_parser = kind)]
    kind: Option<PinKind>,
}

impl What {
    fn fits(&self, server: &str, kind: PinKind, name: &str) -> bool {
        let same = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
        same(&self.server, server) && same(&self.name, name) && self.kind.is_none_or(|wanted| wanted == kind)
    }
}

fn kind(text: &str) -> Result<PinKind, String> {
    let known = || PinKind::ALL.map(PinKind::as_str).join(", ");
    PinKind::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| format!("known: {}", known()))
}

/// Everything in the directory that is meant, in order.
fn chosen<'b>(books: &'b [(String, Book)], what: &What) -> Vec<(&'b str, PinKind, &'b str, &'b Pin)> {
    let all = books.iter().flat_map(|(server, book)| {
        book.pins().map(move |(kind, name, pin)| (server.as_str(), kind, name, pin))
    });
    all.filter(|(server, kind, name, _)| what.fits(server, *kind, name)).collect()
}

fn read(place: &Where) -> Result<Vec<(String, Book)>, Failure> {
    books_in(&place.directory()?).map_err(unavailable)
}

fn unavailable(error: PinsUnavailable) -> Failure {
    Failure::new(Exit::Unreachable, error.to_string())
        .remedy("put back a copy, or remove the file: what the server offers next is then pinned anew")
}
