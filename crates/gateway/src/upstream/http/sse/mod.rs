//! HTTP+SSE of 2024-11-05: one GET stream from the server, POSTs to the address it names.

mod endpoint;

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use bytes::Bytes;
use http::Uri;
use portcullis_core::{
    BoxFuture, Exchange, Link, LinkProfile, OnBehalf, Outbound, Replier, ServerInfo, UpstreamError,
};
use tokio::{
    sync::{Semaphore, broadcast},
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    body::{self, Answer},
    events::{EventStream, is_message},
    way::Way,
};
use crate::upstream::{
    event::ServerEvent,
    handshake,
    mux::{Mux, MuxConfig, Origin, Outlet, Parcel},
    patience::Patience,
};

/// How long a message that nobody waits for may take.
const POST_PATIENCE: Duration = Duration::from_secs(30);
/// Cancellations and answers to pings under way at once; more are dropped.
const MAX_POSTED: usize = 64;

/// The way out: POSTs to the endpoint.
struct Endpoint {
    client: Arc<Way>,
    uri: Uri,
    posted: Arc<Semaphore>,
}

/// A connection.
pub(super) struct SseLink {
    mux: Arc<Mux>,
    info: ServerInfo,
    client: Arc<Way>,
}

impl SseLink {
    /// Opens the stream, waits for the endpoint and initializes.
    pub(super) async fn open(
        client: Arc<Way>,
        config: MuxConfig,
        profile: &LinkProfile,
        patience: Duration,
    ) -> Result<Self, UpstreamError> {
        let opening = async {
            let mut stream = connect(&client).await?;
            let uri = endpoint(&mut stream, client.url()).await?;
            Ok::<_, UpstreamError>((stream, uri))
        };
        let (stream, uri) =
            timeout(patience, opening).await.map_err(|_| UpstreamError::Timeout(patience))??;
        let posted = Arc::new(Semaphore::new(MAX_POSTED));
        let outlet = Arc::new(Endpoint { client: client.clone(), uri, posted });
        let ended = CancellationToken::new();
        let mux = Mux::new(config, ended.clone(), |_| outlet);
        let reading = read(stream, Arc::downgrade(&mux));
        tokio::spawn({
            let ended = ended.clone();
            async move { ended.run_until_cancelled(reading).await }
        });
        let failing = ended.drop_guard();
        let answer =
            handshake::response(mux.request(handshake::initialize(profile, patience)).await?).await?;
        let info = handshake::read_initialize(answer)?;
        mux.settle(info.version);
        mux.notify(handshake::initialized()).await?;
        mux.report(ServerEvent::Connected { version: info.version });
        failing.disarm();
        Ok(Self { mux, info, client })
    }
}

async fn connect(client: &Way) -> Result<Box<EventStream>, UpstreamError> {
    let response = client.send(client.get()).await?;
    match body::read(response, client.max_message_bytes()).await? {
        Answer::Events(stream) => Ok(stream),
        Answer::Refused(status, body) => Err(UpstreamError::Http { status: status.as_u16(), body }),
        Answer::Json(_) | Answer::Accepted => {
            Err(UpstreamError::Invalid("the answer is no event stream".into()))
        }
    }
}

/// The first event names the endpoint (2024-11-05 basic/transports).
async fn endpoint(stream: &mut EventStream, base: &Uri) -> Result<Uri, UpstreamError> {
    match stream.next().await? {
        Some(event) if event.event.as_deref() == Some("endpoint") => endpoint::resolve(base, &event.data)
            .ok_or_else(|| UpstreamError::Invalid("the endpoint it names is not on its own origin".into())),
        _ => Err(UpstreamError::Invalid("the stream does not begin with an endpoint".into())),
    }
}

/// Reads the stream to its end, which is the end of the connection: this version cannot resume.
async fn read(mut stream: Box<EventStream>, mux: Weak<Mux>) {
    let error = loop {
        let next = stream.next().await;
        let Some(mux) = mux.upgrade() else { return };
        match next {
            Ok(Some(event)) if is_message(&event) => mux.receive(event.data, Origin::Shared),
            Ok(Some(_)) => {}
            Ok(None) => break UpstreamError::Broken("the stream ended".into()),
            Err(error) => break error,
        }
    };
    if let Some(mux) = mux.upgrade() {
        mux.fail(error);
    }
}

impl Endpoint {
    async fn send(&self, parcel: Parcel) -> Result<(), UpstreamError> {
        let total = parcel.deadline.saturating_duration_since(Instant::now());
        let patience = Patience::new(parcel.request.map_or(total, |opened| opened.idle), total);
        self.post_now(parcel.message, patience).await
    }

    async fn post_now(&self, message: Bytes, patience: Patience) -> Result<(), UpstreamError> {
        let mut request = self.client.post(message);
        *request.uri_mut() = self.uri.clone();
        let response = patience.wait(self.client.send(request)).await??;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        match patience.wait(body::read(response, self.client.max_message_bytes())).await?? {
            Answer::Refused(status, body) => Err(UpstreamError::Http { status: status.as_u16(), body }),
            _ => Ok(()),
        }
    }
}

impl Outlet for Endpoint {
    fn send(&self, parcel: Parcel) -> BoxFuture<'_, Result<(), UpstreamError>> {
        Box::pin(self.send(parcel))
    }

    fn post(&self, message: Bytes, _essential: bool) {
        let Ok(room) = self.posted.clone().try_acquire_owned() else { return };
        let again = Self { client: self.client.clone(), uri: self.uri.clone(), posted: self.posted.clone() };
        tokio::spawn(async move {
            let _room = room;
            let _not_vital = again.post_now(message, Patience::new(POST_PATIENCE, POST_PATIENCE)).await;
        });
    }
}

impl Drop for SseLink {
    fn drop(&mut self) {
        self.mux.close();
    }
}

impl Link for SseLink {
    fn info(&self) -> &ServerInfo {
        &self.info
    }

    fn request(&self, outbound: Outbound) -> BoxFuture<'_, Result<Box<dyn Exchange>, UpstreamError>> {
        Box::pin(self.mux.request(outbound))
    }

    fn notify(&self, body: Bytes) -> BoxFuture<'_, Result<(), UpstreamError>> {
        Box::pin(self.mux.notify(body))
    }

    fn unsolicited(&self) -> broadcast::Receiver<Bytes> {
        self.mux.unsolicited()
    }

    fn replier(&self) -> Arc<dyn Replier> {
        self.mux.replier()
    }

    fn renew(&self, on_behalf: &OnBehalf) {
        self.client.renew(on_behalf);
    }

    fn is_alive(&self) -> bool {
        self.mux.is_alive()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.mux.close();
        Box::pin(std::future::ready(()))
    }
}
