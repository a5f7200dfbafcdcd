//! `portcullis add`

use std::path::Path;

use portcullis_core::ServerName;
use portcullis_supply::admit::{Admitted, Package, Seat, Tree, is_day};
use serde::Serialize;

use super::{
    counted,
    submit::{Options, Wish, admit, fetch},
};
use crate::{
    clients,
    exit::{Exit, Failure, Outcome},
    printer::Printer,
};

/// Admit a server: resolve its package and all it needs, compare every archive with what the registry announced, verify
/// who built it, unpack it without executing anything, store it, and write it into portcullis.lock for somebody else to
/// approve. Where a version of that name is approved, it goes on until the new one is approved too.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// `npm:NAME[@VERSION]`, `pypi:NAME[==VERSION]`, `file:PATH` (a packed npm package, a wheel, or a program) or `mcpb:PATH` (an
    /// MCPB bundle).
    package: Package,
    /// What it is called in configurations; made from the package's name when absent.
    #[arg(long)]
    name: Option<ServerName>,
    /// Who answers for it; when absent, whoever submits it.
    #[arg(long)]
    owner: Option<String>,
    /// What it is for.
    #[arg(long)]
    purpose: Option<String>,
    /// Day on which it has to be looked at again, as YYYY-MM-DD.
    #[arg(long, value_name = "DAY", value_parser = day)]
    review: Option<String>,
    /// Admits a package whose name can be mistaken for another's.
    #[arg(long)]
    danger_similar_name: bool,
    #[command(flatten)]
    options: Options,
}

pub(crate) fn day(text: &str) -> Result<String, String> {
    if is_day(text) { Ok(text.to_owned()) } else { Err("a day is written YYYY-MM-DD".to_owned()) }
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let mut lock = args.options.place.read()?;
    let name = args.name.clone().map_or_else(|| name_of(&args.package), Ok)?;
    let wish = Wish {
        package: &args.package,
        owner: args.owner.clone(),
        purpose: args.purpose.clone(),
        review: args.review.clone(),
        danger_similar_name: args.danger_similar_name,
        present: None,
        name,
    };
    let (server, tree) = fetch(&args.options, &wish, &lock, printer)?.finish(printer)?;
    let seat = admit(&args.options, &mut lock, &server)?;
    tell(args.options.json, &server, tree, printer);
    if seat == Seat::Next {
        printer
            .status("the version that is approved goes on until then; `portcullis update --show` compares");
    }
    Ok(Exit::Fine)
}

fn name_of(package: &Package) -> Result<ServerName, Failure> {
    let path = Path::new(&package.name);
    let last = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let text = if package.ecosystem.is_local() { last } else { package.name.clone() };
    let short = text.rsplit('/').next().unwrap_or_default();
    clients::server_name(short).map_err(|_| {
        Failure::new(Exit::Usage, format!("no server name can be made of `{short}`"))
            .remedy("give it one with `--name`")
    })
}

/// The result for programs.
#[derive(Serialize)]
struct Summary<'s> {
    state: &'static str,
    files: usize,
    bytes: u64,
    #[serde(flatten)]
    server: &'s Admitted,
}

fn tell(json: bool, server: &Admitted, tree: Tree, printer: &Printer) {
    let Tree { files, bytes, .. } = tree;
    if json {
        printer.json(&Summary { state: server.state().as_str(), files, bytes, server });
        return;
    }
    printer.line(&format!("{}: {}, {}", server.name, server.package, server.state().as_str()));
    printer.line(&format!("  artefact {}", server.artifact));
    printer.line(&format!("  tree {}", server.tree));
    let parts = counted(server.parts.len(), "package");
    printer.line(&format!("  {parts}, {}, {bytes} bytes", counted(files, "file")));
    if let Some(provenance) = &server.provenance {
        let source = provenance.source.as_deref().unwrap_or("an unknown source");
        printer.line(&format!("  built from {source}, signed by {}", provenance.signer));
    }
    for finding in &server.findings {
        printer.line(&format!("  {finding}"));
    }
    printer.status("it starts once somebody else approved it: `portcullis approve`");
}
