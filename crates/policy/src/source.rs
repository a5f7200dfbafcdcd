//! From policy files to single policies, each with its place.

use std::{collections::HashMap, sync::Arc};

use cedar_policy::{ParseErrors, PolicyId};
use miette::Diagnostic;

use crate::{
    fault::{Place, PolicyFault},
    lint,
};

/// The most operators, brackets and dots in one policy: a bound on how deep its expression can be.
const MAX_OPERATORS: usize = 1_000;

/// One policy as it stands in its file.
pub(crate) struct Parsed {
    /// Its `@id`, or `<file>:<line>`.
    pub(crate) name: Arc<str>,
    /// Its `@reason`.
    pub(crate) reason: Option<Arc<str>>,
    /// Its `@scope`.
    pub(crate) scope: Option<Arc<str>>,
    /// Its `@authorization_details`.
    pub(crate) details: Option<Arc<str>>,
    /// Where it begins.
    pub(crate) place: Place,
    /// The policy, with `name` as its Cedar id.
    pub(crate) cedar: cedar_policy::Policy,
}

impl Parsed {
    /// A fault of the policy as a whole.
    pub(crate) fn fault(&self, problem: impl Into<String>, remedy: impl Into<String>) -> PolicyFault {
        PolicyFault { policy: Some(Arc::clone(&self.name)), ..self.place.fault(problem, remedy) }
    }
}

/// Reads all files. Policies come back in the order of the files and within them.
pub(crate) fn parse(sources: &[(&str, &str)], faults: &mut Vec<PolicyFault>) -> Vec<Parsed> {
    let mut policies = Vec::new();
    let mut names: HashMap<Arc<str>, Place> = HashMap::new();
    for (file, text) in sources {
        let file: Arc<str> = Arc::from(*file);
        if let Some(offset) = excessive(text) {
            faults.push(Place::at(&file, text, offset).fault(
                format!("the policy has more than {MAX_OPERATORS} operators, brackets and dots"),
                "split the policy, or compare with a set: `[…].contains(…)`",
            ));
            continue;
        }
        match text.parse::<cedar_policy::PolicySet>() {
            Ok(set) => parse_file(&file, text, &set, &mut names, &mut policies, faults),
            Err(errors) => faults.extend(syntax_faults(&file, text, &errors)),
        }
    }
    policies
}

fn parse_file(
    file: &Arc<str>,
    text: &str,
    set: &cedar_policy::PolicySet,
    names: &mut HashMap<Arc<str>, Place>,
    policies: &mut Vec<Parsed>,
    faults: &mut Vec<PolicyFault>,
) {
    for template in set.templates() {
        let offset = locate(text, 0, &template.to_cedar()).unwrap_or(0);
        faults.push(Place::at(file, text, offset).fault(
            "the policy has a slot, `?principal` or `?resource`",
            "write the principal or resource out: templates are not supported",
        ));
    }
    let mut in_order: Vec<_> = set.policies().collect();
    in_order.sort_by_key(|policy| ordinal(policy.id()));
    let mut offset = 0;
    for policy in in_order {
        let written = policy.to_cedar().unwrap_or_default();
        let start = locate(text, offset, &written).unwrap_or(offset);
        offset = start + written.len();
        let place = Place::at(file, text, start);
        faults.extend(lint::annotations(policy, &place));
        let name = name(policy, &place, names);
        if let Some(other) = names.insert(Arc::clone(&name), place.clone()) {
            faults.push(place.fault(
                format!("the id `{name}` is taken by the policy at {}:{}", other.file, other.line),
                "give each policy an `@id` of its own, and each file a name of its own",
            ));
        }
        let [reason, scope, details] =
            ["reason", "scope", "authorization_details"].map(|key| policy.annotation(key).map(Arc::from));
        let cedar = policy.new_id(PolicyId::new(&name));
        policies.push(Parsed { name, reason, scope, details, place, cedar });
    }
}

/// Where a policy exceeds [`MAX_OPERATORS`]. Strings and comments do not count.
fn excessive(text: &str) -> Option<usize> {
    let (mut count, mut previous) = (0, b' ');
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => {
                while bytes.next().is_some_and(|(_, b)| b != b'"' && (b != b'\\' || bytes.next().is_some())) {
                }
            }
            b'/' if previous == b'/' => while bytes.next().is_some_and(|(_, b)| b != b'\n') {},
            b';' => count = 0,
            b'(' | b'[' | b'{' | b'.' => count += 1,
            b'f' if previous == b'i' => count += 1,
            b'|' | b'&' | b'=' | b'<' | b'>' | b'!' | b'+' | b'-' | b'*' if previous != byte => count += 1,
            _ => {}
        }
        if count > MAX_OPERATORS {
            return Some(at);
        }
        previous = byte;
    }
    None
}

/// What the policy is called in records and refusals.
fn name(policy: &cedar_policy::Policy, place: &Place, names: &HashMap<Arc<str>, Place>) -> Arc<str> {
    if let Some(id) = policy.annotation("id") {
        return id.into();
    }
    let line = format!("{}:{}", place.file, place.line);
    if names.contains_key(line.as_str()) { format!("{line}:{}", place.column).into() } else { line.into() }
}

/// Cedar numbers the policies of a file in the order in which they are written: `policy0`, `policy1`, …
fn ordinal(id: &PolicyId) -> usize {
    let text: &str = id.as_ref();
    text.trim_start_matches("policy").parse().unwrap_or(usize::MAX)
}

/// Where `policy` is written, at or after `from`; not in a comment, where it may stand as well.
fn locate(text: &str, from: usize, policy: &str) -> Option<usize> {
    let candidates = text.get(from..)?.match_indices(policy).map(|(at, _)| from + at);
    candidates.into_iter().find(|at| {
        let before = text.get(..*at).unwrap_or_default();
        let line = before.rsplit('\n').next().unwrap_or_default();
        !line.contains("//")
    })
}

fn syntax_faults(file: &Arc<str>, text: &str, errors: &ParseErrors) -> Vec<PolicyFault> {
    let fault = |error: &cedar_policy::ParseError| {
        let place = Place::at(file, text, offset(error).unwrap_or(0));
        place.fault(format!("the policy cannot be read: {error}"), remedy(error, "correct the text here"))
    };
    errors.iter().map(fault).collect()
}

/// Where a diagnostic points, in bytes.
pub(crate) fn offset(diagnostic: &dyn Diagnostic) -> Option<usize> {
    diagnostic.labels()?.map(|label| label.offset()).next()
}

/// What a diagnostic advises.
pub(crate) fn remedy(diagnostic: &dyn Diagnostic, otherwise: &str) -> String {
    diagnostic.help().map_or_else(|| otherwise.to_owned(), |help| help.to_string())
}
