//! The seam: one control, one question, one verdict.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use serde::Serialize;

use crate::{ControlId, Refusal, Secret};

/// What a control may look at besides its subject. Deliberately small: no clock of its own, no I/O.
#[derive(Clone, Copy, Debug)]
pub struct Context {
    /// Milliseconds since the Unix epoch, read once per request.
    pub now_ms: u64,
}

/// Something worth writing down that does not change the outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The control that noticed.
    pub control: ControlId,
    /// For the operator: what, where.
    pub detail: Cow<'static, str>,
}

/// Whether a person has agreed to what a control would ask about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// Nobody was asked.
    Absent,
    /// A person saw the subject, and agreed.
    Given,
}

/// What a control makes of its subject.
#[derive(Debug)]
pub struct Edit {
    /// In place of the subject's.
    pub bytes: Bytes,
    /// Why.
    pub finding: Finding,
    /// What was taken out and can be put back.
    pub kept: Vec<Kept>,
}

/// Something that was taken out of an answer, and what stands in its place.
#[derive(Clone, Debug)]
pub struct Kept {
    /// In its place. It says what kind of thing it is, and nothing else.
    pub word: Arc<str>,
    /// What was there.
    pub value: Secret,
}

/// What a control says about its subject.
#[derive(Debug)]
pub enum Verdict {
    /// Nothing to say.
    Pass,
    /// Proceed, and record this.
    Note(Finding),
    /// Proceed with other bytes in place of the subject's; the edited call is authorised once more.
    Edit(Edit),
    /// Stop here, unless a person agrees to the refusal's question. What is changed all the same is beside it.
    Ask(Refusal, Option<Edit>),
    /// Stop here.
    Refuse(Refusal),
}

/// One control over one kind of subject: a call, an answer, a definition or an artefact.
///
/// Synchronous and pure: the same subject and context give the same verdict. The order in which
/// controls run is a table in code, never the order of the configuration.
pub trait Control<S: ?Sized>: Send + Sync {
    /// Which control this is.
    fn id(&self) -> ControlId;
    /// The question.
    fn check(&self, subject: &S, cx: &Context) -> Verdict;
}
