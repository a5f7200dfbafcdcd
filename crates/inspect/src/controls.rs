//! The table of controls, and the controls that are small enough to sit beside it.
//!
//! This is the one place a control is added: a row here is what makes it run, and its position is when.

use portcullis_core::{
    Answer, Call, ClientMessage, Context, Control, ControlId, Definition, Finding, ListKind, Refusal,
    RefusalKind, RunState, Surface, Verdict, wire::Message,
};

use crate::{
    content::Content,
    data::Data,
    detect::TextSurface,
    schema::Misfits,
    table::{Need, Part, Row, Stage},
};

/// A control of this build that runs in full on everything of its kind.
const fn row<S>(id: ControlId, version: u32, stage: Stage<S>) -> Row<S> {
    Row { id, version, state: RunState::Ran, reason: None, needs: None, off: |_| false, shown: true, stage }
}

/// Controls over calls, in the order they run.
pub(crate) const CALLS: &[Row<Call>] = &[
    row(ControlId::Net05, 1, Stage::Walk),
    Row {
        needs: Some((Need::Schema, "only the arguments of `tools/call` have a schema")),
        ..row(ControlId::Ti02, 2, Stage::Tool(Part::Schema))
    },
    Row {
        off: |options| options.targets.actions.is_off(),
        ..row(ControlId::Ti06, 1, Stage::Tool(Part::Targets))
    },
    Row {
        off: |options| options.data.requests.is_off(),
        ..row(ControlId::Ti03, 1, Stage::Check(|options| Box::new(Data::new(options))))
    },
    Row {
        off: |options| options.content.is_off(TextSurface::Argument),
        ..row(ControlId::Ti03, 1, Stage::Check(|options| Box::new(Content(options.content))))
    },
];

/// Controls over what a client says that is no request, in the order they run.
pub(crate) const CLIENT_MESSAGES: &[Row<ClientMessage>] = &[
    row(ControlId::Net05, 1, Stage::Walk),
    Row {
        off: |options| options.data.requests.is_off(),
        ..row(ControlId::Ti03, 1, Stage::Check(|options| Box::new(Data::new(options))))
    },
    Row {
        off: |options| options.content.is_off(TextSurface::Argument),
        ..row(ControlId::Ti03, 1, Stage::Check(|options| Box::new(Content(options.content))))
    },
];

const OWN: Option<(Need, &str)> =
    Some((Need::Server, "the gateway's own words, and what was looked at when it came"));

/// Controls over answers, in the order they run.
pub(crate) const ANSWERS: &[Row<Answer>] = &[
    row(ControlId::Net05, 1, Stage::Walk),
    Row { shown: false, ..row(ControlId::Ti04, 1, Stage::Check(|_| Box::new(AnswerShape))) },
    Row {
        needs: OWN,
        off: |options| options.data.results.is_off(),
        ..row(ControlId::Ti04, 1, Stage::Check(|options| Box::new(Data::new(options))))
    },
    Row {
        needs: OWN,
        off: |options| {
            let surfaces = [TextSurface::ToolOutput, TextSurface::Resource, TextSurface::Prompt];
            surfaces.iter().all(|surface| options.content.is_off(*surface))
        },
        ..row(ControlId::Ti04, 2, Stage::Check(|options| Box::new(Content(options.content))))
    },
    // Last, so that what it looks at is what is passed on.
    Row {
        needs: Some((Need::Schema, "only results of tools with an output schema have one")),
        off: |options| options.misfits == Misfits::Accept,
        ..row(ControlId::Ti02, 1, Stage::Tool(Part::Schema))
    },
];

/// Controls over definitions, in the order they run.
pub(crate) const DEFINITIONS: &[Row<Definition>] = &[
    row(ControlId::Net05, 1, Stage::Walk),
    row(ControlId::Ti01, 1, Stage::Check(|_| Box::new(DefinitionName))),
    row(ControlId::Ti04, 1, Stage::Check(|options| Box::new(Content(options.content)))),
    row(ControlId::Ti02, 2, Stage::Tool(Part::Schema)),
];

/// Whether the message is of the kind its channel carries. Later controls decide by the channel, so a
/// request that came in as a result would be looked at by the wrong ones.
struct AnswerShape;

impl Control<Answer> for AnswerShape {
    fn id(&self) -> ControlId {
        ControlId::Ti04
    }

    fn check(&self, answer: &Answer, _: &Context) -> Verdict {
        let fits = match (answer.surface, &answer.message) {
            (
                Surface::Result | Surface::Resource | Surface::Prompt | Surface::Introduction,
                Message::Response(response),
            ) => response.result().is_some(),
            (Surface::Error, Message::Response(response)) => response.error().is_some(),
            (Surface::Definition, Message::Response(_))
            | (Surface::Notification, Message::Notification(_))
            | (Surface::ServerRequest, Message::Request(_)) => true,
            _ => false,
        };
        if fits { Verdict::Pass } else { Verdict::Refuse(misplaced(answer)) }
    }
}

fn misplaced(answer: &Answer) -> Refusal {
    let (kind, who) = match &answer.server {
        Some(server) => (RefusalKind::UpstreamInvalid, format!("server `{server}`")),
        None => (RefusalKind::Internal, "the gateway".to_owned()),
    };
    let what = match &answer.message {
        Message::Request(_) => "request",
        Message::Notification(_) => "notification",
        Message::Response(response) if response.error().is_some() => "error",
        Message::Response(_) => "result",
    };
    Refusal::new(kind, "the answer is not one that may be given here")
        .by(ControlId::Ti04)
        .operator(format!("{who} sent a {what} where a {} belongs", answer.surface.as_str()))
}

/// The longest tool or prompt name in characters (MCP 2025-11-25, Tools, tool names: 1 to 128).
const MAX_NAME: usize = 128;
/// The longest resource URI or template in characters.
const MAX_URI: usize = 4_096;

/// Whether the name can be written into a list, a log and a policy without meaning something else there.
struct DefinitionName;

impl Control<Definition> for DefinitionName {
    fn id(&self) -> ControlId {
        ControlId::Ti01
    }

    fn check(&self, definition: &Definition, _: &Context) -> Verdict {
        let name = definition.name();
        let named = matches!(definition.kind(), ListKind::Tools | ListKind::Prompts);
        let limit = if named { MAX_NAME } else { MAX_URI };
        let fault = if name.trim().is_empty() {
            "it is empty"
        } else if name.chars().count() > limit {
            "it is too long"
        } else if name.chars().any(char::is_control) {
            "it contains a control character"
        } else if named && !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-./".contains(&b)) {
            let detail =
                format!("the name of `{}` has characters outside A-Z a-z 0-9 _ - . /", name.escape_debug());
            return Verdict::Note(Finding { control: ControlId::Ti01, detail: detail.into() });
        } else {
            return Verdict::Pass;
        };
        let shown: String = name.chars().take(MAX_NAME).collect();
        let detail =
            format!("server `{}` names something `{}`: {fault}", definition.server(), shown.escape_debug());
        Verdict::Refuse(
            Refusal::new(RefusalKind::UpstreamInvalid, "the definition has a name that is not allowed")
                .by(ControlId::Ti01)
                .operator(detail),
        )
    }
}
