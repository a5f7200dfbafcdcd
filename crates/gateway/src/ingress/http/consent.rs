//! Pages for browsers, on which callers agree to being connected to a server.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Response, header, request::Parts};
use portcullis_audit::EventKind;
use portcullis_core::{Caller, Refusal, RefusalKind};
use portcullis_identity::{ConsentPages, Visit};

use super::{Body, HttpIngress, body::Upload, route};
use crate::edge::Peer;

/// Largest form, in bytes.
const FORM_BYTES: usize = 4 * 1024;
/// Time to receive one.
const PATIENCE: Duration = Duration::from_secs(10);
const FORM: &str = "application/x-www-form-urlencoded";

impl HttpIngress {
    pub(super) async fn page(&self, parts: &Parts, body: &mut Upload, peer: Peer) -> Response<Body> {
        match self.consent(parts, body, peer).await {
            Ok(response) => response,
            Err(refusal) => self.refused(refusal, None, None, peer.address, None),
        }
    }

    async fn consent(&self, parts: &Parts, body: &mut Upload, peer: Peer) -> Result<Response<Body>, Refusal> {
        self.current.load().options.sites.check(parts)?;
        let snapshot = self.gateway.snapshot();
        let pages: &Arc<ConsentPages> = snapshot.consent.as_ref().ok_or_else(route::no_such_path)?;
        let form = if parts.method == Method::POST { form(parts, body).await? } else { Bytes::new() };
        let may = |person: &Caller, server: &str| {
            self.gateway.stops.check_caller(person)?;
            server.parse().map_or(Ok(()), |server| self.gateway.stops.check_server(&server))
        };
        let visit = Visit {
            method: &parts.method,
            path: parts.uri.path(),
            query: parts.uri.query().unwrap_or_default(),
            headers: &parts.headers,
            form: std::str::from_utf8(&form).unwrap_or_default(),
            address: Some(peer.address.ip()),
            may: &may,
            certificate: peer.certificate,
        };
        let (response, told) = pages.answer(&visit, &snapshot.authenticator).await;
        if let Some((server, what)) = told
            && let Ok(server) = server.parse()
        {
            self.gateway.event_of(EventKind::Consent, &server, what);
        }
        Ok(response.map(|text| Body::full(text.into())))
    }
}

async fn form(parts: &Parts, body: &mut Upload) -> Result<Bytes, Refusal> {
    if parts.headers.get(header::CONTENT_TYPE).is_none_or(|it| it.as_bytes() != FORM.as_bytes()) {
        return Err(Refusal::new(RefusalKind::MediaType, "`Content-Type` must be that of a form"));
    }
    body.read(FORM_BYTES, PATIENCE).await
}
