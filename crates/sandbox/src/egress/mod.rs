//! The only way out of a sandbox: a forward proxy that lets a server reach what it was allowed to reach, by
//! name, and nothing else (controls NET-02 and TI-06).
//!
//! ```text
//!  server ──► proxy ── rule? ── resolve once ── every address public? ── record ── connect to that address
//!                                                                                     │
//!                     TLS: the name in the ClientHello is the name that was asked for ┘ ──► bytes, counted
//! ```
//!
//! | file | question |
//! |---|---|
//! | `rule`, `policy` | may this server speak to this host and port, and must it be TLS? |
//! | `resolve`, `dns` | which addresses does the name have, all of them, now? |
//! | `gate` | everything that is asked before the first byte leaves, in order |
//! | `hello` | whom does a TLS client say it is speaking to? |
//! | `pace` | how often has it asked, and is that too often? |
//! | `meter` | how much has left, and is that too much? |
//! | `proxy` | `CONNECT` and absolute-form requests |
//! | `ledger` | the port through which every attempt is recorded |
//!
//! Redirects need no rule of their own: a client that follows one asks for a new passage.

mod crowd;
mod denial;
mod dns;
mod gate;
mod gates;
mod hello;
mod ledger;
mod limits;
mod listener;
mod meter;
mod metrics;
mod pace;
mod policy;
mod proxy;
mod resolve;
mod rule;
#[cfg(test)]
mod tests;
mod tunnel;

pub use denial::Denial;
pub use dns::Dns;
pub use gate::{Gate, GateParts};
pub use gates::Gates;
pub use hello::{ClientHello, HelloFault};
pub use ledger::{Attempt, End, Entry, Ledger, Traffic, Way};
pub use limits::Limits;
pub use listener::Listener;
pub use metrics::Metrics;
pub use policy::Policy;
pub use proxy::serve;
pub use resolve::{LookupFault, Resolve};
pub use rule::RuleFault;
