//! What would be permitted if a person approved it: a call that policy holds, a call or an answer whose text asks for it.

use portcullis_audit::EventKind;
use portcullis_core::{
    Approval, Asked, Consent, Context, ControlId, Deed, Digest, Flow, Refusal, RefusalKind,
    wire::{Message, Node},
};
use portcullis_inspect::Inspected;
use portcullis_policy::Permitted;

use crate::{flow, gateway::Gateway, resolve::Resolved, snapshot::Snapshot, trail::Trail};

/// What a person has to agree to before a call may proceed, gathered while it is decided: it is asked about once, for
/// an approval is used up by asking for it.
#[derive(Default)]
pub(crate) struct Questions {
    asked: Option<(Asked, Refusal)>,
    /// What policies were told, once somebody agrees.
    flow: Option<Flow>,
}

impl Questions {
    fn add(&mut self, resolved: &Resolved, about: &str, why: &str, refusal: Refusal) {
        let (asked, _) = self.asked.get_or_insert_with(|| (asked(resolved), refusal));
        if !asked.about.iter().any(|known| known == about) {
            asked.about.push(about.to_owned());
        }
        if !asked.why.contains(why) {
            asked.why.push_str(if asked.why.is_empty() { "" } else { "\n" });
            asked.why.push_str(why);
        }
    }
}

/// Proof that a person agreed to whatever was gathered, or that there was nothing to agree to. A call is inspected as if
/// somebody had; without this it goes no further.
pub(crate) struct Consented(());

/// Kinds of questions.
const HOLD: &str = "hold";
const TEXT: &str = "text";
const ANSWER: &str = "answer";

impl Gateway {
    /// Whether the call may proceed, given what has entered its conversation, or what a person has to agree to first.
    pub(crate) fn permit(
        &self,
        snapshot: &Snapshot,
        resolved: Box<Resolved>,
        questions: &mut Questions,
        trail: &mut Trail,
        cx: &Context,
    ) -> Result<Permitted<Box<Resolved>>, Refusal> {
        let canonical = snapshot.inspector.canonical(&resolved.call, resolved.schema().map(|it| &**it));
        let flow = Flow { canonical, ..self.conversations.flow(&resolved, cx.now_ms) };
        trail.flow(&flow);
        let again = flow.is_held().then(|| resolved.clone());
        match (snapshot.authoriser.authorise_in(resolved, &flow, cx), again) {
            (Ok(permitted), _) => Ok(permitted),
            (Err(refusal), None) => Err(refusal),
            (Err(refusal), Some(again)) => {
                let approved = Flow { approved: true, ..flow };
                // What an approval would not change is nobody's to decide.
                let Ok(permitted) = snapshot.authoriser.authorise_in(again, &approved, cx) else {
                    return Err(refusal);
                };
                let why = refusal.public().to_owned();
                questions.add(&permitted, HOLD, &why, refusal);
                questions.flow = Some(approved);
                Ok(permitted)
            }
        }
    }

    /// Inspects a call, or says what of its text a person has to agree to.
    pub(crate) fn inspect(
        snapshot: &Snapshot,
        permitted: Permitted<Box<Resolved>>,
        questions: &mut Questions,
        cx: &Context,
    ) -> Result<Inspected<Permitted<Box<Resolved>>>, Refusal> {
        let schema = permitted.schema().cloned();
        match snapshot.inspector.request(permitted, schema.as_deref(), Consent::Absent, cx)? {
            Inspected::Asked(permitted, refusal) => {
                let why = question(&refusal);
                questions.add(&permitted, TEXT, &why, refusal);
                snapshot.inspector.request(permitted, schema.as_deref(), Consent::Given, cx)
            }
            inspected => Ok(inspected),
        }
    }

    /// Asks what has to be asked before a call is recorded and sent.
    pub(crate) async fn ask(
        &self,
        snapshot: &Snapshot,
        resolved: &Resolved,
        questions: Questions,
        trail: &mut Trail,
        cx: &Context,
    ) -> Result<Consented, Refusal> {
        if let Some((asked, refusal)) = questions.asked {
            self.consent(snapshot, resolved, asked, refusal, cx).await?;
        }
        questions.flow.iter().for_each(|flow| trail.flow(flow));
        Ok(Consented(()))
    }

    /// Asks a person whether an answer that was refused may be passed on. It is, when the call is made again and is
    /// answered with the same; so nobody is asked about a call that cannot be taken back.
    pub(crate) async fn consent_to_answer(
        &self,
        snapshot: &Snapshot,
        resolved: &Resolved,
        answer: &Message,
        refusal: Refusal,
        cx: &Context,
    ) -> Result<(), Refusal> {
        if flow::conduct(resolved).does(Deed::Irrevocable) {
            return Err(refusal);
        }
        let root = answer.document().root();
        let Some(said) = root.get("result").or_else(|| root.get("error")) else { return Err(refusal) };
        let asked = asked(resolved);
        let asked = Asked {
            item: format!("{} (its answer)", asked.item),
            arguments: format!(
                r#"{{"arguments":{},"answer":"{}"}}"#,
                asked.arguments,
                Digest::of(said.raw())
            ),
            why: question(&refusal),
            about: vec![ANSWER.to_owned()],
            ..asked
        };
        self.consent(snapshot, resolved, asked, refusal, cx).await
    }

    /// Lifts a refusal if a person agrees to what is asked.
    async fn consent(
        &self,
        snapshot: &Snapshot,
        resolved: &Resolved,
        asked: Asked,
        refusal: Refusal,
        cx: &Context,
    ) -> Result<(), Refusal> {
        let (item, digest) = (asked.item.clone(), asked.digest());
        match (snapshot.approvals.ask(asked, cx.now_ms).await, &resolved.call.target.server) {
            (Approval::Granted { by }, Some(server)) => {
                let detail = format!("`{item}` approved by {by} for one call: {digest}");
                self.note(EventKind::Approved, server, detail);
                Ok(())
            }
            (Approval::Waiting { id }, _) => Err(waiting(&refusal, &id)),
            (Approval::Declined, _) => Err(declined(&refusal)),
            (Approval::Granted { .. } | Approval::Nobody, _) => Err(refusal),
        }
    }
}

fn asked(resolved: &Resolved) -> Asked {
    let call = &resolved.call;
    let arguments = call.as_written().params().and_then(|params| params.get("arguments")).map(Node::raw);
    Asked {
        principal: call.caller.principal.to_string(),
        server: call.target.server.as_ref().map(ToString::to_string).unwrap_or_default(),
        item: call.target.item.name().to_owned(),
        arguments: String::from_utf8_lossy(arguments.unwrap_or(b"{}")).into_owned(),
        why: String::new(),
        about: Vec::new(),
    }
}

/// Why a person is asked about a text, with the text.
fn question(refusal: &Refusal) -> String {
    format!("{}\n{}", refusal.public(), refusal.question().unwrap_or_default())
}

fn waiting(refusal: &Refusal, id: &str) -> Refusal {
    let public = format!(
        "{}; a person can approve this one call with `portcullis approvals approve {id}`, then send it again",
        refusal.public()
    );
    Refusal::new(RefusalKind::Denied, public).by(ControlId::Az08).operator(refusal.detail().to_owned())
}

fn declined(refusal: &Refusal) -> Refusal {
    Refusal::new(RefusalKind::Denied, "a person declined this call")
        .by(ControlId::Az08)
        .operator(format!("declined; {}", refusal.detail()))
}
