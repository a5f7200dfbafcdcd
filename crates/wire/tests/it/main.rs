//! Tests of the wire crate through its public interface.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    missing_docs,
    unreachable_pub,
    reason = "test code"
)]

#[path = "../../../../fuzz/src/targets/mod.rs"]
mod targets;

mod differential;
mod grammar;
mod headers;
mod limits;
mod messages;
mod metadata;
mod replay;
mod streams;
mod tables;
mod writing;
