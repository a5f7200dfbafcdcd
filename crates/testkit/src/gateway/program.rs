//! Where the program is, and how it is started.

use std::{
    env,
    path::{Path, PathBuf},
};

use crate::server::{Launch, Process, Sandbox, SpawnError};

/// The program `portcullis`: the one that `PORTCULLIS_PROGRAM` names, else the one cargo built beside the test.
///
/// # Errors
/// When it was not built.
pub fn portcullis() -> Result<PathBuf, SpawnError> {
    match env::var_os("PORTCULLIS_PROGRAM") {
        Some(named) => Ok(PathBuf::from(named)),
        None => program_beside("portcullis", "cargo build -p portcullis"),
    }
}

/// A program that cargo built: in the directory of the test's own program or in the one above. `remedy` builds
/// it.
///
/// # Errors
/// When it was not built.
pub fn program_beside(name: &'static str, remedy: &'static str) -> Result<PathBuf, SpawnError> {
    let own = env::current_exe().expect("a running program has a path");
    let found = own.ancestors().skip(1).take(2).map(|place| place.join(name)).find(|it| it.is_file());
    found.ok_or(SpawnError::NoProgram { name, beside: own, remedy })
}

pub(super) fn serve(program: PathBuf, config: &Path, home: &Path) -> Result<Process, SpawnError> {
    let args = ["serve", "--config", config.to_str().expect("the paths of tests are UTF-8")];
    Process::start(&Launch {
        program,
        args: args.map(str::to_owned).into(),
        // Whatever it would keep for its user belongs to the test.
        env: vec![("HOME".to_owned(), home.to_str().expect("the paths of tests are UTF-8").to_owned())],
        sandbox: Sandbox::none(),
    })
}
