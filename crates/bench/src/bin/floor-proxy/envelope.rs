//! The JSON-RPC envelope, parsed as shallowly as a check of the tool's name allows.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow)]
    method: Option<&'a str>,
    #[serde(borrow)]
    params: Option<Params<'a>>,
}

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow)]
    name: Option<&'a str>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only that it parses matters")]
struct Answer<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

pub(crate) enum Verdict {
    Forward,
    Refuse,
    Malformed,
}

/// The tools that may be called.
pub(crate) struct Allowed(HashSet<String>);

impl Allowed {
    /// The first twenty tools of `mcp-echo-backend`.
    pub(crate) fn echo_tools() -> Allowed {
        Allowed((0..20).map(|i| if i == 0 { "echo".into() } else { format!("echo_{i}") }).collect())
    }

    pub(crate) fn judge(&self, request: &[u8]) -> Verdict {
        let Ok(call) = serde_json::from_slice::<Call>(request) else {
            return Verdict::Malformed;
        };
        let name = call.params.and_then(|params| params.name);
        if call.method != Some("tools/call") || name.is_some_and(|name| self.0.contains(name)) {
            Verdict::Forward
        } else {
            Verdict::Refuse
        }
    }
}

pub(crate) fn is_answer(response: &[u8]) -> bool {
    serde_json::from_slice::<Answer>(response).is_ok()
}
