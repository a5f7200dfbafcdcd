//! The way out against servers, clients and name servers that do not behave.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "test code"
)]

#[path = "../../../../../fuzz/src/egress/mod.rs"]
#[allow(missing_docs, unreachable_pub, clippy::string_slice, reason = "shared with the fuzzer")]
mod targets;

mod forward;
mod replay;
mod resolving;
mod tls;
mod tunnels;
mod world;
