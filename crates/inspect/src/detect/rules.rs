//! Intents: what has to stand together for a window to be an attack of a kind.

use super::lexicon::Concept::{self, *};

/// An intent, as concepts of which one of each group must be there.
#[derive(Debug)]
pub(crate) struct Rule {
    /// The name in reasons.
    pub(crate) name: &'static str,
    groups: [u64; 4],
    /// What the model is told to start from, in logits, for content, prompts and definitions.
    pub(crate) prior: [f32; 3],
}

impl Rule {
    pub(crate) fn holds(&self, concepts: u64) -> bool {
        concepts != 0 && self.groups.iter().all(|group| concepts & group != 0)
    }
}

const fn any(concepts: &[Concept]) -> u64 {
    // An empty group asks for nothing.
    let mut bits = if concepts.is_empty() { u64::MAX } else { 0 };
    let mut rest = concepts;
    while let [first, tail @ ..] = rest {
        bits |= first.bit();
        rest = tail;
    }
    bits
}

const fn rule(name: &'static str, prior: [f32; 3], groups: [&[Concept]; 4]) -> Rule {
    let [a, b, c, d] = groups;
    Rule { name, groups: [any(a), any(b), any(c), any(d)], prior }
}

const ACT: &[Concept] = &[Send, Money, Destroy, Grant, Execute, Fetch, Make, Include, Reveal];

/// Every intent. A rule that asks for one group alone still needs some concept to be there.
pub(crate) const RULES: &[Rule] = &[
    rule(
        "instruction override",
        [2.0, 2.0, 2.0],
        [&[Override], &[Instruction, Innards], &[Prior, Every, You], &[]],
    ),
    rule(
        "override and new task",
        [1.5, 1.5, 1.5],
        [&[Override], &[Prior, Every], &[NewTask, OnlySay, Role, Reveal], &[]],
    ),
    rule(
        "override of the model",
        [1.5, 1.5, 1.5],
        [&[Override], &[Instruction], &[Model, You], &[Modal, NewTask, Reply]],
    ),
    rule("role change", [0.7, 1.0, 1.0], [&[Role], &[You], &[Unbound, NoWarning, Harm], &[]]),
    rule(
        "restrictions lifted",
        [0.7, 1.0, 1.0],
        [&[Unbound], &[Model, You], &[Instruction, NoWarning, Role, Reply], &[]],
    ),
    rule(
        "prompt extraction",
        [1.2, 1.5, 1.0],
        [&[Innards], &[Reveal, Encode], &[You, Mine, Model, Prior], &[]],
    ),
    rule("addressed to the model", [1.0, 0.2, 0.5], [&[Model], &[Modal, Please, Urgent, NewTask], ACT, &[]]),
    rule("secrecy from the user", [1.0, 0.5, 1.5], [&[Secrecy], &[User, Model, You], ACT, &[]]),
    rule(
        "secret to a destination",
        [0.8, 0.3, 1.0],
        [
            &[Sensitive, CredentialFile, Conversation],
            &[Send, Include],
            &[Destination, Address, Link, Parameter],
            &[],
        ],
    ),
    rule(
        "credential file into a parameter",
        [1.0, 0.5, 1.5],
        [&[CredentialFile], &[Fetch, Include, Encode, Execute], &[Content, Include, Send, Parameter], &[]],
    ),
    rule(
        "role marker with orders",
        [0.7, 0.5, 1.0],
        [&[RoleMark], &[Modal, Please, Override, NewTask, Urgent], ACT, &[]],
    ),
    rule(
        "precondition on tools",
        [0.5, 0.0, 0.8],
        [
            &[Whenever],
            &[Tool],
            &[Modal, Urgent, First],
            &[Sensitive, CredentialFile, Secrecy, Include, Send, Prefer],
        ],
    ),
    rule(
        "other tools displaced",
        [0.3, 0.0, 0.6],
        [&[Prefer], &[Tool], &[Every, Modal, Urgent], &[Secrecy, Override, Whenever, Authority]],
    ),
    rule(
        "lasting order",
        [0.5, 0.3, 0.8],
        [
            &[Lasting],
            &[Modal, You, Model],
            ACT,
            &[Send, Secrecy, Money, Destroy, Grant, OnlySay, Address, Link],
        ],
    ),
    rule("consent claimed", [0.6, 0.3, 1.0], [&[Agreed], &[User, Authority], ACT, &[]]),
    rule(
        "threat",
        [0.5, 0.5, 0.7],
        [&[Threat], &[Modal, You, Model], &[Follow, OnlySay, Override, Reply], &[]],
    ),
    rule(
        "pretext",
        [0.4, 0.1, 0.6],
        [
            &[Pretext],
            &[Modal, Please, Urgent],
            &[Send, Include, Grant, Execute, Destroy],
            &[Sensitive, CredentialFile, Destination, Address, Link, Parameter, Conversation],
        ],
    ),
    rule(
        "authority claimed",
        [0.6, 0.6, 0.8],
        [&[Authority], &[Override, NewTask, Unbound, Secrecy], &[You, Model, Mine, Instruction], &[]],
    ),
    rule(
        "concealed order",
        [0.6, 0.3, 0.8],
        [&[Concealed], &[Modal, Please, Urgent, Override, Model], ACT, &[]],
    ),
    rule(
        "order to act for the reader",
        [0.5, 0.0, 0.2],
        [
            &[Please],
            &[Mine, You],
            &[Send, Money, Destroy, Grant],
            &[Account, Sensitive, Address, Destination, Content, User],
        ],
    ),
    rule(
        "dictated answer",
        [0.5, 0.8, 0.5],
        [&[OnlySay], &[Override, Stop, NewTask, Role], &[Reply, Reveal, Not, Every], &[]],
    ),
    rule("fake completion", [0.5, 0.5, 0.5], [&[Completed], &[NewTask, Override, Please], ACT, &[]]),
    rule(
        "refusal forbidden",
        [0.3, 1.0, 0.4],
        [&[NoWarning], &[Not, Role, OnlySay], &[You, Reply, Model], &[Unbound, Role, OnlySay, Modal]],
    ),
];
