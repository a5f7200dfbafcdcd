//! The arguments of one call, or the structured content of one result, read and measured.

use serde_json::Value;

use super::{ArgumentFault, cost::Cost, limits::ARGUMENT_DEPTH};

/// What one validation may cost, in assertions evaluated. About a second on one core at worst; calls
/// that people make stay below a thousandth of it.
const BUDGET: u64 = 16_000_000;
/// Text is scanned this many bytes in the time of one assertion.
const BYTES_PER_ASSERTION: u64 = 32;
/// Above this many evaluations nobody is told which argument is wrong: each could leave a fault in memory.
const EXPLAINABLE: u64 = 50_000;

pub(super) struct Arguments {
    pub(super) value: Value,
    size: Size,
}

impl Arguments {
    pub(super) fn read(raw: &[u8]) -> Result<Self, ArgumentFault> {
        let read = Self::of_any_kind(raw)?;
        if !read.value.is_object() {
            return Err(ArgumentFault::whole("an object", "send the arguments as a JSON object"));
        }
        Ok(read)
    }

    #[allow(clippy::disallowed_methods, reason = "the message these are part of has passed the strict walk")]
    pub(super) fn of_any_kind(raw: &[u8]) -> Result<Self, ArgumentFault> {
        let value: Value = serde_json::from_slice(raw).map_err(|_| {
            ArgumentFault::whole("JSON that can be read without loss", "check numbers and nesting")
        })?;
        let mut size = Size::default();
        size.add(&value, 0);
        Ok(Self { value, size })
    }

    /// Whether validating this against a schema of that cost stays within the budget.
    pub(super) fn affordable(&self, cost: &Cost) -> Result<(), ArgumentFault> {
        if self.size.depth > u16::from(ARGUMENT_DEPTH) {
            return Err(ArgumentFault::whole("at most 64 levels of nesting", "flatten the arguments"));
        }
        let scanned = self.size.values + self.size.name_bytes + self.size.text_bytes / BYTES_PER_ASSERTION;
        let crowds = self.size.crowds.saturating_mul(cost.unique);
        if scanned.saturating_mul(cost.evaluations).saturating_add(crowds) > BUDGET {
            return Err(ArgumentFault::whole(
                "arguments small enough to validate against so complex a schema",
                "send less in one call",
            ));
        }
        Ok(())
    }

    pub(super) fn explainable(&self, cost: &Cost) -> bool {
        self.size.values.saturating_mul(cost.evaluations) <= EXPLAINABLE
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Size {
    values: u64,
    name_bytes: u64,
    text_bytes: u64,
    depth: u16,
    /// Comparisons that `uniqueItems` can come to: arrays and objects as elements can be built to
    /// collide in the validator's hash set, so each is then compared with every other.
    crowds: u64,
}

impl Size {
    fn add(&mut self, value: &Value, depth: u16) {
        let before = self.values;
        self.values += 1;
        self.depth = self.depth.max(depth);
        match value {
            Value::String(text) => self.text_bytes += text.len() as u64,
            Value::Array(list) => {
                list.iter().for_each(|element| self.add(element, depth + 1));
                if list.iter().any(|element| element.is_array() || element.is_object()) {
                    let inside = self.values - before;
                    self.crowds = self.crowds.saturating_add(inside.saturating_mul(list.len() as u64));
                }
            }
            Value::Object(map) => {
                for (name, member) in map {
                    self.name_bytes += name.len() as u64;
                    self.add(member, depth + 1);
                }
            }
            _ => {}
        }
    }
}
