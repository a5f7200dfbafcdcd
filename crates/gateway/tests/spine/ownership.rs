//! What belongs to one caller is nobody else's, and what nobody learnt of does not stay.

use portcullis_core::{RefusalKind, ServerName};
use portcullis_gateway::Settings;
use portcullis_identity::Authenticated;
use serde_json::{Value, json};
use tokio::time::Duration;

use crate::{
    client::{Card, Client, Door, Network},
    fake::Spec,
    house::{House, Plan, local_user, settled, somebody},
};

const SERVER: &str = r#"{"tools":[{"name":"echo","inputSchema":{"type":"object"}}]}"#;

fn house(version: &str) -> House {
    let servers = ["alpha", "beta"].map(|name| (name.to_owned(), Spec::read(version, SERVER)));
    House::build(Plan { servers: servers.into(), ..Plan::default() })
}

fn card(door: Door, version: &str, endpoint: &str) -> Card {
    Card {
        door,
        version: Some(version.parse().unwrap()),
        endpoint: Some(endpoint.parse().unwrap()),
        capabilities: json!({"roots": {}}),
    }
}

fn call(id: u64, extra: Value) -> Value {
    let mut params = json!({"name": "echo", "arguments": {}});
    params.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    json!({"id": id, "method": "tools/call", "params": params})
}

#[tokio::test(start_paused = true)]
async fn a_session_is_its_owners_on_its_own_endpoint() {
    let house = house("2025-11-25");
    let network = Network::memory(&house);
    let alice = Client::connect(&house, &network, card(Door::Http, "2025-11-25", "alpha")).await.unwrap();
    let id = alice.session().unwrap();
    let (alpha, beta) = ("alpha".parse().unwrap(), "beta".parse().unwrap());
    let find = |id: &str, caller: Authenticated, endpoint: Option<&ServerName>| {
        house.gateway.sessions.find(id, &caller, endpoint)
    };
    assert!(find(&id, local_user(), Some(&alpha)).is_ok());
    let unknown = find("00", local_user(), Some(&alpha)).unwrap_err();
    for (caller, endpoint) in
        [(somebody("mallory"), Some(&alpha)), (local_user(), Some(&beta)), (local_user(), None)]
    {
        let refusal = find(&id, caller, endpoint).unwrap_err();
        assert_eq!((refusal.kind(), refusal.public()), (RefusalKind::NoSession, unknown.public()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_held_call_is_its_owners() {
    let house = house("2025-11-25");
    let network = Network::memory(&house);
    let connect =
        |who| Client::connect_as(&house, &network, card(Door::Direct, "2026-07-28", "alpha"), somebody(who));
    let (mut alice, mut mallory) = (connect("alice").await.unwrap(), connect("mallory").await.unwrap());
    alice.send(call(1, json!({}))).await;
    let alpha = house.server("alpha");
    alpha.recv().await;
    alpha.send(crate::fake::Event::Request(json!({"id": 9, "method": "roots/list"})), None);
    let state = alice.next().await.message["result"]["requestState"].clone();
    let retry = json!({"requestState": state, "inputResponses": {"input-1": {"roots": []}}});
    mallory.send(call(2, retry.clone())).await;
    let stolen = mallory.next().await;
    assert_eq!((stolen.status, &stolen.message["error"]["code"]), (Some(400), &json!(-32602)));
    assert!(alpha.try_recv().is_none(), "the server heard of it");
    alice.send(call(3, retry)).await;
    assert_eq!(alpha.recv().await.message, json!({"jsonrpc": "2.0", "id": 9, "result": {"roots": []}}));
}

#[tokio::test(start_paused = true)]
async fn a_servers_state_is_sealed_for_its_caller_and_its_call() {
    let tools = r#"{"tools":[{"name":"echo","inputSchema":{"type":"object"}},{"name":"other","inputSchema":{"type":"object"}}]}"#;
    let servers = vec![("alpha".to_owned(), Spec::read("2026-07-28", tools))];
    let house = House::build(Plan { servers, ..Plan::default() });
    let network = Network::memory(&house);
    let connect =
        |who| Client::connect_as(&house, &network, card(Door::Direct, "2026-07-28", "alpha"), somebody(who));
    let (mut alice, mut mallory) = (connect("alice").await.unwrap(), connect("mallory").await.unwrap());
    let alpha = house.server("alpha");
    let asks = || {
        json!({"resultType": "input_required", "requestState": "user=alice",
        "inputRequests": {"k": {"method": "roots/list"}}})
    };
    alice.send(call(1, json!({}))).await;
    alpha.recv().await;
    alpha.send(crate::fake::Event::Result(asks()), None);
    let state = alice.next().await.message["result"]["requestState"].as_str().unwrap().to_owned();
    assert!(!state.contains("alice"), "{state}");
    let retry =
        |id, state: &str| call(id, json!({"requestState": state, "inputResponses": {"k": {"roots": []}}}));
    let changed = format!("{}{}", &state[..state.len() - 2], if state.ends_with("bb") { "cc" } else { "bb" });
    let mut other = retry(7, &state);
    other["params"]["name"] = json!("other");
    let rows = [
        ("somebody else", true, retry(2, &state)),
        ("changed", false, retry(3, &changed)),
        ("the server's own", false, retry(4, "user=alice")),
        ("unsealed with the mark", false, retry(5, "p1.user=alice")),
        ("for another tool", false, other),
    ];
    for (name, stolen, message) in rows {
        let client = if stolen { &mut mallory } else { &mut alice };
        client.send(message).await;
        assert_eq!(client.next().await.message["error"]["code"], json!(-32602), "{name}");
        assert!(alpha.try_recv().is_none(), "{name}: the server heard of it");
    }
    alice.send(retry(8, &state)).await;
    assert_eq!(alpha.recv().await.message["params"]["requestState"], "user=alice");
    alpha.send(crate::fake::Event::Result(asks()), None);
    alice.next().await;
    // The clock stands still but for this: longer than a client is waited for.
    tokio::time::advance(Duration::from_secs(21)).await;
    alice.send(retry(9, &state)).await;
    assert_eq!(alice.next().await.message["error"]["code"], json!(-32602), "too late");
    assert!(alpha.try_recv().is_none());
    let refused = house.records().into_iter().filter(|it| it["decision"]["control"] == "ST-03");
    assert_eq!(refused.count(), 6, "each is on record, before anything was allowed");
}

#[tokio::test(start_paused = true)]
async fn a_task_is_its_callers() {
    let house = house("2026-07-28");
    let network = Network::memory(&house);
    let tasks = json!({"extensions": {"io.modelcontextprotocol/tasks": {}}});
    let connect = |who| {
        let card = Card { capabilities: tasks.clone(), ..card(Door::Direct, "2026-07-28", "alpha") };
        Client::connect_as(&house, &network, card, somebody(who))
    };
    let (mut alice, mut mallory) = (connect("alice").await.unwrap(), connect("mallory").await.unwrap());
    let alpha = house.server("alpha");
    let task =
        || crate::fake::Event::Result(json!({"resultType": "task", "taskId": "t-1", "status": "working"}));
    alice.send(call(1, json!({}))).await;
    alpha.recv().await;
    alpha.send(task(), None);
    assert_eq!(alice.next().await.message["result"]["taskId"], "t-1");
    let ask =
        |id: u64, method: &str, task: &str| json!({"id": id, "method": method, "params": {"taskId": task}});
    for (id, method) in [(2, "tasks/get"), (3, "tasks/cancel"), (4, "tasks/update")] {
        let mut told = Vec::new();
        for task in ["t-1", "t-2"] {
            mallory.send(ask(id, method, task)).await;
            let error = mallory.next().await.message["error"].clone();
            told.push((error["code"].clone(), error["message"].clone()));
        }
        assert_eq!(told[0], told[1], "{method}: hers looks like none");
        assert_eq!(told[0].0, json!(-32602), "{method}");
    }
    // Who does not know tasks is told so, whether there is one or not.
    let plain = card(Door::Direct, "2026-07-28", "alpha");
    let mut plain = Client::connect_as(&house, &network, plain, somebody("alice")).await.unwrap();
    plain.send(ask(1, "tasks/get", "t-1")).await;
    assert_eq!(plain.next().await.message["error"]["code"], json!(-32021));
    // Nor is it given to her by a server that gives its id out twice.
    assert!(alpha.try_recv().is_none(), "the server heard of it");
    mallory.send(call(5, json!({}))).await;
    alpha.recv().await;
    alpha.send(task(), None);
    let stolen = mallory.next().await.message;
    assert!(stolen.get("error").is_some() && !stolen.to_string().contains("t-1"), "{stolen}");
    // Nor told of.
    let listen = |task: &str| json!({"id": 6, "method": "subscriptions/listen", "params": {"notifications": {"taskIds": [task]}}});
    mallory.send(listen("t-1")).await;
    assert_eq!(mallory.next().await.message["params"]["notifications"].get("taskIds"), None);
    alice.send(ask(2, "tasks/get", "t-1")).await;
    assert_eq!(alpha.recv().await.message["method"], "tasks/get");
}

#[tokio::test(start_paused = true)]
async fn a_list_of_tasks_holds_its_callers() {
    let spec = r#"{"capabilities":{"tools":{},"tasks":{"list":{}}},"tools":[{"name":"echo","inputSchema":{"type":"object"}}]}"#;
    let servers = vec![("alpha".to_owned(), Spec::read("2025-11-25", spec))];
    let house = House::build(Plan { servers, ..Plan::default() });
    let network = Network::memory(&house);
    let connect =
        |who| Client::connect_as(&house, &network, card(Door::Direct, "2025-11-25", "alpha"), somebody(who));
    let alpha = house.server("alpha");
    let all = || {
        crate::fake::Event::Result(
            json!({"tasks": [{"taskId": "t-alice"}, {"taskId": "t-bob"}, {"taskId": "t-else"}]}),
        )
    };
    for who in ["alice", "bob"] {
        let mut client = connect(who).await.unwrap();
        let own = format!("t-{who}");
        client.send(call(1, json!({"task": {}}))).await;
        alpha.recv().await;
        alpha.send(crate::fake::Event::Result(json!({"task": {"taskId": own, "status": "working"}})), None);
        assert_eq!(client.next().await.message["result"]["task"]["taskId"], json!(own));
        client.send(json!({"id": 2, "method": "tasks/list"})).await;
        alpha.recv().await;
        alpha.send(all(), None);
        assert_eq!(client.next().await.message["result"]["tasks"], json!([{"taskId": own}]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_cursor_is_its_callers_in_its_list_of_its_endpoint() {
    let tools = r#"{"tools":[{"name":"a","inputSchema":{"type":"object"}},{"name":"b","inputSchema":{"type":"object"}}],
        "prompts":[{"name":"a"},{"name":"b"}]}"#;
    let servers = ["alpha", "beta"].map(|name| (name.to_owned(), Spec::read("2026-07-28", tools)));
    let settings = Settings { page_items: 1, ..Settings::default() };
    let house = House::build(Plan { servers: servers.into(), settings, ..Plan::default() });
    let network = Network::memory(&house);
    let connect = |who, endpoint| {
        let card = card(Door::Direct, "2026-07-28", endpoint);
        Client::connect_as(&house, &network, card, somebody(who))
    };
    let mut alice = connect("alice", "alpha").await.unwrap();
    alice.send(json!({"id": 1, "method": "tools/list"})).await;
    let cursor = alice.next().await.message["result"]["nextCursor"].clone();
    assert!(cursor.is_string(), "{cursor}");
    let table = [
        ("alice", "alpha", "tools/list", None),
        ("mallory", "alpha", "tools/list", Some(-32602)),
        ("alice", "beta", "tools/list", Some(-32602)),
        ("alice", "alpha", "prompts/list", Some(-32602)),
    ];
    for (who, endpoint, method, code) in table {
        let mut client = connect(who, endpoint).await.unwrap();
        client.send(json!({"id": 2, "method": method, "params": {"cursor": cursor}})).await;
        let answer = client.next().await.message;
        assert_eq!(answer["error"]["code"].as_i64(), code, "{who} {endpoint} {method}: {answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_is_its_callers() {
    let house = house("2025-11-25");
    let network = Network::memory(&house);
    for who in ["alice", "alice", "bob"] {
        let card = card(Door::Direct, "2025-11-25", "alpha");
        let mut client = Client::connect_as(&house, &network, card, somebody(who)).await.unwrap();
        client.send(json!({"id": 1, "method": "tools/list"})).await;
        assert!(client.next().await.message["result"]["tools"][0]["name"] == "echo");
    }
    let lists = house.journal.entries().into_iter().filter(|entry| entry.message["method"] == "tools/list");
    assert_eq!(lists.count(), 2, "one for each of two callers");
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_client_left_during_the_handshake_ends() {
    let house = house("2025-11-25");
    let network = Network::memory(&house);
    let raw = Card { version: None, ..card(Door::Http, "2025-11-25", "alpha") };
    let hello = json!({"id": 1, "method": "initialize", "params": {"protocolVersion": "2025-11-25",
        "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}});
    let mut client = Client::connect(&house, &network, raw).await.unwrap();
    house.server("alpha").set_slow(Duration::from_secs(5));
    client.send(hello).await;
    assert_eq!(house.gateway.sessions.len(), 1);
    assert!(client.cut(&json!(1)));
    settled().await;
    assert_eq!(house.gateway.sessions.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_happens_before_its_record_is_durable() {
    let house = house("2026-07-28");
    let network = Network::memory(&house);
    let mut alice = Client::connect(&house, &network, card(Door::Http, "2026-07-28", "alpha")).await.unwrap();
    house.sink.stall();
    alice.send(call(1, json!({}))).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let alpha = house.server("alpha");
    assert!(alpha.try_recv().is_none(), "the server was called before the decision was durable");
    house.sink.release();
    assert_eq!(alpha.recv().await.message["method"], "tools/call");
}

#[tokio::test(start_paused = true)]
async fn sessions_are_limited_per_caller() {
    let limits = portcullis_gateway::SessionLimits { total: 3, per_principal: 2, idle_ms: 60_000 };
    let settings = Settings { sessions: limits, ..Settings::default() };
    let servers = vec![("alpha".to_owned(), Spec::read("2025-11-25", SERVER))];
    let house = House::build(Plan { servers, settings, ..Plan::default() });
    let network = Network::memory(&house);
    let connect =
        |who| Client::connect_as(&house, &network, card(Door::Direct, "2025-11-25", "alpha"), somebody(who));
    let alice = (connect("alice").await, connect("alice").await);
    assert!(alice.0.is_ok() && alice.1.is_ok());
    let code = |refused: Result<Client, Value>| refused.err().map(|answer| answer["error"]["code"].clone());
    assert_eq!(code(connect("alice").await), Some(json!(42901)));
    let bob = connect("bob").await;
    assert!(bob.is_ok());
    assert_eq!(code(connect("carol").await), Some(json!(42901)));
}
