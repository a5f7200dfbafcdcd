//! A narrow tool in place of a broad one.

use std::sync::Arc;

use portcullis_gateway::views::View;
use serde_json::{Value, json};

use crate::{
    client::{Card, Client, Door, Network},
    fake::Spec,
    house::{House, Plan},
};

const SERVER: &str = r#"{"tools":[
    {"name":"read_file","inputSchema":{"type":"object","properties":{"path":{"type":"string"}},"required":["path"]}},
    {"name":"count","inputSchema":{"type":"object"}}]}"#;

fn house(policy: &str) -> House {
    let object = |value: Value| value.as_object().unwrap().clone();
    let arguments = object(json!({"name": {"type": "string", "pattern": "^[a-z]+$"}}));
    let passes = object(json!({"path": "/notes/{name}.md"}));
    let view = View::new("read_note", "read_file", "Reads a note.", &arguments, &passes).unwrap();
    let servers = vec![("alpha".to_owned(), Spec::read("2026-07-28", SERVER))];
    House::build(Plan { policy: policy.to_owned(), servers, views: vec![Arc::new(view)], ..Plan::default() })
}

async fn client(house: &House, endpoint: Option<&str>) -> Client {
    let card = Card {
        door: Door::Direct,
        version: Some("2026-07-28".parse().unwrap()),
        endpoint: endpoint.map(|name| name.parse().unwrap()),
        capabilities: json!({}),
    };
    Client::connect(house, &Network::memory(house), card).await.unwrap()
}

fn call(id: u64, tool: &str, arguments: Value) -> Value {
    json!({"id": id, "method": "tools/call", "params": {"name": tool, "arguments": arguments}})
}

#[tokio::test(start_paused = true)]
async fn clients_see_and_call_the_narrow_tool_and_servers_get_the_broad_one() {
    let house = house(crate::house::OPEN);
    for (endpoint, prefix) in [(Some("alpha"), ""), (None, "alpha__")] {
        let mut client = client(&house, endpoint).await;
        client.send(json!({"id": 1, "method": "tools/list"})).await;
        let tools = client.next().await.message["result"]["tools"].clone();
        let names: Vec<_> = tools.as_array().unwrap().iter().map(|tool| tool["name"].clone()).collect();
        assert_eq!(names, [format!("{prefix}count"), format!("{prefix}read_note")]);
        for (id, tool, arguments, code) in [
            (2, "read_file", json!({"path": "/notes/todo.md"}), 40301),
            (3, "read_note", json!({"name": "../secret"}), -32602),
            (4, "read_note", json!({"name": "todo", "path": "/etc/passwd"}), -32602),
            (5, "read_note", json!({}), -32602),
        ] {
            client.send(call(id, &format!("{prefix}{tool}"), arguments)).await;
            assert_eq!(client.next().await.message["error"]["code"], code, "{tool}");
        }
        assert!(house.server("alpha").try_recv().is_none(), "the server heard of it");
        client.send(call(6, &format!("{prefix}read_note"), json!({"name": "todo"}))).await;
        let params = house.server("alpha").recv().await.message["params"].clone();
        assert_eq!(params["name"], "read_file");
        assert_eq!(params["arguments"], json!({"path": "/notes/todo.md"}));
    }
    let allowed = house
        .records()
        .into_iter()
        .find(|record| record["item"] == "read_file" && record["decision"]["verdict"] == "allow");
    let controls = allowed.unwrap()["controls"].to_string();
    assert!(controls.contains("asked for as the narrower tool `read_note`, sha256:"), "{controls}");
}

#[tokio::test(start_paused = true)]
async fn policies_are_asked_about_the_call_as_it_is_made_and_as_it_is_sent() {
    for policy in [
        r#"permit (principal, action, resource);
            forbid (principal, action, resource == Mcp::Tool::"alpha/read_note");"#,
        r#"permit (principal, action, resource);
            forbid (principal, action == Mcp::Action::"tools/call", resource == Mcp::Tool::"alpha/read_file")
              when { context.arguments has path && context.arguments.path like "*todo*" };"#,
    ] {
        let house = house(policy);
        let mut client = client(&house, Some("alpha")).await;
        client.send(call(1, "read_note", json!({"name": "todo"}))).await;
        assert_eq!(client.next().await.message["error"]["code"], 40301, "{policy}");
        assert!(house.server("alpha").try_recv().is_none(), "the server heard of it");
    }
}
