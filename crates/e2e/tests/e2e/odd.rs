//! The server that misbehaves, as the gateway is to start it.

use std::path::PathBuf;

use portcullis_testkit::server::{Launch, Sandbox};

/// `odd-server` with these arguments.
pub(crate) fn odd(args: &[&str]) -> Launch {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_odd-server"));
    Launch {
        program,
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        env: Vec::new(),
        sandbox: Sandbox::none(),
    }
}
