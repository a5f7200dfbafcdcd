//! What interpreters and their environments read.

use std::{
    ffi::OsStr,
    path::{Component, Path, PathBuf},
};

use super::name_of;
use crate::plan::{Draft, PlanFault};

/// Programs whose first argument that is a file is what they run, by the beginning of their names.
const INTERPRETERS: &[&str] = &["node", "nodejs", "bun", "deno", "python", "ruby", "perl"];

/// Prefixes whose libraries every sandbox can read.
const SYSTEM: &[&str] = &["/", "/usr", "/usr/local"];

/// Where a package of Node is said to begin.
const NODE_PACKAGE: &str = "package.json";

/// How far up it is looked for.
const MAX_UP: usize = 5;

/// Grants a program, its interpreters, and what each of them is installed with.
pub(super) fn execute(draft: &mut Draft, program: &OsStr) -> Result<PathBuf, PlanFault> {
    let executed = draft.execute_all(program)?;
    for (called, real) in &executed {
        for path in [called, real] {
            if let Some(prefix) = path.parent().and_then(Path::parent) {
                installed(draft, prefix)?;
            }
        }
        if let Some(modules) = modules_of(real) {
            draft.read(&modules)?;
        }
    }
    Ok(executed.into_iter().next().map(|(called, _)| called).unwrap_or_default())
}

/// A prefix with `bin/` in it: a virtual environment of Python, which names the one it was made of, or an
/// interpreter that is not the system's.
fn installed(draft: &mut Draft, prefix: &Path) -> Result<(), PlanFault> {
    if let Ok(config) = std::fs::read_to_string(prefix.join("pyvenv.cfg")) {
        draft.read(prefix)?;
        let home =
            config.lines().filter_map(|line| line.split_once('=')).find(|(key, _)| key.trim() == "home");
        if let Some(base) = home.and_then(|(_, bin)| Path::new(bin.trim()).parent().map(Path::to_owned)) {
            return libraries(draft, &base);
        }
    }
    libraries(draft, prefix)
}

fn libraries(draft: &mut Draft, prefix: &Path) -> Result<(), PlanFault> {
    let lib = prefix.join("lib");
    let foreign = !SYSTEM.iter().any(|system| prefix == Path::new(system));
    let found = std::fs::read_dir(&lib).into_iter().flatten().flatten();
    // A directory is one of libraries when a runtime's are in it, not because of its name.
    let has_runtime = found.map(|entry| entry.file_name()).any(|name| {
        let name = name.to_string_lossy();
        name.starts_with("python") || name == "node_modules" || name.starts_with("libpython")
    });
    if foreign && has_runtime { draft.read(&lib) } else { Ok(()) }
}

/// The file that an interpreter is told to run.
pub(super) fn script(program: &Path, args: &[String], cwd: &Path) -> Option<PathBuf> {
    let name = name_of(program);
    if !INTERPRETERS.iter().any(|interpreter| name.starts_with(interpreter)) {
        return None;
    }
    args.iter().map(|arg| cwd.join(arg)).find(|path| path.is_file())
}

/// The directory that a script and what it imports are in.
pub(super) fn package_of(script: &Path) -> PathBuf {
    let script = script.canonicalize().unwrap_or_else(|_| script.to_owned());
    if let Some(modules) = modules_of(&script) {
        return modules;
    }
    let mut above = script.ancestors().skip(1).take(MAX_UP);
    let package = above.find(|dir| dir.join(NODE_PACKAGE).is_file());
    package.or(script.parent()).unwrap_or(&script).to_owned()
}

/// The outermost `node_modules` a file is in: packages find each other there.
fn modules_of(file: &Path) -> Option<PathBuf> {
    let modules = file.components().position(|part| part == Component::Normal(OsStr::new("node_modules")))?;
    Some(file.components().take(modules + 1).collect())
}
