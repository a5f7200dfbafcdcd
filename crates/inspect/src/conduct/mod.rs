//! What a tool does with data, read off its definition with a reason for each guess.
//!
//! A server's own text can only add to what its tools are taken to do, so a guess makes a policy stricter and never
//! laxer; what a server leaves out, an operator declares. Names count for more than descriptions: a description that
//! mentions mail does not make a tool one that sends it.

mod infer;
mod words;

use portcullis_core::{Conduct, Deed};
use serde::Serialize;

pub use infer::infer;
pub(crate) use infer::split;

/// One guess.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Guess {
    /// What it does.
    pub deed: Deed,
    /// Why that is thought.
    pub reason: String,
}

/// All guesses about one tool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Guesses(pub Vec<Guess>);

impl Guesses {
    /// The guesses without their reasons.
    pub fn conduct(&self) -> Conduct {
        self.0.iter().map(|guess| guess.deed).collect()
    }

    fn add(&mut self, deed: Deed, reason: impl FnOnce() -> String) {
        if !self.conduct().does(deed) {
            self.0.push(Guess { deed, reason: reason() });
        }
    }
}
