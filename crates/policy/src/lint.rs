//! Mistakes that Cedar does not see.

use std::collections::BTreeSet;

use cedar_policy::{
    EntityUid,
    pst::{Expr, Template, Var},
};
use portcullis_core::ServerName;

use crate::{
    expr::{argument_path, children, conditions},
    fault::{Place, PolicyFault},
    question::{AGGREGATE, KINDS},
    source::Parsed,
};

/// Longest `@id`, in characters.
const MAX_ID: usize = 128;

/// Longest `@reason`, in characters.
const MAX_REASON: usize = 300;

/// Annotations have no effect in Cedar, so a misspelt one would go unnoticed.
pub(crate) fn annotations(policy: &cedar_policy::Policy, place: &Place) -> Vec<PolicyFault> {
    let mut faults = Vec::new();
    for (key, value) in policy.annotations() {
        match key {
            "id" if !id_is_plain(value) => faults.push(place.fault(
                format!("the id `{}` is not allowed", value.escape_debug()),
                format!("use 1 to {MAX_ID} letters, digits, `-`, `_`, `.` and `/`"),
            )),
            "reason" if !reason_is_plain(value) => faults.push(place.fault(
                "the text of `@reason` is not fit to be shown to a caller",
                format!("use 1 to {MAX_REASON} characters on one line, without control characters"),
            )),
            "scope" if policy.effect() != cedar_policy::Effect::Forbid => faults.push(place.fault(
                "`@scope` says which scopes of a token a `forbid` waits for, and this is a `permit`",
                "write `forbid (…) unless { context.scopes.contains(\"…\") }`",
            )),
            "scope" if !scopes_are_plain(value) => faults.push(place.fault(
                "the text of `@scope` is not a list of scopes",
                "write scopes with a blank between them, such as `@scope(\"notes:read notes:write\")`",
            )),
            "authorization_details" if policy.effect() != cedar_policy::Effect::Forbid => faults.push(place.fault(
                "`@authorization_details` says what a token has to grant in detail for a `forbid` not to apply, and this is a `permit`",
                "write `forbid (…) unless { context.authorization_details.covers }`",
            )),
            "authorization_details" if !scopes_are_plain(value) => faults.push(place.fault(
                "the text of `@authorization_details` is not a list of types",
                "write types with a blank between them, such as `@authorization_details(\"mcp_tool_call\")`",
            )),
            "id" | "reason" | "scope" | "authorization_details" | "description" => {}
            other => faults.push(place.fault(
                format!("the annotation `@{other}` is not known"),
                "use `@id`, `@reason`, `@scope`, `@authorization_details` or `@description`",
            )),
        }
    }
    faults
}

fn id_is_plain(id: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    (1..=MAX_ID).contains(&id.chars().count()) && id.chars().all(plain)
}

fn reason_is_plain(reason: &str) -> bool {
    (1..=MAX_REASON).contains(&reason.chars().count()) && !reason.chars().any(char::is_control)
}

/// RFC 6749 section 3.3.
fn scopes_are_plain(scopes: &str) -> bool {
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\');
    (1..=MAX_REASON).contains(&scopes.len())
        && scopes.split(' ').all(|scope| !scope.is_empty() && scope.chars().all(plain))
}

/// Entities written in a way that no request has: the policy would load and never match.
pub(crate) fn entities(parsed: &Parsed) -> Vec<PolicyFault> {
    let fault = |uid: EntityUid| {
        let form = form_that_was_missed(&uid)?;
        Some(parsed.fault(format!("nothing is ever called `{uid}`"), form))
    };
    parsed.cedar.entity_literals().into_iter().filter_map(fault).collect()
}

/// How such an entity is written, unless `uid` is written like that.
fn form_that_was_missed(uid: &EntityUid) -> Option<&'static str> {
    let id = uid.id().unescaped();
    let type_name = uid.type_name().basename();
    let (sound, form) = match type_name {
        "User" | "Agent" => (
            id.split_once(':').is_some_and(|(kind, name)| KINDS.contains(&kind) && !name.is_empty()),
            "write the kind and the id, as in `Mcp::User::\"dev:alice\"`",
        ),
        "Server" => {
            (is_server(id), "write the server's name from the configuration, as in `Mcp::Server::\"git\"`")
        }
        "Endpoint" => (is_endpoint(id), "the endpoint in front of all servers is `Mcp::Endpoint::\"*\"`"),
        "List" => (
            id.split_once('/').is_some_and(|(place, list)| {
                (is_server(place) || is_endpoint(place))
                    && matches!(list, "tools" | "prompts" | "resources" | "templates")
            }),
            "write the server and `tools`, `prompts`, `resources` or `templates`, as in `Mcp::List::\"git/tools\"`",
        ),
        "Tool" | "Prompt" | "Resource" | "Task" => (
            id.split_once('/').is_some_and(|(server, name)| is_server(server) && !name.is_empty()),
            "write the server and the name the server uses, as in `Mcp::Tool::\"git/git_status\"`",
        ),
        _ => (true, ""),
    };
    (!sound).then_some(form)
}

fn is_server(name: &str) -> bool {
    name.parse::<ServerName>().is_ok()
}

fn is_endpoint(name: &str) -> bool {
    name.strip_prefix(AGGREGATE).is_some_and(|rest| rest.is_empty() || is_server(rest))
}

/// Arguments that are used without a test for their presence anywhere in the policy.
pub(crate) fn unguarded_arguments(parsed: &Parsed, tree: &Template) -> Vec<PolicyFault> {
    let (mut used, mut tested) = (BTreeSet::new(), BTreeSet::new());
    for condition in conditions(tree) {
        collect(condition, &mut used, &mut tested);
    }
    let warning = |argument: &&str| {
        parsed.fault(
            format!("the argument `{argument}` is used without a test for its presence"),
            format!(
                "calls without it are refused, whatever other policies say; if that is not meant, begin the \
                 condition with `context.arguments has {argument} &&`"
            ),
        )
    };
    used.difference(&tested).map(warning).collect()
}

/// Collects the names directly below `context.arguments` that `expr` uses, and those it tests for.
fn collect<'e>(expr: &'e Expr, used: &mut BTreeSet<&'e str>, tested: &mut BTreeSet<&'e str>) {
    if let Some(path) = argument_path(expr) {
        used.extend(path.first());
        return;
    }
    if let Expr::HasAttr { expr, attrs } = expr {
        let mut names = attrs.iter().map(|name| name.as_str());
        match argument_path(expr) {
            Some(path) => tested.extend(path.into_iter().chain(names).next()),
            None if matches!(**expr, Expr::Var(Var::Context)) && names.next() == Some("arguments") => {
                tested.extend(names.next());
            }
            None => {}
        }
    }
    for child in children(expr).unwrap_or_default() {
        collect(child, used, tested);
    }
}
