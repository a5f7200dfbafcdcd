//! Whose tasks are (controls ST-01 and ST-03).
//!
//! A server's ids of tasks pass through unchanged, for they stand in many places of many messages. What makes one
//! nobody else's is this table: an id is known from the answer that first brought it, belongs to the caller that got
//! the answer, and is for anybody else, or after a restart of the gateway, the id of a task that does not exist.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use parking_lot::Mutex;
use portcullis_core::{
    Caller, ControlId, Refusal, RefusalKind, ServerName,
    wire::{Document, Message, Method, Node, Notification, Patch, Response, json::Kind},
};

use portcullis_inspect::{Form, Promised, ToolSchema};

use crate::{outbound, owner::Owner, resolve::Resolved};

/// Tasks remembered at a time.
const MOST: usize = 100_000;
/// Of one owner; the one that is known longest makes room.
const MOST_OF_ONE: usize = 1_000;
/// How often those to be forgotten are looked for while there is no room.
const LOOK_EVERY_MS: u64 = 60 * 1000;
/// A task is forgotten when nobody has used it for a day.
const LASTING_MS: u64 = 24 * 60 * 60 * 1000;

#[derive(Debug)]
struct Owned {
    owner: Owner,
    caller: Caller,
    used_ms: u64,
    /// The output schema of the tool that began it.
    promised: Option<Arc<ToolSchema>>,
}

#[derive(Debug, Default)]
struct Table {
    tasks: HashMap<Key, Owned>,
    /// Whose they are, those known longest first.
    owned: HashMap<Owner, VecDeque<Key>>,
    /// When forgotten ones were last looked for.
    kept_ms: u64,
}

impl Table {
    fn keep(&mut self, wanted: impl Fn(&Owned) -> bool) {
        let tasks = &mut self.tasks;
        tasks.retain(|_, owned| wanted(owned));
        self.owned.retain(|_, keys| {
            keys.retain(|key| tasks.contains_key(key));
            !keys.is_empty()
        });
    }

    fn make_room_for(&mut self, owner: &Owner) {
        let Some(keys) = self.owned.get_mut(owner).filter(|keys| keys.len() >= MOST_OF_ONE) else { return };
        if let Some(oldest) = keys.pop_front() {
            self.tasks.remove(&oldest);
        }
    }

    fn insert(&mut self, key: Key, owned: Owned) {
        self.owned.entry(owned.owner.clone()).or_default().push_back(key.clone());
        self.tasks.insert(key, owned);
    }
}

type Key = (ServerName, Arc<str>);

/// The owner of every task that is remembered.
#[derive(Debug, Default)]
pub(crate) struct Tasks(Mutex<Table>);

impl Tasks {
    /// Whether this task is the caller's; if so, it has been used.
    pub(crate) fn is_of(&self, server: &ServerName, id: &str, caller: &Caller, now_ms: u64) -> bool {
        let mut table = self.0.lock();
        let found = table.tasks.get_mut(&(server.clone(), Arc::from(id)));
        let Some(owned) = found.filter(|it| it.is_kept(now_ms) && it.owner == Owner::of(caller)) else {
            return false;
        };
        owned.used_ms = now_ms;
        true
    }

    /// What the tool that began a task has promised about its result, as far as it is known: not of a task that a
    /// former process of the gateway saw begin.
    pub(crate) fn promised(&self, server: &ServerName, id: &str) -> Option<Arc<ToolSchema>> {
        self.0.lock().tasks.get(&(server.clone(), Arc::from(id)))?.promised.clone()
    }

    /// The same, where a notification is about a task.
    pub(crate) fn promised_in(&self, server: &ServerName, message: &Message) -> Option<Arc<ToolSchema>> {
        let Message::Notification(notification) = message else { return None };
        if notification.method_kind() != Method::TaskNotification {
            return None;
        }
        self.promised(server, &notification.params().and_then(id_of)?)
    }

    /// Takes note of the tasks that an answer brings its caller.
    ///
    /// # Errors
    /// [`RefusalKind::UpstreamInvalid`] when one is somebody else's, [`RefusalKind::TooMany`] when no more can be
    /// remembered: nobody gets an id that nobody could be held to.
    pub(crate) fn claim(&self, response: &Response, resolved: &Resolved, now_ms: u64) -> Result<(), Refusal> {
        let (Some(result), Some(server)) = (response.result(), &resolved.call.target.server) else {
            return Ok(());
        };
        let began = resolved.call.request.method_kind() == Method::ToolsCall;
        let promised = resolved.output_schema().filter(|_| began);
        for id in holders(result).filter_map(|holder| id_of(holder)) {
            self.claim_one(server, &id, &resolved.call.caller, promised, now_ms)?;
        }
        Ok(())
    }

    fn claim_one(
        &self,
        server: &ServerName,
        id: &str,
        caller: &Caller,
        promised: Option<&Arc<ToolSchema>>,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let (key, owner) = ((server.clone(), Arc::from(id)), Owner::of(caller));
        let mut table = self.0.lock();
        match table.tasks.get_mut(&key).filter(|it| it.is_kept(now_ms)) {
            Some(known) if known.owner == owner => {
                known.used_ms = now_ms;
                // Whoever gives out a known id once more cannot get out of a promise by that.
                known.promised = promised.cloned().or(known.promised.take());
                return Ok(());
            }
            Some(_) => return Err(somebody_elses(server)),
            None => {}
        }
        let again = now_ms.saturating_sub(table.kept_ms) >= LOOK_EVERY_MS;
        if table.tasks.contains_key(&key) || (table.tasks.len() >= MOST && again) {
            table.kept_ms = now_ms;
            table.keep(|it| it.is_kept(now_ms));
        }
        table.make_room_for(&owner);
        if table.tasks.len() >= MOST {
            return Err(full());
        }
        let promised = promised.cloned();
        table.insert(key, Owned { owner, caller: caller.clone(), used_ms: now_ms, promised });
        Ok(())
    }

    /// The answer to `tasks/list` with the caller's own tasks only.
    pub(crate) fn own_only(&self, body: Bytes, resolved: &Resolved, now_ms: u64) -> Result<Bytes, Refusal> {
        let Some(server) = &resolved.call.target.server else { return Ok(body) };
        if resolved.call.request.method_kind() != Method::TasksList {
            return Ok(body);
        }
        let document = Document::parse(body, &outbound::GENEROUS).map_err(|fault| broken(&fault))?;
        let tasks = document.root().path(&["result", "tasks"]).filter(|it| it.kind() == Kind::Array);
        let Some(tasks) = tasks else { return Ok(document.bytes().clone()) };
        let own = |task: &Node<'_>| {
            id_of(*task).is_some_and(|id| self.is_of(server, &id, &resolved.call.caller, now_ms))
        };
        let own: Vec<_> = tasks.elements().filter(own).map(Node::raw).collect();
        let list = [b"[".as_slice(), &own.join(&b','), b"]"].concat();
        let mut patch = Patch::new(&document);
        patch.replace(tasks, list);
        Ok(patch.apply())
    }

    /// Whether a notification may be told to this caller: it is about no task, or about one of its own.
    pub(crate) fn may_hear(
        &self,
        server: &ServerName,
        notification: &Notification,
        caller: &Caller,
        now_ms: u64,
    ) -> bool {
        match notification.method_kind() {
            Method::TaskStatus | Method::TaskNotification => notification
                .params()
                .and_then(id_of)
                .is_some_and(|id| self.is_of(server, &id, caller, now_ms)),
            _ => true,
        }
    }

    /// Forgets what nobody has used for long.
    pub(crate) fn sweep(&self, now_ms: u64) {
        self.0.lock().keep(|it| it.is_kept(now_ms));
    }

    /// Forgets the tasks of those owners.
    pub(crate) fn release(&self, owner: impl Fn(&Caller) -> bool) {
        self.0.lock().keep(|it| !owner(&it.caller));
    }
}

impl Owned {
    fn is_kept(&self, now_ms: u64) -> bool {
        now_ms < self.used_ms.saturating_add(LASTING_MS)
    }
}

/// What a notification about a task is held to: it came from a server that has the tasks extension, and so structured
/// content.
pub(crate) fn promised_by(schema: &ToolSchema) -> Promised<'_> {
    Promised { schema, required: true, form: Form::Task }
}

/// Where a result names a task: itself in the newer form, its `task` in the older one.
pub(crate) fn holders(result: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    let inner = result.get("task").filter(|task| task.kind() == Kind::Object);
    std::iter::once(result).chain(inner)
}

fn id_of(holder: Node<'_>) -> Option<std::borrow::Cow<'_, str>> {
    holder.get("taskId")?.as_str()
}

/// One answer for a task that does not exist, is somebody else's or was forgotten.
pub(crate) fn no_task() -> Refusal {
    Refusal::new(RefusalKind::NotFound, "no such task").by(ControlId::St01)
}

fn somebody_elses(server: &ServerName) -> Refusal {
    Refusal::new(RefusalKind::UpstreamInvalid, "the server's answer cannot be passed on")
        .by(ControlId::St01)
        .operator(format!("`{server}` gave out the id of a task that is another caller's"))
}

fn broken(fault: &portcullis_core::wire::Fault) -> Refusal {
    Refusal::new(RefusalKind::Internal, "internal error").operator(format!("a list of tasks: {fault}"))
}

fn full() -> Refusal {
    Refusal::new(RefusalKind::TooMany, "too many tasks; try again later")
        .by(ControlId::St01)
        .operator(format!("{MOST} tasks are remembered that were used within a day"))
}
