//! Starts stdio servers as children that cannot outlive the gateway.
//!
//! ```text
//!  gateway ──(control socket)── supervisor ── server ── whatever the server starts
//!     └──────── standard input, output and error, as pipes ────────┘
//! ```
//!
//! The supervisor is this same program run as `portcullis __supervise` ([`supervise::main`]). It is the
//! subreaper of everything below it, so a process that detaches itself from the server becomes the
//! supervisor's child and is found. Whichever of the three is killed, nothing is left:
//!
//! | killed | noticed by | ends the rest |
//! |---|---|---|
//! | gateway | supervisor: end of file on the control socket | supervisor |
//! | supervisor | gateway: the supervisor's exit; the server: parent-death signal | gateway, to which the orphans fall as their next subreaper |
//! | server | supervisor: its pidfd | supervisor |
//! | gateway and supervisor at once | server: parent-death signal | the server only; what it started has lost its input |
//!
//! The supervisor isolates environment, descriptors, session and privileges gained by set-user-id programs.
//! Files, network and system calls are confined by [`Contained`], with a [`Plan`] that says what a server may do
//! and that [`infer`] makes of its command.

// Fuzz targets, which the tests replay, see the crate from outside.
#[cfg(test)]
extern crate self as portcullis_sandbox;

mod denied;
mod door;
pub mod egress;
mod environment;
mod infer;
mod kernel;
mod launcher;
pub mod learn;
mod limits;
mod order;
mod plan;
mod process_table;
mod relay;
mod report;
mod seen;
pub mod selftest;
mod stderr;
mod strays;
pub mod supervise;
mod system;

pub use denied::DeniedCall;
pub use infer::{Asked, InferFault, Inferred, infer};
pub use kernel::{
    ATTEMPT, CallVerdict, Contained, DigestOf, ENTER, Ended, StartError, SystemCall, attempt, control_groups,
    enter, system_calls,
};
pub use launcher::{OnDenied, ProcessLauncher};
pub use plan::{Draft, Egress, Limits, Plan, PlanFault, Tier};
pub use seen::{Deed, Sighting};
