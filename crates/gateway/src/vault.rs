//! Values that were taken out of answers, and go back to the server they are from (control TI-04, threat T5).
//!
//! A model works with the words for them, which say nothing. A word is good for the caller that got it, in arguments
//! for the server that gave the value, and never where the tool passes on what it is given: whoever steers a model
//! could send a value away by its word otherwise. The values are in memory alone.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::Mutex;
use portcullis_core::{
    Caller, ControlId, Deed, Finding, Kept, PutBack, Refusal, RefusalKind, Secret, ServerName,
    wire::{Message, Request},
};
use portcullis_inspect::data;

use crate::{flow, outbound, owner::Owner, resolve::Resolved};

/// Values kept for one caller and server, and their bytes; those that are kept longest make room.
const MOST_OF_ONE: usize = 256;
const MOST_BYTES_OF_ONE: usize = 1 << 20;
/// Callers and servers that values are kept for; without room nothing is kept.
const MOST: usize = 10_000;
/// Bytes of all of them; whoever has most makes room.
const MOST_BYTES: usize = 64 << 20;
/// Bytes that are put back into one request.
const MOST_PUT_BACK: usize = 1 << 20;
/// They are forgotten when none of them was given or used for a day.
const LASTING_MS: u64 = 24 * 60 * 60 * 1000;

type Key = (Owner, ServerName);

#[derive(Debug)]
struct Values {
    caller: Caller,
    kept: VecDeque<Kept>,
    used_ms: u64,
}

impl Values {
    fn keep(&mut self, kept: Kept) {
        self.kept.retain(|known| known.word != kept.word);
        self.kept.push_back(kept);
        while self.kept.len() > MOST_OF_ONE || self.bytes() > MOST_BYTES_OF_ONE {
            self.kept.pop_front();
        }
    }

    fn bytes(&self) -> usize {
        self.kept.iter().map(|kept| kept.value.expose().len()).sum()
    }

    fn get(&self, word: &str) -> Option<Secret> {
        self.kept.iter().find(|kept| *kept.word == *word).map(|kept| kept.value.clone())
    }
}

/// Every value that is kept.
#[derive(Debug, Default)]
pub(crate) struct Vault {
    values: Mutex<HashMap<Key, Values>>,
    /// Whether anything has ever been kept: until then no request is searched.
    used: AtomicBool,
}

impl Vault {
    /// Keeps what was taken out of the answer to a call.
    pub(crate) fn keep(&self, resolved: &Resolved, kept: Vec<Kept>, now_ms: u64) {
        let (false, Some(server)) = (kept.is_empty(), &resolved.call.target.server) else { return };
        let caller = &resolved.call.caller;
        let key = (Owner::of(caller), server.clone());
        let mut values = self.values.lock();
        if values.len() >= MOST && !values.contains_key(&key) {
            return;
        }
        let own = values.entry(key).or_insert_with(|| Values {
            caller: caller.clone(),
            kept: VecDeque::new(),
            used_ms: now_ms,
        });
        own.used_ms = now_ms;
        kept.into_iter().for_each(|kept| own.keep(kept));
        while values.values().map(Values::bytes).sum::<usize>() > MOST_BYTES {
            let most = values.iter().max_by_key(|(_, it)| it.bytes()).map(|(key, _)| key.clone());
            let Some(most) = most else { break };
            values.remove(&most);
        }
        self.used.store(true, Ordering::Release);
    }

    /// The request with values in place of the words for them, and what a record says about it. None where there is
    /// nothing to put back, or the tool passes on what it is given.
    pub(crate) fn put_back(
        &self,
        resolved: &Resolved,
        now_ms: u64,
    ) -> Result<Option<(Request, Arc<PutBack>, Finding)>, Refusal> {
        let (true, Some(server)) = (self.used.load(Ordering::Acquire), &resolved.call.target.server) else {
            return Ok(None);
        };
        let request = &resolved.call.request;
        let Some(arguments) = request.params().and_then(|params| params.get("arguments")) else {
            return Ok(None);
        };
        let mut used = Vec::new();
        if is_outward(resolved) {
            return Ok(None);
        }
        let bytes = {
            let mut values = self.values.lock();
            let Some(values) = values.get_mut(&(Owner::of(&resolved.call.caller), server.clone())) else {
                return Ok(None);
            };
            let bytes = data::put_back(request.document(), arguments, MOST_PUT_BACK, |word| {
                let value = values.get(word)?;
                used.push(value.clone());
                Some(value)
            });
            let Some(bytes) = bytes else { return Ok(None) };
            values.used_ms = now_ms;
            bytes
        };
        let Ok(Message::Request(filled)) = outbound::decode(bytes, &outbound::GENEROUS) else {
            return Err(Refusal::new(RefusalKind::Internal, "internal error")
                .operator("what was put back broke the request"));
        };
        let detail = format!("{} values put back into the arguments for words of this server's", used.len());
        let finding = Finding { control: ControlId::Ti03, detail: detail.into() };
        let put_back = PutBack { as_written: request.clone(), values: used };
        Ok(Some((filled, Arc::new(put_back), finding)))
    }

    /// Forgets what nobody has used for long.
    pub(crate) fn sweep(&self, now_ms: u64) {
        self.values.lock().retain(|_, values| now_ms < values.used_ms.saturating_add(LASTING_MS));
    }

    /// Forgets the values of those owners.
    pub(crate) fn release(&self, owner: impl Fn(&Caller) -> bool) {
        self.values.lock().retain(|_, values| !owner(&values.caller));
    }
}

/// Whether the tool, or the one that it is a view of, passes on what it is given. A view that cannot be read is one.
fn is_outward(resolved: &Resolved) -> bool {
    let does = |resolved: &Resolved| flow::conduct(resolved).does(Deed::Outward);
    does(resolved) || resolved.broad().is_some_and(|broad| broad.map_or(true, |it| does(&it)))
}
