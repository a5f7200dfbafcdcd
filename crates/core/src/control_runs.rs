//! Which controls ran, as records say it.

use std::{
    borrow::Cow,
    fmt,
    ops::Deref,
    sync::{Arc, OnceLock},
};

use serde::{Serialize, Serializer, ser};
use serde_json::value::RawValue;

use crate::ControlId;

/// Whether a control ran for one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// It ran in full.
    Ran,
    /// It had nothing to look at, or is switched off.
    Skipped,
    /// It ran with less than it should have.
    Degraded,
}

/// A control and whether it ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ControlRun {
    /// Which control.
    pub control: ControlId,
    /// Whether it ran.
    pub state: RunState,
    /// Why not in full, or what it ran with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'static, str>>,
}

/// Controls in the order in which they ran. Most calls share one of a few such lists, and with it its JSON.
#[derive(Clone, Default)]
pub struct ControlRuns(Option<Arc<Runs>>);

struct Runs {
    runs: Box<[ControlRun]>,
    json: OnceLock<Box<RawValue>>,
}

impl Runs {
    fn json(&self) -> Result<&RawValue, serde_json::Error> {
        if let Some(json) = self.json.get() {
            return Ok(json);
        }
        let json = serde_json::value::to_raw_value(&self.runs)?;
        Ok(self.json.get_or_init(|| json))
    }
}

impl Deref for ControlRuns {
    type Target = [ControlRun];

    fn deref(&self) -> &[ControlRun] {
        self.0.as_ref().map_or(&[], |it| &it.runs)
    }
}

impl FromIterator<ControlRun> for ControlRuns {
    fn from_iter<I: IntoIterator<Item = ControlRun>>(runs: I) -> Self {
        let runs: Box<[ControlRun]> = runs.into_iter().collect();
        Self((!runs.is_empty()).then(|| Arc::new(Runs { runs, json: OnceLock::new() })))
    }
}

impl Serialize for ControlRuns {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Some(runs) => runs.json().map_err(ser::Error::custom)?.serialize(serializer),
            None => serializer.collect_seq::<[ControlRun; 0]>([]),
        }
    }
}

impl fmt::Debug for ControlRuns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl PartialEq for ControlRuns {
    fn eq(&self, other: &Self) -> bool {
        self[..] == other[..]
    }
}

impl Eq for ControlRuns {}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;

    #[test]
    fn a_list_is_written_alike_each_time() {
        let run = |control, state, reason: Option<&'static str>| ControlRun {
            control,
            state,
            reason: reason.map(Cow::Borrowed),
        };
        let some: ControlRuns = [
            run(ControlId::Net05, RunState::Ran, None),
            run(ControlId::Ti02, RunState::Skipped, Some("a \"b\"")),
        ]
        .into_iter()
        .collect();
        let expected = r#"[{"control":"NET-05","state":"ran"},{"control":"TI-02","state":"skipped","reason":"a \"b\""}]"#;
        for (runs, expected) in [(&some, expected), (&some, expected), (&ControlRuns::default(), "[]")] {
            assert_eq!(serde_json::to_string(runs).unwrap(), expected);
        }
    }
}
