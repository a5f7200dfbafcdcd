//! May they. Sole maker of [`Permitted`], the proof that a policy allowed a call (control AZ-01).
//!
//! Policies are written in Cedar against the published schema, [`SCHEMA`]. What this crate adds:
//!
//! - **Deny by default, and on any doubt.** Cedar skips a policy that fails to evaluate, so a `forbid`
//!   that fails would allow. Here one failing policy refuses the request and names itself to the operator.
//! - **Every mistake at once.** [`PolicySet::load`] reports all faults of all files with line, column and
//!   remedy. What Cedar would accept but could never match (an unknown kind, a tool without its server,
//!   a condition that is always false) is a fault too.
//! - **Arguments.** A call's arguments are `context.arguments`, see [`arguments`].
//! - **Lists follow from call policy.** [`Authoriser::visible`] shows an entry if some call to it could
//!   be permitted.
//! - **Speed.** Only policies whose scope can match are evaluated, and what depends on neither arguments
//!   nor time is worked out once and remembered for as long as its [`Authoriser`] lives.
//!
//! ```
//! use portcullis_policy::{Authoriser, Options, PolicySet};
//!
//! let text = r#"
//!     @id("git-for-me")
//!     permit (
//!       principal in Mcp::PrincipalKind::"local-user",
//!       action,
//!       resource in Mcp::Server::"git"
//!     );
//! "#;
//! let set = PolicySet::load(&[("git.cedar", text)]).expect("no faults");
//! let authoriser = Authoriser::new(set, Options::default()).expect("a schema this build knows");
//! # let _ = authoriser;
//! ```

pub mod arguments;
mod authoriser;
mod cache;
mod details;
mod explain;
mod expr;
mod fault;
mod ground;
mod index;
mod judge;
mod lint;
mod number;
mod permitted;
mod possible;
mod question;
mod ruling;
mod schema;
mod set;
mod source;
mod stand_in;
mod starter;
mod validate;
mod world;

pub use authoriser::{Authoriser, AuthoriserError, Options};
pub use explain::{Considered, Explanation, Matched};
pub use fault::PolicyFault;
pub use judge::{Answer, Judgement, Known, Undecided};
pub use permitted::Permitted;
pub use question::{View, in_words};
pub use schema::SCHEMA;
pub use set::PolicySet;
pub use starter::{Grant, init_policy, run_policy};
