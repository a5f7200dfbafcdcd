//! What a server says by itself.

use super::*;

#[tokio::test]
async fn a_question_goes_to_the_only_call_and_its_answer_back() {
    let bench = Bench::new(script!(be_legacy, server => {
        let list = server.expect("tools/list").await;
        let call = server.expect("tools/call").await;
        server.send(json!({"jsonrpc": "2.0", "id": "ask-1", "method": "elicitation/create", "params": {"message": "?"}})).await;
        let answer = server.recv().await.unwrap();
        assert_eq!(answer, json!({"jsonrpc": "2.0", "id": "ask-1", "result": {"action": "accept"}}));
        server.result(&call, json!({"content": []})).await;
        server.result(&list, json!({"tools": []})).await;
        server.drain().await;
    }));
    let link = bench.connect().await.unwrap();
    let list = link.request(outbound("1", "tools/list", &json!({}))).await.unwrap();
    let mut exchange = link.request(call("2")).await.unwrap();
    let (word, question) = next(&mut exchange).await;
    assert_eq!((word, &question["method"]), ("request", &json!("elicitation/create")));
    let answer = json!({"jsonrpc": "2.0", "id": "ask-1", "result": {"action": "accept"}});
    exchange.replier().reply(answer.to_string().into()).await.unwrap();
    assert_eq!(next(&mut exchange).await.0, "response");
    response(list).await;
}

#[tokio::test]
async fn a_question_that_could_belong_to_two_calls_is_unsolicited() {
    let bench = Bench::new(script!(be_legacy, server => {
        let (first, second) = (server.recv().await.unwrap(), server.recv().await.unwrap());
        server.send(json!({"jsonrpc": "2.0", "id": 9, "method": "roots/list"})).await;
        let answer = server.recv().await.unwrap();
        assert_eq!(answer["id"], 9);
        server.result(&first, answer["result"].clone()).await;
        server.result(&second, json!({})).await;
        server.drain().await;
    }));
    let link = bench.connect().await.unwrap();
    let mut stray = link.unsolicited();
    let first = link.request(call("1")).await.unwrap();
    let second = link.request(call("2")).await.unwrap();
    let question: Value = serde_json::from_slice(&stray.recv().await.unwrap()).unwrap();
    assert_eq!(question["method"], "roots/list");
    link.replier()
        .reply(json!({"jsonrpc": "2.0", "id": 9, "result": {"roots": []}}).to_string().into())
        .await
        .unwrap();
    assert_eq!(response(first).await["result"]["roots"], json!([]));
    response(second).await;
}

#[tokio::test]
async fn a_question_nobody_can_take_is_refused_and_ping_is_answered() {
    let bench = Bench::new(script!(be_legacy, server => {
        let request = server.expect("tools/list").await;
        server.send(json!({"jsonrpc": "2.0", "id": 1, "method": "sampling/createMessage", "params": {}})).await;
        let refusal = server.recv().await.unwrap();
        assert_eq!((&refusal["id"], &refusal["error"]["code"]), (&json!(1), &json!(-32601)));
        server.send(json!({"jsonrpc": "2.0", "id": "p", "method": "ping"})).await;
        assert_eq!(server.recv().await.unwrap(), json!({"jsonrpc": "2.0", "id": "p", "result": {}}));
        server.result(&request, json!({"ok": true})).await;
        server.drain().await;
    }));
    let link = bench.connect().await.unwrap();
    // A list cannot be asked back.
    let exchange = link.request(outbound("1", "tools/list", &json!({}))).await.unwrap();
    assert_eq!(response(exchange).await["result"]["ok"], true);
}

#[tokio::test]
async fn calls_that_may_be_asked_back_run_one_at_a_time_without_a_session() {
    let cases = [
        (json!({"elicitation": {}}), None, true),
        (json!({"roots": {}, "sampling": {}}), None, true),
        (json!({"elicitation": {}}), Some("s"), false),
        (json!({}), None, false),
    ];
    for (capabilities, session, serial) in cases {
        let bench = Bench::new(script!(be_legacy, server => {
            let first = server.recv().await.unwrap();
            let patience = Duration::from_millis(150);
            match tokio::time::timeout(patience, server.recv()).await {
                Ok(second) => {
                    server.result(&first, json!({"together": true})).await;
                    server.result(&second.unwrap(), json!({"together": true})).await;
                }
                Err(_) => {
                    server.result(&first, json!({"together": false})).await;
                    let second = server.recv().await.unwrap();
                    server.result(&second, json!({"together": false})).await;
                }
            }
            server.drain().await;
        }));
        let link = bench.upstream.connect(&profile(&capabilities, session)).await.unwrap();
        let both = tokio::join!(async { response(link.request(call("1")).await.unwrap()).await }, async {
            response(link.request(call("2")).await.unwrap()).await
        },);
        assert_eq!(both.0["result"]["together"], !serial, "{capabilities} {session:?}");
        assert_eq!(both.1["result"]["together"], !serial, "{capabilities} {session:?}");
    }
}

#[tokio::test]
async fn a_modern_server_may_not_ask() {
    let bench = Bench::new(script!(be_modern, server => {
        let request = server.recv().await.unwrap();
        server.send(json!({"jsonrpc": "2.0", "id": 1, "method": "elicitation/create", "params": {}})).await;
        server.result(&request, json!({})).await;
        server.drain().await;
    }));
    let link = bench.connect().await.unwrap();
    response(link.request(call("1")).await.unwrap()).await;
    assert_eq!(bench.garbage(), 1);
}

#[tokio::test]
async fn subscription_notifications_carry_the_callers_id() {
    let bench = Bench::new(script!(be_modern, server => {
        let request = server.expect("subscriptions/listen").await;
        let id = &request["id"];
        for method in ["notifications/subscriptions/acknowledged", "notifications/tools/list_changed"] {
            server.send(json!({"jsonrpc": "2.0", "method": method, "params": {"_meta": {"io.modelcontextprotocol/subscriptionId": id}}})).await;
        }
        server.send(json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}})).await;
        server.drain().await;
    }));
    let link = bench.connect().await.unwrap();
    let mut exchange = link
        .request(outbound(r#""sub""#, "subscriptions/listen", &json!({"notifications": {}})))
        .await
        .unwrap();
    for _ in 0..2 {
        let (_, notification) = next(&mut exchange).await;
        assert_eq!(notification["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], "sub");
    }
    let (_, cancelled) = next(&mut exchange).await;
    assert_eq!(cancelled["params"]["requestId"], "sub");
}

#[tokio::test]
async fn a_log_message_goes_to_the_only_call_beside_a_subscription() {
    let bench = Bench::new(script!(be_modern, server => {
        server.expect("subscriptions/listen").await;
        let request = server.expect("tools/call").await;
        server.send(json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": 1}})).await;
        server.result(&request, json!({})).await;
        server.drain().await;
    }));
    let link = bench.connect().await.unwrap();
    let listen = outbound("1", "subscriptions/listen", &json!({"notifications": {}}));
    let _listening = link.request(listen).await.unwrap();
    let mut exchange = link.request(call("2")).await.unwrap();
    assert_eq!(next(&mut exchange).await.1["params"]["data"], 1);
    assert_eq!(next(&mut exchange).await.0, "response");
}

#[tokio::test]
async fn other_notifications_are_unsolicited() {
    let bench = Bench::new(script!(be_legacy, server => {
        let request = server.recv().await.unwrap();
        server.send(json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": 1}})).await;
        server.send(json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})).await;
        server.result(&request, json!({})).await;
        server.send(json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": 2}})).await;
        server.drain().await;
    }));
    let link = bench.connect().await.unwrap();
    let mut stray = link.unsolicited();
    let mut exchange = link.request(call("1")).await.unwrap();
    assert_eq!(next(&mut exchange).await.1["params"]["data"], 1);
    assert_eq!(next(&mut exchange).await.0, "response");
    let mut strays = Vec::new();
    for _ in 0..2 {
        let stray: Value = serde_json::from_slice(&stray.recv().await.unwrap()).unwrap();
        strays.push(stray["method"].as_str().unwrap().to_owned());
    }
    assert_eq!(strays, ["notifications/tools/list_changed", "notifications/message"]);
}
