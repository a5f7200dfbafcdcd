//! What the optimiser is told about the hot path: a profile of the benchmark's load, kept with the source.
//!
//! A compiler of another LLVM cannot read it and builds without. What has changed in the source since it was made is
//! optimised as if there were none.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{args::Args, bench, failure::Failure, workspace};

pub(crate) const ABOUT: &str =
    "runs the benchmark's load over an instrumented program and writes benches/portcullis.profdata
needs llvm-profdata of the compiler's own LLVM: `rustup component add llvm-tools`, or a package such as llvm-22";

pub(crate) const RELEASE_ABOUT: &str =
    "builds the program as it is given out and measured: with link-time inlining, and with
benches/portcullis.profdata where the compiler can read it";

const PROFILE: &str = "benches/portcullis.profdata";
/// Names the LLVM it is of.
const LLVM: &str = "benches/portcullis.profdata.llvm";

pub(crate) fn run(args: Args) -> Result<(), Failure> {
    args.finish()?;
    let llvm = llvm()?;
    let merge = profdata(&llvm)?;
    let raw = workspace::metadata()?.target_directory.join("profile");
    empty(&raw)?;
    let flags = [format!("-Cprofile-generate={}", raw.display())];
    let instrumented = workspace::build_gateway(&flags)?;
    bench::train(instrumented)?;
    let into = workspace::root().join(PROFILE);
    // Functions that the load never reached say nothing.
    workspace::output(Command::new(merge).args(["merge", "--sparse", "-o"]).arg(&into).arg(&raw))?;
    let kept = workspace::root().join(LLVM);
    std::fs::write(&kept, llvm + "\n").map_err(|e| Failure::broken(kept.display(), e))?;
    println!("written to {}", into.display());
    Ok(())
}

pub(crate) fn release(args: Args) -> Result<(), Failure> {
    args.finish()?;
    println!("{}", gateway()?.display());
    Ok(())
}

/// Builds the program as it is given out.
pub(crate) fn gateway() -> Result<PathBuf, Failure> {
    workspace::build_gateway(&flags()?)
}

/// What the compiler is told; nothing where it could not read the profile.
fn flags() -> Result<Vec<String>, Failure> {
    let (profile, kept) = (workspace::root().join(PROFILE), workspace::root().join(LLVM));
    let of = std::fs::read_to_string(&kept).map_err(|e| Failure::broken(kept.display(), e))?;
    let own = llvm()?;
    if of.trim() != own {
        eprintln!("without {PROFILE}: it is of LLVM {}, this compiler has LLVM {own}", of.trim());
        return Ok(Vec::new());
    }
    Ok(vec![format!("-Cprofile-use={}", profile.display())])
}

/// The major version of the compiler's LLVM.
fn llvm() -> Result<String, Failure> {
    let said = workspace::output(Command::new("rustc").arg("-vV"))?;
    major(&said).ok_or_else(|| Failure::broken("rustc -vV", "it names no LLVM version"))
}

fn major(said: &str) -> Option<String> {
    let version = said.lines().find_map(|line| line.strip_prefix("LLVM version: "))?;
    Some(version.split('.').next()?.to_owned())
}

/// The tool that merges counts: the compiler's own, or that of a package.
fn profdata(llvm: &str) -> Result<PathBuf, Failure> {
    let sysroot = workspace::output(Command::new("rustc").args(["--print", "sysroot"]))?;
    let host = workspace::output(Command::new("rustc").args(["--print", "host-tuple"]))?;
    let own = Path::new(sysroot.trim()).join("lib/rustlib").join(host.trim()).join("bin/llvm-profdata");
    let places = [own, format!("/usr/lib/llvm-{llvm}/bin/llvm-profdata").into()];
    places.into_iter().find(|place| place.exists()).ok_or_else(|| {
        let remedy = format!("`rustup component add llvm-tools`, or install the package llvm-{llvm}");
        Failure::broken("llvm-profdata", format!("there is none for LLVM {llvm}: {remedy}"))
    })
}

fn empty(directory: &Path) -> Result<(), Failure> {
    let emptied = match std::fs::remove_dir_all(directory) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e),
        _ => std::fs::create_dir_all(directory),
    };
    emptied.map_err(|e| Failure::broken(directory.display(), e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_llvm_is_its_first_number() {
        for (said, expected) in [
            ("rustc 1.95.0\nhost: x\nLLVM version: 22.1.2\n", Some("22")),
            ("LLVM version: 9\n", Some("9")),
            ("rustc 1.95.0\n", None),
        ] {
            assert_eq!(major(said).as_deref(), expected, "{said}");
        }
    }
}
