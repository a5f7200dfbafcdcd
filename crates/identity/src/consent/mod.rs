//! Pages on which somebody who calls a shared gateway agrees to being connected to a server (controls IAM-04, AZ-07,
//! threats T7 and T9; MCP security best practices, "Confused Deputy Problem").
//!
//! A caller without a connection is given a link with a sealed ticket: whose it is, which client asked, for which server,
//! for how long. Whoever opens it logs in with the issuer of the gateway's own tokens and has to turn out to be the
//! ticket's owner, so that nobody connects somebody else's account to themselves or their own to somebody else. Then they
//! are asked for this one client, and only after a yes does the browser go to the server's authorization server.
//!
//! ```text
//! GET /connect/SERVER?ticket=…   → the issuer      (a cookie is set, nothing else happened)
//! GET /connect/signed-in?code=…  → the question    (the caller is the ticket's owner)
//! POST /connect/agree            → the server's authorization server
//! GET /connect/connected?code=…  → connected
//! ```

mod browsers;
mod html;
mod pages;
mod sign_in;
mod ticket;

pub use pages::{ConsentPages, Visit};
pub use sign_in::SignInConfig;
pub(crate) use ticket::Ticket;

/// Below which the pages are.
pub const CONSENT_PATH: &str = "/connect/";
