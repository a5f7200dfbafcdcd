//! The proof that an answer has been inspected.

use portcullis_core::{Answer, ControlRuns, Finding, Kept, ServerName, Surface, wire::Message};

/// An answer that passed every control: the only way to bytes for the caller.
///
/// Only [`Inspector::response`](crate::Inspector::response) makes one, whether a server or the gateway
/// itself wrote the answer:
///
/// ```compile_fail,E0451
/// fn forge(answer: portcullis_core::Answer) -> portcullis_inspect::Released {
///     portcullis_inspect::Released { answer, controls: Default::default(), findings: Vec::new(), kept: Vec::new() }
/// }
/// ```
///
/// The message inside cannot be exchanged:
///
/// ```compile_fail,E0594
/// fn swap(released: portcullis_inspect::Released, other: portcullis_core::wire::Message) {
///     *released.message() = other;
/// }
/// ```
#[derive(Debug)]
pub struct Released {
    answer: Answer,
    controls: ControlRuns,
    findings: Vec<Finding>,
    kept: Vec<Kept>,
}

impl Released {
    pub(crate) fn new(
        answer: Answer,
        controls: ControlRuns,
        findings: Vec<Finding>,
        kept: Vec<Kept>,
    ) -> Self {
        Self { answer, controls, findings, kept }
    }

    /// The message.
    pub fn message(&self) -> &Message {
        &self.answer.message
    }

    /// The message, giving up the proof.
    pub fn into_message(self) -> Message {
        self.answer.message
    }

    /// Which server wrote it; none when the gateway did.
    pub fn server(&self) -> Option<&ServerName> {
        self.answer.server.as_ref()
    }

    /// The channel it was inspected for.
    pub fn surface(&self) -> Surface {
        self.answer.surface
    }

    /// Which controls ran, in order. Shared by all answers.
    pub fn controls(&self) -> ControlRuns {
        self.controls.clone()
    }

    /// What the controls noticed without objecting.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// What was taken out of it and can be put back.
    pub fn take_kept(&mut self) -> Vec<Kept> {
        std::mem::take(&mut self.kept)
    }
}
