//! Whether a server that let a request time out is still there.
//!
//! One slow tool is no reason to end a server that others use. But one that said nothing at all for as long as a
//! request may be silent, and then does not even answer a ping, hangs. Its connection is ended, and with it its
//! process, so that the next caller gets a new one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use portcullis_core::UpstreamError;
use portcullis_wire::{RequestId, Version, json::write, message, meta};
use tokio::time::sleep;

use super::{Mux, Parcel};

/// What was heard of a server.
#[derive(Default)]
pub(super) struct Pulse {
    messages: AtomicU64,
    checking: AtomicBool,
}

impl Pulse {
    /// Something came, whatever it was.
    pub(super) fn heard(&self) {
        self.messages.fetch_add(1, Ordering::Relaxed);
    }

    /// How often something came.
    pub(super) fn count(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }
}

impl Mux {
    /// A request waited in vain since [`Pulse::count`] was `heard`.
    pub(super) fn doubt(self: &Arc<Self>, heard: u64) {
        let Some(patience) = self.config.pulse else { return };
        let silent = self.pulse.count() == heard && self.is_alive();
        if !silent || self.pulse.checking.swap(true, Ordering::AcqRel) {
            return;
        }
        let (mux, ended) = (self.clone(), self.ended.clone());
        tokio::spawn(async move {
            let _ended_meanwhile = ended.run_until_cancelled(mux.check(heard, patience)).await;
            mux.pulse.checking.store(false, Ordering::Release);
        });
    }

    async fn check(&self, heard: u64, patience: Duration) {
        let Ok(number) = self.table.lock().next_number() else { return };
        // Nobody waits for the answer; that something comes is enough. An input that is full is no reason to wait
        // any longer than for the answer.
        let ping = Parcel::notice(self.ping(&RequestId::from_u64(number)));
        let (_sent, ()) =
            tokio::join!(tokio::time::timeout(patience, self.outlet.send(ping)), sleep(patience));
        if self.pulse.count() == heard {
            self.fail(UpstreamError::Broken("the server hangs: it does not even answer a ping".to_owned()));
        }
    }

    /// The smallest request of the version.
    fn ping(&self, id: &RequestId) -> Bytes {
        if self.is_legacy() {
            return message::request(id, "ping", None);
        }
        let mut params = Vec::new();
        let mut object = write::Object::start(&mut params);
        let mut fields = write::Object::start(object.key("_meta"));
        fields.str(meta::PROTOCOL_VERSION, Version::LATEST.as_str());
        fields.raw(meta::CLIENT_CAPABILITIES, b"{}");
        fields.end();
        object.end();
        message::request(id, "server/discover", Some(&params))
    }
}
