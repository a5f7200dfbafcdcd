//! What a gateway really decided, put to other policies.

use portcullis_testkit::gateway::{Setup, portcullis};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::{
    message::{LEGACY, call, initialize, legacy, modern},
    odd::odd,
    raw::Request,
    until::until,
};

const OPEN: &str = "@id(\"open\") permit (principal, action, resource);\n";

#[tokio::test]
async fn recorded_decisions_are_put_to_other_policies() {
    let gateway = Setup::new().stdio("odd", &odd(&[])).start().await.unwrap();
    for (id, tool) in [(1, "echo"), (2, "variable"), (3, "no-such-tool")] {
        let message = modern(id, "tools/call", call(tool, json!({ "text": "hello", "name": "HOME" })));
        Request::modern("/mcp/odd", &message).send(gateway.address()).await;
    }
    let opened = Request::post("/mcp/odd", initialize(LEGACY).to_string()).send(gateway.address()).await;
    let session = opened.headers["mcp-session-id"].clone();
    let in_session = legacy(5, "tools/call", call("echo", json!({ "text": "again" }))).to_string();
    Request::post("/mcp/odd", in_session).header("mcp-session-id", &session).send(gateway.address()).await;
    until("every decision", || {
        let records = gateway.records().unwrap();
        records.iter().filter(|it| it.allows("tools/call", "odd", "echo")).count() == 2
    })
    .await;

    let changed = gateway.config().parent().unwrap().join("changed.cedar");
    let replay = async |more: &str| -> (Option<i32>, Value) {
        std::fs::write(&changed, format!("{OPEN}{more}")).unwrap();
        let mut command = Command::new(portcullis().unwrap());
        command
            .args(["policy", "replay", "--json", "--records"])
            .arg(gateway.log())
            .arg("--policy")
            .arg(&changed);
        let output = command.output().await.unwrap();
        let report = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        (output.status.code(), report)
    };
    let changes = |report: &Value| report["changed"].as_array().unwrap().len();

    let (status, report) = replay("").await;
    assert_eq!((status, changes(&report), &report["undecided"]), (Some(0), 0, &json!([])), "{report}");
    assert!(report["same"].as_u64() >= Some(4) && report["not_by_policy"].as_u64() >= Some(1), "{report}");

    let (status, report) =
        replay("@id(\"no\") forbid (principal, action, resource == Mcp::Tool::\"odd/echo\");").await;
    assert_eq!((status, changes(&report)), (Some(1), 2), "{report}");
    assert_eq!(report["changed"][0]["new"]["policies"], json!(["no"]));

    let looking = "@id(\"n\") forbid (principal, action == Mcp::Action::\"tools/call\", resource == Mcp::Tool::\"odd/echo\")
        when { context.arguments has text && context.arguments.text == \"hello\" };";
    let (status, report) = replay(looking).await;
    assert_eq!(
        (status, changes(&report), &report["undecided"][0]["count"]),
        (Some(0), 0, &json!(2)),
        "{report}"
    );
}
