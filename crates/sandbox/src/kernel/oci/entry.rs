//! This program inside of a container: the last boundaries, and then the server.

use std::{
    ffi::OsString,
    io,
    os::unix::process::CommandExt as _,
    process::{Command, ExitCode},
};

use crate::{
    kernel::{DigestOf, StartError, filter::Filters, init::limit, rights, seal},
    plan::{Plan, Tier},
    selftest::{Targets, run_all},
    system,
};

/// The server cannot be executed.
const NOT_EXECUTED: u8 = 126;

/// Puts the last boundaries around this process and executes the server. The program calls this before anything else when
/// its first argument is `__enter`.
pub fn enter(digest_of: Option<DigestOf>) -> ExitCode {
    let mut args = std::env::args_os().skip(2);
    let entered = plan(args.next()).and_then(|plan| {
        seal::check(&plan, digest_of)?;
        within(&plan)
    });
    let Err(error) = entered else {
        let mut command = Command::new(args.next().unwrap_or_default());
        return refuse(&StartError::Program(command.args(args).exec()));
    };
    refuse(&error)
}

/// Puts the last boundaries around this process and makes every attempt of the self-test. The program calls this before
/// anything else when its first argument is `__attempt`.
pub fn attempt() -> ExitCode {
    use io::Write as _;
    let mut args = std::env::args_os().skip(2);
    let entered = plan(args.next()).and_then(|plan| within(&plan).map(|()| plan));
    let targets = args.next().and_then(|text| serde_json::from_str::<Targets>(text.to_str()?).ok());
    match (entered, targets) {
        (Ok(plan), Some(targets)) => {
            for probed in run_all(&targets, &plan) {
                let text = serde_json::to_string(&probed).unwrap_or_default();
                // Whoever asked sees by the absence of an answer that there is none.
                let _nobody_listens = writeln!(io::stdout(), "{text}");
            }
            ExitCode::SUCCESS
        }
        (Err(error), _) => refuse(&error),
        (Ok(_), None) => refuse(&StartError::unmet("self-test", "there are no targets".to_owned())),
    }
}

fn refuse(error: &StartError) -> ExitCode {
    use io::Write as _;
    let _nobody_listens = writeln!(io::stderr(), "{error}");
    NOT_EXECUTED.into()
}

fn plan(text: Option<OsString>) -> Result<Plan, StartError> {
    let text = text.unwrap_or_default();
    let plan = text.to_str().and_then(|text| serde_json::from_str(text).ok());
    plan.ok_or_else(|| StartError::unmet("plan", "it cannot be read".to_owned()))
}

fn within(plan: &Plan) -> Result<(), StartError> {
    let failed =
        |boundary: &'static str| move |error: io::Error| StartError::unmet(boundary, error.to_string());
    limit(&plan.limits).map_err(failed("limits"))?;
    // gVisor has neither; it has no descriptors of the machine either, and knows no file that is not in its root.
    if !matches!(plan.tier, Tier::Gvisor { .. }) {
        system::close_inherited_on_exec().map_err(failed("descriptors"))?;
        let rules = rights::ruleset(plan)?;
        rules.restrict_self().map_err(|error| failed("landlock")(io::Error::other(error)))?;
    }
    Filters::silent()?.apply_silent().map_err(failed("seccomp"))
}
