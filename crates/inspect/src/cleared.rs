//! The proof that a call has been inspected.

use std::ops::Deref;

use bytes::Bytes;
use portcullis_core::{Call, ControlRuns, Finding, Refusal, wire::Message};

/// A subject whose call passed every control.
///
/// Only [`Inspector::request`](crate::Inspector::request) makes one, so a function that asks for it cannot
/// be reached without the inspection:
///
/// ```compile_fail,E0451
/// fn forge<T>(subject: T) -> portcullis_inspect::Cleared<T> {
///     portcullis_inspect::Cleared { subject, controls: Default::default(), findings: Vec::new() }
/// }
/// ```
///
/// What was inspected cannot be exchanged afterwards:
///
/// ```compile_fail,E0594
/// fn swap(mut cleared: portcullis_inspect::Cleared<portcullis_core::Call>, other: portcullis_core::Call) {
///     *cleared = other;
/// }
/// ```
#[derive(Debug)]
pub struct Cleared<T> {
    subject: T,
    controls: ControlRuns,
    findings: Vec<Finding>,
}

impl<T> Cleared<T> {
    pub(crate) fn new(subject: T, controls: ControlRuns, findings: Vec<Finding>) -> Self {
        Self { subject, controls, findings }
    }

    /// Which controls ran, in order. Shared by all calls of a kind.
    pub fn controls(&self) -> ControlRuns {
        self.controls.clone()
    }

    /// What the controls noticed without objecting.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Gives up the proof.
    pub fn into_inner(self) -> T {
        self.subject
    }
}

impl<T> Deref for Cleared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.subject
    }
}

impl<T: AsRef<Call>> AsRef<Call> for Cleared<T> {
    fn as_ref(&self) -> &Call {
        self.subject.as_ref()
    }
}

/// A message of a client, other than a request, that passed every control: the only one that may reach a server.
///
/// Only [`Inspector::client_message`](crate::Inspector::client_message) makes one:
///
/// ```compile_fail,E0451
/// fn forge(message: portcullis_core::wire::Message) -> portcullis_inspect::ClearedMessage {
///     portcullis_inspect::ClearedMessage { message, controls: Default::default(), findings: Vec::new() }
/// }
/// ```
#[derive(Debug)]
pub struct ClearedMessage {
    message: Message,
    controls: ControlRuns,
    findings: Vec<Finding>,
}

impl ClearedMessage {
    pub(crate) fn new(message: Message, controls: ControlRuns, findings: Vec<Finding>) -> Self {
        Self { message, controls, findings }
    }

    /// Which controls ran, in order. Shared by all messages.
    pub fn controls(&self) -> ControlRuns {
        self.controls.clone()
    }

    /// What the controls noticed without objecting.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The message, giving up the proof.
    pub fn into_message(self) -> Message {
        self.message
    }
}

/// What became of a call that was not refused.
#[derive(Debug)]
pub enum Inspected<T> {
    /// It may go on.
    Cleared(Cleared<T>),
    /// A control wrote the request anew. The subject comes back without proof: the new bytes have to be
    /// decoded, resolved, permitted and inspected like any other request. The finding is why.
    Edited(T, Bytes, Finding),
    /// The refusal stands unless a person agrees to its question. The subject comes back without proof.
    Asked(T, Refusal),
}
