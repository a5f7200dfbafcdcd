//! Secrets and personal data, in what callers and servers send (threat T5).
//!
//! Each string of a message, names of members included, goes through every detector once: forms of tokens with their
//! lengths and character sets, JSON Web Tokens, private keys, passwords in URLs, values with much entropy that are
//! called a secret, numbers with check digits, and canaries. A string that is base64 of text is looked at decoded.
//! What is done is a matter of class and direction, see [`DataPolicy`]. What is redacted becomes a word for what it
//! was, `[redacted: github-token]`, and cannot be had back. No record holds a value, nor a digest of one: a card
//! number can be guessed from its digest.

mod marked;
mod numbers;
mod policy;
mod scan;
mod tokens;

use std::{borrow::Cow, collections::BTreeMap, ops::Range};

use portcullis_core::{
    Answer, Call, ClientMessage, Context, Control, ControlId, Finding, Refusal, RefusalKind, Surface,
    Verdict,
    wire::{Document, json::Text},
};

pub use policy::{Canaries, DataAction, DataClass, DataPolicy, DataRow, SHORTEST_CANARY};

use crate::{
    content::{Edits, editable, pointer},
    options::InspectorOptions,
};

/// Something found in a text.
#[derive(Debug)]
struct Hit {
    class: DataClass,
    /// More closely, for records and placeholders.
    what: &'static str,
    at: Range<usize>,
}

/// Places of one message that a record lists.
const LISTED: usize = 8;

/// The data control.
pub(crate) struct Data {
    policy: DataPolicy,
    canaries: Canaries,
}

/// What was done about one kind of data in one place.
type Done = (String, &'static str, &'static str);

impl Data {
    pub(crate) fn new(options: &InspectorOptions) -> Self {
        Self { policy: options.data, canaries: options.canaries.clone() }
    }

    fn judge(&self, document: &Document, row: &DataRow, terms: &Terms) -> Verdict {
        if row.is_off() {
            return Verdict::Pass;
        }
        let mut work = Work {
            data: self,
            row,
            terms,
            document,
            edits: Edits::default(),
            done: BTreeMap::new(),
            worst: DataAction::Pass,
        };
        let mut name: Option<&[u8]> = None;
        for string in document.root().strings() {
            work.string(&string, name);
            name = string.is_key.then_some(string.raw);
        }
        work.verdict()
    }
}

/// How a subject is spoken of.
struct Terms {
    control: ControlId,
    channel: &'static str,
    refusal: &'static str,
    editable: bool,
}

struct Work<'w> {
    data: &'w Data,
    row: &'w DataRow,
    terms: &'w Terms,
    document: &'w Document,
    edits: Edits,
    done: BTreeMap<Done, usize>,
    worst: DataAction,
}

impl Work<'_> {
    fn string(&mut self, string: &Text<'_>, name: Option<&[u8]>) {
        let text = match string.raw.contains(&b'\\') {
            false => std::str::from_utf8(string.raw).map(Cow::Borrowed).unwrap_or_default(),
            true => {
                let mut text = Vec::with_capacity(string.raw.len());
                string.append_to(&mut text);
                Cow::Owned(String::from_utf8_lossy(&text).into_owned())
            }
        };
        if text.len() < scan::SHORTEST {
            return;
        }
        if let Some(clean) = self.text(&text, string, name) {
            return self.edits.replace(string.span, &clean);
        }
        if let Some(inner) = scan::decoded(&text)
            && let Some(clean) = self.text(&inner, string, None)
        {
            self.edits.replace(string.span, &scan::encoded(&clean));
        }
    }

    /// Looks at a text; the text without what has to go, if something has to.
    fn text(&mut self, text: &str, string: &Text<'_>, name: Option<&[u8]>) -> Option<String> {
        let hits = scan::scan(text, name, &self.data.canaries);
        for hit in &hits {
            let action = self.action(hit.class);
            self.worst = self.worst.max(action);
            if action > DataAction::Pass {
                let place = self.data.canaries.masked(pointer::to(self.document, string.span.start));
                *self.done.entry((place, hit.what, action.as_str())).or_default() += 1;
            }
        }
        let word = |hit: &Hit| {
            (self.action(hit.class) == DataAction::Redact).then(|| format!("[redacted: {}]", hit.what))
        };
        match scan::replaced(text, &hits, word) {
            Cow::Borrowed(_) => None,
            Cow::Owned(clean) => Some(clean),
        }
    }

    fn action(&self, class: DataClass) -> DataAction {
        match self.row.on(class) {
            DataAction::Redact if !self.terms.editable => DataAction::Refuse,
            action => action,
        }
    }

    fn verdict(self) -> Verdict {
        let Terms { control, channel, refusal, .. } = *self.terms;
        let listed = self.done.iter().take(LISTED).map(|((place, what, action), count)| match count {
            1 => format!("{what} at `{place}` {action}"),
            _ => format!("{count} {what} at `{place}` {action}"),
        });
        let mut detail = format!("{channel}: {}", listed.collect::<Vec<_>>().join(", "));
        if let Some(more) = self.done.len().checked_sub(LISTED).filter(|more| *more > 0) {
            detail.push_str(&format!(", and {more} more"));
        }
        let finding = Finding { control, detail: detail.into() };
        match self.worst {
            DataAction::Pass => Verdict::Pass,
            DataAction::Refuse => Verdict::Refuse(
                Refusal::new(RefusalKind::Denied, refusal).by(control).operator(finding.detail.into_owned()),
            ),
            DataAction::Note | DataAction::Redact => match self.edits.apply(self.document) {
                Some(bytes) => Verdict::Edit(bytes, finding),
                None => Verdict::Note(finding),
            },
        }
    }
}

impl Control<Call> for Data {
    fn id(&self) -> ControlId {
        ControlId::Ti03
    }

    fn check(&self, call: &Call, _: &Context) -> Verdict {
        let refusal = "the call was refused: it holds a secret or other data that may not be sent";
        let terms = Terms { control: ControlId::Ti03, channel: "request", refusal, editable: true };
        self.judge(call.request.document(), &self.policy.requests, &terms)
    }
}

impl Control<ClientMessage> for Data {
    fn id(&self) -> ControlId {
        ControlId::Ti03
    }

    fn check(&self, subject: &ClientMessage, _: &Context) -> Verdict {
        let refusal = "the message was refused: it holds a secret or other data that may not be sent";
        let (control, channel) = (ControlId::Ti03, subject.channel());
        let terms = Terms { control, channel, refusal, editable: true };
        self.judge(subject.message.document(), &self.policy.requests, &terms)
    }
}

impl Control<Answer> for Data {
    fn id(&self) -> ControlId {
        ControlId::Ti04
    }

    fn check(&self, answer: &Answer, _: &Context) -> Verdict {
        // What the gateway writes, and pages of definitions, which are not passed on as they are.
        if answer.server.is_none() || answer.surface == Surface::Definition {
            return Verdict::Pass;
        }
        let refusal = "the answer was withheld: it holds a secret or other data that may not be passed on";
        let channel = answer.surface.as_str();
        let terms = Terms { control: ControlId::Ti04, channel, refusal, editable: editable(answer.surface) };
        self.judge(answer.message.document(), &self.policy.results, &terms)
    }
}

/// A text for a record: whatever looks like a secret in it is a word for what it was.
pub fn masked(text: &str) -> Cow<'_, str> {
    let hits = scan::scan(text, None, &Canaries::default());
    scan::replaced(text, &hits, |hit| Some(format!("[{}]", hit.what)))
}

#[cfg(test)]
mod tests;
