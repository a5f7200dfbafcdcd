//! The way to a server for one link: the client they all share, and whose credential it sends.

use std::{ops::Deref, sync::Arc};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use portcullis_core::{OnBehalf, UpstreamError};
use portcullis_identity::CredentialFault;

use super::client::HttpClient;

/// What a link sends with.
pub(crate) struct Way {
    client: Arc<HttpClient>,
    on_behalf: ArcSwap<OnBehalf>,
}

impl Way {
    pub(crate) fn new(client: Arc<HttpClient>, on_behalf: OnBehalf) -> Arc<Self> {
        Arc::new(Self { client, on_behalf: ArcSwap::from_pointee(on_behalf) })
    }

    /// Another token of whom it is for.
    pub(crate) fn renew(&self, on_behalf: &OnBehalf) {
        if self.client.credential().is_some() {
            self.on_behalf.store(Arc::new(on_behalf.clone()));
        }
    }

    /// Sees to it that a credential is at hand.
    pub(crate) async fn prepare(&self) -> Result<(), UpstreamError> {
        let Some(credential) = self.client.credential() else { return Ok(()) };
        credential.shown(&self.on_behalf.load()).await.map(drop).map_err(no_credential)
    }

    /// Sends a request with the credential of whom it is for and waits for the head of the answer. A server that no
    /// longer takes a credential that was good before has done nothing (401), so it is asked once more with a new one.
    pub(crate) async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, UpstreamError> {
        let Some(credential) = self.client.credential() else { return self.client.send(request, None).await };
        let on_behalf = self.on_behalf.load_full();
        let shown = credential.shown(&on_behalf).await.map_err(no_credential)?;
        let again = shown.is_kept.then(|| request.clone());
        let answer = self.client.send(request, Some(shown.header.clone())).await?;
        if let Some(fault) = credential.refused(&on_behalf, answer.status(), answer.headers()).await {
            return Err(no_credential(fault));
        }
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        credential.forget(&on_behalf, &shown).await;
        let Some(request) = again else { return Ok(answer) };
        let shown = credential.shown(&on_behalf).await.map_err(no_credential)?;
        self.client.send(request, Some(shown.header)).await
    }
}

impl Deref for Way {
    type Target = HttpClient;

    fn deref(&self) -> &HttpClient {
        &self.client
    }
}

fn no_credential(fault: CredentialFault) -> UpstreamError {
    UpstreamError::NoCredential {
        scopes: fault.lacking_scopes().map(Into::into),
        details: fault.lacking_details().map(Into::into),
        remedy: fault.remedy().cloned(),
        page: fault.page().cloned(),
        reason: fault.to_string(),
    }
}
