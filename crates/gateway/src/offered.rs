//! What a server offers, asked on the gateway's own behalf.

use std::sync::Arc;

use bytes::Bytes;
use portcullis_core::{LinkProfile, ListKind, OnBehalf, Principal, PrincipalKind, Refusal, ServerName};

use crate::{gateway::Gateway, outbound::CLIENT_INFO, resolve::no_server};

/// A list as a server offers it.
#[derive(Clone, Debug, Default)]
pub struct Offered {
    /// Each definition, byte for byte.
    pub definitions: Vec<Bytes>,
    /// Names that were not admitted, with the reason.
    pub refused: Vec<(String, String)>,
}

impl Gateway {
    /// Asks a server for one of its lists.
    ///
    /// # Errors
    /// When there is no such server, or it cannot be reached or gives no usable list.
    pub async fn offered(self: &Arc<Self>, server: &ServerName, kind: ListKind) -> Result<Offered, Refusal> {
        let snapshot = self.snapshot();
        let server = snapshot.servers.get(server).ok_or_else(|| no_server(server))?;
        let profile = own_profile();
        let list = self.list(&snapshot, server, kind, &profile, self.clock.now_ms()).await?;
        let definitions = list.entries.iter().map(|entry| entry.raw.clone()).collect();
        Ok(Offered { definitions, refused: list.refused.clone() })
    }
}

/// Whose link the gateway uses for what it asks of its own accord.
pub(crate) fn own_profile() -> LinkProfile {
    LinkProfile {
        on_behalf: OnBehalf::of(Principal { kind: PrincipalKind::Gateway, id: "portcullis".into() }),
        tenant: None,
        session: None,
        capabilities: Bytes::from_static(b"{}"),
        client_info: Bytes::from_static(CLIENT_INFO.as_bytes()),
    }
}
