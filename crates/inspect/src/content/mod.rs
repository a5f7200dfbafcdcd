//! Text that gives orders to the model that reads it, in traffic: on every channel from a server, and in what
//! callers send.
//!
//! The strings of a message are read as one text, a string a line, so that an attack spread over several is one
//! attack. What is found is acted on by surface, see [`ContentPolicy`]. A text that has to be neutralised loses
//! what is hidden in it, and is fenced off if it still reads as orders, see [`fence`]. Each string is looked at
//! once when nothing is found.

mod edit;
mod fence;
mod gather;
mod neutralise;
mod part;
pub(crate) mod pointer;

use std::{borrow::Cow, ops::Range};

use bytes::Bytes;
use portcullis_core::{
    Answer, Call, ClientMessage, Context, Control, ControlId, Definition, Digest, Edit, Finding, Refusal,
    RefusalKind, Verdict, wire::Document,
};

use self::part::Part;
pub(crate) use self::{edit::Edits, part::editable};
use crate::{
    data::masked,
    detect::{Action, Assessment, ContentPolicy, TextSurface, model},
};

/// The content control. What it looks at differs by subject, what it does about it does not.
pub(crate) struct Content(pub(crate) ContentPolicy);

/// What one part of a message came to.
struct Found {
    action: Action,
    surface: &'static str,
    detail: String,
    /// The text, if a person is asked about it.
    shown: Option<String>,
}

/// How a subject is spoken of, and what can be done to it.
struct Terms {
    control: ControlId,
    /// The channel, or what stands for it.
    channel: Cow<'static, str>,
    /// What the peer may read when it is refused.
    refusal: &'static str,
    /// Whether texts in it can be changed.
    editable: bool,
}

const ANSWER: &str = "the answer was withheld: it reads as orders to a model, or hides something";
const CALL: &str = "the call was refused: its text reads as orders to a model, or hides something";
const CLIENT_MESSAGE: &str = "the message was refused: it reads as orders to a model, or hides something";
const DEFINITION: &str = "the definition was refused: it reads as orders to a model, or hides something";

impl Content {
    fn judge(&self, document: &Document, parts: &[Part<'_>], terms: &Terms, mark: bool) -> Verdict {
        let mut found = Vec::new();
        let mut edits = Edits::default();
        for part in parts {
            if let Some((action, assessment)) = self.assess(part) {
                found.push(self.find(document, part, action, &assessment, terms, &mut edits));
            }
        }
        let Some(worst) = found.iter().map(|found| found.action).max() else { return Verdict::Pass };
        let detail = found.iter().map(|found| found.detail.as_str()).collect::<Vec<_>>().join("; ");
        let finding = Finding { control: terms.control, detail: detail.into() };
        let refusal = |finding: Finding| {
            let refusal = Refusal::new(RefusalKind::Denied, terms.refusal).by(terms.control);
            refusal.operator(finding.detail.into_owned())
        };
        match worst {
            Action::Refuse => Verdict::Refuse(refusal(finding)),
            Action::Ask => {
                let shown: Vec<&str> = found.iter().filter_map(|found| found.shown.as_deref()).collect();
                let refusal = refusal(finding.clone());
                let edit = edited(document, &found, edits, mark);
                let edit = edit.map(|bytes| Edit { bytes, finding, kept: Vec::new() });
                Verdict::Ask(refusal.unless_agreed_to(shown.join("\n\n")), edit)
            }
            Action::Pass => Verdict::Pass,
            Action::Note | Action::Label | Action::Neutralise => {
                match edited(document, &found, edits, mark) {
                    Some(bytes) => Verdict::Edit(Edit { bytes, finding, kept: Vec::new() }),
                    None => Verdict::Note(finding),
                }
            }
        }
    }

    /// None if there is nothing to do about a part.
    fn assess(&self, part: &Part<'_>) -> Option<(Action, Assessment)> {
        if self.0.is_off(part.surface) {
            return None;
        }
        let assessment = gather::assess(part)?;
        let action = self.0.action(&assessment, part.surface);
        (action != Action::Pass).then_some((action, assessment))
    }

    fn find(
        &self,
        document: &Document,
        part: &Part<'_>,
        action: Action,
        assessment: &Assessment,
        terms: &Terms,
        edits: &mut Edits,
    ) -> Found {
        let action = if action == Action::Neutralise && !terms.editable { Action::Refuse } else { action };
        let pieces = gather::pieces(part);
        let range = place_of(assessment);
        let piece = gather::most_of(&pieces, &range);
        let place = pointer::to(document, piece.map_or(0, |piece| piece.span.start));
        let digest = Digest::of(piece.map_or("", |piece| piece.text.as_str()).as_bytes());
        let (channel, surface) = (&terms.channel, part.surface.as_str());
        let (verdict, why) = (action.as_str(), said(assessment, part.surface));
        let detail = format!("{channel} at `{place}` as {surface}: {verdict}, {why}, {digest}");
        let shown = (action == Action::Ask).then(|| shown(&pieces, &range));
        if action == Action::Neutralise {
            neutralise::neutralise(&self.0, part.surface, pieces, edits);
        }
        Found { action, surface, detail, shown }
    }
}

/// The document as it is changed, where something in it has to be taken the force out of or be marked.
fn edited(document: &Document, found: &[Found], mut edits: Edits, mark: bool) -> Option<Bytes> {
    let labelled = found.iter().find(|found| found.action >= Action::Label);
    if let Some(found) = labelled.filter(|_| mark) {
        edits.mark(document, found.surface);
    }
    edits.apply(document)
}

/// What a person is shown of a part: every string of it that can say something, the one found first, each from where
/// something was found. Without secrets, and with whatever is hidden in it as escapes.
fn shown(pieces: &[gather::Piece], range: &Range<usize>) -> String {
    let first = gather::most_of(pieces, range);
    let others = pieces.iter().filter(|piece| first.is_none_or(|first| !std::ptr::eq(*piece, first)));
    let mut room = SHOWN;
    let mut shown = String::new();
    for piece in first.into_iter().chain(others) {
        if room == 0 {
            shown.push_str("\n… and more");
            break;
        }
        let from = range.start.saturating_sub(piece.at.start).saturating_sub(AROUND);
        shown.push_str(if shown.is_empty() { "" } else { "\n" });
        room = room.saturating_sub(excerpt(&piece.text, from, room, &mut shown));
    }
    shown
}

/// Adds up to `room` characters of a text from about `from` on, and says how many.
fn excerpt(text: &str, from: usize, room: usize, shown: &mut String) -> usize {
    let from = if from < text.len() { text.floor_char_boundary(from) } else { 0 };
    let masked = masked(text.get(from..).unwrap_or_default());
    shown.push_str(if from > 0 { "… " } else { "" });
    let taken: Vec<char> = masked.chars().take(room).collect();
    shown.extend(taken.iter().flat_map(|c| c.escape_debug()));
    if masked.chars().nth(room).is_some() {
        shown.push_str(" …");
    }
    taken.len()
}

/// Bytes before what was found that are shown with it.
const AROUND: usize = 200;
/// Characters of a text that a person who is asked about it is shown.
const SHOWN: usize = 2_000;

/// Where to look: at what is hidden if something is, else at the window that reads as orders.
fn place_of(assessment: &Assessment) -> Range<usize> {
    let hidden = assessment.sightings.iter().find(|sighting| sighting.deliberate);
    let hidden = hidden.map(|sighting| sighting.at..sighting.at + 1);
    let window = |at: &Range<usize>| at.start..at.end.max(at.start + NEAR);
    hidden.or(assessment.reasons.first().map(|reason| window(&reason.at))).unwrap_or_default()
}

/// Of what was encoded only the place where it begins is known, and it begins near there.
const NEAR: usize = 120;

/// Score, model and reasons, for records: never the text.
fn said(assessment: &Assessment, surface: TextSurface) -> String {
    let kind = surface.kind();
    let mut said = format!("score {:.3} by {} {}", assessment.score, kind.as_str(), model(kind).version());
    for reason in assessment.reasons.iter().filter(|reason| !reason.what.starts_with("model ")) {
        said.push_str(", ");
        said.push_str(&reason.what);
    }
    said
}

impl Control<Answer> for Content {
    fn id(&self) -> ControlId {
        ControlId::Ti04
    }

    fn check(&self, answer: &Answer, _: &Context) -> Verdict {
        // What the gateway writes holds nothing of a server that has not been looked at already.
        if answer.server.is_none() {
            return Verdict::Pass;
        }
        let document = answer.message.document();
        let parts = part::of_answer(answer);
        let terms = Terms {
            control: ControlId::Ti04,
            channel: answer.surface.as_str().into(),
            refusal: ANSWER,
            editable: part::editable(answer.surface),
        };
        self.judge(document, &parts, &terms, part::marks(answer.surface))
    }
}

impl Control<Call> for Content {
    fn id(&self) -> ControlId {
        ControlId::Ti03
    }

    fn check(&self, call: &Call, _: &Context) -> Verdict {
        let document = call.request.document();
        let parts = part::of_call(call);
        let control = ControlId::Ti03;
        let terms = Terms { control, channel: "request".into(), refusal: CALL, editable: false };
        self.judge(document, &parts, &terms, false)
    }
}

impl Control<ClientMessage> for Content {
    fn id(&self) -> ControlId {
        ControlId::Ti03
    }

    fn check(&self, subject: &ClientMessage, _: &Context) -> Verdict {
        let document = subject.message.document();
        let (control, channel) = (ControlId::Ti03, subject.channel().into());
        let terms = Terms { control, channel, refusal: CLIENT_MESSAGE, editable: false };
        self.judge(document, &part::of_client_message(subject), &terms, false)
    }
}

impl Control<Definition> for Content {
    fn id(&self) -> ControlId {
        ControlId::Ti04
    }

    fn check(&self, definition: &Definition, _: &Context) -> Verdict {
        let parts = part::of_definition(definition);
        let name: String = definition.name().chars().take(64).flat_map(char::escape_debug).collect();
        let channel = format!("definition `{name}` of server `{}`", definition.server()).into();
        let terms = Terms { control: ControlId::Ti04, channel, refusal: DEFINITION, editable: false };
        self.judge(definition.document(), &parts, &terms, false)
    }
}

#[cfg(test)]
mod tests;
