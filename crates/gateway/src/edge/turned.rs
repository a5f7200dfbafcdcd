//! Connections for which there is no place: on record, without a flood of them filling the log, and told why where that
//! costs little.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use portcullis_audit::EventKind;
use portcullis_core::{Channel, ControlId, RecordId, Refusal, RefusalKind};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Semaphore,
};

use super::places::{Full, network};
use crate::{
    gateway::Gateway,
    reply::{self, Reader},
    trail::Sender,
};

/// How long connections from one address are counted under one record.
const PERIOD: Duration = Duration::from_secs(10);
/// Addresses counted on their own at a time; what comes from others is counted together.
const ADDRESSES: usize = 1_024;
/// Connections answered at a time; others are closed without a word.
const ANSWERS: usize = 64;
/// How long an answer may take, until its reader has closed.
const PATIENCE: Duration = Duration::from_secs(1);
/// Bytes taken in of whoever is answered: a head, and what fits beside it.
const TAKEN_IN: u64 = 64 * 1024;

/// Counts connections that were turned away.
pub(super) struct TurnedAway {
    gateway: Arc<Gateway>,
    counts: Mutex<HashMap<Option<IpAddr>, Count>>,
    answers: Arc<Semaphore>,
}

/// Connections from one address within a period.
struct Count {
    /// The first of them.
    address: Option<IpAddr>,
    full: Full,
    /// The record of the first.
    record: Option<RecordId>,
    more: u64,
}

impl TurnedAway {
    pub(super) fn new(gateway: Arc<Gateway>) -> Arc<Self> {
        Arc::new(Self { gateway, counts: Mutex::default(), answers: Arc::new(Semaphore::new(ANSWERS)) })
    }

    /// Accounts for a connection that found no place. Over TLS nobody is told: the handshake would cost more than what is
    /// being saved.
    pub(super) fn turn_away(self: &Arc<Self>, stream: TcpStream, from: SocketAddr, full: Full, plain: bool) {
        self.gateway.metrics.connections_refused.add(1);
        let refusal = self.recorded(from.ip(), full);
        if let (true, Ok(permit)) = (plain, self.answers.clone().try_acquire_owned()) {
            tokio::spawn(async move {
                // Whoever does not take it does not want it.
                let _in_time = tokio::time::timeout(PATIENCE, answer(stream, &refusal, full)).await;
                drop(permit);
            });
        }
    }

    /// The refusal, under a record of its own when it is the first of its address in the period.
    fn recorded(self: &Arc<Self>, address: IpAddr, full: Full) -> Refusal {
        let mut counts = self.counts.lock();
        let own = Some(network(address));
        let key = if counts.len() < ADDRESSES || counts.contains_key(&own) { own } else { None };
        if let Some(count) = counts.get_mut(&key) {
            count.more = count.more.saturating_add(1);
            let refusal = full.refusal();
            return count.record.clone().map_or(refusal.clone(), |record| refusal.recorded(record));
        }
        let detail =
            format!("{full}: a connection was turned away; more of them within {PERIOD:?} are counted");
        let address = key.map(|_| address);
        let sender = Sender { channel: Channel::Http, peer: address, caller: None };
        let refusal = self.gateway.refuse_unread(sender, full.refusal().operator(detail));
        counts.insert(key, Count { address, full, record: refusal.record().cloned(), more: 0 });
        let this = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(PERIOD).await;
            let over = this.counts.lock().remove(&key);
            over.iter().for_each(|count| this.tally(count));
        });
        refusal
    }

    /// Records what is counted so far.
    pub(super) fn finish(&self) {
        let counts = std::mem::take(&mut *self.counts.lock());
        counts.values().for_each(|count| self.tally(count));
    }

    fn tally(&self, count: &Count) {
        if count.more == 0 {
            return;
        }
        let whose = count.address.map_or_else(|| "many addresses".to_owned(), |address| address.to_string());
        let under = count.record.as_ref().map(|record| format!(" after record {record}")).unwrap_or_default();
        let detail =
            format!("{}: {} more connections from {whose} were turned away{under}", count.full, count.more);
        // An event: a refusal would itself be counted away in a flood.
        self.gateway.event(EventKind::Summary, detail);
    }
}

impl Full {
    fn refusal(self) -> Refusal {
        let public = match self {
            Self::All => "too many connections are open; try again later",
            Self::Address => "too many connections are open from this address; close one and try again",
        };
        Refusal::new(RefusalKind::TooMany, public).by(ControlId::Net05)
    }

    /// RFC 9110 section 15.6.4, RFC 6585 section 4.
    const fn status(self) -> &'static str {
        match self {
            Self::All => "503 Service Unavailable",
            Self::Address => "429 Too Many Requests",
        }
    }
}

/// A whole answer, whatever is asked.
async fn answer(mut stream: TcpStream, refusal: &Refusal, full: Full) -> std::io::Result<()> {
    let body = reply::refusal(refusal, Reader { version: None, in_session: false, id: None }).body;
    let head = format!(
        "HTTP/1.1 {}\r\nconnection: close\r\nretry-after: {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        full.status(),
        PERIOD.as_secs(),
        body.len(),
    );
    stream.write_all(&[head.as_bytes(), &body].concat()).await?;
    stream.shutdown().await?;
    // Closing over what was not read would take the answer back (RFC 9112 section 9.6).
    tokio::io::copy(&mut stream.take(TAKEN_IN), &mut tokio::io::sink()).await.map(drop)
}
