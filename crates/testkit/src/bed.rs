//! Where the test bed is: what `scripts/testbed` installed, read from `.bed/env`.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// The installed test bed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bed {
    node: PathBuf,
    node_modules: PathBuf,
    python: PathBuf,
}

/// Why there is no usable test bed. Every message ends with the remedy.
#[derive(Debug, thiserror::Error)]
pub enum BedError {
    /// Nothing was installed.
    #[error("no test bed at `{0}`: run scripts/testbed")]
    Absent(PathBuf),
    /// The environment file lacks a variable.
    #[error("`{path}` does not set `{variable}`: run scripts/testbed")]
    Unset {
        /// The environment file.
        path: PathBuf,
        /// The variable.
        variable: &'static str,
    },
    /// What a variable names is gone.
    #[error("`{path}`, named by `{variable}`, does not exist: run scripts/testbed")]
    Gone {
        /// The variable.
        variable: &'static str,
        /// The path it names.
        path: PathBuf,
    },
}

impl Bed {
    /// The bed that `PORTCULLIS_BED` names, else `.bed` at the root of the repository.
    ///
    /// # Errors
    /// When the bed is absent or incomplete.
    pub fn load() -> Result<Self, BedError> {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let place = env::var_os("PORTCULLIS_BED").map_or_else(|| repository.join(".bed"), PathBuf::from);
        Self::load_from(&place)
    }

    /// The bed in the directory `place`.
    ///
    /// # Errors
    /// When the bed is absent or incomplete.
    pub fn load_from(place: &Path) -> Result<Self, BedError> {
        let path = place.join("env");
        let Ok(text) = fs::read_to_string(&path) else { return Err(BedError::Absent(place.to_owned())) };
        let named = |variable: &'static str| {
            let value = value_of(&text, variable);
            let named = value.ok_or_else(|| BedError::Unset { path: path.clone(), variable })?;
            if named.exists() { Ok(named) } else { Err(BedError::Gone { variable, path: named }) }
        };
        Ok(Self {
            node: named("PORTCULLIS_BED_NODE")?,
            node_modules: named("PORTCULLIS_BED_NODE_MODULES")?,
            python: named("PORTCULLIS_BED_PYTHON")?,
        })
    }

    /// A Node of version 22 or later.
    #[must_use]
    pub fn node(&self) -> &Path {
        &self.node
    }

    /// The Python of the environment that has the Python servers.
    #[must_use]
    pub fn python(&self) -> &Path {
        &self.python
    }

    /// The OpenTelemetry collector rotel, which its Python package brings.
    ///
    /// # Errors
    /// When it is not there.
    pub fn rotel(&self) -> Result<PathBuf, BedError> {
        self.of_package("rotel/rotel-agent")
    }

    /// The library that tells a program another time, which its Python package brings.
    ///
    /// # Errors
    /// When it is not there.
    pub fn faketime(&self) -> Result<PathBuf, BedError> {
        self.of_package("libfaketime/vendor/libfaketime/src/libfaketime.so.1")
    }

    /// A file of a Python package.
    fn of_package(&self, file: &str) -> Result<PathBuf, BedError> {
        let libraries = self.python.parent().and_then(Path::parent).unwrap_or(Path::new("/")).join("lib");
        let versions = fs::read_dir(&libraries).into_iter().flatten().filter_map(Result::ok);
        let found = versions.map(|it| it.path().join("site-packages").join(file)).find(|it| it.exists());
        found.ok_or(BedError::Gone {
            variable: "PORTCULLIS_BED_PYTHON",
            path: libraries.join("…/site-packages").join(file),
        })
    }

    /// A file of an npm package: `module("@modelcontextprotocol/server-memory/dist/index.js")`.
    #[must_use]
    pub fn module(&self, file: &str) -> PathBuf {
        self.node_modules.join(file)
    }
}

/// The value of a line `export NAME='VALUE'`, the only form `scripts/testbed` writes.
fn value_of(text: &str, variable: &str) -> Option<PathBuf> {
    let quoted = text
        .lines()
        .find_map(|line| line.strip_prefix("export ")?.strip_prefix(variable)?.strip_prefix('='))?;
    Some(PathBuf::from(quoted.strip_prefix('\'')?.strip_suffix('\'')?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(env: Option<&str>, wanted: &str) {
        let place = tempfile::tempdir().unwrap();
        if let Some(env) = env {
            fs::write(place.path().join("env"), env.replace("HERE", place.path().to_str().unwrap())).unwrap();
        }
        let said = match Bed::load_from(place.path()) {
            Ok(bed) => format!("{bed:?}"),
            Err(error) => error.to_string(),
        };
        let said = said.replace(place.path().to_str().unwrap(), "HERE");
        assert_eq!(said, wanted);
    }

    #[test]
    fn a_bed_is_complete_or_says_what_to_do() {
        check(None, "no test bed at `HERE`: run scripts/testbed");
        check(
            Some("export PORTCULLIS_BED_NODE_MODULES='HERE'\n"),
            "`HERE/env` does not set `PORTCULLIS_BED_NODE`: run scripts/testbed",
        );
        check(
            Some("export PORTCULLIS_BED_NODE='HERE/nothing'\n"),
            "`HERE/nothing`, named by `PORTCULLIS_BED_NODE`, does not exist: run scripts/testbed",
        );
        check(
            Some(
                "export PORTCULLIS_BED_NODE='HERE'\nexport PORTCULLIS_BED_NODE_MODULES='HERE/env'\n\
                 export PORTCULLIS_BED_PYTHON='HERE'\n",
            ),
            r#"Bed { node: "HERE", node_modules: "HERE/env", python: "HERE" }"#,
        );
    }
}
