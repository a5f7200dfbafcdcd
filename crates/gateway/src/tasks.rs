//! Whose tasks are (controls ST-01 and ST-03).
//!
//! A server's ids of tasks pass through unchanged, for they stand in many places of many messages. What makes one
//! nobody else's is this table: an id is known from the answer that first brought it, belongs to the caller that got
//! the answer, and is for anybody else the id of a task that does not exist. Where there is a place for it the table
//! outlives the process; otherwise nobody has a task after a restart.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use parking_lot::Mutex;
use portcullis_core::{
    Caller, ControlId, Item, LinkProfile, Refusal, RefusalKind, ServerName, StopSubject, Target,
    wire::{Document, Message, Method, Node, Notification, Patch, Response, json::Kind},
};

use portcullis_inspect::{Form, Promised, ToolSchema};

use crate::{
    lasting::{KeptTask, LASTING_MS, TaskBook},
    outbound,
    owner::Owner,
    resolve::{self, Resolved},
};

/// Tasks remembered at a time.
const MOST: usize = 100_000;
/// Of one owner; the one that is known longest makes room.
const MOST_OF_ONE: usize = 1_000;
/// How often those to be forgotten are looked for while there is no room.
const LOOK_EVERY_MS: u64 = 60 * 1000;
/// How much older what is kept of its use may be.
const TOUCH_MS: u64 = 60 * 60 * 1000;

#[derive(Debug)]
struct Owned {
    owner: Owner,
    caller: Caller,
    used_ms: u64,
    /// When that was written down last.
    written_ms: u64,
    /// The tool that began it, as far as that is known.
    tool: Option<Arc<str>>,
    /// The link over which it was begun; that of a sessionless client for one of a former process.
    profile: LinkProfile,
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
    fn keep(&mut self, wanted: impl Fn(&Key, &Owned) -> bool) {
        let tasks = &mut self.tasks;
        tasks.retain(|key, owned| wanted(key, owned));
        self.owned.retain(|_, keys| {
            keys.retain(|key| tasks.contains_key(key));
            !keys.is_empty()
        });
    }

    fn make_room_for(&mut self, owner: &Owner) -> Option<Key> {
        let oldest = self.owned.get_mut(owner).filter(|keys| keys.len() >= MOST_OF_ONE)?.pop_front()?;
        self.tasks.remove(&oldest);
        Some(oldest)
    }

    fn insert(&mut self, key: Key, owned: Owned) {
        self.owned.entry(owned.owner.clone()).or_default().push_back(key.clone());
        self.tasks.insert(key, owned);
    }
}

type Key = (ServerName, Arc<str>);

/// The owner of every task that is remembered.
#[derive(Default)]
pub(crate) struct Tasks(Mutex<Table>, Option<Arc<dyn TaskBook>>);

/// A task that is nobody's any more.
pub(crate) struct Halted {
    pub(crate) server: ServerName,
    pub(crate) id: Arc<str>,
    pub(crate) profile: LinkProfile,
}

impl Tasks {
    /// Those that a former process remembered.
    pub(crate) fn of(book: Option<Arc<dyn TaskBook>>, now_ms: u64) -> Self {
        let mut table = Table::default();
        let kept = book.iter().flat_map(|book| book.all());
        let mut kept: Vec<_> = kept.filter(|task| task.is_kept(now_ms)).collect();
        let newest = kept.split_off(kept.len().saturating_sub(MOST));
        for KeptTask { server, id, tool, caller, used_ms } in newest {
            let Ok(server) = server.parse::<ServerName>() else { continue };
            let owned = Owned {
                owner: Owner::of(&caller),
                profile: resolve::sessionless(&caller),
                caller,
                used_ms,
                written_ms: used_ms,
                tool: tool.map(Into::into),
                promised: None,
            };
            table.insert((server, id.into()), owned);
        }
        Self(Mutex::new(table), book)
    }

    /// Whether this task is the caller's; if so, it has been used.
    pub(crate) fn is_of(&self, server: &ServerName, id: &str, caller: &Caller, now_ms: u64) -> bool {
        let mut table = self.0.lock();
        let found = table.tasks.get_mut(&(server.clone(), Arc::from(id)));
        let Some(owned) = found.filter(|it| it.is_kept(now_ms) && it.owner == Owner::of(caller)) else {
            return false;
        };
        owned.used_ms = now_ms;
        self.touch(server, id, owned);
        true
    }

    /// Writes down that a task was used, now and then. What cannot be written is written with the next use.
    fn touch(&self, server: &ServerName, id: &str, owned: &mut Owned) {
        if owned.used_ms.saturating_sub(owned.written_ms) >= TOUCH_MS && self.write(server, id, owned).is_ok()
        {
            owned.written_ms = owned.used_ms;
        }
    }

    fn write(&self, server: &ServerName, id: &str, owned: &Owned) -> std::io::Result<()> {
        let Some(book) = &self.1 else { return Ok(()) };
        book.add(&KeptTask {
            server: server.to_string(),
            id: id.to_owned(),
            tool: owned.tool.as_deref().map(str::to_owned),
            caller: owned.caller.clone(),
            used_ms: owned.used_ms,
        })
    }

    fn strike(&self, (server, id): &Key) {
        if let Some(book) = &self.1 {
            // What cannot be struck out ends with its time, and its owner is looked at with each use.
            let _ = book.remove(server, id);
        }
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
            let tool = match &resolved.call.target.item {
                Item::Tool(name) if began => Some(Arc::from(&**name)),
                _ => None,
            };
            let owned = Owned {
                owner: Owner::of(&resolved.call.caller),
                caller: resolved.call.caller.clone(),
                used_ms: now_ms,
                written_ms: now_ms,
                tool,
                profile: resolve::profile(&resolved.call.caller, &resolved.client),
                promised: promised.cloned(),
            };
            self.claim_one(server, &id, owned, now_ms)?;
        }
        Ok(())
    }

    fn claim_one(&self, server: &ServerName, id: &str, owned: Owned, now_ms: u64) -> Result<(), Refusal> {
        let key = (server.clone(), Arc::from(id));
        let mut table = self.0.lock();
        match table.tasks.get_mut(&key).filter(|it| it.is_kept(now_ms)) {
            Some(known) if known.owner == owned.owner => {
                known.used_ms = now_ms;
                // Whoever gives out a known id once more cannot get out of a promise by that.
                known.promised = owned.promised.or(known.promised.take());
                self.touch(server, id, known);
                return Ok(());
            }
            Some(_) => return Err(somebody_elses(server)),
            None => {}
        }
        let again = now_ms.saturating_sub(table.kept_ms) >= LOOK_EVERY_MS;
        if table.tasks.contains_key(&key) || (table.tasks.len() >= MOST && again) {
            table.kept_ms = now_ms;
            table.keep(|_, it| it.is_kept(now_ms));
        }
        if let Some(oldest) = table.make_room_for(&owned.owner) {
            self.strike(&oldest);
        }
        if table.tasks.len() >= MOST {
            return Err(full());
        }
        self.write(server, id, &owned).map_err(|error| unwritten(&error))?;
        table.insert(key, owned);
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
        self.0.lock().keep(|_, it| it.is_kept(now_ms));
    }

    /// Forgets the tasks of those owners and returns them: whatever they lead to, nobody gets it.
    pub(crate) fn release(&self, owner: impl Fn(&Caller) -> bool) -> Vec<Halted> {
        self.halt(|_, owned| owner(&owned.caller))
    }

    /// The same for what falls under a stop.
    pub(crate) fn release_stopped(&self, stop: &StopSubject) -> Vec<Halted> {
        self.halt(|(server, _), owned| {
            let item = Item::Tool(owned.tool.clone().unwrap_or_default());
            let target = Target { server: Some(server.clone()), item, definition: None };
            stop.covers(&owned.caller, &target) || stop.covers_server(server)
        })
    }

    fn halt(&self, is_over: impl Fn(&Key, &Owned) -> bool) -> Vec<Halted> {
        let mut table = self.0.lock();
        let over = table.tasks.iter().filter(|(key, owned)| is_over(key, owned));
        let over: Vec<_> = over
            .map(|((server, id), owned)| Halted {
                server: server.clone(),
                id: id.clone(),
                profile: owned.profile.clone(),
            })
            .collect();
        if !over.is_empty() {
            table.keep(|key, owned| !is_over(key, owned));
            over.iter().for_each(|task| self.strike(&(task.server.clone(), task.id.clone())));
        }
        over
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

fn unwritten(error: &std::io::Error) -> Refusal {
    Refusal::new(RefusalKind::RecordUnavailable, "the task could not be remembered; try again later")
        .by(ControlId::St01)
        .operator(format!("the table of tasks: {error}"))
}

fn full() -> Refusal {
    Refusal::new(RefusalKind::TooMany, "too many tasks; try again later")
        .by(ControlId::St01)
        .operator(format!("{MOST} tasks are remembered that were used within a day"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use portcullis_core::{AuthMethod, Principal, PrincipalKind};

    use super::*;

    struct Kept(Vec<KeptTask>);

    impl TaskBook for Kept {
        fn all(&self) -> Vec<KeptTask> {
            self.0.clone()
        }

        fn add(&self, _task: &KeptTask) -> std::io::Result<()> {
            Ok(())
        }

        fn remove(&self, _server: &ServerName, _id: &str) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn alice() -> Caller {
        let principal = Principal { kind: PrincipalKind::Oauth, id: "corp:alice".into() };
        Caller { principal, actor: None, tenant: None, method: AuthMethod::BearerToken, grant: None }
    }

    #[test]
    fn after_a_restart_the_tasks_used_last_are_remembered() {
        let now_ms = 2 * LASTING_MS;
        let book = |tasks: usize, used_ms: u64| {
            let task = move |number: usize| KeptTask {
                server: "notes".into(),
                id: format!("{used_ms}-{number}"),
                tool: None,
                caller: alice(),
                used_ms,
            };
            (0..tasks).map(task)
        };
        let last = (now_ms - 1, format!("{}-0", now_ms - 1));
        for (before_ms, known) in [(now_ms - LASTING_MS, false), (now_ms - 2, true)] {
            let kept = book(MOST, before_ms).chain(book(1, last.0)).collect();
            let tasks = Tasks::of(Some(Arc::new(Kept(kept))), now_ms);
            let is_known = |id: &str| tasks.is_of(&"notes".parse().unwrap(), id, &alice(), now_ms);
            assert!(is_known(&last.1));
            assert_eq!(
                [0, 1, MOST - 1].map(|number| is_known(&format!("{before_ms}-{number}"))),
                [false, known, known]
            );
        }
    }
}
