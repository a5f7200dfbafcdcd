//! The table of system calls as programs of the kernel's filter machine.

use std::{collections::BTreeMap, os::fd::OwnedFd};

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, sock_filter,
};

use super::{
    StartError,
    calls::{ALLOWED, CONDITIONS, Condition, FALLEN_BACK_FROM, REFUSED, Test},
    sightings::watched,
};
use crate::system;

/// Marks, in a program of the library, where a call is to wait for an answer: the library has no such action.
const HEARD: SeccompAction = SeccompAction::Trace(0x5ead);

/// The library's action as the kernel reads it.
const HEARD_MARK: u32 = libc::SECCOMP_RET_TRACE | 0x5ead;

/// `return` of a constant, and a jump (linux/bpf_common.h).
const RETURN: u16 = 0x06;
const JUMP: u16 = 0x05;

/// The programs in the order they are to be put in force.
///
/// The first answers calls that libraries fall back from. The second lets known calls pass, and has every other wait
/// for an answer, calls of another architecture's numbering included: that of the listener is always an error, and when
/// there is no listener any more the kernel's own is. Of the answers of both programs the more restrictive one counts
/// (seccomp(2)). A call from code of another architecture kills the process.
#[derive(Debug)]
pub(super) struct Filters {
    fallbacks: BpfProgram,
    heard: BpfProgram,
}

impl Filters {
    /// `watching` says whether calls that name files are to wait as well.
    pub(super) fn new(watching: bool) -> Result<Self, StartError> {
        Self::answering(watching, HEARD, HEARD)
    }

    /// The same with the kernel's own answers, of which nobody is told.
    pub(super) fn silent() -> Result<Self, StartError> {
        let refused = SeccompAction::Errno(libc::EPERM.unsigned_abs());
        Self::answering(false, refused, SeccompAction::Errno(libc::ENOSYS.unsigned_abs()))
    }

    fn answering(watching: bool, refused: SeccompAction, unknown: SeccompAction) -> Result<Self, StartError> {
        let unsupported = |error: seccompiler::BackendError| {
            StartError::unmet("seccomp", format!("the filter cannot be built: {error}"))
        };
        let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(unsupported)?;
        let plainly =
            |numbers: Vec<i64>| numbers.into_iter().map(|number| (number, Vec::new())).collect::<Rules>();
        let program = |rules: Rules, otherwise, matched| {
            let filter = SeccompFilter::new(rules, otherwise, matched, arch)?;
            BpfProgram::try_from(filter)
        };
        let absent = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
        let fallbacks = plainly(FALLEN_BACK_FROM.iter().map(|call| call.1).collect());
        let known = plainly(ALLOWED.iter().flat_map(|group| group.calls).map(|call| call.1).collect());
        let by_name =
            program(by_name().map_err(unsupported)?, SeccompAction::Allow, refused).map_err(unsupported)?;
        let known = program(known, unknown, SeccompAction::Allow).map_err(unsupported)?;
        let watched = plainly(watched().filter(|_| watching).map(|row| row.call.1).collect());
        let watched = program(watched, SeccompAction::Allow, HEARD).map_err(unsupported)?;
        let known = one_after_the_other(watched, known);
        Ok(Self {
            fallbacks: program(fallbacks, SeccompAction::Allow, absent).map_err(unsupported)?,
            heard: heard(one_after_the_other(by_name, known)),
        })
    }

    /// Puts those in force that make nobody wait.
    pub(super) fn apply_silent(&self) -> std::io::Result<()> {
        let programs = [&self.fallbacks, &self.heard];
        programs.into_iter().try_for_each(|it| seccompiler::apply_filter(it).map_err(std::io::Error::other))
    }

    /// Puts them in force for this thread and all it will start, and gives the descriptor at which calls wait.
    pub(super) fn apply(&self) -> std::io::Result<OwnedFd> {
        seccompiler::apply_filter(&self.fallbacks).map_err(std::io::Error::other)?;
        system::hear_filtered(&self.heard)
    }
}

/// One program that does what the second says where the first would let a call pass.
fn one_after_the_other(mut first: BpfProgram, second: BpfProgram) -> BpfProgram {
    let length = first.len();
    for (at, instruction) in first.iter_mut().enumerate() {
        if instruction.code == RETURN && instruction.k == libc::SECCOMP_RET_ALLOW {
            // Programs are at most 4096 instructions long.
            let over = u32::try_from(length - at - 1).unwrap_or(u32::MAX);
            *instruction = sock_filter { code: JUMP, jt: 0, jf: 0, k: over };
        }
    }
    first.extend(second);
    first
}

fn heard(mut program: BpfProgram) -> BpfProgram {
    let marked = program.iter_mut().filter(|it| it.code == RETURN && it.k == HEARD_MARK);
    marked.for_each(|it| it.k = libc::SECCOMP_RET_USER_NOTIF);
    program
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn by_name() -> Result<Rules, seccompiler::BackendError> {
    let mut rules: Rules = REFUSED.iter().map(|refused| (refused.1, Vec::new())).collect();
    for Condition { call, argument, test, .. } in CONDITIONS {
        let compare = |op, value| SeccompCondition::new(*argument, SeccompCmpArgLen::Dword, op, value);
        let alternatives = match test {
            Test::AnyBit(bits) => (0..32)
                .map(|bit| 1 << bit)
                .filter(|bit| bits & bit != 0)
                .map(|bit| Ok(vec![compare(SeccompCmpOp::MaskedEq(bit), bit)?]))
                .collect::<Result<Vec<_>, _>>()?,
            Test::Masked { mask, value } => vec![vec![compare(SeccompCmpOp::MaskedEq(*mask), *value)?]],
            Test::OneOf(values) => values
                .iter()
                .map(|value| Ok(vec![compare(SeccompCmpOp::Eq, *value)?]))
                .collect::<Result<Vec<_>, _>>()?,
            Test::NoneOf(values) => {
                vec![values.iter().map(|v| compare(SeccompCmpOp::Ne, *v)).collect::<Result<Vec<_>, _>>()?]
            }
        };
        let chain = alternatives.into_iter().map(SeccompRule::new).collect::<Result<Vec<_>, _>>()?;
        rules.entry(call.1).or_default().extend(chain);
    }
    Ok(rules)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_call_that_is_not_let_pass_waits_or_is_killed() {
        for watching in [false, true] {
            let heard = Filters::new(watching).map(|filters| filters.heard).unwrap_or_default();
            assert!((100..4096).contains(&heard.len()), "{}", heard.len());
            let returned: BTreeSet<u32> =
                heard.iter().filter(|it| it.code == RETURN).map(|it| it.k).collect();
            let expected =
                [libc::SECCOMP_RET_KILL_PROCESS, libc::SECCOMP_RET_USER_NOTIF, libc::SECCOMP_RET_ALLOW];
            assert_eq!(returned, BTreeSet::from(expected));
        }
    }

    #[test]
    fn each_call_is_in_the_table_once_and_conditions_are_about_allowed_ones() {
        let allowed: Vec<i64> = ALLOWED.iter().flat_map(|group| group.calls).map(|call| call.1).collect();
        let refused = REFUSED.iter().map(|refused| refused.1);
        let all: Vec<i64> = allowed.iter().copied().chain(refused).collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
        for condition in CONDITIONS {
            assert!(allowed.contains(&condition.call.1), "{}", condition.call.0);
            assert!(!condition.why.is_empty());
        }
        assert!(REFUSED.iter().all(|refused| !refused.2.is_empty()));
    }
}
