//! Secrets and personal data, in what callers and servers send (threat T5).
//!
//! Each string of a message, names of members included, goes through every detector once: forms of tokens with their
//! lengths and character sets, JSON Web Tokens, private keys, passwords in URLs, values with much entropy that are
//! called a secret, numbers with check digits, and canaries. A string that is base64 of text is looked at decoded.
//! What is done is a matter of class and direction, see [`DataPolicy`]. What is redacted becomes a word for what it
//! was, `[redacted: github-token]`, and cannot be had back; what is tokenised can, see [`token`]. No record holds a value, nor a digest of one: a card
//! number can be guessed from its digest.

mod marked;
mod numbers;
mod policy;
mod scan;
mod token;
mod tokens;

use std::{borrow::Cow, collections::BTreeMap, ops::Range};

use memchr::memmem;
use portcullis_core::{
    Answer, Call, ClientMessage, Context, Control, ControlId, Edit, Finding, Kept, Refusal, RefusalKind,
    Secret, Surface, Verdict,
    wire::{Document, json::Text},
};

pub use policy::{Canaries, DataAction, DataClass, DataPolicy, DataRow, SHORTEST_CANARY};
pub use token::{TokenKey, put_back};

use crate::{
    content::{Edits, editable, pointer},
    options::InspectorOptions,
    text::lossy,
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

/// Longest value that is kept for a word, in bytes: a private key of RSA has some 3,000.
const LONGEST_KEPT: usize = 8 * 1024;

/// The data control.
pub(crate) struct Data {
    policy: DataPolicy,
    canaries: Canaries,
    token_key: Option<TokenKey>,
}

/// What was done about one kind of data in one place.
type Done = (String, &'static str, &'static str);

impl Data {
    pub(crate) fn new(options: &InspectorOptions) -> Self {
        let (canaries, token_key) = (options.canaries.clone(), options.token_key.clone());
        Self { policy: options.data, canaries, token_key }
    }

    fn judge(&self, document: &Document, row: &DataRow, terms: &Terms<'_>) -> Verdict {
        if row.is_off() {
            return Verdict::Pass;
        }
        let mut work = Work {
            data: self,
            row,
            terms,
            document,
            edits: Edits::default(),
            kept: Vec::new(),
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
struct Terms<'t> {
    control: ControlId,
    channel: &'static str,
    refusal: &'static str,
    editable: bool,
    /// Values that the gateway has put in and that are nobody's to object to.
    put_back: &'t [Secret],
}

/// How a text stands in its string.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    Encoded,
}

struct Work<'w> {
    data: &'w Data,
    row: &'w DataRow,
    terms: &'w Terms<'w>,
    document: &'w Document,
    edits: Edits,
    kept: Vec<Kept>,
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
                Cow::Owned(lossy(text))
            }
        };
        if text.len() < scan::SHORTEST {
            return;
        }
        if let Some(clean) = self.text(&text, string, name, Form::Plain) {
            return self.edits.replace(string.span, &clean);
        }
        if let Some(inner) = scan::decoded(&text)
            && let Some(clean) = self.text(&inner, string, None, Form::Encoded)
        {
            self.edits.replace(string.span, &scan::encoded(&clean));
        }
    }

    /// Looks at a text; the text without what has to go, if something has to.
    fn text(&mut self, text: &str, string: &Text<'_>, name: Option<&[u8]>, form: Form) -> Option<String> {
        let mut hits = scan::scan(text, name, &self.data.canaries);
        hits.retain(|hit| !self.was_put_back(text, hit));
        for hit in &hits {
            let action = self.action(hit.class, form);
            self.worst = self.worst.max(action);
            if action > DataAction::Pass {
                let place = self.data.canaries.masked(pointer::to(self.document, string.span.start));
                *self.done.entry((place, hit.what, action.as_str())).or_default() += 1;
            }
        }
        match scan::replaced(text, &hits, |hit| self.word(text, hit, form)) {
            Cow::Borrowed(_) => None,
            Cow::Owned(clean) => Some(clean),
        }
    }

    /// What stands in place of a hit, if it does not stay.
    fn word(&mut self, text: &str, hit: &Hit, form: Form) -> Option<String> {
        match (self.action(hit.class, form), &self.data.token_key) {
            (DataAction::Redact, _) => Some(format!("[redacted: {}]", hit.what)),
            (DataAction::Tokenise, _) if hit.at.len() > LONGEST_KEPT => {
                Some(format!("[redacted: {}]", hit.what))
            }
            (DataAction::Tokenise, Some(key)) => {
                let value = text.get(hit.at.clone()).unwrap_or_default();
                let word = key.word(hit.what, value);
                let value = Secret::new(value.as_bytes().to_vec());
                self.kept.push(Kept { word: word.as_str().into(), value });
                Some(word)
            }
            _ => None,
        }
    }

    fn was_put_back(&self, text: &str, hit: &Hit) -> bool {
        let found = text.as_bytes().get(hit.at.clone()).unwrap_or_default();
        self.terms.put_back.iter().any(|value| memmem::find(value.expose(), found).is_some())
    }

    fn action(&self, class: DataClass, form: Form) -> DataAction {
        match self.row.on(class) {
            DataAction::Redact | DataAction::Tokenise if !self.terms.editable => DataAction::Refuse,
            // A word inside of something encoded is none that a caller would see.
            DataAction::Tokenise if form == Form::Encoded || self.data.token_key.is_none() => {
                DataAction::Redact
            }
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
            DataAction::Note | DataAction::Tokenise | DataAction::Redact => {
                match self.edits.apply(self.document) {
                    Some(bytes) => Verdict::Edit(Edit { bytes, finding, kept: self.kept }),
                    None => Verdict::Note(finding),
                }
            }
        }
    }
}

impl Control<Call> for Data {
    fn id(&self) -> ControlId {
        ControlId::Ti03
    }

    fn check(&self, call: &Call, _: &Context) -> Verdict {
        let refusal = "the call was refused: it holds a secret or other data that may not be sent";
        let put_back = call.put_back.as_ref().map_or(&[][..], |it| &it.values);
        let (control, channel) = (ControlId::Ti03, "request");
        let terms = Terms { control, channel, refusal, editable: true, put_back };
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
        let terms = Terms { control, channel, refusal, editable: true, put_back: &[] };
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
        let (control, editable) = (ControlId::Ti04, editable(answer.surface));
        let terms = Terms { control, channel, refusal, editable, put_back: &[] };
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
