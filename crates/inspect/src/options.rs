//! What the configuration decides about inspection.

use portcullis_core::{ControlId, wire::Limits};

use crate::{
    data::{Canaries, DataPolicy, TokenKey},
    detect::ContentPolicy,
    schema::{Misfits, SchemaLimits, Undeclared},
    targets::TargetPolicy,
};

/// Bounds for messages, by direction. `wire` enforces them in the walk that reads a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageLimits {
    /// From clients. Default: `wire::Limits::default()`, 4 MiB.
    pub request: Limits,
    /// From servers. Default: 16 MiB and a million values, otherwise as for requests.
    pub response: Limits,
}

const RESPONSE_BYTES: usize = 16 << 20;
const RESPONSE_VALUES: u32 = 1_000_000;

impl Default for MessageLimits {
    fn default() -> Self {
        let request = Limits::default();
        let response = Limits {
            max_bytes: RESPONSE_BYTES,
            max_string: RESPONSE_BYTES,
            max_nodes: RESPONSE_VALUES,
            max_members: RESPONSE_VALUES,
            ..request
        };
        Self { request, response }
    }
}

/// Options of an [`Inspector`](crate::Inspector).
#[derive(Clone, Debug, Default)]
pub struct InspectorOptions {
    /// Controls that must be there. Starting without one of them is an error.
    pub required: Vec<ControlId>,
    /// Bounds for messages (control NET-05).
    pub limits: MessageLimits,
    /// Bounds for schemas (control TI-02).
    pub schema: SchemaLimits,
    /// Whether parameters that a schema does not declare are refused (control TI-02).
    pub undeclared: Undeclared,
    /// Whether results that do not fit the tool's output schema are withheld (control TI-02).
    pub misfits: Misfits,
    /// What arguments may name outside of their tool (control TI-06).
    pub targets: TargetPolicy,
    /// What is done about text that gives orders, or hides something (controls TI-03 and TI-04).
    pub content: ContentPolicy,
    /// What is done about secrets and personal data (controls TI-03 and TI-04).
    pub data: DataPolicy,
    /// Words that nobody has a reason to send.
    pub canaries: Canaries,
    /// What the words for tokenised values are made with; without, such values are redacted.
    pub token_key: Option<TokenKey>,
}

/// Required controls that this build does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "controls {} are required but this build does not have them in inspection; do not require them, or use a build that has them",
    list(.0)
)]
pub struct MissingControl(Vec<ControlId>);

impl MissingControl {
    pub(crate) fn new(missing: Vec<ControlId>) -> Self {
        Self(missing)
    }

    /// Which, in the order they were required.
    pub fn controls(&self) -> &[ControlId] {
        &self.0
    }
}

fn list(controls: &[ControlId]) -> String {
    controls.iter().map(|control| format!("`{control}`")).collect::<Vec<_>>().join(", ")
}
