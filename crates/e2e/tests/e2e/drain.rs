//! The end of a gateway: calls under way may finish, the operator sees and stops them meanwhile, and what is left is let go
//! of in so many words.

use portcullis_testkit::gateway::{Record, Setup};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::{
    message::{call, modern},
    odd::odd,
    raw::Request,
    until::until,
};

#[tokio::test]
async fn a_drain_is_watched_and_what_outlasts_it_is_abandoned() {
    let gateway = Setup::new().stdio("one", &odd(&[])).stdio("two", &odd(&[])).start().await.unwrap();
    let never = |server: &str| {
        let message = modern(1, "tools/call", call("never", json!({})));
        let (request, address) = (Request::modern(&format!("/mcp/{server}"), &message), gateway.address());
        tokio::spawn(async move { request.send(address).await })
    };
    let (one, two) = (never("one"), never("two"));
    let under_way =
        |it: &&Record| it.allows("tools/call", "one", "never") || it.allows("tools/call", "two", "never");
    until("both calls", || gateway.records().unwrap().iter().filter(under_way).count() == 2).await;

    kill_process(Pid::from_raw(gateway.pid()).unwrap(), Signal::TERM).unwrap();
    let mut ready = gateway.admin("/readyz").await.unwrap();
    while ready.0 == 200 {
        ready = gateway.admin("/readyz").await.unwrap();
    }
    assert_eq!(ready, (503, "not ready: the gateway ends\n".to_owned()));
    assert_eq!(gateway.admin("/metrics").await.unwrap().0, 200);
    let (stopped, _, says) = gateway.command(&["stop", "server", "one"]).await.unwrap();
    assert!(stopped && says.contains("ended 1 call"), "{says}");
    assert_eq!(one.await.unwrap().code(), 40301);

    let (status, records) = gateway.stop().await.unwrap();
    assert!(status.is_some_and(|it| it.success()), "{status:?}");
    let answer = two.await.unwrap();
    assert!(answer.body.contains("the gateway ends"), "{answer:?}");
    let outcome = |server: &str| {
        let called = records.iter().find(|it| it.allows("tools/call", server, "never")).unwrap().text("id");
        records.iter().find(|it| it.text("decision") == called).unwrap()
    };
    assert_eq!(outcome("one").text("outcome"), "stopped");
    assert_eq!(outcome("two").text("outcome"), "abandoned", "{:?}", outcome("two"));
    assert!(outcome("two").text("detail").contains("the gateway ended before the call did"));
}
