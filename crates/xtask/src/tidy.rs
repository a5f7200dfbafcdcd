//! The rules of the house, as a test: `cargo xtask tidy`.

mod crates;
mod files;
mod layers;
mod readme;

use crate::{args::Args, failure::Failure, workspace};

pub(crate) const ABOUT: &str = "checks the repository's own rules: layers, names, file lengths, crate docs";

/// What was found: problems fail, warnings are only told.
#[derive(Default)]
struct Findings {
    problems: Vec<String>,
    warnings: Vec<String>,
}

impl Findings {
    fn problem(&mut self, text: impl Into<String>) {
        self.problems.push(text.into());
    }

    fn warning(&mut self, text: impl Into<String>) {
        self.warnings.push(text.into());
    }
}

pub(crate) fn run(args: Args) -> Result<(), Failure> {
    args.finish()?;
    let findings = inspect()?;
    for warning in &findings.warnings {
        println!("warning: {warning}");
    }
    if findings.problems.is_empty() {
        println!("tidy");
        return Ok(());
    }
    Err(Failure::Findings(findings.problems.join("\n")))
}

fn inspect() -> Result<Findings, Failure> {
    let metadata = workspace::metadata()?;
    let mut findings = Findings::default();
    layers::check(&metadata.packages, &mut findings);
    crates::check(&metadata.packages, &mut findings);
    readme::check(&metadata.packages, &mut findings)?;
    files::check(&mut findings)?;
    Ok(findings)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;

    #[test]
    fn the_repository_is_tidy() {
        assert_eq!(inspect().unwrap().problems, Vec::<String>::new());
    }
}
