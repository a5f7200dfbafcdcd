//! Checking policies against the schema.

use std::{
    collections::{HashMap, HashSet},
    mem,
    sync::Arc,
};

use cedar_policy::{
    Policy, PolicyId, Schema, ValidationError, ValidationMode, ValidationWarning, Validator,
    pst::{Clause, PstConstructionError, StaticPolicy, Template},
};
use miette::Diagnostic;
use portcullis_core::spelling::nearest;

use crate::{
    fault::{Place, PolicyFault},
    source::{offset, remedy},
    stand_in::{Sort, stand_in},
};

/// A policy as validation sees it.
pub(crate) struct Checked<'a> {
    pub(crate) name: &'a Arc<str>,
    pub(crate) place: &'a Place,
    /// The text of the file it is in.
    pub(crate) text: &'a str,
    /// The policy, or its form with stand-ins for arguments.
    pub(crate) policy: Policy,
}

/// What validation found.
#[derive(Default)]
pub(crate) struct Findings {
    /// What is wrong.
    pub(crate) faults: Vec<PolicyFault>,
    /// What is only suspicious.
    pub(crate) suspicions: Vec<PolicyFault>,
}

/// Validates strictly.
pub(crate) fn validate(schema: &Schema, policies: &[Checked<'_>]) -> Findings {
    let set = cedar_policy::PolicySet::from_policies(policies.iter().map(|checked| checked.policy.clone()));
    // Only while two policies share an id, which is a fault already.
    let Ok(set) = set else { return Findings::default() };
    let by_id: HashMap<&str, &Checked<'_>> =
        policies.iter().map(|checked| (&**checked.name, checked)).collect();
    let checked = |id: &PolicyId| by_id.get::<str>(id.as_ref()).copied();
    let result = Validator::new(schema.clone()).validate(&set, ValidationMode::Strict);

    let mut findings = Findings::default();
    // Cedar checks a policy once for each action and type it may apply to, and finds the same mistake anew.
    let mut seen = HashSet::new();
    for error in result.validation_errors() {
        let Some(checked) = checked(error.policy_id()) else { continue };
        if seen.insert((checked.name, offset(error), mem::discriminant(error))) {
            let mut fault = checked.fault(error, advice(error));
            if let ValidationError::UnrecognizedActionId(_) = error {
                // Cedar's own proposal is of the same length rather than of the same letters.
                fault.remedy =
                    closest_action(schema, &fault.problem).unwrap_or_else(|| advice(error).to_owned());
            }
            findings.faults.push(fault);
        }
    }
    // A policy with a mistake often cannot match either, and this is told in two ways.
    let mut faulty: HashSet<_> = seen.into_iter().map(|(name, ..)| name).collect();
    for warning in result.validation_warnings() {
        let Some(checked) = checked(warning.policy_id()) else { continue };
        match warning {
            ValidationWarning::ImpossiblePolicy(_) | ValidationWarning::InvalidActionApplication(_) => {
                if faulty.insert(checked.name) {
                    findings.faults.push(checked.fault(warning, NO_REQUEST));
                }
            }
            ValidationWarning::BidiCharsInString(_) | ValidationWarning::BidiCharsInIdentifier(_) => {
                findings
                    .faults
                    .push(checked.fault(warning, "remove the characters that change the direction of text"));
            }
            _ => findings
                .suspicions
                .push(checked.fault(warning, "check that every letter is the one it looks like")),
        }
    }
    findings
}

/// The action that was meant by the one which the problem names in quotes.
fn closest_action(schema: &Schema, problem: &str) -> Option<String> {
    let written = problem.split('"').nth(1)?;
    let known: Vec<String> = schema.actions().map(|action| action.id().unescaped().to_owned()).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    nearest(written, &known).map(|meant| format!("did you mean `Mcp::Action::\"{meant}\"`?"))
}

/// What to do about a policy that never matches.
const NO_REQUEST: &str = "no request can match: correct the scope or the conditions, or delete the policy";

impl Checked<'_> {
    /// What Cedar says about this policy, with Cedar's advice, or ours where it has none.
    fn fault(&self, diagnostic: &(impl Diagnostic + ToString), advice: &str) -> PolicyFault {
        let place = offset(diagnostic).map(|at| Place::at(&self.place.file, self.text, at));
        let message = diagnostic.to_string();
        // Cedar begins with the id, which a fault names by itself.
        let problem = message.strip_prefix(&format!("for policy `{}`, ", self.name)).unwrap_or(&message);
        let remedy = match problem.starts_with("attribute `arguments` in context") {
            true => "only `tools/call` and `prompts/get` have arguments: name one of them as the action"
                .to_owned(),
            false => remedy(diagnostic, advice),
        };
        let mut fault = place.as_ref().unwrap_or(self.place).fault(problem, remedy);
        fault.policy = Some(Arc::clone(self.name));
        fault
    }
}

/// The form of `policy` in which stand-ins take the place of arguments.
pub(crate) fn with_stand_ins(policy: &Template) -> Result<Policy, PstConstructionError> {
    let clauses = policy.clauses().iter().map(|clause| match clause {
        Clause::When(expr) => Clause::When(stand_in(expr, Sort::Bool)),
        Clause::Unless(expr) => Clause::Unless(stand_in(expr, Sort::Bool)),
    });
    let replaced = policy.clone().try_with_clauses(clauses.collect::<Vec<_>>())?;
    Policy::from_pst(StaticPolicy::try_from(replaced)?.into())
}

/// What to do where Cedar has no advice.
fn advice(error: &ValidationError) -> &'static str {
    match error {
        ValidationError::UnrecognizedEntityType(_) => "use an entity type of the schema, such as `Mcp::Tool`",
        ValidationError::UnrecognizedActionId(_) => {
            "use an MCP method, such as `Mcp::Action::\"tools/call\"`, or a group"
        }
        ValidationError::UnexpectedType(_) | ValidationError::IncompatibleTypes(_) => {
            "compare values of one type; the schema says what each attribute is"
        }
        ValidationError::UnsafeAttributeAccess(_) => {
            "use an attribute that every type and action in the policy's scope has, or narrow the scope"
        }
        ValidationError::UnsafeOptionalAttributeAccess(_) => "test with `has` first",
        ValidationError::EmptySetForbidden(_) => "put something in the set, or delete the policy",
        ValidationError::InvalidEnumEntity(_) => "use one of the values that the schema lists",
        ValidationError::UndefinedFunction(_)
        | ValidationError::WrongNumberArguments(_)
        | ValidationError::FunctionArgumentValidation(_)
        | ValidationError::NonLitExtConstructor(_) => "use the function as the Cedar reference describes it",
        _ => "compare the policy with the schema",
    }
}
