//! `portcullis audit key`

use std::path::{Path, PathBuf};

use portcullis_audit::{
    note::{Algorithm, SigningKey, VerifierKey},
    tlog::read_key_file,
};
use zeroize::Zeroizing;

use crate::{
    exit::{Exit, Failure, Outcome},
    files::{self, Access, Existing},
    printer::Printer,
};

/// Make and show keys of logs and witnesses.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    New(NewArgs),
    Show(ShowArgs),
}

/// Make the keys of a log or a witness.
#[derive(Debug, clap::Args)]
struct NewArgs {
    /// File for the private keys, which only its owner can read. The public ones go beside it, with `.pub` added.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Name of the log or witness, such as `example.com/gateway-1`. Made from this machine's name when absent; a
    /// key that is replaced keeps its own.
    #[arg(long)]
    name: Option<String>,
    /// Adds an ML-DSA-44 key, which a quantum computer does not break.
    #[arg(long)]
    post_quantum: bool,
    /// Makes the keys of a witness instead of a log's.
    #[arg(long)]
    witness: bool,
    /// Replaces the keys that are there. A running gateway takes the new ones over with its next checkpoint.
    #[arg(long)]
    replace: bool,
}

/// Show the public keys of a key file.
#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// File of private keys.
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub(crate) fn run(args: Args, printer: &Printer) -> Outcome {
    match args.command {
        Command::New(args) => new(args, printer),
        Command::Show(args) => show(&args.file, printer),
    }
}

fn new(args: NewArgs, printer: &Printer) -> Outcome {
    let before = if args.replace { Some(names(&args.file)?) } else { None };
    let name = args.name.or(before).unwrap_or_else(default_name);
    let first = if args.witness { Algorithm::Ed25519Cosignature } else { Algorithm::Ed25519 };
    let mut private = Zeroizing::new(Vec::new());
    let mut public = String::new();
    for algorithm in [Some(first), args.post_quantum.then_some(Algorithm::MlDsa44)].into_iter().flatten() {
        let key = SigningKey::generate(&name, algorithm)
            .map_err(|fault| Failure::new(Exit::Usage, format!("a key called `{name}` {fault}")))?;
        private.extend_from_slice(key.line().expose());
        public.push_str(&format!("{}\n", key.public()));
    }
    let existing = if args.replace { Existing::Replace } else { Existing::Keep };
    if let Some(directory) = args.file.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        files::private_directory(directory)?;
    }
    files::write(&args.file, &private, Access::Private, existing)?;
    let mut beside = args.file.clone().into_os_string();
    beside.push(".pub");
    files::write(Path::new(&beside), public.as_bytes(), Access::Usual, Existing::Replace)?;
    printer.document(&public);
    printer.done(&format!(
        "private keys in {}, public keys in {}",
        args.file.display(),
        Path::new(&beside).display()
    ));
    printer.status("keep the public keys where whoever can write the log cannot change them");
    Ok(Exit::Fine)
}

fn show(file: &Path, printer: &Printer) -> Outcome {
    let ring = read_key_file(file).map_err(|fault| Failure::new(Exit::Usage, fault.to_string()))?;
    ring.public().for_each(|key: &VerifierKey| printer.line(&key.to_string()));
    Ok(Exit::Fine)
}

fn names(file: &Path) -> Result<String, Failure> {
    let ring = read_key_file(file).map_err(|fault| {
        Failure::new(Exit::Usage, fault.to_string()).remedy("`--replace` is for keys that are there")
    })?;
    Ok(ring.name().to_owned())
}

fn default_name() -> String {
    format!("{}/portcullis", crate::runtime::node_name())
}
