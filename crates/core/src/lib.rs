//! The vocabulary every other crate speaks: who calls, what is called, what came back, what a control
//! says about it, and the ports through which the outside world is reached.
//!
//! Nothing here decides anything. Proofs of a decision (`Permitted`, `Cleared`, `Released`, `Ticket`)
//! live in the crate that makes the decision, so that no other crate can make one.

mod answer;
mod approvals;
mod call;
mod caller;
mod client_message;
mod clock;
mod commitment;
mod control;
mod control_id;
mod control_runs;
mod definition;
mod details;
mod digest;
mod flow;
mod host;
mod launch;
mod link;
mod name;
mod on_behalf;
mod pins;
mod record;
mod refusal;
mod secret;
mod span;
pub mod spelling;
mod stop;

pub use answer::{Answer, Surface};
pub use approvals::{Approval, Approvals, Asked, NoApprovals};
pub use call::{Call, Channel, Item, ListKind, PutBack, Target};
pub use caller::{AuthMethod, Caller, Grant, Principal, PrincipalFault, PrincipalKind};
pub use client_message::ClientMessage;
pub use clock::{Clock, FakeClock, SystemClock};
pub use commitment::Commitment;
pub use control::{Consent, Context, Control, Edit, Finding, Kept, Verdict};
pub use control_id::ControlId;
pub use control_runs::{ControlRun, ControlRuns, RunState};
pub use definition::{Definition, DefinitionFault};
pub use details::{AuthorizationDetail, Constraint, Details, Scalar, TOOL_CALL, ToolCalls};
pub use digest::Digest;
pub use flow::{Canonical, Conduct, Deed, Flow, Label, LabelClass, Labels};
pub use host::{Authority, AuthorityFault, DomainName, Host, HostFault, Special, special_purpose};
pub use launch::{Boundary, Exit, LaunchError, LaunchPlan, Launched, Launcher, Process, StderrLine};
pub use link::{
    BoxFuture, Exchange, Link, LinkProfile, Outbound, Replier, ServerInfo, Upstream, UpstreamError,
    UpstreamEvent,
};
pub use name::{NameError, ServerName};
pub use on_behalf::{OnBehalf, SubjectToken};
pub use pins::{Hold, Offer, PinKind, PinNote, Pins, PinsUnavailable, Review, Standing};
pub use portcullis_wire as wire;
pub use record::{
    Attestation, CallContext, Decision, DecisionRecord, Outcome, OutcomeRecord, Record, RecordId, Sink,
    SinkError, TakenBy,
};
pub use refusal::{Challenge, Refusal, RefusalKind};
pub use secret::Secret;
pub use span::{SpanId, Spans, TraceId};
pub use stop::{Stop, StopFault, StopSource, StopSubject};
