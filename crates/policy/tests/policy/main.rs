//! Policies at work, through the public interface only.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod arguments;
mod asking;
mod decide;
mod deep;
mod detailed;
mod faults;
mod flow;
mod judging;
mod same_answers;
mod starter;
mod visible;
