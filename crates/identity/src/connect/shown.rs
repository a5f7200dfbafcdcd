//! What a server is shown for somebody who is connected to it, for as long as that is so.

use std::sync::Arc;

use portcullis_core::{Digest, OnBehalf, Secret};

use super::{Connection, Connector, Remedy, StoreFault, Wanted, challenge::SCOPES, connection::owner, token};
use crate::{CONSENT_PATH, CredentialFault, consent::Ticket};

/// How long before its end a token is no longer shown, in milliseconds.
const MARGIN_MS: u64 = 15_000;

/// Most that is kept of the scopes that a server asks for, in bytes.
const SCOPE_BYTES: usize = 4 * 1024;

/// What a server is shown on somebody's behalf.
pub(crate) struct Current {
    pub(crate) token: Secret,
    /// It was good before.
    pub(crate) is_kept: bool,
}

impl Connector {
    fn not_connected(&self, why: &'static str, on_behalf: &OnBehalf) -> CredentialFault {
        let (remedy, url) = match (&self.config.remedy, client_of(on_behalf)) {
            (Remedy::Page { origin, server }, Some(client)) => {
                let ticket = Ticket::new(&owner(&on_behalf.principal), &client, server, self.clock.now_ms());
                let Some(ticket) = ticket.sealed() else {
                    return CredentialFault::Request("the system has no randomness");
                };
                let url: Arc<str> = format!("{origin}{CONSENT_PATH}{server}?ticket={ticket}").into();
                (format!("connect at {url} in a browser, then send it again").into(), Some(url))
            }
            (Remedy::Page { .. }, None) => return CredentialFault::NoSubject,
            (Remedy::Command(words), _) => (words.clone(), None),
        };
        CredentialFault::NotConnected { why, remedy, url }
    }

    /// What the server is shown on this behalf.
    pub(crate) async fn token(&self, on_behalf: &OnBehalf) -> Result<Current, CredentialFault> {
        let connection = self.usable(&owner(&on_behalf.principal), on_behalf).await?;
        if self.is_fresh(&connection) {
            return Ok(Current { token: connection.access_token.0, is_kept: true });
        }
        // To its end, whether or not anybody still waits for it: when the authorization server has taken the old token,
        // the new one has to be kept, and the old one never shown again.
        let (connector, on_behalf) = (self.clone(), on_behalf.clone());
        let renewed = tokio::spawn(async move { connector.renewed(&on_behalf).await });
        renewed.await.unwrap_or_else(|_| Err(unkept(StoreFault::new("the gateway ends"))))
    }

    /// One that is fresh, by whoever it was renewed.
    async fn renewed(&self, on_behalf: &OnBehalf) -> Result<Current, CredentialFault> {
        let owner = owner(&on_behalf.principal);
        let key = self.key(&owner);
        let _turn = self.config.store.lock(&key).await.map_err(unkept)?;
        // Somebody else may have had a new one meanwhile, and the old one works once.
        let connection = self.usable(&owner, on_behalf).await?;
        if self.is_fresh(&connection) {
            return Ok(Current { token: connection.access_token.0, is_kept: true });
        }
        self.renew(connection, &key, on_behalf).await
    }

    /// The connection, when there is one and the caller's client may use it.
    async fn usable(&self, owner: &str, on_behalf: &OnBehalf) -> Result<Connection, CredentialFault> {
        let Some(connection) = self.read(owner).await.map_err(unkept)? else {
            return Err(self.not_connected("the caller is not connected to it", on_behalf));
        };
        match client_of(on_behalf) {
            Some(client) if !connection.clients.contains(&client) => {
                Err(self.not_connected("the caller has not agreed to it for this client", on_behalf))
            }
            _ => Ok(connection),
        }
    }

    pub(super) fn is_fresh(&self, connection: &Connection) -> bool {
        let now_ms = self.clock.now_ms();
        connection.expires_ms.is_none_or(|end| now_ms.saturating_add(MARGIN_MS) < end)
    }

    /// INVARIANT: the caller has the lock, so a refresh token is used once (RFC 9700 section 4.14.2).
    async fn renew(
        &self,
        mut connection: Connection,
        key: &Digest,
        on_behalf: &OnBehalf,
    ) -> Result<Current, CredentialFault> {
        let Some(refresh) = connection.refresh_token.clone() else {
            return Err(self.not_connected("the connection has ended", on_behalf));
        };
        let now_ms = self.clock.now_ms();
        let issued = match token::refresh(&self.config, &connection, &refresh, now_ms).await {
            Ok(issued) => issued,
            Err(CredentialFault::Refused { status: 400 | 401, code, .. })
                if matches!(
                    code.as_deref(),
                    Some("invalid_grant" | "invalid_client" | "unauthorized_client")
                ) =>
            {
                connection.refresh_token = None;
                connection.expires_ms = Some(0);
                self.keep(key, &connection).await.map_err(unkept)?;
                return Err(
                    self.not_connected("the authorization server has ended the connection", on_behalf)
                );
            }
            Err(fault) => return Err(fault),
        };
        connection.access_token = issued.access;
        // Absent means that the old one goes on (RFC 6749 section 6).
        connection.refresh_token = issued.refresh.or(Some(refresh));
        connection.expires_ms = issued.expires_ms;
        connection.scopes = issued.scopes.unwrap_or(connection.scopes);
        self.keep(key, &connection).await.map_err(unkept)?;
        Ok(Current { token: connection.access_token.0, is_kept: false })
    }

    /// The server no longer takes this token.
    pub(crate) async fn reject(&self, on_behalf: &OnBehalf, token: &Secret) -> Result<(), CredentialFault> {
        self.change(on_behalf, |connection| {
            let same = connection.access_token.0.expose() == token.expose();
            let was_good = connection.expires_ms != Some(0);
            if same && was_good {
                connection.expires_ms = Some(0);
            }
            same && was_good
        })
        .await
    }

    /// The server takes the token and wants more scopes. What to do about it, when something can be.
    pub(crate) async fn lacks(&self, on_behalf: &OnBehalf, wanted: &Wanted) -> Option<CredentialFault> {
        let connection = self.read(&owner(&on_behalf.principal)).await.ok()??;
        let allowed = |scope: &&Arc<str>| self.config.scopes.is_empty() || self.config.scopes.contains(scope);
        let more = bounded(wanted.scopes.iter().filter(allowed));
        // What was granted already and is asked for again would be asked for for ever.
        if more.iter().all(|scope| connection.scopes.contains(scope)) {
            return None;
        }
        let noted = self.change(on_behalf, |connection| {
            let is_new = connection.lacking != more;
            // What it wanted before is not added to: it could go on wanting.
            connection.lacking.clone_from(&more);
            is_new
        });
        match noted.await {
            Ok(()) => {
                Some(self.not_connected("it wants scopes that the connection does not have", on_behalf))
            }
            Err(fault) => Some(fault),
        }
    }

    async fn change(
        &self,
        on_behalf: &OnBehalf,
        change: impl FnOnce(&mut Connection) -> bool,
    ) -> Result<(), CredentialFault> {
        let owner = owner(&on_behalf.principal);
        let key = self.key(&owner);
        let _turn = self.config.store.lock(&key).await.map_err(unkept)?;
        let Some(mut connection) = self.read(&owner).await.map_err(unkept)? else { return Ok(()) };
        if change(&mut connection) { self.keep(&key, &connection).await.map_err(unkept) } else { Ok(()) }
    }
}

/// As many of these as are kept.
fn bounded<'a>(scopes: impl Iterator<Item = &'a Arc<str>>) -> Vec<Arc<str>> {
    let mut left = SCOPE_BYTES;
    let fits = |scope: &&Arc<str>| {
        left.checked_sub(scope.len()).is_some_and(|rest| {
            left = rest;
            true
        })
    };
    scopes.filter(fits).take(SCOPES).cloned().collect()
}

/// The client that acts, where clients are told apart: it may use what its user agreed to for it, and no more (MCP
/// security best practices, "Confused Deputy Problem").
fn client_of(on_behalf: &OnBehalf) -> Option<String> {
    let grant = on_behalf.grant.as_deref()?;
    Some(format!("{} {}", grant.issuer, grant.client.as_deref().unwrap_or("-")))
}

fn unkept(fault: StoreFault) -> CredentialFault {
    CredentialFault::Unkept(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_wants_is_kept_up_to_a_size() {
        let scopes = |count: usize, long: usize| -> Vec<Arc<str>> {
            (0..count).map(|number| format!("{number:0long$}").into()).collect()
        };
        for (count, long, kept) in
            [(0, 4, 0), (3, 4, 3), (SCOPES + 1, 4, SCOPES), (8, 1_000, 4), (1, 5_000, 0)]
        {
            let kept_of = bounded(scopes(count, long).iter()).len();
            assert_eq!(kept_of, kept, "{count} of {long}");
        }
    }
}
