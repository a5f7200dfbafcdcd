//! A secret that a server gives out goes back to it by a word that says nothing, and nowhere else.

use std::sync::Arc;

use portcullis_core::{Deed, Secret};
use portcullis_gateway::{flow::Declared, views::View};
use portcullis_inspect::{
    InspectorOptions,
    data::{DataAction, DataClass, DataPolicy, TokenKey},
};
use serde_json::{Value, json};

use crate::{
    client::{Card, Client, Door, Network},
    fake::{Spec, What},
    house::{House, Plan, settled, somebody},
};

const TOKEN: &str = concat!("ghp", "_", "wWPw5k4aXcaT4fNP0UcnZwJUVFk6LO0pINUx");

fn house(requests: DataAction) -> House {
    house_with(requests, Vec::new(), Declared::default())
}

fn house_with(requests: DataAction, views: Vec<Arc<View>>, declared: Declared) -> House {
    let tool = |name: &str| json!({"name": name, "inputSchema": {"properties": {"key": {"type": "string"}}}});
    let spec = |result: &str| {
        let spec = json!({
            "tools": [tool("read_setting"), tool("list_things"), tool("send_mail")],
            "script": {"tools/call": [[{"result": {"content": [{"type": "text", "text": result}]}}]]},
        });
        Spec::read("2026-07-28", &spec.to_string())
    };
    let data = DataPolicy {
        requests: DataPolicy::default().requests.with(DataClass::Token, requests),
        results: DataPolicy::default().results.with(DataClass::Token, DataAction::Tokenise),
    };
    let token_key = Some(TokenKey::new(Secret::new(vec![3; 32])));
    House::build(Plan {
        servers: vec![
            ("s".to_owned(), spec(&format!("The key is {TOKEN}."))),
            ("other".to_owned(), spec("done")),
        ],
        inspection: InspectorOptions { data, token_key, ..InspectorOptions::default() },
        views,
        declared,
        ..Plan::default()
    })
}

async fn client(house: &House, network: &Network, who: &str, endpoint: &str) -> Client {
    let card = Card {
        door: Door::Direct,
        version: Some("2026-07-28".parse().unwrap()),
        endpoint: Some(endpoint.parse().unwrap()),
        capabilities: json!({}),
    };
    Client::connect_as(house, network, card, somebody(who)).await.unwrap()
}

async fn call(client: &mut Client, tool: &str, key: &str) -> Value {
    let call = json!({"id": 1, "method": "tools/call", "params": {"name": tool, "arguments": {"key": key}}});
    client.send(call).await;
    settled().await;
    client.try_next().unwrap().message
}

/// What a caller gets in place of the token.
async fn word_for(client: &mut Client) -> String {
    let answer = call(client, "read_setting", "x").await;
    assert!(!answer.to_string().contains(TOKEN), "{answer}");
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    let word = text.strip_prefix("The key is ").and_then(|rest| rest.strip_suffix('.')).unwrap();
    assert!(word.starts_with("[kept: github-token "), "{word}");
    word.to_owned()
}

/// What the last call brought its server.
fn arrived(house: &House) -> String {
    let entries = house.journal.entries();
    let last = entries.iter().rev().find(|entry| entry.what == What::Request).unwrap();
    last.message["params"]["arguments"]["key"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_word_is_good_for_its_caller_at_its_server_and_goes_nowhere_from_there() {
    let house = house(DataAction::Note);
    let network = Network::memory(&house);
    let mut alice = client(&house, &network, "alice", "s").await;
    let word = word_for(&mut alice).await;
    let word = word.as_str();

    for (who, endpoint, tool, arrives) in [
        ("alice", "s", "list_things", TOKEN),
        ("alice", "s", "send_mail", word),
        ("alice", "other", "list_things", word),
        ("mallory", "s", "list_things", word),
        ("mallory", "other", "send_mail", word),
    ] {
        let mut client = client(&house, &network, who, endpoint).await;
        let answer = call(&mut client, tool, word).await;
        assert!(answer.get("result").is_some(), "{answer}");
        assert!(!answer.to_string().contains(TOKEN), "{answer}");
        assert_eq!(arrived(&house), arrives, "{who} {endpoint} {tool}");
    }
    // A word nobody was given, and one in the midst of text.
    let forged =
        word.replace("token ", "token b").replace("]", "").chars().take(word.len() - 1).collect::<String>()
            + "]";
    for (written, arrives) in
        [(forged.clone(), forged), (format!("Bearer {word}"), format!("Bearer {TOKEN}"))]
    {
        call(&mut alice, "list_things", &written).await;
        assert_eq!(arrived(&house), arrives);
    }
    let records: Vec<String> = house.sink.records().iter().map(Value::to_string).collect();
    assert!(records.iter().all(|record| !record.contains(TOKEN)), "{records:?}");
    assert_eq!(
        records.iter().filter(|record| record.contains("1 values put back")).count(),
        2,
        "{records:?}"
    );
}

/// A view of a tool that passes on what it is given passes it on too, whatever it is called.
#[tokio::test(start_paused = true)]
async fn a_view_is_as_outward_as_its_tool() {
    let object = |value: Value| value.as_object().unwrap().clone();
    let arguments = object(json!({"key": {"type": "string"}}));
    let view = View::new("note_down", "list_things", "Notes.", &arguments, &object(json!({"key": "{key}"})))
        .unwrap();
    let declared =
        Declared { deeds: vec![(Deed::Outward, vec!["list_things".to_owned()])], detailed: Vec::new() };
    let house = house_with(DataAction::Note, vec![Arc::new(view)], declared);
    let network = Network::memory(&house);
    let mut alice = client(&house, &network, "alice", "s").await;
    let word = word_for(&mut alice).await;
    let word = word.as_str();
    call(&mut alice, "note_down", word).await;
    assert_eq!(arrived(&house), word);
}

/// What was put back is not taken out again, where secrets in requests are refused.
#[tokio::test(start_paused = true)]
async fn a_value_that_was_put_back_is_nobodys_to_object_to() {
    let house = house(DataAction::Refuse);
    let network = Network::memory(&house);
    let mut alice = client(&house, &network, "alice", "s").await;
    let word = word_for(&mut alice).await;
    let word = word.as_str();
    for (key, arrives) in [(word, true), (TOKEN, false)] {
        let answer = call(&mut alice, "list_things", key).await;
        assert_eq!(answer.get("result").is_some(), arrives, "{answer}");
    }
    assert_eq!(arrived(&house), TOKEN);
}
