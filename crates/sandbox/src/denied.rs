//! System calls that were refused.

use serde::{Deserialize, Serialize};

/// What runtimes try.
pub(crate) const TRIED: &[&str] = &["io_uring_setup"];

/// A system call that a program in a sandbox made and that was refused, some times.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeniedCall {
    /// As the manual calls it; `number N` when it is not known here.
    pub call: String,
    /// Path of the program inside, with everything escaped that is not printable; `?` when it could not be told.
    pub program: String,
    /// How often since it was told the last time.
    pub count: u64,
}

impl DeniedCall {
    /// Adds calls to those of their kind.
    pub fn add(all: &mut Vec<Self>, calls: Self) {
        let known = all.iter_mut().find(|it| it.call == calls.call && it.program == calls.program);
        match known {
            Some(known) => known.count = known.count.saturating_add(calls.count),
            None => all.push(calls),
        }
    }

    /// Whether it is what runtimes try at their start and do without, whatever runs in them: Node asks for rings of
    /// io_uring. On record like every other, and nothing to tell a person.
    pub fn is_tried(&self) -> bool {
        TRIED.contains(&self.call.as_str())
    }

    /// Why it is refused.
    pub fn why(&self) -> &'static str {
        let rows = crate::kernel::system_calls();
        let refusing = rows.iter().filter(|row| row.verdict != crate::kernel::CallVerdict::Allowed);
        let row = refusing.into_iter().find(|row| row.name == self.call);
        row.map_or("not known to be harmless", |row| row.why)
    }
}

impl std::fmt::Display for DeniedCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The number first: what follows is of the server's choosing.
        let times = if self.count == 1 { "time" } else { "times" };
        write!(f, "{} {times} `{}` by `{}`: {}", self.count, self.call, self.program, self.why())
    }
}
