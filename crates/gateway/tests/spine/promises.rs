//! What a tool has promised about its result holds where the result comes by way of a task too.

use serde_json::{Value, json};

use crate::{
    client::{Card, Client, Door, Network},
    fake::Spec,
    house::{House, Plan, settled},
};

const NEW: &str = "2026-07-28";
const OLD: &str = "2025-11-25";
const CALL: &str = r#"{"id":1,"method":"tools/call","params":{"name":"t","arguments":{}}}"#;
const CALL_AS_TASK: &str = r#"{"id":1,"method":"tools/call","params":{"name":"t","arguments":{},"task":{}}}"#;
const LISTEN: &str =
    r#"{"id":2,"method":"subscriptions/listen","params":{"notifications":{"taskIds":["t-1"]}}}"#;

/// How a client comes to the result of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// `tasks/get` of the extension.
    Get,
    /// `notifications/tasks` of the extension.
    Told,
    /// `tasks/result` of 2025-11-25.
    Result,
}

/// Whether what the server says a task came to reaches the client. `before` is a call that was given the same task by a
/// tool that promises nothing.
async fn is_passed_on(way: Way, before: Option<&str>, result: &Value) -> bool {
    let completed = json!({"taskId": "t-1", "status": "completed", "result": result});
    let (version, call, begun, answer) = match way {
        Way::Result => {
            (OLD, CALL_AS_TASK, json!({"task": {"taskId": "t-1", "status": "working"}}), result.clone())
        }
        _ => (
            NEW,
            CALL,
            json!({"resultType": "task", "taskId": "t-1", "status": "working"}),
            completed.clone(),
        ),
    };
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
    let spec = json!({
        "capabilities": {"tools": {}, "tasks": {"list": {}, "requests": {"tools": {"call": {}}}},
            "extensions": {"io.modelcontextprotocol/tasks": {}}},
        "tools": [{"name": "free", "inputSchema": {"type": "object"}, "execution": {"taskSupport": "optional"}},
            {"name": "t", "inputSchema": {"type": "object"}, "outputSchema": schema,
            "execution": {"taskSupport": "optional"}}],
        "script": {
            "tools/call": [[{"result": begun}]],
            "tasks/get": [[{"result": answer}]],
            "tasks/result": [[{"result": answer}]],
        },
    });
    let spec = Spec::read(version, &spec.to_string());
    let house = House::build(Plan { servers: vec![("s".to_owned(), spec)], ..Plan::default() });
    let network = Network::memory(&house);
    let card = Card {
        door: Door::Direct,
        version: Some(version.parse().unwrap()),
        endpoint: Some("s".parse().unwrap()),
        capabilities: json!({"extensions": {"io.modelcontextprotocol/tasks": {}}, "tasks": {}}),
    };
    let mut client = Client::connect(&house, &network, card).await.unwrap();
    for call in before.into_iter().chain([call]) {
        client.send(serde_json::from_str(call).unwrap()).await;
        settled().await;
    }
    match way {
        Way::Get => {
            client.send(json!({"id": 2, "method": "tasks/get", "params": {"taskId": "t-1"}})).await;
        }
        Way::Result => {
            client.send(json!({"id": 2, "method": "tasks/result", "params": {"taskId": "t-1"}})).await;
        }
        Way::Told => {
            client.send(serde_json::from_str(LISTEN).unwrap()).await;
            settled().await;
            let note = json!({"jsonrpc": "2.0", "method": "notifications/tasks", "params": completed});
            house.server("s").announce(&note);
        }
    }
    settled().await;
    let mut received = Vec::new();
    while let Some(next) = client.try_next() {
        received.push(next.message);
    }
    assert!(received.iter().any(|message| message["id"] == 1), "{way:?}: {received:?}");
    let passed = received.iter().any(|message| message.to_string().contains("marker"));
    let records: Vec<String> = house.sink.records().iter().map(Value::to_string).collect();
    let told = records.iter().any(|record| record.contains("the answer was withheld"));
    assert_eq!(told, !passed, "{way:?}, {result}: {records:?}, {received:?}");
    passed
}

#[tokio::test(start_paused = true)]
async fn the_result_of_a_task_has_to_fit_too() {
    let text = json!([{"type": "text", "text": "marker"}]);
    for (result, passes) in [
        (json!({"content": text, "structuredContent": {"n": 1}}), true),
        (json!({"content": text, "structuredContent": {"n": "1"}}), false),
        (json!({"content": text}), false),
        (json!({"content": text, "isError": true}), true),
        (json!({"content": text, "isError": true, "structuredContent": {"n": []}}), false),
        // Of a completed task nothing is a task or a question any more.
        (json!({"content": text, "task": {"taskId": "t-1"}}), false),
        (json!({"content": text, "resultType": "input_required"}), false),
    ] {
        for way in [Way::Get, Way::Told, Way::Result] {
            assert_eq!(is_passed_on(way, None, &result).await, passes, "{way:?}: {result}");
        }
    }
}

/// A server that gives out a task it has given out before does not get out of its promise by that.
#[tokio::test(start_paused = true)]
async fn a_known_task_is_held_to_the_last_promise() {
    const FREE: &str = r#"{"id":0,"method":"tools/call","params":{"name":"free","arguments":{}}}"#;
    for (n, passes) in [(json!(1), true), (json!("1"), false)] {
        let content = json!([{"type": "text", "text": "marker"}]);
        let result = json!({"content": content, "structuredContent": {"n": n}});
        assert_eq!(is_passed_on(Way::Get, Some(FREE), &result).await, passes, "{result}");
    }
}
