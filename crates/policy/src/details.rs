//! What an access token grants in detail (`authorization_details`, RFC 9396), held against a call (control AZ-02).
//!
//! A token with details of the type `mcp_tool_call` is for the calls that one of them covers and for no others, whatever
//! policies permit.

use std::sync::Arc;

use cedar_policy::RestrictedExpression;
use portcullis_core::{Canonical, Constraint, Details, Flow, Item, Scalar, TOOL_CALL, ToolCalls};
use portcullis_wire::{
    Method, Node,
    json::{Kind, write},
};

use crate::{
    number::number,
    question::{Question, place_name},
    ruling::{Denial, Ruling},
};

/// The details of a caller's token, and the call that is asked about.
pub(crate) struct Granted {
    details: Details,
    /// Server and tool, where a tool is called.
    target: Option<(Arc<str>, Arc<str>)>,
}

/// The arguments of a call, and what those that name something are in their one form.
pub(crate) struct Given<'a> {
    pub(crate) arguments: Option<Node<'a>>,
    pub(crate) canonical: &'a Canonical,
}

impl Granted {
    pub(crate) fn of(question: &Question<'_>) -> Self {
        let details = question.view.caller.grant.as_ref().map(|grant| grant.details.clone());
        let target = match (question.method, question.item, question.server) {
            (Method::ToolsCall, Item::Tool(tool), Some(server)) => {
                Some((server.as_str().into(), Arc::clone(tool)))
            }
            _ => None,
        };
        Self { details: details.unwrap_or_default(), target }
    }

    /// `context.authorization_details`.
    pub(crate) fn context(&self, given: &Given<'_>) -> Option<RestrictedExpression> {
        let words = |words: Vec<&str>| {
            let words = words.into_iter().map(|word| RestrictedExpression::new_string(word.to_owned()));
            RestrictedExpression::new_set(words)
        };
        let covering = || self.details.calls().filter(|calls| self.covers(calls, given));
        // What several say together nobody has said.
        let strictest = covering().max_by_key(|calls| calls.arguments.len());
        let constrained = strictest.map(|it| it.arguments.iter().map(|(name, _)| &**name).collect());
        let types = self.details.iter().map(|detail| &*detail.kind).collect();
        let fields = [
            ("types", words(types)),
            ("covers", RestrictedExpression::new_bool(strictest.is_some())),
            ("constrained", words(constrained.unwrap_or_default())),
        ];
        let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value));
        RestrictedExpression::new_record(fields).ok()
    }

    fn covers(&self, calls: &ToolCalls, given: &Given<'_>) -> bool {
        let argument = |name: &str| given.arguments.and_then(|all| all.get(name));
        let has_one = |(name, values): &Constraint| {
            argument(name).is_some_and(|value| values.iter().any(|one| is(one, value, given.canonical)))
        };
        self.may_cover(calls) && calls.arguments.iter().all(has_one)
    }

    /// Whether it covers some call of this tool.
    fn may_cover(&self, calls: &ToolCalls) -> bool {
        let Some((server, tool)) = self.target.as_ref().filter(|_| !calls.is_elsewhere) else { return false };
        calls.server.as_ref().is_none_or(|it| it == server)
            && calls.tools.as_ref().is_none_or(|all| all.contains(tool))
    }
}

/// Refuses what policies permit and the token's details do not: a call they do not cover, where there are any or the tool
/// needs one.
pub(crate) fn narrow(
    ruling: Ruling,
    question: &Question<'_>,
    flow: &Flow,
    arguments: Option<Node<'_>>,
) -> Ruling {
    let details = question.view.caller.grant.as_ref().map(|grant| &grant.details);
    let narrowed = details.is_some_and(|details| details.calls().next().is_some());
    if !(narrowed || flow.needs_detail) || !ruling.permits() {
        return ruling;
    }
    let granted = Granted::of(question);
    let Some((server, tool)) = &granted.target else { return ruling };
    let given = Given { arguments, canonical: &flow.canonical };
    let covered = granted.details.calls().any(|calls| match question.any_call {
        true => granted.may_cover(calls),
        false => granted.covers(calls, &given),
    });
    if covered {
        return ruling;
    }
    let detail = match narrowed {
        true => format!("{question}: no detail of the token (`authorization_details`) covers it"),
        false => format!(
            "{question}: the tool needs a token with `authorization_details`, by the server's settings"
        ),
    };
    Ruling::Refuse(Arc::new(Denial::undetailed(detail, wanted_call(server, tool))))
}

/// What a token would have to grant in detail for a call of this tool, as JSON.
fn wanted_call(server: &str, tool: &str) -> String {
    format!(
        r#"{{"type":"{TOOL_CALL}","actions":["tools/call"],"identifier":{},"tools":[{}]}}"#,
        quoted(server),
        quoted(tool)
    )
}

/// What a token would have to grant in detail for what was asked, by the types that policies wait for, as a JSON array.
pub(crate) fn wanted(asked: &Question<'_>, types: &str) -> String {
    let one = |kind: &str| match asked.item {
        Item::Tool(tool) if kind == TOOL_CALL => wanted_call(&place_name(asked), tool),
        _ => format!(r#"{{"type":{}}}"#, quoted(kind)),
    };
    types.split(' ').map(one).collect::<Vec<_>>().join(",")
}

fn quoted(text: &str) -> String {
    let mut out = Vec::new();
    write::push_str(&mut out, text);
    String::from_utf8(out).unwrap_or_default()
}

fn is(allowed: &Scalar, value: Node<'_>, canonical: &Canonical) -> bool {
    match (allowed, value.kind()) {
        (Scalar::Bool(allowed), Kind::Bool) => value.as_bool() == Some(*allowed),
        (Scalar::Number(allowed), Kind::Number) => {
            std::str::from_utf8(value.raw()).is_ok_and(|raw| number(raw) == number(allowed))
        }
        (Scalar::Text(allowed), Kind::String) => match canonical.text_at(value.span().start) {
            Some(text) => *text == **allowed,
            None => value.as_str().is_some_and(|text| *text == **allowed),
        },
        _ => false,
    }
}
