//! Step 5 where policy would permit a call if a person approved it.

use std::sync::Arc;

use portcullis_audit::EventKind;
use portcullis_core::{Approval, Asked, Context, ControlId, Flow, Refusal, RefusalKind, wire::Node};
use portcullis_policy::Permitted;

use crate::{gateway::Gateway, resolve::Resolved, snapshot::Snapshot, trail::Trail};

impl Gateway {
    /// Whether the call may proceed, given what has entered its conversation, and if need be what a person says.
    pub(crate) async fn permit(
        self: &Arc<Self>,
        snapshot: &Snapshot,
        resolved: Box<Resolved>,
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
                let permitted = self.ask_a_person(snapshot, again, &approved, refusal, cx).await?;
                trail.flow(&approved);
                Ok(permitted)
            }
        }
    }

    async fn ask_a_person(
        &self,
        snapshot: &Snapshot,
        resolved: Box<Resolved>,
        approved: &Flow,
        refusal: Refusal,
        cx: &Context,
    ) -> Result<Permitted<Box<Resolved>>, Refusal> {
        let asked = asked(&resolved, &refusal);
        let server = resolved.call.target.server.clone();
        // What an approval would not change is nobody's to decide.
        let Ok(permitted) = snapshot.authoriser.authorise_in(resolved, approved, cx) else {
            return Err(refusal);
        };
        let (item, digest) = (asked.item.clone(), asked.digest());
        match (snapshot.approvals.ask(asked, cx.now_ms).await, server) {
            (Approval::Granted { by }, Some(server)) => {
                let detail = format!("`{item}` approved by {by} for one call: {digest}");
                self.note(EventKind::Approved, &server, detail);
                Ok(permitted)
            }
            (Approval::Waiting { id }, _) => Err(waiting(&refusal, &id)),
            (Approval::Declined, _) => Err(declined(&refusal)),
            (Approval::Granted { .. } | Approval::Nobody, _) => Err(refusal),
        }
    }
}

fn asked(resolved: &Resolved, refusal: &Refusal) -> Asked {
    let call = &resolved.call;
    let arguments = call.request.params().and_then(|params| params.get("arguments")).map(Node::raw);
    Asked {
        principal: call.caller.principal.id.to_string(),
        server: call.target.server.as_ref().map(ToString::to_string).unwrap_or_default(),
        item: call.target.item.name().to_owned(),
        arguments: String::from_utf8_lossy(arguments.unwrap_or(b"{}")).into_owned(),
        why: refusal.public().to_owned(),
    }
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
