//! Bytes both ways, counted, once what they are has been seen as far as it has to be.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use portcullis_core::Host;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split},
    time::{Instant, timeout_at},
};

use super::{
    ClientHello, Denial, End, HelloFault, Limits,
    gate::{Account, Passage},
    meter::Meter,
};

const BUFFER: usize = 16 * 1024;

/// Carries a connection from its first byte to its end, which it records.
pub(super) async fn run<C>(mut client: C, passage: Passage, limits: &Limits)
where
    C: AsyncRead + AsyncWrite + Unpin,
{
    let Passage { mut stream, account, tls } = passage;
    let first = match &tls {
        None => Vec::new(),
        Some(host) => match hello(&mut client, host, limits.head).await {
            Ok(bytes) => bytes,
            Err(denial) => return account.refuse(denial),
        },
    };
    let begun = send(&mut stream, &first, &account.meter).await;
    let ended = match begun {
        Ok(()) => relay(client, stream, &account, limits.idle).await,
        Err(cut) => Err(cut),
    };
    account.close(&ended.map_or_else(End::Cut, |()| End::Closed));
}

/// Reads a ClientHello, bounded in size and time, and holds it to the host that was asked for.
async fn hello<C: AsyncRead + Unpin>(
    client: &mut C,
    host: &Host,
    patience: Duration,
) -> Result<Vec<u8>, Denial> {
    let until = Instant::now() + patience;
    let mut bytes = Vec::with_capacity(2_048);
    loop {
        if let Some(hello) = ClientHello::read(&bytes)? {
            check_name(&hello, host)?;
            return Ok(bytes);
        }
        let read = timeout_at(until, client.read_buf(&mut bytes)).await;
        match read.map_err(|_| Denial::Slow("the TLS ClientHello"))? {
            Ok(1..) => {}
            Ok(0) | Err(_) => return Err(HelloFault::Ended.into()),
        }
    }
}

fn check_name(hello: &ClientHello, host: &Host) -> Result<(), Denial> {
    match (&hello.server_name, host) {
        (Some(named), Host::Name(asked)) if named == asked => Ok(()),
        // An address cannot be named in a ClientHello.
        (None, Host::Address(_)) => Ok(()),
        (None, Host::Name(_)) => Err(HelloFault::NoName.into()),
        (Some(named), _) => Err(Denial::OtherName { named: named.to_string() }),
    }
}

async fn send<W: AsyncWrite + Unpin>(stream: &mut W, bytes: &[u8], meter: &Meter) -> Result<(), Denial> {
    meter.send(bytes.len())?;
    // A peer that has gone is seen by the next read as well.
    let _gone = stream.write_all(bytes).await;
    Ok(())
}

/// Copies both ways until both sides have ended, one of them breaks off, or something is too much.
async fn relay<C, U>(client: C, upstream: U, account: &Account, idle: Duration) -> Result<(), Denial>
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    let (client_in, client_out) = split(client);
    let (upstream_in, upstream_out) = split(upstream);
    let pulse = Arc::new(Pulse::new());
    let up = copy(client_in, upstream_out, &pulse, |bytes| account.meter.send(bytes));
    let down = copy(upstream_in, client_out, &pulse, |bytes| account.meter.receive(bytes));
    let both = async {
        tokio::try_join!(up, down).map(|_| ()).or_else(|cut| match cut {
            Cut::Broken => Ok(()),
            Cut::Denied(denial) => Err(denial),
        })
    };
    tokio::select! {
        ended = both => ended,
        () = pulse.stopped(idle) => Err(Denial::Slow("the next byte")),
    }
}

enum Cut {
    /// One side broke off, which ends both directions.
    Broken,
    Denied(Denial),
}

impl From<io::Error> for Cut {
    fn from(_: io::Error) -> Self {
        Self::Broken
    }
}

async fn copy<R, W>(
    mut from: R,
    mut to: W,
    pulse: &Pulse,
    count: impl Fn(usize) -> Result<(), Denial>,
) -> Result<(), Cut>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = from.read(&mut buffer).await?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        count(read).map_err(Cut::Denied)?;
        to.write_all(bytes).await?;
        pulse.beat();
    }
    // The other direction may go on: a half-closed connection is an ordinary one.
    Ok(to.shutdown().await?)
}

/// When something last went through.
struct Pulse {
    began: Instant,
    last_ms: AtomicU64,
}

impl Pulse {
    fn new() -> Self {
        Self { began: Instant::now(), last_ms: AtomicU64::new(0) }
    }

    fn beat(&self) {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(now, Ordering::Relaxed);
    }

    /// Resolves once nothing has gone through for `idle`.
    async fn stopped(&self, idle: Duration) {
        loop {
            let last = self.began + Duration::from_millis(self.last_ms.load(Ordering::Relaxed));
            let Some(left) =
                (last + idle).checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
            else {
                return;
            };
            tokio::time::sleep(left).await;
        }
    }
}
