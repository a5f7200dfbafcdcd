//! The table of system calls as programs of the kernel's filter machine.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};

use super::{
    StartError,
    calls::{ALLOWED, CONDITIONS, Condition, REFUSED, Test},
};

/// The programs in the order they are to be put in force.
///
/// The first lets known calls pass and answers every other, calls of another architecture's numbering included,
/// as a kernel without it would, so that programs fall back. The second refuses by name. Of the answers of both
/// the more restrictive one counts (seccomp(2)). A call from code of another architecture kills the process.
#[derive(Debug)]
pub(super) struct Filters([BpfProgram; 2]);

impl Filters {
    pub(super) fn new() -> Result<Self, StartError> {
        let unsupported = |error: seccompiler::BackendError| {
            StartError::unmet("seccomp", format!("the filter cannot be built: {error}"))
        };
        let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(unsupported)?;
        let known = ALLOWED.iter().flat_map(|group| group.calls).map(|(_, number)| *number);
        let known = known.chain(REFUSED.iter().map(|refused| refused.1));
        let known = known.map(|number| (number, Vec::new())).collect();
        let program = |rules, otherwise, matched| {
            let filter = SeccompFilter::new(rules, otherwise, matched, arch)?;
            BpfProgram::try_from(filter)
        };
        let unknown = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
        let refused = SeccompAction::Errno(libc::EPERM.unsigned_abs());
        Ok(Self([
            program(known, unknown, SeccompAction::Allow).map_err(unsupported)?,
            program(by_name().map_err(unsupported)?, SeccompAction::Allow, refused).map_err(unsupported)?,
        ]))
    }

    /// Puts them in force for this thread and all it will start.
    pub(super) fn apply(&self) -> std::io::Result<()> {
        self.0
            .iter()
            .try_for_each(|program| seccompiler::apply_filter(program).map_err(std::io::Error::other))
    }
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
    fn the_programs_can_be_built() {
        assert!(Filters::new().is_ok());
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
