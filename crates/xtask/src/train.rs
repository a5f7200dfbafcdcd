//! Injection detection trained and measured: `cargo xtask train`.

use std::{path::PathBuf, process::Command};

use crate::{args::Args, failure::Failure, workspace};

pub(crate) const ABOUT: &str =
    "trains injection detection on labelled texts and writes its weights and a report
--corpora DIR names the texts: *.jsonl.gz with text, label, surface and source";

const WEIGHTS: &str = "crates/inspect/src/detect/weights";
const REPORT: &str = "docs/detection.md";

pub(crate) fn run(mut args: Args) -> Result<(), Failure> {
    let corpora: Option<PathBuf> = args.value("--corpora")?;
    args.finish()?;
    let corpora = corpora.ok_or_else(|| Failure::Usage("`--corpora DIR` is missing".to_owned()))?;
    let programs = workspace::build_as("release", "release", &["--package", "portcullis-train"])?;
    let root = workspace::root();
    let mut trainer = Command::new(programs.join("portcullis-train"));
    trainer.arg(corpora).arg(root.join(WEIGHTS)).arg(root.join(REPORT));
    let status = trainer.status().map_err(|e| Failure::broken("portcullis-train", e))?;
    if status.success() { Ok(()) } else { Err(Failure::broken("portcullis-train", status)) }
}
