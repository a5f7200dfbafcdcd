//! `portcullis man`

use std::io;

use clap::CommandFactory as _;

use crate::{
    cli::Cli,
    exit::{Exit, Failure, Outcome},
    printer::Printer,
};

/// Write the manual page, with one part for each command.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_: &Args, printer: &Printer) -> Outcome {
    let page = page()
        .map_err(|error| Failure::new(Exit::Findings, format!("the page could not be written: {error}")))?;
    printer.document(&String::from_utf8_lossy(&page));
    Ok(Exit::Fine)
}

fn page() -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    let mut whole = Cli::command();
    whole.build();
    let man = clap_mangen::Man::new(whole.clone());
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    for command in
        whole.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help")
    {
        let heading = command.get_name().to_uppercase();
        page.extend_from_slice(format!(".SH {heading}\n").as_bytes());
        let man = clap_mangen::Man::new(command.clone());
        let mut part = Vec::new();
        man.render_synopsis_section(&mut part)?;
        man.render_description_section(&mut part)?;
        man.render_options_section(&mut part)?;
        // Sections of the command are parts of its section here.
        page.extend_from_slice(String::from_utf8_lossy(&part).replace(".SH ", ".SS ").as_bytes());
    }
    man.render_extra_section(&mut page)?;
    man.render_version_section(&mut page)?;
    Ok(page)
}
