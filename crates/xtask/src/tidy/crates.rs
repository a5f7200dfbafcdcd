//! Each crate sits in the directory it is named after and says what it is for.

use std::path::Path;

use super::{Findings, layers::directory_of};
use crate::workspace::{self, Package};

/// The targets whose first line must be documentation.
const DOCUMENTED: &[&str] = &["lib", "bin", "proc-macro"];

pub(super) fn check(packages: &[Package], findings: &mut Findings) {
    for package in packages {
        let expected = workspace::root().join("crates").join(directory_of(&package.name));
        if package.manifest_path.parent() != Some(&expected) {
            let found = package.manifest_path.display();
            findings.problem(format!("{}: expected in {}, is {found}", package.name, expected.display()));
        }
        for target in &package.targets {
            if target.kind.iter().any(|kind| DOCUMENTED.contains(&kind.as_str())) {
                check_docs(&target.src_path, findings);
            }
        }
    }
}

fn check_docs(path: &Path, findings: &mut Findings) {
    let shown = path.strip_prefix(workspace::root()).unwrap_or(path).display();
    match std::fs::read_to_string(path) {
        Ok(text) if text.starts_with("//! ") => {}
        Ok(_) => findings.problem(format!("{shown}: start with `//! ` and what the crate is for")),
        Err(e) => findings.problem(format!("{shown}: {e}")),
    }
}
