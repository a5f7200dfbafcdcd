//! Step 4: what a request is about, from one immutable snapshot.

use std::sync::Arc;

use bytes::Bytes;
use portcullis_core::{
    Call, Caller, ControlId, Hold, Item, ListKind, PinKind, Refusal, RefusalKind, ServerName, Target,
    wire::{
        Era, Method, Node, Request, header,
        method::{Direction, Shape},
    },
};

use crate::{
    catalogue::{Entry, List},
    client::{Client, mismatch, unsupported},
    gateway::Gateway,
    inbound::Inbound,
    prefix,
    snapshot::{Server, Snapshot},
    stops::Admission,
    tasks::no_task,
    template,
    trace::Carried,
};

/// A request with everything later steps need to know about it. Boxed on its way: it is large, and moves from proof
/// to proof.
#[derive(Clone)]
pub(crate) struct Resolved {
    /// The request and its target.
    pub call: Call,
    /// Its client.
    pub client: Client,
    /// Who answers.
    pub route: Route,
    /// Its place among the calls that a stop ends.
    pub admission: Arc<Admission>,
    /// What changes in what it says about its trace before its server sees it.
    pub carried: Option<Arc<Carried>>,
}

impl AsRef<Call> for Box<Resolved> {
    fn as_ref(&self) -> &Call {
        &self.call
    }
}

/// Who answers a request.
#[derive(Clone)]
pub(crate) enum Route {
    /// The gateway.
    Local,
    /// A server.
    Server {
        /// Which.
        server: Arc<Server>,
        /// The definition asked for, when it has one.
        entry: Option<Arc<Entry>>,
        /// The member of the body that names the item and the server's own name for it, when the client
        /// was shown another.
        rename: Option<(&'static [&'static str], Arc<str>)>,
    },
}

/// What a method asks for by name.
enum Asked<'r> {
    Tool(&'static [&'static str], std::borrow::Cow<'r, str>),
    Prompt(&'static [&'static str], std::borrow::Cow<'r, str>),
    Resource(std::borrow::Cow<'r, str>),
    Task(std::borrow::Cow<'r, str>),
    Tasks,
}

const NAME: &[&str] = &["params", "name"];
const REF_NAME: &[&str] = &["params", "ref", "name"];
const TASK_ID: &[&str] = &["params", "taskId"];

impl Gateway {
    pub(crate) async fn resolve(
        self: &Arc<Self>,
        snapshot: &Snapshot,
        inbound: &Inbound,
        request: Request,
        now_ms: u64,
    ) -> Result<Box<Resolved>, Refusal> {
        let client = Client::of(inbound, &request, snapshot.settings.floor)?;
        let method = request.method_kind();
        check_method(&request, method, &client)?;
        let (target, route) = match local_item(method) {
            Some(item) => (self.local_target(snapshot, inbound, item)?, Route::Local),
            None => {
                let asked = asked(&request, method)?;
                self.find(snapshot, inbound, &client, asked, now_ms).await?
            }
        };
        if let (Era::Modern, Some(headers)) = (client.era(), &inbound.headers) {
            let mirrored = match &route {
                Route::Server { entry: Some(entry), .. } => entry.mirrored.clone(),
                _ => Arc::from([]),
            };
            header::agree(headers, &request, &mirrored).map_err(mismatch)?;
        }
        let call = Call {
            caller: (*inbound.caller).clone(),
            channel: inbound.channel,
            peer: inbound.peer,
            endpoint: inbound.endpoint.clone(),
            version: client.version,
            request,
            target,
            put_back: None,
        };
        let admission = self.stops.admit(&call.caller, &call.target)?;
        Ok(Box::new(Resolved { call, client, route, admission, carried: None }))
    }

    fn local_target(&self, snapshot: &Snapshot, inbound: &Inbound, item: Item) -> Result<Target, Refusal> {
        if let Some(name) = &inbound.endpoint
            && !snapshot.servers.contains_key(name)
        {
            return Err(no_server(name));
        }
        Ok(Target { server: inbound.endpoint.clone(), item, definition: None })
    }

    async fn find(
        self: &Arc<Self>,
        snapshot: &Snapshot,
        inbound: &Inbound,
        client: &Client,
        asked: Asked<'_>,
        now_ms: u64,
    ) -> Result<(Target, Route), Refusal> {
        let search = Search { gateway: self, snapshot, inbound, client, now_ms };
        match asked {
            Asked::Tool(path, name) => search.named(ListKind::Tools, path, &name).await,
            Asked::Prompt(path, name) => search.named(ListKind::Prompts, path, &name).await,
            Asked::Resource(uri) => search.resource(&uri).await,
            Asked::Task(id) => search.task(&id),
            Asked::Tasks => search.tasks(),
        }
    }
}

struct Search<'a> {
    gateway: &'a Arc<Gateway>,
    snapshot: &'a Snapshot,
    inbound: &'a Inbound,
    client: &'a Client,
    now_ms: u64,
}

impl Search<'_> {
    /// The server a shown name belongs to and the server's own name for the item.
    fn server_of<'n>(&self, shown: &'n str) -> Option<(&Arc<Server>, &'n str, bool)> {
        match &self.inbound.endpoint {
            Some(endpoint) => self.snapshot.servers.get(endpoint).map(|server| (server, shown, false)),
            None => {
                let (server, name) = prefix::split(shown)?;
                let server = self.snapshot.servers.get(&server.parse::<ServerName>().ok()?)?;
                Some((server, name, true))
            }
        }
    }

    async fn named(
        &self,
        kind: ListKind,
        path: &'static [&'static str],
        shown: &str,
    ) -> Result<(Target, Route), Refusal> {
        let missing = || not_found(kind, shown);
        let (server, name, renamed) = self.server_of(shown).ok_or_else(missing)?;
        let entry = self.entry(server, kind, name).await?.ok_or_else(missing)?;
        let item = match kind {
            ListKind::Prompts => Item::Prompt(entry.name.clone()),
            _ => Item::Tool(entry.name.clone()),
        };
        let target = Target { server: Some(server.name.clone()), item, definition: Some(entry.digest) };
        let rename = renamed.then(|| (path, entry.name.clone()));
        Ok((target, Route::Server { server: server.clone(), entry: Some(entry), rename }))
    }

    /// The entry if the server offers it now; a name that is not in the list held is looked for once more.
    async fn entry(
        &self,
        server: &Arc<Server>,
        kind: ListKind,
        name: &str,
    ) -> Result<Option<Arc<Entry>>, Refusal> {
        // What its server has said to have changed is looked at again before it is used. What has only expired is
        // looked at meanwhile, so that a call does not wait for a list.
        let catalogue = server.catalogues.of(&self.profile());
        if let Some(list) = catalogue.slot(kind).unchanged() {
            let fresh = self.now_ms < list.fresh_until_ms;
            match offered(&list, kind, name)? {
                Some(entry) => {
                    if !fresh {
                        self.gateway.refresh_meanwhile(server, kind, self.profile());
                    }
                    return Ok(Some(entry));
                }
                None if fresh => return Ok(None),
                None => {}
            }
        }
        let list = self.gateway.list(self.snapshot, server, kind, &self.profile(), self.now_ms).await?;
        offered(&list, kind, name)
    }

    async fn resource(&self, uri: &str) -> Result<(Target, Route), Refusal> {
        if let Some(endpoint) = &self.inbound.endpoint {
            let server = self.snapshot.servers.get(endpoint).ok_or_else(|| no_server(endpoint))?;
            return self.resource_at(server, uri);
        }
        let mut offering = Vec::new();
        for kind in [ListKind::Resources, ListKind::Templates] {
            for server in self.snapshot.servers.values() {
                // A server that cannot be asked offers nothing now; the others are not held up by it.
                let list = self.gateway.list(self.snapshot, server, kind, &self.profile(), self.now_ms).await;
                let Ok(list) = list else { continue };
                let offers = match kind {
                    ListKind::Resources => list.get(uri).is_some(),
                    _ => list.entries.iter().any(|entry| template::matches(&entry.name, uri)),
                };
                if offers {
                    offering.push(server);
                }
            }
            if !offering.is_empty() {
                break;
            }
        }
        match offering.as_slice() {
            [server] => self.resource_at(server, uri),
            [] => Err(not_found(ListKind::Resources, uri)),
            several => Err(ambiguous(uri, several)),
        }
    }

    fn resource_at(&self, server: &Arc<Server>, uri: &str) -> Result<(Target, Route), Refusal> {
        let list = server.catalogues.of(&self.profile()).slot(ListKind::Resources).held();
        let entry = list.map(|list| offered(&list, ListKind::Resources, uri)).transpose()?.flatten();
        let target = Target {
            server: Some(server.name.clone()),
            item: Item::Resource(uri.into()),
            definition: entry.as_ref().map(|e| e.digest),
        };
        Ok((target, Route::Server { server: server.clone(), entry, rename: None }))
    }

    fn task(&self, shown: &str) -> Result<(Target, Route), Refusal> {
        let (server, id, renamed) = self.server_of(shown).ok_or_else(no_task)?;
        self.client.check_tasks()?;
        if !self.gateway.tasks.is_of(&server.name, id, &self.inbound.caller, self.now_ms) {
            return Err(no_task());
        }
        let id: Arc<str> = id.into();
        let target =
            Target { server: Some(server.name.clone()), item: Item::Task(id.clone()), definition: None };
        let rename = renamed.then_some((TASK_ID, id));
        Ok((target, Route::Server { server: server.clone(), entry: None, rename }))
    }

    /// The tasks of one server. On the aggregate the lists of several could not share a cursor.
    fn tasks(&self) -> Result<(Target, Route), Refusal> {
        let endpoint = self.inbound.endpoint.as_ref().ok_or_else(|| {
            Refusal::new(RefusalKind::UnknownMethod, "`tasks/list` is served at `/mcp/<server>` only")
        })?;
        let server = self.snapshot.servers.get(endpoint).ok_or_else(|| no_server(endpoint))?;
        let target = Target { server: Some(server.name.clone()), item: Item::Server, definition: None };
        Ok((target, Route::Server { server: server.clone(), entry: None, rename: None }))
    }

    fn profile(&self) -> portcullis_core::LinkProfile {
        profile(&self.inbound.caller, self.client)
    }
}

/// The entry of that name, if the server offers it and it may be used.
fn offered(list: &List, kind: ListKind, name: &str) -> Result<Option<Arc<Entry>>, Refusal> {
    match list.held(name) {
        Some(hold) => Err(held_back(kind, name, hold)),
        None => Ok(list.get(name).cloned()),
    }
}

fn held_back(kind: ListKind, name: &str, hold: Hold) -> Refusal {
    let shown: String = name.chars().take(128).collect();
    Refusal::new(RefusalKind::Denied, format!("{} `{shown}` {}", PinKind::from(kind), hold.public()))
        .by(ControlId::Ti01)
        .operator(format!(
            "{} `{shown}` {}: `portcullis pins diff` shows how, `portcullis pins approve` lets it through",
            PinKind::from(kind),
            hold.public()
        ))
}

/// Whose link a client's requests use.
pub(crate) fn profile(caller: &Caller, client: &Client) -> portcullis_core::LinkProfile {
    portcullis_core::LinkProfile {
        on_behalf: caller.on_behalf(),
        tenant: caller.tenant.clone(),
        session: client.session.as_ref().map(|s| s.id.clone()),
        capabilities: client.capabilities.clone(),
        client_info: client.info.clone(),
    }
}

/// The profile of a caller whose client is not known any more.
pub(crate) fn sessionless(caller: &Caller) -> portcullis_core::LinkProfile {
    portcullis_core::LinkProfile {
        on_behalf: caller.on_behalf(),
        tenant: caller.tenant.clone(),
        session: None,
        capabilities: Bytes::from_static(b"{}"),
        client_info: Bytes::from_static(crate::outbound::CLIENT_INFO.as_bytes()),
    }
}

fn check_method(request: &Request, method: Method, client: &Client) -> Result<(), Refusal> {
    let unknown = || {
        let name: String = request.method().chars().take(64).collect();
        Refusal::new(
            RefusalKind::UnknownMethod,
            format!("method `{name}` is not served in {}", client.version),
        )
    };
    let served = method.exists_in(client.version)
        && method.info().is_some_and(|m| m.shape == Shape::Request && m.direction != Direction::ToClient);
    if served { Ok(()) } else { Err(unknown()) }
}

/// The item of a method that the gateway answers itself.
fn local_item(method: Method) -> Option<Item> {
    Some(match method {
        Method::Initialize
        | Method::Ping
        | Method::ServerDiscover
        | Method::LoggingSetLevel
        | Method::SubscriptionsListen => Item::Server,
        Method::ToolsList => Item::List(ListKind::Tools),
        Method::PromptsList => Item::List(ListKind::Prompts),
        Method::ResourcesList => Item::List(ListKind::Resources),
        Method::ResourcesTemplatesList => Item::List(ListKind::Templates),
        _ => return None,
    })
}

fn asked(request: &Request, method: Method) -> Result<Asked<'_>, Refusal> {
    let params = request.params();
    let text = |keys: &[&str]| params.and_then(|p| p.path(keys)).and_then(Node::as_str);
    let missing =
        |what: &str| Refusal::new(RefusalKind::InvalidParams, format!("`params.{what}` must be a string"));
    match method {
        Method::ToolsCall => text(&["name"]).map(|n| Asked::Tool(NAME, n)).ok_or_else(|| missing("name")),
        Method::PromptsGet => text(&["name"]).map(|n| Asked::Prompt(NAME, n)).ok_or_else(|| missing("name")),
        Method::ResourcesRead | Method::ResourcesSubscribe | Method::ResourcesUnsubscribe => {
            text(&["uri"]).map(Asked::Resource).ok_or_else(|| missing("uri"))
        }
        Method::CompletionComplete => match text(&["ref", "type"]).as_deref() {
            Some("ref/prompt") => {
                text(&["ref", "name"]).map(|n| Asked::Prompt(REF_NAME, n)).ok_or_else(|| missing("ref.name"))
            }
            Some("ref/resource") => {
                text(&["ref", "uri"]).map(Asked::Resource).ok_or_else(|| missing("ref.uri"))
            }
            _ => Err(Refusal::new(
                RefusalKind::InvalidParams,
                "`params.ref.type` must be `ref/prompt` or `ref/resource`",
            )),
        },
        Method::TasksList => Ok(Asked::Tasks),
        Method::TasksGet | Method::TasksCancel | Method::TasksUpdate | Method::TasksResult => {
            text(&["taskId"]).map(Asked::Task).ok_or_else(|| missing("taskId"))
        }
        _ => Err(unsupported("", portcullis_core::wire::Version::LATEST)),
    }
}

fn not_found(kind: ListKind, shown: &str) -> Refusal {
    let what = match kind {
        ListKind::Tools => "tool",
        ListKind::Prompts => "prompt",
        ListKind::Resources | ListKind::Templates => "resource",
    };
    let shown: String = shown.chars().take(128).collect();
    let refusal = if what == "resource" { RefusalKind::ResourceNotFound } else { RefusalKind::NotFound };
    let refused = Refusal::new(refusal, format!("unknown {what} `{shown}`"));
    // A URI may hold a credential; the record shows what can be shown of it.
    if what == "resource" { refused.operator("no server offers the resource") } else { refused }
}

pub(crate) fn no_server(name: &ServerName) -> Refusal {
    Refusal::new(RefusalKind::NotFound, format!("no server `{name}` is configured here"))
}

fn ambiguous(uri: &str, several: &[&Arc<Server>]) -> Refusal {
    let names: Vec<_> = several.iter().map(|s| s.name.as_str()).collect();
    let uri: String = uri.chars().take(256).collect();
    Refusal::new(
        RefusalKind::InvalidParams,
        format!(
            "resource `{uri}` is offered by several servers ({}); ask at `/mcp/<server>`",
            names.join(", ")
        ),
    )
}

/// Bytes of a `params` object, or `{}`.
pub(crate) fn params_bytes(request: &Request) -> Bytes {
    request.params().map_or_else(|| Bytes::from_static(b"{}"), |p| p.to_bytes())
}
