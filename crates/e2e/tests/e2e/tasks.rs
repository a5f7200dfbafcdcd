//! Tasks outlive the gateway and belong to whom they belonged; a stop ends them at their server.

use portcullis_testkit::{
    gateway::{Gateway, Setup},
    journal::Journal,
    server::HttpServer,
};
use serde_json::{Value, json};

use crate::{
    message::{call, modern},
    raw::{Answer, Request, SOON},
    until::until,
};

const TASKS: &str = "io.modelcontextprotocol/tasks";

async fn ask(gateway: &Gateway, method: &str, params: Value) -> Answer {
    let mut message = modern(1, method, params);
    message["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] =
        json!({ "extensions": { TASKS: {} } });
    let request = Request::modern("/mcp/one", &message);
    let about = message["params"]["taskId"].as_str().map(str::to_owned);
    let request = about.into_iter().fold(request, |request, task| request.header("mcp-name", &task));
    request.send(gateway.address()).await
}

async fn look(gateway: &Gateway, task: &str) -> Answer {
    ask(gateway, "tasks/get", json!({ "taskId": task })).await
}

#[tokio::test]
async fn a_task_outlives_the_gateway_and_ends_with_a_stop() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("journal");
    let server = HttpServer::fixture(Some(&file)).await.unwrap();
    let sections = format!("[pins]\ndirectory = {}\n", json!(place.path().join("pins")));
    let mut gateway = Setup::new().http("one", server.url()).sections(&sections).start().await.unwrap();

    let begun = ask(&gateway, "tools/call", call("slow_compute", json!({ "seconds": 600 }))).await;
    let task = begun.json()["result"]["taskId"].as_str().unwrap_or_else(|| panic!("{begun:?}")).to_owned();
    assert_eq!(look(&gateway, &task).await.code(), 0);
    assert_eq!(look(&gateway, "another").await.code(), -32602);

    gateway.kill();
    let gateway = gateway.again().await.unwrap();
    let again = look(&gateway, &task).await;
    assert_eq!((again.code(), &again.json()["result"]["status"]), (0, &json!("working")), "{again:?}");
    let (fine, said, errors) = gateway.command(&["tasks", "list", "--json"]).await.unwrap();
    let listed: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{fine} {said} {errors}"));
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    assert_eq!((&listed[0]["task"], &listed[0]["tool"]), (&json!(task), &json!("slow_compute")));
    assert_eq!(listed[0]["principal"], "local-user:loopback");

    let (fine, _, errors) =
        gateway.command(&["stop", "tool", "one__slow_compute", "--reason", "leak"]).await.unwrap();
    assert!(fine, "{errors}");
    let ended =
        gateway.wait_for("the end of the task", SOON, |it| it.text("event") == "task-ended").await.unwrap();
    assert!(ended.text("detail").contains("was cancelled"), "{}", ended.value());
    let journal = Journal::at(file);
    let is_cancel = |method: &Option<String>| method.as_deref() == Some("tasks/cancel");
    until("cancel at the server", || journal.received().unwrap().iter().any(|it| is_cancel(&it.method)))
        .await;
    // Nobody gets what it led to, stopped or not.
    let (fine, _, errors) = gateway.command(&["resume", "tool", "one__slow_compute"]).await.unwrap();
    assert!(fine, "{errors}");
    assert_eq!(look(&gateway, &task).await.code(), -32602);
    let (_, said, _) = gateway.command(&["tasks", "list"]).await.unwrap();
    assert_eq!(said, "");
}
