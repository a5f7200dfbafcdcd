//! What of a server's definitions is still what was trusted (control TI-01).

use std::sync::Arc;

use bytes::Bytes;
use portcullis_audit::EventKind;
use portcullis_core::{
    ControlId, ListKind, Offer, PinKind, Refusal, RefusalKind, Review, ServerName, Standing,
};

use super::List;
use crate::{gateway::Gateway, snapshot::Snapshot};

impl Gateway {
    /// The list without what is held back, which it then names.
    ///
    /// # Errors
    /// When the pins cannot be used: nothing of the list can be trusted then.
    pub(crate) async fn pinned_list(
        &self,
        snapshot: &Snapshot,
        server: &ServerName,
        kind: ListKind,
        list: List,
    ) -> Result<List, Refusal> {
        let offer = |entry: &Arc<super::Entry>| Offer { name: entry.name.clone(), raw: entry.raw.clone() };
        let offers = list.entries.iter().map(offer).collect();
        let review = self.review(snapshot, server, kind.into(), offers).await?;
        Ok(list.holding_back(&review.standings))
    }

    /// Whether one text that a server gives with its description may be passed on.
    ///
    /// # Errors
    /// When the pins cannot be used.
    pub(crate) async fn pinned_text(
        &self,
        snapshot: &Snapshot,
        server: &ServerName,
        kind: PinKind,
        raw: Option<&Bytes>,
    ) -> Result<bool, Refusal> {
        let offers = raw.map(|raw| Offer { name: kind.as_str().into(), raw: raw.clone() });
        let review = self.review(snapshot, server, kind, offers.into_iter().collect()).await?;
        Ok(review.standings == [Standing::Trusted])
    }

    async fn review(
        &self,
        snapshot: &Snapshot,
        server: &ServerName,
        kind: PinKind,
        offers: Vec<Offer>,
    ) -> Result<Review, Refusal> {
        let now_ms = self.clock.now_ms();
        let review = snapshot.pins.review(server, kind, offers, now_ms).await.map_err(|e| {
            Refusal::new(
                RefusalKind::Denied,
                format!("the definitions of server `{server}` cannot be checked"),
            )
            .by(ControlId::Ti01)
            .operator(e.to_string())
        })?;
        for note in &review.notes {
            let event = if note.held { EventKind::DefinitionHeld } else { EventKind::DefinitionTrusted };
            self.note(event, server, note.detail.clone());
        }
        Ok(review)
    }
}
