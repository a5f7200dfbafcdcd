//! `portcullis init`

use std::path::{Path, PathBuf};

use portcullis_policy::{Grant, init_policy};

use super::{CONFIG_FILE, counted, import::Found};
use crate::{
    exit::{Exit, Failure, Outcome},
    files::{self, Access, Existing},
    printer::Printer,
};

/// Write a first configuration and policy.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Directory to write into.
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// Settings of a client whose servers are taken over.
    #[arg(long, value_name = "CLIENT_CONFIG")]
    from: Option<PathBuf>,
    /// Replace files that are there.
    #[arg(long)]
    force: bool,
}

const POLICY_FILE: &str = "policy.cedar";

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let found = Found::in_files(args.from.as_slice(), None, &[]);
    found.refuse_unreadable(printer)?;
    let grants: Vec<Grant> = found.names().into_iter().map(Grant::AllTools).collect();
    let directory = args.dir.strip_prefix(".").unwrap_or(&args.dir);
    let (config, policy) = (directory.join(CONFIG_FILE), directory.join(POLICY_FILE));
    // Found out before anything is written, so that a refusal leaves nothing half done.
    refuse_existing(&[&config, &policy], args.force)?;
    std::fs::create_dir_all(&args.dir).map_err(|error| {
        Failure::new(
            Exit::Usage,
            format!("the directory `{}` could not be made: {error}", args.dir.display()),
        )
    })?;
    let existing = if args.force { Existing::Replace } else { Existing::Keep };
    found.write_secrets(&args.dir)?;
    files::write(&config, configuration(&found.toml.text).as_bytes(), Access::Usual, existing)?;
    files::write(&policy, init_policy(&grants).as_bytes(), Access::Usual, existing)?;
    found.tell(printer);
    tell_next(&config, &policy, grants.len(), printer);
    Ok(Exit::Fine)
}

fn refuse_existing(files: &[&Path], force: bool) -> Result<(), Failure> {
    match files.iter().find(|file| file.exists()).filter(|_| !force) {
        Some(file) => {
            let what = format!("`{}` is there already, and nothing was written", file.display());
            Err(Failure::new(Exit::Usage, what)
                .remedy("`--force` replaces it, `--dir` names another directory"))
        }
        None => Ok(()),
    }
}

fn tell_next(config: &Path, policy: &Path, servers: usize, printer: &Printer) {
    let taken = if servers > 0 { format!(", with {}", counted(servers, "server")) } else { String::new() };
    printer.done(&format!("{} and {} are written{taken}", config.display(), policy.display()));
    let file = config.display();
    if servers == 0 {
        printer.status(&format!("next: add your servers to {file}, and permit them in {}", policy.display()));
    } else {
        printer.status(&format!(
            "next: read {}: it permits you everything those servers offer",
            policy.display()
        ));
    }
    printer.status(&format!("      portcullis check --config {file}"));
    printer.status(&format!("      portcullis serve --config {file}"));
    printer.status("      and let your client use http://127.0.0.1:8930/mcp");
}

/// The first configuration. A line that starts with `#` and a blank can be used as it is without them.
const TEMPLATE: &str = r##"# Portcullis. Every setting has a default; `portcullis check --explain` shows those in force.
# The reference is docs/configuration.md. A mistake anywhere in this file is an error, and
# `portcullis check` reports all of them at once.

[gateway]
#| Only programs on this machine can connect.
listen = "127.0.0.1:8930"

#| Web pages that may connect, by origin. None may unless it is listed.
# allowed_origins = ["http://localhost:6274"]

[policy]
#| What no policy permits is refused.
files = ["policy.cedar"]

[audit]
#| A record of every decision is here before the call it is about proceeds.
file = "~/.local/state/portcullis/audit.jsonl"
#| The same records as a tree with signed checkpoints: nobody changes one unnoticed. Make its key first:
#| portcullis audit key new ~/.local/state/portcullis/log.key
# log = "~/.local/state/portcullis/log"

#| Health and metrics, for you.
# [admin]
# listen = "127.0.0.1:8931"

#| A server that is started as a program …
# [server.files]
# command = "npx"
# args = ["-y", "@modelcontextprotocol/server-filesystem", "/home/me/notes"]

#| … and one that is called. Secrets stay in files only you can read.
# [server.tickets]
# url = "https://mcp.example.com/mcp"
# headers = { Authorization = { file = "secrets/tickets", prefix = "Bearer " } }
"##;

fn configuration(servers: &str) -> String {
    let text = TEMPLATE.replace("#| ", "# ");
    if servers.is_empty() { text } else { format!("{text}\n{servers}") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use super::*;

    #[test]
    fn every_line_of_the_template_can_be_used() {
        let (_, body) = TEMPLATE.split_once("\n\n").unwrap();
        let lines = body.lines().filter(|line| !line.starts_with("#| "));
        let text: Vec<&str> = lines.map(|line| line.strip_prefix("# ").unwrap_or(line)).collect();
        let file = std::env::temp_dir().join(format!("portcullis-template-{}.toml", std::process::id()));
        for text in [text.join("\n"), configuration("")] {
            std::fs::write(&file, text).unwrap();
            let loaded = crate::config::load(&file).unwrap();
            assert_eq!(loaded.warnings.problems(), []);
        }
        std::fs::remove_file(&file).unwrap();
    }
}
