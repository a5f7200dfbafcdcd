//! `portcullis pins sign`

use std::{
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use portcullis_audit::tlog::read_key_file;
use portcullis_inspect::pins::Manifest;

use super::{Where, read};
use crate::{
    exit::{Exit, Failure, Outcome},
    files::{self, Access, Existing},
    printer::Printer,
};

/// Sign the list of what is trusted now, so that other gateways can trust it without anybody's word.
///
/// The list is a signed note (C2SP signed-note). It goes beside the pins of a gateway that has the public key in
/// `pins.keys`, under the server's name with `.signed` at its end.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Server, as `portcullis pins list` names it.
    server: String,
    /// Private key, made by `portcullis audit key new`.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// Where the list goes; when absent, beside the pins.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    place: Where,
}

pub(super) fn run(args: &Args, printer: &Printer) -> Outcome {
    let books = read(&args.place)?;
    let book = books.iter().find(|(name, _)| *name == args.server);
    let (name, book) = book.ok_or_else(|| {
        Failure::new(Exit::Usage, format!("there are no pins of `{}`", args.server))
            .remedy("`portcullis pins list` shows what there is")
    })?;
    let manifest = Manifest::of(name, book);
    let ring = read_key_file(&args.key).map_err(|fault| Failure::new(Exit::Usage, fault.to_string()))?;
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let note = ring.sign_text(manifest.write(), now_s);
    let note = note.ok_or_else(|| Failure::new(Exit::Usage, "the key could not sign"))?;
    let out = match &args.out {
        Some(out) => out.clone(),
        None => args.place.directory()?.join(format!("{name}.signed")),
    };
    files::write(&out, note.to_string().as_bytes(), Access::Usual, Existing::Replace)?;
    printer.done(&format!("{} definitions of `{name}` signed in {}", manifest.len(), out.display()));
    Ok(Exit::Fine)
}
