//! The spine: one function every message passes, the transports around it, and the servers behind it.
//!
//! Start reading at `serve.rs`: `Gateway::serve` is the whole life of a request.

mod announce;
mod approve;
mod batch;
mod begun;
mod catalogue;
mod client;
mod contain;
mod control;
mod dispatch;
pub mod edge;
mod event_log;
mod feed;
pub mod flow;
mod forward;
mod gateway;
mod inbound;
pub mod ingress;
pub mod limits;
mod listen;
mod local;
pub mod metrics;
pub mod offered;
pub mod outbound;
mod outflow;
mod prefix;
mod relay;
pub mod reply;
mod resolve;
mod seal;
mod serve;
mod session;
mod sessions;
mod snapshot;
mod state;
mod stops;
mod subscriptions;
mod tasks;
mod template;
mod trace;
mod trail;
pub mod translate;
pub mod upstream;
pub mod views;
mod watch;

pub use catalogue::{Catalogue, FetchLimits};
pub use gateway::Gateway;
pub use inbound::Inbound;
pub use outflow::{Answered, Delivery, Outflow, Reply};
pub use session::Session;
pub use sessions::{SessionLimits, Sessions};
pub use snapshot::{Server, Settings, Snapshot};
pub use subscriptions::Subscriptions;
pub use watch::Watch;
