//! A real client gets itself a token from a real authorization server, found by way of the gateway alone.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Stdio, time::Duration};

use portcullis_testkit::{
    bed::Bed,
    gateway::{Gateway, Setup},
    issuer::client_key,
    server::HttpServer,
};
use serde_json::{Value, json};
use tokio::{
    io::AsyncWriteExt,
    process::Command,
    time::{Instant, sleep, timeout},
};

use crate::{
    message::{MODERN, call, modern},
    odd::odd,
    raw::{Request, SOON},
    upstream_credentials::{as_agent, detailed_token_of_agent, token_of_agent},
};

const POLICY: &str = r#"
@id("agent") permit (principal == Mcp::User::"oauth:as:agent", action, resource)
when { context has client && context.client == "agent" && context.scopes.contains("mcp") };
"#;

async fn gateway(issuer: &str) -> Gateway {
    let sections =
        format!("[auth]\nmode = \"oauth\"\nrequired_scopes = [\"mcp\"]\n\n[issuer.as]\nurl = \"{issuer}\"\n");
    Setup::new().stdio("one", &odd(&[])).sections(&sections).policy(POLICY).start().await.unwrap()
}

/// What the TypeScript SDK sees that has these credentials and the gateway's URL.
async fn client(bed: &Bed, gateway: &Gateway, issuer: &str, id: &str, secret: &str) -> Value {
    let plan = json!([{
        "name": "one", "transport": "http", "url": gateway.url_of("one"), "list": true,
        "calls": [call("echo", json!({ "text": "hello" }))], "prompts": [], "reads": [],
        "credentials": { "clientId": id, "clientSecret": secret, "expectedIssuer": issuer },
    }]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testbed/clients/typescript-2.mjs");
    let mut command = Command::new(bed.node());
    command.arg(script).arg(MODERN).env("PORTCULLIS_BED_NODE_MODULES", bed.module(""));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(plan.to_string().as_bytes()).await.unwrap();
    let output = timeout(SOON, child.wait_with_output()).await.unwrap().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn a_client_finds_its_way_to_a_token() {
    let bed = Bed::load().unwrap();
    let server = HttpServer::authorization_server(&bed).await.unwrap();
    let issuer = server.url();
    let gateway = gateway(issuer).await;

    let seen = client(&bed, &gateway, issuer, "agent", "agent-secret").await;
    assert_eq!(seen["error"], Value::Null, "{seen}");
    assert!(seen["calls"][0]["text"].as_str().unwrap().contains("hello"), "{seen}");
    let records = gateway.records().unwrap();
    let allowed = records.iter().find(|it| it.allows("tools/call", "one", "echo")).unwrap().value();
    assert_eq!(allowed["caller"]["principal"]["id"], "as:agent");
    assert_eq!(allowed["caller"]["grant"]["issuer"], issuer);

    // The server knows this client, and the policy does not.
    let stranger = client(&bed, &gateway, issuer, "other", "other-secret").await;
    assert_ne!(stranger["error"], Value::Null);
    // The server does not know this one, so it never has a token.
    let impostor = client(&bed, &gateway, issuer, "agent", "wrong").await;
    assert!(impostor["error"].as_str().unwrap().contains("client authentication failed"), "{impostor}");
    let calls = gateway.records().unwrap().iter().filter(|it| it.allows("tools/call", "one", "echo")).count();
    assert_eq!(calls, 1);
}

#[tokio::test]
async fn a_token_that_says_nothing_is_asked_about_and_can_be_taken_back() {
    let bed = Bed::load().unwrap();
    let (key, public) = client_key();
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("client.pem");
    fs::write(&file, &key).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let server = HttpServer::authorization_server_for(&bed, Some(&public), true).await.unwrap();
    let issuer = server.url();
    let sections = format!(
        "[auth]\nmode = \"oauth\"\nrequired_scopes = [\"mcp\"]\n\n[issuer.as]\nurl = \"{issuer}\"\n\
         introspection_client_id = \"gateway\"\nintrospection_client_key = {}\nintrospection_seconds = 1\n",
        json!(file)
    );
    let setup = Setup::new().stdio("one", &odd(&[])).sections(&sections).policy(POLICY);
    let gateway = setup.start().await.unwrap();
    let token = token_of_agent(issuer, &gateway.url_of("one"), "mcp").await;
    assert!(!token.contains('.'), "it is no JWT");
    let message = modern(1, "tools/call", call("echo", json!({ "text": "hello" })));
    let ask = |token: &str| {
        Request::modern("/mcp/one", &message).header("authorization", &format!("Bearer {token}"))
    };
    let answer = ask(&token).send(gateway.address()).await;
    assert_eq!((answer.status, answer.code()), (200, 0), "{answer:?}");
    assert_eq!(ask("some-other-token").send(gateway.address()).await.status, 401);

    let revoked = as_agent(issuer, "/token/revocation", &format!("token={token}")).await;
    assert_eq!(revoked.status, 200, "{revoked:?}");
    let end = Instant::now() + SOON;
    while ask(&token).send(gateway.address()).await.status != 401 {
        assert!(Instant::now() < end, "the token is still accepted");
        // Within the limit of requests.
        sleep(Duration::from_millis(200)).await;
    }
    let log = fs::read_to_string(gateway.log()).unwrap();
    assert!(!log.contains(&token) && !gateway.said().contains(&token));
}

/// RFC 9396, by both ways in which an issuer says what a token is: in it, and when it is asked.
#[tokio::test]
async fn a_detail_of_a_real_token_covers_one_call_and_no_other() {
    const DETAILED: &str = r#"@id("all") permit (principal, action, resource);"#;
    let bed = Bed::load().unwrap();
    let (key, public) = client_key();
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("client.pem");
    fs::write(&file, &key).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    for opaque in [false, true] {
        let server = HttpServer::authorization_server_for(&bed, Some(&public), opaque).await.unwrap();
        let issuer = server.url();
        let asking =
            format!("introspection_client_id = \"gateway\"\nintrospection_client_key = {}\n", json!(file));
        let sections = format!(
            "[auth]\nmode = \"oauth\"\n\n[issuer.as]\nurl = \"{issuer}\"\n{}",
            if opaque { &*asking } else { "" }
        );
        let setup = Setup::new().stdio("one", &odd(&[])).with("detailed = [\"echo\"]");
        let gateway = setup.sections(&sections).policy(DETAILED).start().await.unwrap();
        let endpoint = gateway.url_of("one");
        let ask = |token: String, text: &str| {
            let message = modern(1, "tools/call", call("echo", json!({ "text": text })));
            let bearer = format!("Bearer {token}");
            let request = Request::modern("/mcp/one", &message).header("authorization", &bearer);
            let address = gateway.address();
            async move { request.send(address).await }
        };
        let lists_echo = |token: String| {
            let list = modern(1, "tools/list", json!({}));
            let request =
                Request::modern("/mcp/one", &list).header("authorization", &format!("Bearer {token}"));
            let address = gateway.address();
            async move { request.send(address).await.body.contains("\"echo\"") }
        };
        let detail = json!([{
            "type": "mcp_tool_call", "locations": [endpoint.clone()], "identifier": "one", "tools": ["echo"],
            "arguments": { "text": ["hello"] },
        }]);
        let token = detailed_token_of_agent(issuer, &endpoint, "mcp", &detail).await;
        assert_eq!(token.contains('.'), !opaque);
        let answer = ask(token.clone(), "hello").await;
        assert_eq!((answer.status, answer.code()), (200, 0), "{answer:?}");
        assert!(lists_echo(token.clone()).await);

        // Other arguments, another tool's detail, no detail at all.
        let other = json!([{ "type": "mcp_tool_call", "tools": ["never"] }]);
        let other = detailed_token_of_agent(issuer, &endpoint, "mcp", &other).await;
        let plain = token_of_agent(issuer, &endpoint, "mcp").await;
        assert!(!lists_echo(other.clone()).await && lists_echo(plain.clone()).await);
        for (token, text) in [(token, "other"), (other, "hello"), (plain, "hello")] {
            let refused = ask(token, text).await;
            assert_eq!((refused.status, refused.code()), (403, 40301), "{refused:?}");
            let challenge = &refused.headers["www-authenticate"];
            assert!(challenge.contains("error=\"insufficient_authorization_details\""), "{challenge}");
            let wanted = refused.json()["error"]["data"]["authorization_details"].clone();
            let expected = json!([{
                "type": "mcp_tool_call", "actions": ["tools/call"], "identifier": "one", "tools": ["echo"],
            }]);
            assert_eq!(wanted, expected, "{refused:?}");
        }
        // What is wanted can be asked for as it is.
        let wanted = json!([{
            "type": "mcp_tool_call", "actions": ["tools/call"], "identifier": "one", "tools": ["echo"],
        }]);
        let better = detailed_token_of_agent(issuer, &endpoint, "mcp", &wanted).await;
        assert_eq!(ask(better, "whatever").await.status, 200);
        let records = gateway.records().unwrap();
        let allowed = records.iter().find(|it| it.allows("tools/call", "one", "echo")).unwrap().value();
        assert_eq!(allowed["caller"]["grant"]["authorization_detail_types"], json!(["mcp_tool_call"]));
    }
}

#[tokio::test]
async fn without_its_issuer_nobody_is_let_in() {
    // A port that was free a moment ago; nobody listens there.
    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}");
    let gateway = gateway(&url).await;
    let token = portcullis_testkit::issuer::Issuer::new(&url).token("agent", &gateway.url_of("one"), "mcp");
    let message = modern(1, "tools/call", call("echo", json!({ "text": "hello" })));
    let request = Request::modern("/mcp/one", &message).header("authorization", &format!("Bearer {token}"));
    let refused = request.send(gateway.address()).await;
    assert_eq!(refused.status, 502, "{refused:?}");
    assert!(!refused.headers.contains_key("www-authenticate"), "another token would not help");
    assert!(!refused.body.contains(&url));
    let record = gateway.wait_for("why", SOON, |it| it.text("id") == refused.record()).await.unwrap();
    let detail = record.value()["decision"]["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("keys of the issuer cannot be had") && detail.contains(&url), "{detail}");
}
