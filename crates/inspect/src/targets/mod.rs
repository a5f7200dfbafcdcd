//! What the arguments of a call name outside of their tool: files, URLs, commands, statements (control TI-06).
//!
//! Each is read in the one form in which it is compared, which is what policies see, and what no honest caller writes
//! is held against it: paths that climb, hosts that readers understand differently or that are inside, and whatever
//! shows only when it is decoded. A server gets what its caller wrote: what is not refused means the same in both forms.
//!
//! What a parameter is comes from the configuration, else from its name and schema; see [`TargetParameters`]. Links in a
//! file system and addresses behind a name cannot be seen here: that is for the sandbox and the egress proxy.

mod command;
mod encoded;
mod parameters;
mod path;
mod policy;
mod sql;
mod uri;
mod url;

use std::collections::BTreeSet;

use portcullis_core::{
    Call, Canonical, ControlId, Finding, Refusal, RefusalKind,
    wire::{Method, Node, json::Kind},
};
use serde::Serialize;

pub use parameters::{TargetParameter, TargetParameters};
pub use policy::{DeclaredTargets, TargetAction, TargetActions, TargetFault, TargetPolicy};

/// What a parameter names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TargetKind {
    /// A file or directory.
    Path,
    /// A place on the network.
    Url,
    /// A URI of any scheme.
    Uri,
    /// A name that a program gets between its options.
    Operand,
    /// One word of a command line.
    Word,
    /// A command line.
    Command,
    /// SQL.
    Sql,
    /// Nothing outside: only declared, where a guess is wrong.
    Text,
}

impl TargetKind {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Path, Self::Url, Self::Uri, Self::Operand, Self::Word, Self::Command, Self::Sql, Self::Text];

    /// The word for it in settings and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Url => "url",
            Self::Uri => "uri",
            Self::Operand => "operand",
            Self::Word => "word",
            Self::Command => "command",
            Self::Sql => "sql",
            Self::Text => "text",
        }
    }

    fn read(self, text: &str, policy: &TargetPolicy) -> Reading {
        match self {
            Self::Path => Reading { is_path: true, ..path::read(text) },
            Self::Url => url::read(text, policy),
            Self::Uri => uri::read(text, policy),
            Self::Operand => command::operand(text),
            Self::Word => command::word(text),
            Self::Command => command::line(text),
            Self::Sql => sql::read(text),
            Self::Text => Reading::of(text.to_owned()),
        }
    }
}

/// A target as it is compared, and what is wrong with it.
#[derive(Debug, Default)]
struct Reading {
    text: String,
    is_path: bool,
    faults: Vec<TargetFault>,
    hosts: Vec<String>,
    programs: Vec<String>,
    statements: Vec<String>,
}

impl Reading {
    fn of(text: String) -> Self {
        Self { text, ..Self::default() }
    }

    fn fault(&mut self, fault: TargetFault) {
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }
}

/// A target in the arguments of a call.
struct Found<'p> {
    at: u32,
    place: String,
    declared: bool,
    kind: &'p str,
    reading: Reading,
}

/// Everything that a call names.
fn found<'p>(call: &Call, parameters: Option<&'p TargetParameters>, policy: &TargetPolicy) -> Vec<Found<'p>> {
    let mut all = Vec::new();
    let params = call.request.params();
    match call.request.method_kind() {
        Method::ToolsCall => {
            let Some(parameters) = parameters.filter(|it| !it.is_empty()) else { return all };
            let Some(arguments) = params.and_then(|params| params.get("arguments")) else { return all };
            for parameter in &parameters.list {
                visit(arguments, &parameter.path, &mut |node, text| {
                    let mut reading = parameter.kind.read(text, policy);
                    if DeclaredTargets::reaches(&parameters.hosts, &reading.hosts) {
                        reading.faults.retain(|fault| *fault != TargetFault::Internal);
                    }
                    let path = reading.text.strip_prefix("file://").unwrap_or(&reading.text);
                    if reading.is_path
                        && !parameters.roots.is_empty()
                        && !path::is_inside(path, &parameters.roots)
                    {
                        reading.fault(TargetFault::Outside);
                    }
                    all.push(Found {
                        at: node.span().start,
                        place: parameter.path.join("."),
                        declared: parameter.declared,
                        kind: parameter.kind.as_str(),
                        reading,
                    });
                });
            }
        }
        Method::ResourcesRead | Method::ResourcesSubscribe | Method::ResourcesUnsubscribe => {
            let uri = uri::of_resource(params);
            if let Some((node, text)) = uri.and_then(|node| Some((node, node.as_str()?))) {
                let reading = TargetKind::Uri.read(&text, policy);
                all.push(Found {
                    at: node.span().start,
                    place: "uri".to_owned(),
                    declared: true,
                    kind: "uri",
                    reading,
                });
            }
        }
        _ => {}
    }
    all
}

/// Every text at the end of `path`, through whatever arrays there are.
fn visit<'m>(node: Node<'m>, path: &[String], with: &mut impl FnMut(Node<'m>, &str)) {
    match (node.kind(), path) {
        (Kind::Array, _) => node.elements().for_each(|element| visit(element, path, with)),
        (Kind::Object, [first, rest @ ..]) => {
            node.get(first).into_iter().for_each(|member| visit(member, rest, with));
        }
        (Kind::String, []) => node.as_str().into_iter().for_each(|text| with(node, &text)),
        _ => {}
    }
}

/// What policies see in place of what the caller wrote.
pub(crate) fn canonical(
    call: &Call,
    parameters: Option<&TargetParameters>,
    policy: &TargetPolicy,
) -> Canonical {
    let mut texts = Vec::new();
    let [mut hosts, mut programs, mut statements] = [(); 3].map(|()| BTreeSet::new());
    for Found { at, reading, .. } in found(call, parameters, policy) {
        texts.push((at, reading.text));
        hosts.extend(reading.hosts);
        programs.extend(reading.programs);
        statements.extend(reading.statements);
    }
    texts.sort();
    Canonical { texts, hosts, programs, statements }
}

/// Whether a call names only what it may.
pub(crate) fn check(
    call: &Call,
    parameters: Option<&TargetParameters>,
    policy: &TargetPolicy,
) -> Result<Option<Finding>, Refusal> {
    let mut noted = Vec::new();
    for Found { place, declared, kind, reading, .. } in found(call, parameters, policy) {
        for fault in reading.faults {
            let said = format!("{kind} `{place}`: {}", fault.as_str());
            match policy.action(fault, declared) {
                TargetAction::Pass => {}
                TargetAction::Note => noted.push(said),
                TargetAction::Refuse => return Err(refused(&place, kind, fault)),
            }
        }
    }
    let detail = noted.join(", ");
    Ok((!noted.is_empty()).then_some(Finding { control: ControlId::Ti06, detail: detail.into() }))
}

fn refused(place: &str, kind: &str, fault: TargetFault) -> Refusal {
    let (what, remedy) = fault.told();
    let place: String = place.chars().take(128).collect();
    Refusal::new(RefusalKind::Denied, format!("the {kind} in `{place}` is not accepted: {what}; {remedy}"))
        .by(ControlId::Ti06)
        .operator(format!("{kind} `{place}`: {}: {what}", fault.as_str()))
}

/// Reads a text as every kind of target and looks at what comes out, for tests.
///
/// # Panics
/// When a form is not its own, or larger than what was read allows.
#[doc(hidden)]
pub fn read_as_all(text: &str) {
    let policy = TargetPolicy::default();
    for kind in TargetKind::ALL {
        let once = kind.read(text, &policy);
        assert!(once.text.len() <= 4 * text.len() + 64, "{kind:?} of {text:?} is {:?}", once.text);
        // A command line and a statement are read apart, which their quotes do not survive, and what is disguised can be
        // read in more than one way.
        let stable = matches!(kind, TargetKind::Path | TargetKind::Url | TargetKind::Operand);
        if stable && !once.faults.contains(&TargetFault::Disguised) {
            let again = kind.read(&once.text, &policy);
            assert_eq!(again.text, once.text, "{kind:?} of {text:?}");
            assert!(once.hosts.is_empty() || again.hosts == once.hosts, "{kind:?} of {text:?}");
        }
    }
}

#[cfg(test)]
mod tests;
