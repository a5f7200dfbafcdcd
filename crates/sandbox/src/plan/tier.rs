//! What puts the boundaries of a plan up.

use std::{ffi::OsStr, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::Limits;

/// The kernel by itself, or a container runtime inside of boundaries of the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Tier {
    /// The kernel's own boundaries.
    #[default]
    Kernel,
    /// gVisor, a kernel in a process of its own, which is all of the machine's kernel that a server gets to see.
    Gvisor {
        /// Its `runsc`.
        runtime: PathBuf,
    },
    /// Any runtime with the command line of the OCI's runtimes.
    Oci {
        /// Its program.
        runtime: PathBuf,
    },
}

impl Tier {
    /// gVisor, whose program is called so.
    ///
    /// # Errors
    /// When it is not there: what to install.
    pub fn gvisor(name: &str, path: &OsStr) -> Result<Self, String> {
        let runtime = found(name, path)?;
        Ok(Self::Gvisor { runtime })
    }

    /// The runtime of this name or path.
    ///
    /// # Errors
    /// When it is not there: what to install.
    pub fn oci(name: &str, path: &OsStr) -> Result<Self, String> {
        let runtime = found(name, path)?;
        Ok(Self::Oci { runtime })
    }

    /// Whether it is the kernel alone.
    pub fn is_kernel(&self) -> bool {
        *self == Self::Kernel
    }

    /// Limits of all processes together, with what the runtime needs for itself.
    pub(crate) fn around(&self, limits: &Limits) -> Limits {
        let (memory, processes) = match self {
            Self::Kernel => (0, 0),
            Self::Gvisor { .. } => (512 << 20, 1024),
            Self::Oci { .. } => (128 << 20, 64),
        };
        Limits {
            memory: limits.memory.saturating_add(memory),
            processes: limits.processes.saturating_add(processes),
            ..limits.clone()
        }
    }

    /// The runtime, if there is one.
    pub fn runtime(&self) -> Option<&PathBuf> {
        match self {
            Self::Kernel => None,
            Self::Gvisor { runtime } | Self::Oci { runtime } => Some(runtime),
        }
    }
}

impl std::fmt::Display for Tier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Kernel => f.write_str("kernel"),
            Self::Gvisor { runtime } => write!(f, "gvisor ({})", runtime.display()),
            Self::Oci { runtime } => write!(f, "oci ({})", runtime.display()),
        }
    }
}

fn found(name: &str, path: &OsStr) -> Result<PathBuf, String> {
    use std::os::unix::fs::PermissionsExt as _;
    let is_program = |file: &PathBuf| {
        file.metadata().is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
    };
    let candidates: Vec<PathBuf> = match name.contains('/') {
        true => vec![name.into()],
        false => std::env::split_paths(path).map(|directory| directory.join(name)).collect(),
    };
    let real = candidates.into_iter().filter(is_program).find_map(|file| file.canonicalize().ok());
    real.ok_or_else(|| {
        format!(
            "the runtime `{name}` is not installed: install the package `{}`",
            name.rsplit('/').next().unwrap_or(name)
        )
    })
}
