//! What would be permitted if a person approved it: a call that policy holds, a call or an answer whose text asks for it.

use std::sync::Arc;

use portcullis_audit::EventKind;
use portcullis_core::{
    Approval, Asked, Consent, Context, ControlId, Deed, Digest, Flow, Refusal, RefusalKind,
    wire::{Message, Node},
};
use portcullis_inspect::Inspected;
use portcullis_policy::Permitted;

use crate::{flow, gateway::Gateway, resolve::Resolved, snapshot::Snapshot, trail::Trail};

impl Gateway {
    /// Whether the call may proceed, given what has entered its conversation, and if need be what a person says.
    pub(crate) async fn permit(
        self: &Arc<Self>,
        snapshot: &Snapshot,
        resolved: Box<Resolved>,
        trail: &mut Trail,
        cx: &Context,
    ) -> Result<(Permitted<Box<Resolved>>, Consent), Refusal> {
        let canonical = snapshot.inspector.canonical(&resolved.call, resolved.schema().map(|it| &**it));
        let flow = Flow { canonical, ..self.conversations.flow(&resolved, cx.now_ms) };
        trail.flow(&flow);
        let again = flow.is_held().then(|| resolved.clone());
        match (snapshot.authoriser.authorise_in(resolved, &flow, cx), again) {
            (Ok(permitted), _) => Ok((permitted, Consent::Absent)),
            (Err(refusal), None) => Err(refusal),
            (Err(refusal), Some(again)) => {
                let approved = Flow { approved: true, ..flow };
                let asked = asked(&again, refusal.public());
                // What an approval would not change is nobody's to decide.
                let Ok(permitted) = snapshot.authoriser.authorise_in(again, &approved, cx) else {
                    return Err(refusal);
                };
                self.check_state(&permitted, cx)?;
                self.consent(snapshot, &permitted, asked, refusal, cx).await?;
                trail.flow(&approved);
                Ok((permitted, Consent::Given))
            }
        }
    }

    /// Inspects a call, and if need be asks a person about its text.
    pub(crate) async fn inspect(
        &self,
        snapshot: &Snapshot,
        permitted: Permitted<Box<Resolved>>,
        consent: Consent,
        cx: &Context,
    ) -> Result<Inspected<Permitted<Box<Resolved>>>, Refusal> {
        let schema = permitted.schema().cloned();
        match snapshot.inspector.request(permitted, schema.as_deref(), consent, cx)? {
            Inspected::Asked(permitted, refusal) => {
                let asked = asked(&permitted, &question(&refusal));
                self.check_state(&permitted, cx)?;
                self.consent(snapshot, &permitted, asked, refusal, cx).await?;
                snapshot.inspector.request(permitted, schema.as_deref(), Consent::Given, cx)
            }
            inspected => Ok(inspected),
        }
    }

    /// Refuses a call whose state is not good for it, before a person is asked: an approval is used up by asking for it.
    fn check_state(&self, resolved: &Resolved, cx: &Context) -> Result<(), Refusal> {
        // A state is for the call as its server gets it.
        let broad = resolved.broad().transpose()?;
        self.opened_state(broad.as_deref().unwrap_or(resolved), cx.now_ms).map(drop)
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
        let result = answer.document().root().get("result").map(Node::raw).unwrap_or_default();
        let asked = asked(resolved, &question(&refusal));
        let asked = Asked {
            item: format!("{} (its answer)", asked.item),
            arguments: format!(r#"{{"arguments":{},"answer":"{}"}}"#, asked.arguments, Digest::of(result)),
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

fn asked(resolved: &Resolved, why: &str) -> Asked {
    let call = &resolved.call;
    let arguments = call.as_written().params().and_then(|params| params.get("arguments")).map(Node::raw);
    Asked {
        principal: call.caller.principal.id.to_string(),
        server: call.target.server.as_ref().map(ToString::to_string).unwrap_or_default(),
        item: call.target.item.name().to_owned(),
        arguments: String::from_utf8_lossy(arguments.unwrap_or(b"{}")).into_owned(),
        why: why.to_owned(),
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
