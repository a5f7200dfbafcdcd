//! Is the content safe. Sole maker of [`Cleared`] and [`Released`], the proofs that a call and an answer
//! have been inspected, and of [`Admitted`], the proof that a definition may be shown.
//!
//! Four kinds of subject, one rule for each kind wherever it comes from:
//!
//! In all of them, text that gives orders to the model that reads it, or hides something, is acted on as
//! [`detect::ContentPolicy`] says; in what clients send and in answers, secrets and personal data as [`data::DataPolicy`] says.
//!
//! - **Calls.** The strict walk of `wire` under [`Inspector::limits`], then every control in order. For
//!   `tools/call` the arguments must fit the tool's own input schema; a tool without a usable schema
//!   cannot be called (control TI-02).
//! - **Answers.** Results, errors, notifications and requests from a server, and what the gateway itself
//!   writes: the same walk, and the shape that belongs to the channel. The structured content of a result has to fit
//!   the tool's own output schema, as it is after every edit; see [`Promised`].
//! - **What clients say that is no request**: answers to questions of servers, and notifications. Like calls, without a
//!   schema.
//! - **Definitions.** A name that two readers read alike, for tools schemas that can be enforced within bounds, see [`schema`], and what was trusted before, see [`pins`].
//!
//! Which controls there are and in which order they run is one table in code, in `controls`; an
//! [`Inspector`] is built from it at start-up and refuses to start without a control that is required.

mod cleared;
pub mod conduct;
mod content;
mod controls;
pub mod data;
mod decode;
pub mod detect;
mod inspector;
pub mod lint;
mod options;
pub mod pins;
mod released;
pub mod schema;
mod table;
pub mod targets;
pub mod text;

pub use cleared::{Cleared, ClearedMessage, Inspected};
pub use inspector::{Admitted, Inspector};
pub use options::{InspectorOptions, MessageLimits, MissingControl};
pub use released::Released;
pub use schema::{ArgumentFault, Form, Misfits, Promised, SchemaFault, SchemaLimits, ToolSchema, Undeclared};
