//! `npx`, taken apart: the package is fetched by npm into npm's own cache, with the package's scripts switched off,
//! and what is run in the sandbox is the package's program itself. So neither npm, nor a shell, nor the network is
//! needed inside.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{Asked, InferFault};

/// Options of `npx` that change nothing about what is run.
const IGNORED: &[&str] = &["-y", "--yes", "-q", "--quiet", "--prefer-offline", "--prefer-online"];

/// The program and the arguments that `npx` would end up with.
pub(super) fn take_apart(asked: &Asked) -> Result<(String, Vec<String>), InferFault> {
    let Some(wanted) = Wanted::read(&asked.args).map_err(fault)? else {
        return Ok((asked.program.clone(), asked.args.clone()));
    };
    let (bin, name) = install(&asked.program, &wanted.package, asked).map_err(fault)?;
    let program = wanted.program.map_or_else(|| program_of(&bin, &name), |program| Ok(bin.join(program)));
    let program = program.map_err(fault)?;
    let program = program.canonicalize().map_err(|error| fault(format!("{}: {error}", program.display())))?;
    Ok((program.to_string_lossy().into_owned(), wanted.args))
}

fn fault(reason: impl Into<String>) -> InferFault {
    InferFault::Runner { runner: "npx", reason: reason.into() }
}

/// What a command line of `npx` asks for.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    package: String,
    /// A program of the package, when it is not the one named like it.
    program: Option<String>,
    args: Vec<String>,
}

impl Wanted {
    /// `None` when no package is named.
    fn read(args: &[String]) -> Result<Option<Self>, String> {
        let (mut package, mut rest) = (None, args.iter());
        while let Some(arg) = rest.next() {
            let named = arg.strip_prefix("--package=").map(str::to_owned);
            match arg.as_str() {
                "-p" | "--package" => package = rest.next().cloned(),
                _ if named.is_some() => package = named,
                ignored if IGNORED.contains(&ignored) || ignored == "--" => {}
                option if option.starts_with('-') => {
                    return Err(format!("its option `{option}` has no meaning in a sandbox"));
                }
                positional => {
                    let args = rest.cloned().collect();
                    return Ok(Some(match package {
                        Some(package) => Self { package, program: Some(positional.to_owned()), args },
                        None => Self { package: positional.to_owned(), program: None, args },
                    }));
                }
            }
        }
        Ok(None)
    }
}

/// Has npm make the package ready, and gives the directory its programs are in and its name.
fn install(npx: &str, package: &str, asked: &Asked) -> Result<(PathBuf, String), String> {
    let npm = Path::new(npx).with_file_name("npm");
    let mut command = Command::new(npm);
    command.args(["exec", "--yes", "--ignore-scripts", "--package", package, "--call", "printenv PATH"]);
    command.env("PATH", &asked.path).current_dir(&asked.cwd).stdin(Stdio::null());
    let output = command.output().map_err(|error| format!("npm: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        let last = said.lines().rfind(|line| !line.trim().is_empty() && !line.contains("A complete log"));
        return Err(format!("npm: {}", last.unwrap_or("ended without a word")));
    }
    let path = String::from_utf8_lossy(&output.stdout);
    let mut places =
        path.trim().split(':').map(PathBuf::from).filter(|place| place.ends_with("node_modules/.bin"));
    let found = places.find_map(|place| Some((name_in(&place, package)?, place)));
    found.map(|(name, place)| (place, name)).ok_or("npm put it nowhere".to_owned())
}

/// What the package is called among those beside `bin`: by its own name, or, where a path or an address was asked
/// for, as the only one that was.
fn name_in(bin: &Path, package: &str) -> Option<String> {
    let version = package.get(1..).and_then(|rest| rest.find('@')).map_or(package.len(), |at| at + 1);
    let name = package.get(..version).unwrap_or(package);
    if manifest(&bin.with_file_name(name)).is_some() {
        return Some(name.to_owned());
    }
    let asked_for = manifest(bin.parent()?.parent()?)?;
    let mut names = asked_for.get("dependencies")?.as_object()?.keys();
    names.next().filter(|_| names.next().is_none()).cloned()
}

fn manifest(package: &Path) -> Option<serde_json::Value> {
    serde_json::from_str(&std::fs::read_to_string(package.join("package.json")).ok()?).ok()
}

/// The package's one program, or the one that has its name.
fn program_of(bin: &Path, name: &str) -> Result<PathBuf, String> {
    let manifest = manifest(&bin.with_file_name(name))
        .ok_or(format!("there is no package `{name}` where npm put it"))?;
    let short = name.rsplit('/').next().unwrap_or(name);
    let programs = manifest.get("bin").and_then(|bin| bin.as_object());
    let chosen = match programs {
        None => Some(short),
        Some(programs) if programs.len() == 1 => programs.keys().next().map(String::as_str),
        Some(programs) => programs.keys().map(String::as_str).find(|program| *program == short),
    };
    chosen
        .map(|program| bin.join(program))
        .ok_or(format!("`{name}` has several programs; name one with `--package`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_are_read_as_npx_reads_them() {
        let wanted = |package: &str, program: Option<&str>, args: &[&str]| {
            Ok(Some(Wanted {
                package: package.to_owned(),
                program: program.map(str::to_owned),
                args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            }))
        };
        for (line, expected) in [
            ("-y @acme/tool@1.2 --dir /x", wanted("@acme/tool@1.2", None, &["--dir", "/x"])),
            ("tool", wanted("tool", None, &[])),
            ("--package=@acme/tool other -v", wanted("@acme/tool", Some("other"), &["-v"])),
            ("-p tool -- other", wanted("tool", Some("other"), &[])),
            ("-y", Ok(None)),
            ("-c anything", Err("its option `-c` has no meaning in a sandbox".to_owned())),
        ] {
            let args: Vec<String> = line.split(' ').map(str::to_owned).collect();
            assert_eq!(Wanted::read(&args), expected, "{line}");
        }
    }
}
