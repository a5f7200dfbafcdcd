//! What a user sees of the program: every test runs the real binary and compares the whole of its output with
//! a file in `tests/snapshots`. `UPDATE_SNAPSHOTS=1` writes those files again.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

mod approvals;
mod audit;
mod broken;
mod case;
mod discover;
mod documents;
mod explain;
mod import;
mod init;
mod inspect;
mod install;
mod output;
mod pins;
mod policy;
mod preflight;
mod revoke;
mod sandbox;
mod scan;
mod secrets;
mod stop;
mod verify;
