//! The attack range: scenarios of the threat catalogue, run for real against the real program with real servers.
//!
//! A scenario passes only if the effect did not happen (a server's journal, files, the process table), an
//! authorised twin of the same call still works, and the records say so. A refusal in the answer alone is not a
//! pass. What this build has no defence for yet is said, never counted.
//!
//! | module | what it gives |
//! |---|---|
//! | [`scenarios`] | one file for each scenario, attacks as data |
//! | [`report`] | what came of a scenario, for people and for programs |
//! | [`place`] | the programs under attack and attacking |

mod attack;
mod bomb;
mod ground;
mod hostile_http;
mod house;
mod http;
mod identity;
mod message;
mod mitm;
mod pace;
pub mod place;
mod planted;
mod process;
pub mod report;
mod rogue;
pub mod scenarios;
mod tls;
mod trouble;

pub use trouble::Trouble;
