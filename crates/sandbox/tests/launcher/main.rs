//! The launcher on real processes: what a server is given, and that nothing of it is ever left; and what hostile
//! programs can do in a sandbox.
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod battery;
mod denied;
mod isolation;
mod orphans;
mod seal;
mod selftest;
mod stage;
mod support;
