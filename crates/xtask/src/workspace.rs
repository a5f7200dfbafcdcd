//! The repository as cargo sees it.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde::Deserialize;

use crate::failure::Failure;

#[derive(Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    pub(crate) target_directory: PathBuf,
}

#[derive(Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) manifest_path: PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) targets: Vec<Target>,
}

#[derive(Deserialize)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// `None`: a normal dependency; else `dev` or `build`.
    pub(crate) kind: Option<String>,
    /// Set for crates of this workspace.
    pub(crate) path: Option<PathBuf>,
}

#[derive(Deserialize)]
pub(crate) struct Target {
    pub(crate) kind: Vec<String>,
    pub(crate) src_path: PathBuf,
}

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here)
}

pub(crate) fn metadata() -> Result<Metadata, Failure> {
    let text = output(cargo().args(["metadata", "--no-deps", "--format-version=1", "--offline"]))?;
    serde_json::from_str(&text).map_err(|e| Failure::broken("cargo metadata", e))
}

/// Builds with link-time inlining, as `arguments` say, and returns the directory of the programs.
pub(crate) fn build_for_measuring(arguments: &[&str]) -> Result<PathBuf, Failure> {
    build_as("bench-release", "bench-release", arguments)
}

/// Builds as for tests and returns the directory of the programs. `PORTCULLIS_PROFILE` names another profile
/// than `dev`, so that what a test run has built already is used.
pub(crate) fn build(arguments: &[&str]) -> Result<PathBuf, Failure> {
    match std::env::var("PORTCULLIS_PROFILE") {
        Ok(profile) if profile != "dev" => build_as(&profile, &profile, arguments),
        _ => build_as("dev", "debug", arguments),
    }
}

/// Builds as a profile says, whose programs are in `directory`.
pub(crate) fn build_as(profile: &str, directory: &str, arguments: &[&str]) -> Result<PathBuf, Failure> {
    eprintln!("building {}", arguments.join(" "));
    let mut command = cargo();
    command.args(["build", "--quiet", "--profile", profile]).args(arguments);
    let status = command.status().map_err(|e| Failure::broken("cargo build", e))?;
    if !status.success() {
        return Err(Failure::broken("cargo build", status));
    }
    Ok(metadata()?.target_directory.join(directory))
}

/// Runs to the end and returns standard output.
pub(crate) fn output(command: &mut Command) -> Result<String, Failure> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|e| Failure::broken(&program, e))?;
    if !output.status.success() {
        let problem = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::broken(format!("{program}: {}", output.status), problem.trim()));
    }
    String::from_utf8(output.stdout).map_err(|e| Failure::broken(program, e))
}

fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}
