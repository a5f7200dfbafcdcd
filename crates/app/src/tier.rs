//! What puts the boundaries of a server up, as it is configured and as it is here.

use std::ffi::OsString;

use portcullis_sandbox::Tier;

use crate::config;

/// Where runtimes are besides the directories of `PATH`.
const BESIDES: &[&str] = &["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// The tier that is wished for, with the program of its runtime.
///
/// # Errors
/// When there is no such program: what to install.
pub(crate) fn settled(wish: config::Tier, runtime: Option<&str>) -> Result<Tier, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(BESIDES.iter().map(Into::into));
    let path: OsString = std::env::join_paths(places).unwrap_or(path.clone());
    match (wish, runtime) {
        (config::Tier::Kernel, None) => Ok(Tier::Kernel),
        (config::Tier::Kernel, Some(_)) => Err("the tier `kernel` has no runtime".to_owned()),
        (config::Tier::Gvisor, runtime) => Tier::gvisor(runtime.unwrap_or("runsc"), &path),
        (config::Tier::Oci, Some(runtime)) => Tier::oci(runtime, &path),
        (config::Tier::Oci, None) => {
            Err("the tier `oci` needs the name of a runtime: `sandbox_runtime` or `--runtime`, `crun` for instance".to_owned())
        }
    }
}
