//! Streamable HTTP of every version on one endpoint, and HTTP+SSE of 2024-11-05.

mod body;
mod challenge;
mod checks;
mod consent;
mod route;
mod sse;
mod standing;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body as _;
use hyper::body::Incoming;
use portcullis_core::{Caller, Channel, Refusal, RefusalKind, wire};
use portcullis_identity::{Authenticated, CONSENT_PATH, Head, Resource, SignedBody};

pub use checks::Sites;
pub use sse::Body;

use crate::{
    batch::is_batch,
    edge::Peer,
    gateway::Gateway,
    inbound::Inbound,
    limits::Limiter,
    outflow::{Answered, Reply},
    reply::{self, Reader},
    session::{STANDALONE, Session},
    trail::Sender,
};
use body::Upload;
use route::{Path, Route};
use standing::Standing;

/// Settings of the HTTP transport.
#[derive(Clone, Debug)]
pub struct HttpOptions {
    /// Names and origins this listener answers to.
    pub sites: Sites,
    /// Largest request body in bytes.
    pub body_bytes: usize,
    /// Time to receive a whole request body.
    pub body_timeout: Duration,
    /// Whether the listener is bound to a loopback address.
    pub loopback: bool,
    /// Scheme, host and port under which clients reach it: what tokens name as their audience.
    pub origin: Arc<str>,
    /// Interval between comments that keep an idle SSE stream open.
    pub keep_alive: Duration,
    /// Open streams in all.
    pub streams: usize,
}

/// The HTTP transport of one listener.
pub struct HttpIngress {
    gateway: Arc<Gateway>,
    current: ArcSwap<Current>,
}

/// What a reload replaces as a whole.
struct Current {
    options: HttpOptions,
    limiter: Arc<Limiter>,
    streams: Arc<tokio::sync::Semaphore>,
}

impl Current {
    fn new(options: HttpOptions, limiter: Arc<Limiter>) -> Self {
        let streams = Arc::new(tokio::sync::Semaphore::new(options.streams));
        Self { options, limiter, streams }
    }
}

/// A request whose head has been cleared.
struct Cleared {
    caller: Authenticated,
    peer: Peer,
    path: Path,
    headers: HeaderMap,
    /// The body it has to have, where requests have to be signed.
    signed: Option<SignedBody>,
}

impl HttpIngress {
    /// A transport for `gateway`; `limiter` may be shared by several listeners.
    pub fn new(gateway: Arc<Gateway>, options: HttpOptions, limiter: Arc<Limiter>) -> Arc<Self> {
        Arc::new(Self { gateway, current: ArcSwap::from_pointee(Current::new(options, limiter)) })
    }

    /// Puts other options in force for requests that arrive from now on.
    pub fn reconfigure(&self, options: HttpOptions, limiter: Arc<Limiter>) {
        self.current.store(Arc::new(Current::new(options, limiter)));
    }

    /// Answers one HTTP request.
    pub async fn handle(self: Arc<Self>, request: Request<Incoming>, peer: Peer) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let origin = checks::only_origin(&parts.headers).cloned();
        let mut body = Upload::new(body, &parts.headers);
        let response = if parts.uri.path().starts_with(CONSENT_PATH) {
            self.page(&parts, &mut body, peer).await
        } else {
            let response = self.endpoint(parts, &mut body, peer).await;
            self.current.load().options.sites.with_cors(response, origin.as_ref())
        };
        body.drain().await;
        response
    }

    /// Answers a request that is not for one of the pages.
    async fn endpoint(
        self: &Arc<Self>,
        parts: http::request::Parts,
        body: &mut Upload,
        peer: Peer,
    ) -> Response<Body> {
        let version = wire_version(&parts.headers);
        let path = Path::parse(&parts.uri);
        let mut caller = None;
        match self.answer(parts, body, peer, path.clone(), &mut caller).await {
            Ok(response) => response,
            Err(refusal) => {
                self.refused(refusal, version, path.ok().as_ref(), peer.address, caller.as_deref())
            }
        }
    }

    async fn answer(
        self: &Arc<Self>,
        parts: http::request::Parts,
        body: &mut Upload,
        peer: Peer,
        path: Result<Path, Refusal>,
        known: &mut Option<Authenticated>,
    ) -> Result<Response<Body>, Refusal> {
        self.current.load().options.sites.check(&parts)?;
        let path = path?;
        if parts.method == Method::OPTIONS {
            return Ok(empty(StatusCode::NO_CONTENT));
        }
        if path.is_metadata() {
            return self.metadata(&parts.method, &path);
        }
        let (caller, signed) = self.authenticate(&parts, peer, &path).await?;
        *known = Some(caller.clone());
        let _slot = self.current.load().limiter.admit(&caller.principal, self.gateway.clock.now_ms())?;
        let mut headers = parts.headers;
        // The caller's token ends here, and the proof of it (control AZ-07).
        headers.remove(header::AUTHORIZATION);
        headers.remove("dpop");
        let cleared = Cleared { caller, peer, path, headers, signed };
        // An upgrade is none of ours, whoever asks for it.
        let in_session =
            self.session_id(&cleared).is_some() && !cleared.headers.contains_key(header::UPGRADE);
        match cleared.path.route(&parts.method, in_session)? {
            Route::Message => self.message(cleared, body).await,
            Route::Stream => self.stream(&cleared),
            Route::End => self.end(&cleared),
            Route::LegacyStream => self.legacy_stream(&cleared),
            Route::LegacyMessage(session) => self.legacy_message(cleared, &session, body).await,
        }
    }

    async fn authenticate(
        &self,
        parts: &http::request::Parts,
        peer: Peer,
        path: &Path,
    ) -> Result<(Authenticated, Option<SignedBody>), Refusal> {
        let current = self.current.load_full();
        let head = Head {
            channel: Channel::Http,
            peer: Some(peer.address.ip()),
            certificate: peer.certificate,
            headers: Some(&parts.headers),
            query: parts.uri.query(),
            listener_is_loopback: current.options.loopback,
            method: parts.method.as_str(),
            path: parts.uri.path(),
            resource: Some(path.resource(&current.options.origin)),
            now_ms: self.gateway.clock.now_ms(),
        };
        let authenticator = &self.gateway.snapshot().authenticator;
        let caller = authenticator.authenticate(&head).await?;
        // After the caller, so that nobody else's signatures are remembered.
        Ok((caller, authenticator.signed(&head)?))
    }

    /// What a client has to know to get a token for an endpoint (RFC 9728): there for everybody, whether there is
    /// such a server or not, so that it tells nobody which servers there are.
    fn metadata(&self, method: &Method, path: &Path) -> Result<Response<Body>, Refusal> {
        if method != Method::GET {
            return Err(Refusal::new(RefusalKind::HttpMethod, "only GET is served here"));
        }
        let current = self.current.load();
        let resource = path.resource(&current.options.origin);
        let document = self.gateway.snapshot().authenticator.resource_metadata(resource);
        let body = document.ok_or_else(route::no_such_path)?.into();
        Ok(json(Answered { status: 200, body }))
    }

    async fn message(
        self: &Arc<Self>,
        cleared: Cleared,
        body: &mut Upload,
    ) -> Result<Response<Body>, Refusal> {
        checks::media_types(&cleared.headers)?;
        let session = self.named_session(&cleared)?;
        let body = self.read(&cleared, body).await?;
        let (caller, path) = (cleared.caller.clone(), cleared.path.clone());
        let inbound = self.inbound(cleared, Channel::Http, session.clone(), body);
        if is_batch(session.as_ref(), &inbound.body) {
            let responses = self.gateway.serve_batch(inbound).await?;
            self.gateway.still_stands(&caller)?;
            return Ok(responses
                .map_or_else(|| empty(StatusCode::ACCEPTED), |body| json(Answered { status: 200, body })));
        }
        let reply = self.gateway.serve(inbound).await;
        // Access that was taken back meanwhile withholds the answer.
        self.gateway.still_stands(&caller)?;
        self.written(reply, session, caller, &path)
    }

    fn inbound(
        &self,
        cleared: Cleared,
        channel: Channel,
        session: Option<Arc<Session>>,
        body: Bytes,
    ) -> Inbound {
        self.gateway.metrics.requests.add(1);
        self.gateway.metrics.request_bytes.add(u64::try_from(body.len()).unwrap_or(u64::MAX));
        Inbound {
            caller: cleared.caller,
            channel,
            peer: Some(cleared.peer.address.ip()),
            endpoint: cleared.path.endpoint,
            headers: (channel == Channel::Http).then_some(cleared.headers),
            session,
            body,
        }
    }

    /// The session id of a request, if it is of an era that has them. A 2026-07-28 request's session id is
    /// ignored (basic/transports/streamable-http), and so is any where nothing older is served.
    fn session_id<'c>(&self, cleared: &'c Cleared) -> Option<&'c HeaderValue> {
        let modern = |version: wire::Version| version.era() == wire::Era::Modern;
        let stateless = wire_version(&cleared.headers).is_some_and(modern)
            || modern(self.gateway.snapshot().settings.floor);
        cleared.headers.get(wire::header::SESSION_ID).filter(|_| !stateless)
    }

    fn named_session(&self, cleared: &Cleared) -> Result<Option<Arc<Session>>, Refusal> {
        let Some(id) = self.session_id(cleared) else { return Ok(None) };
        let id = id.to_str().unwrap_or_default();
        let session = self.gateway.sessions.find(id, &cleared.caller, cleared.path.endpoint.as_ref())?;
        session.touch(self.gateway.clock.now_ms());
        Ok(Some(session))
    }

    fn written(
        &self,
        reply: Reply,
        session: Option<Arc<Session>>,
        caller: Authenticated,
        path: &Path,
    ) -> Result<Response<Body>, Refusal> {
        match reply {
            Reply::Accepted => Ok(empty(StatusCode::ACCEPTED)),
            Reply::Message(answered) => Ok(json(answered)),
            Reply::Challenged(answered, refusal) => Ok(self.challenged(json(answered), &refusal, Some(path))),
            Reply::Opened(answered, id) => {
                let mut response = json(answered);
                if let Ok(id) = HeaderValue::from_str(&id) {
                    response.headers_mut().insert(wire::header::SESSION_ID, id);
                }
                Ok(response)
            }
            Reply::Stream(flow) => {
                let permit = self.stream_permit()?;
                let flow = Box::new(Standing::new(flow, caller, self.gateway.clone()));
                let body = match session.filter(|s| s.terms().is_some()) {
                    Some(session) => sse::lasting(&session, flow, permit, self.keep_alive()),
                    None => sse::passing(flow, permit, self.keep_alive()),
                };
                Ok(event_stream(body))
            }
        }
    }

    fn keep_alive(&self) -> Duration {
        self.current.load().options.keep_alive
    }

    fn stream_permit(&self) -> Result<tokio::sync::OwnedSemaphorePermit, Refusal> {
        self.current
            .load()
            .streams
            .clone()
            .try_acquire_owned()
            .map_err(|_| Refusal::new(RefusalKind::TooMany, "too many open streams; close one and try again"))
    }

    /// GET on a session: messages that belong to no request, or the rest of a broken stream.
    fn stream(&self, cleared: &Cleared) -> Result<Response<Body>, Refusal> {
        checks::accepts_events(&cleared.headers)?;
        let session = self.named_session(cleared)?.ok_or_else(no_get)?;
        let (stream, cursor) = match cleared.headers.get(wire::header::LAST_EVENT_ID) {
            Some(id) => sse::position(id.to_str().unwrap_or_default()).ok_or_else(|| {
                Refusal::new(RefusalKind::InvalidRequest, "`Last-Event-ID` was not given by this gateway")
            })?,
            None => (STANDALONE, session.standalone_cursor()),
        };
        let log = session.stream(stream).ok_or_else(|| {
            Refusal::new(RefusalKind::InvalidRequest, "the stream of `Last-Event-ID` is no longer kept")
        })?;
        let permit = self.stream_permit()?;
        Ok(event_stream(sse::replay(&session, stream, log, cursor, permit, self.keep_alive())))
    }

    fn end(&self, cleared: &Cleared) -> Result<Response<Body>, Refusal> {
        let session = self.named_session(cleared)?.ok_or_else(no_get)?;
        self.gateway.close_session(&session.id);
        Ok(empty(StatusCode::NO_CONTENT))
    }

    /// HTTP+SSE: the stream is the session; its first event says where to post.
    fn legacy_stream(self: &Arc<Self>, cleared: &Cleared) -> Result<Response<Body>, Refusal> {
        let snapshot = self.gateway.snapshot();
        if snapshot.settings.floor.era() == wire::Era::Modern {
            return Err(no_get());
        }
        let permit = self.stream_permit()?;
        let endpoint = cleared.path.endpoint.clone();
        if let Some(name) = endpoint.as_ref().filter(|n| !snapshot.servers.contains_key(*n)) {
            return Err(Refusal::new(
                RefusalKind::NoSuchPath,
                format!("no server `{name}` is configured here"),
            ));
        }
        let session = self.gateway.sessions.open(
            cleared.caller.clone().into_caller(),
            Channel::LegacySse,
            endpoint,
            &snapshot.settings.sessions,
            self.gateway.clock.now_ms(),
        )?;
        let post = cleared.path.message_uri(&session.id);
        Ok(event_stream(sse::legacy(&self.gateway, session, &post, permit, self.keep_alive())))
    }

    async fn legacy_message(
        self: &Arc<Self>,
        cleared: Cleared,
        session: &str,
        body: &mut Upload,
    ) -> Result<Response<Body>, Refusal> {
        checks::content_type(&cleared.headers)?;
        let session = self.gateway.sessions.find(session, &cleared.caller, cleared.path.endpoint.as_ref())?;
        session.touch(self.gateway.clock.now_ms());
        let body = self.read(&cleared, body).await?;
        let gateway = self.gateway.clone();
        let inbound = self.inbound(cleared, Channel::LegacySse, Some(session.clone()), body);
        let batch = is_batch(Some(&session), &inbound.body);
        tokio::spawn(async move {
            let ended = session.closed().clone();
            let served = async {
                match batch {
                    false => sse::deliver(&session, gateway.serve(inbound)).await,
                    true => {
                        gateway.answer_batch(inbound).await.into_iter().for_each(|body| session.push(body))
                    }
                }
            };
            tokio::select! {
                biased;
                () = ended.cancelled() => {}
                () = served => {}
            }
        });
        Ok(empty(StatusCode::ACCEPTED))
    }

    /// The whole body, which is the one that was signed.
    async fn read(&self, cleared: &Cleared, body: &mut Upload) -> Result<Bytes, Refusal> {
        let (limit, time) = {
            let current = self.current.load();
            (current.options.body_bytes, current.options.body_timeout)
        };
        let body = body.read(limit, time).await?;
        cleared.signed.as_ref().map_or(Ok(()), |signed| signed.check(&body))?;
        Ok(body)
    }

    /// A refusal before the spine: recorded like any other, with as little as is known.
    fn refused(
        &self,
        refusal: Refusal,
        version: Option<wire::Version>,
        path: Option<&Path>,
        from: SocketAddr,
        caller: Option<&Caller>,
    ) -> Response<Body> {
        let sender = Sender { channel: Channel::Http, peer: Some(from.ip()), caller };
        let refusal = self.gateway.refuse_unread(sender, refusal);
        let mut response = json(reply::refusal(&refusal, Reader { version, in_session: false, id: None }));
        if refusal.kind() == RefusalKind::HttpMethod {
            let allowed = if path.is_some_and(Path::is_metadata) { "GET" } else { "POST" };
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
        }
        self.challenged(response, &refusal, path)
    }

    /// Adds what would be accepted, where tokens tell who calls.
    fn challenged(
        &self,
        mut response: Response<Body>,
        refusal: &Refusal,
        path: Option<&Path>,
    ) -> Response<Body> {
        let current = self.current.load();
        let resource: Option<Resource<'_>> = path.map(|path| path.resource(&current.options.origin));
        let resource = resource.filter(|_| self.gateway.snapshot().authenticator.takes_tokens());
        challenge::add(&mut response, refusal, resource);
        response
    }
}

impl crate::edge::Service for HttpIngress {
    type Body = Body;

    fn call(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: Peer,
    ) -> impl Future<Output = Response<Body>> + Send {
        self.handle(request, peer)
    }
}

fn wire_version(headers: &HeaderMap) -> Option<wire::Version> {
    headers.get(wire::header::PROTOCOL_VERSION)?.to_str().ok()?.parse().ok()
}

fn no_get() -> Refusal {
    Refusal::new(RefusalKind::HttpMethod, "only POST is served here without a session")
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn json(answered: Answered) -> Response<Body> {
    let mut response = Response::new(Body::full(answered.body));
    *response.status_mut() =
        StatusCode::from_u16(answered.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn event_stream(body: Body) -> Response<Body> {
    debug_assert!(!body.is_end_stream());
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Reverse proxies that buffer would hold events back (2026-07-28 basic/transports/streamable-http).
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}
