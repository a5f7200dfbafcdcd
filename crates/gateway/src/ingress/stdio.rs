//! Standard input and output: newline-delimited messages of either era (basic/transports/stdio).

use std::{future::poll_fn, sync::Arc, task::Poll, time::Duration};

use bytes::Bytes;
use portcullis_core::{
    Channel, Refusal, RefusalKind, ServerName,
    wire::stdio::{LineFramer, push_line},
};
use portcullis_identity::{Authenticated, Head};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    sync::{Semaphore, mpsc},
    task::JoinSet,
};

use crate::{
    batch::is_batch,
    event_log::Next,
    gateway::Gateway,
    inbound::Inbound,
    outflow::{Delivery, Reply},
    reply::{self, Reader},
    session::{STANDALONE, Session},
    trail::Sender,
};

/// Messages that may wait for the client to read.
const BACKLOG: usize = 64;
/// Pieces of input that are read ahead.
const CHUNKS: usize = 4;
/// Requests served at the same time on one pair of pipes.
const IN_FLIGHT: usize = 256;

/// How long answers that are outstanding are waited for after a client has closed its side: long enough for requests that are
/// piped in to a server that has yet to start. A client that wants nothing more waits for the end itself, and ends whoever takes
/// too long (2025-11-25 basic/lifecycle, shutdown).
const LAST_ANSWERS: Duration = Duration::from_secs(20);

/// Settings of the stdio transport.
#[derive(Clone, Debug)]
pub struct StdioOptions {
    /// The endpoint the pipes are connected to: one server, or none for the aggregate.
    pub endpoint: Option<ServerName>,
    /// Longest line in bytes.
    pub line_bytes: usize,
}

/// Serves a client on a pair of pipes until it closes its side, then lets requests under way finish for some seconds.
///
/// # Errors
/// When the client cannot be authenticated, or the pipes fail.
pub async fn serve(
    gateway: &Arc<Gateway>,
    options: StdioOptions,
    mut input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Unpin + Send + 'static,
) -> std::io::Result<()> {
    let head = Head {
        channel: Channel::Stdio,
        peer: None,
        certificate: None,
        headers: None,
        query: None,
        listener_is_loopback: false,
        method: "",
        path: "",
        resource: None,
        now_ms: gateway.clock.now_ms(),
    };
    let snapshot = gateway.snapshot();
    let caller = snapshot.authenticator.authenticate(&head).await.map_err(refused)?;
    let limits = &snapshot.settings.sessions;
    let owner = caller.clone().into_caller();
    let now_ms = gateway.clock.now_ms();
    let session = gateway
        .sessions
        .open(owner, Channel::Stdio, options.endpoint.clone(), limits, now_ms)
        .map_err(refused)?;
    let (tx, rx) = mpsc::channel(BACKLOG);
    let writer = tokio::spawn(write(output, rx));
    let pushed = tokio::spawn(push(session.clone(), tx.clone()));
    let pipe = Pipe {
        gateway: gateway.clone(),
        caller,
        session: session.clone(),
        tx,
        slots: Arc::new(Semaphore::new(IN_FLIGHT)),
    };
    let result = pipe.read(&mut input, &options).await;
    drop(pipe);
    gateway.close_session(&session.id);
    pushed.abort();
    writer.await.map_err(std::io::Error::other)??;
    result
}

struct Pipe {
    gateway: Arc<Gateway>,
    caller: Authenticated,
    session: Arc<Session>,
    tx: mpsc::Sender<Bytes>,
    slots: Arc<Semaphore>,
}

impl Pipe {
    /// Until the client has closed its side and has what it asked for, or does not want it any more.
    async fn read(
        &self,
        input: &mut (impl AsyncRead + Unpin),
        options: &StdioOptions,
    ) -> std::io::Result<()> {
        let (chunks, ahead) = mpsc::channel(CHUNKS);
        // Read ahead, so that the end is noticed while a request is waited for.
        let ended = async {
            let read = read_chunks(input, chunks).await;
            if read.is_ok() {
                tokio::time::sleep(LAST_ANSWERS).await;
            }
            read
        };
        tokio::select! {
            biased;
            () = self.tx.closed() => Ok(()),
            () = self.answer(ahead, options) => Ok(()),
            ended = ended => ended,
        }
    }

    async fn answer(&self, mut chunks: mpsc::Receiver<Bytes>, options: &StdioOptions) {
        let mut framer = LineFramer::new(options.line_bytes);
        let mut running = JoinSet::new();
        while let Some(chunk) = chunks.recv().await {
            framer.push(&chunk);
            while let Some(line) = framer.next() {
                match line {
                    Ok(line) if line.iter().all(u8::is_ascii_whitespace) => {}
                    Ok(line) => self.take(line, options, &mut running).await,
                    Err(fault) => self.unreadable(&fault.to_string()).await,
                }
            }
            while running.try_join_next().is_some() {}
        }
        self.session.hang_up();
        while running.join_next().await.is_some() {}
    }

    /// Requests run side by side. Everything before the first answer, and every message that is not a
    /// request, is handled in the order it came: `initialize` settles what later messages mean, and a
    /// cancellation must find its request.
    async fn take(&self, body: Bytes, options: &StdioOptions, running: &mut JoinSet<()>) {
        self.gateway.metrics.requests.add(1);
        self.session.touch(self.gateway.clock.now_ms());
        let inbound = Inbound {
            caller: self.caller.clone(),
            channel: Channel::Stdio,
            peer: None,
            endpoint: options.endpoint.clone(),
            headers: None,
            session: Some(self.session.clone()),
            body,
        };
        let (gateway, tx) = (self.gateway.clone(), self.tx.clone());
        if is_batch(inbound.session.as_ref(), &inbound.body) {
            running.spawn(async move {
                if let Some(responses) = gateway.answer_batch(inbound).await {
                    // A client that is gone needs no answer.
                    let _ = tx.send(responses).await;
                }
            });
            return;
        }
        if self.session.terms().is_none() && is_initialize(&inbound.body) || !has_id(&inbound.body) {
            return deliver(gateway.serve(inbound).await, &tx).await;
        }
        let Ok(slot) = self.slots.clone().acquire_owned().await else { return };
        let served = async move {
            deliver(gateway.serve(inbound).await, &tx).await;
            drop(slot);
        };
        start(served, running).await;
    }

    async fn unreadable(&self, fault: &str) {
        let refusal = Refusal::new(RefusalKind::TooLarge, format!("a line could not be read: {fault}"));
        let sender = Sender { channel: Channel::Stdio, peer: None, caller: Some(&self.session.owner) };
        let refusal = self.gateway.refuse_unread(sender, refusal);
        let version = self.session.terms().map(|t| t.version);
        let answered = reply::refusal(&refusal, Reader { version, in_session: true, id: None });
        // A client that is gone needs no answer.
        let _ = self.tx.send(answered.body).await;
    }
}

/// Hands over what is read until its end.
async fn read_chunks(
    input: &mut (impl AsyncRead + Unpin),
    chunks: mpsc::Sender<Bytes>,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = input.read(&mut buffer).await?;
        let chunk = Bytes::copy_from_slice(buffer.get(..read).unwrap_or_default());
        if read == 0 || chunks.send(chunk).await.is_err() {
            return Ok(());
        }
    }
}

/// Runs a request up to its first wait at once, so that a cancellation right behind it finds it.
async fn start(served: impl Future<Output = ()> + Send + 'static, running: &mut JoinSet<()>) {
    let mut served = Box::pin(served);
    let polled = poll_fn(|cx| Poll::Ready(served.as_mut().poll(cx))).await;
    if polled.is_pending() {
        running.spawn(served);
    }
}

/// A guess that only decides about order; the spine decodes the message strictly.
fn is_initialize(body: &[u8]) -> bool {
    body.windows(INITIALIZE.len()).any(|w| w == INITIALIZE)
}

const INITIALIZE: &[u8] = b"\"initialize\"";

/// As [`is_initialize`].
fn has_id(body: &[u8]) -> bool {
    body.windows(4).any(|w| w == b"\"id\"") && body.windows(8).any(|w| w == b"\"method\"")
}

async fn deliver(reply: Reply, tx: &mpsc::Sender<Bytes>) {
    let sent = match reply {
        Reply::Accepted => return,
        Reply::Message(answered) | Reply::Challenged(answered, _) | Reply::Opened(answered, _) => {
            tx.send(answered.body).await
        }
        Reply::Stream(mut flow) => {
            let mut sent = Ok(());
            while sent.is_ok() {
                match flow.next().await {
                    Some(Delivery::Event(event)) => sent = tx.send(event).await,
                    Some(Delivery::Final(answered)) => {
                        sent = tx.send(answered.body).await;
                        break;
                    }
                    None => break,
                }
            }
            sent
        }
    };
    // A client that is gone needs no answer.
    let _ = sent;
}

async fn push(session: Arc<Session>, tx: mpsc::Sender<Bytes>) {
    let Some(log) = session.stream(STANDALONE) else { return };
    session.initialized().cancelled().await;
    let mut cursor = 0;
    while let Next::Event(at, body) = log.after(cursor).await {
        if tx.send(body).await.is_err() {
            return;
        }
        cursor = at;
    }
}

async fn write(mut output: impl AsyncWrite + Unpin, mut rx: mpsc::Receiver<Bytes>) -> std::io::Result<()> {
    let mut line = Vec::new();
    while let Some(message) = rx.recv().await {
        line.clear();
        push_line(&mut line, &message);
        output.write_all(&line).await?;
        output.flush().await?;
    }
    output.shutdown().await
}

fn refused(refusal: Refusal) -> std::io::Error {
    std::io::Error::other(refusal.detail().to_owned())
}
