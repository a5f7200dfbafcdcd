//! `portcullis config`: the documents that are written from the declaration of the settings.

use crate::{
    config::{reference, schema},
    exit::{Exit, Outcome},
    printer::Printer,
};

/// Write what is known about the settings.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    document: Document,
}

#[derive(Debug, clap::Subcommand)]
enum Document {
    /// The reference page, as Markdown.
    Reference,
    /// A JSON schema, for editors.
    Schema,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    match args.document {
        Document::Reference => printer.document(&reference::markdown()),
        Document::Schema => printer.json(&schema::json_schema()),
    }
    Ok(Exit::Fine)
}
