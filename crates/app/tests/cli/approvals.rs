//! `portcullis approvals`, on a directory as a gateway leaves it.

use std::time::{SystemTime, UNIX_EPOCH};

use portcullis_core::Asked;

use crate::case::Case;

#[test]
fn calls_wait_and_are_decided_about() {
    let case = Case::new("approvals");
    let since_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let asked = Asked {
        principal: "uid:1000".to_owned(),
        server: "mail".to_owned(),
        item: "send_mail".to_owned(),
        arguments: r#"{"to":"bob@corp.test"}"#.to_owned(),
        why: "others' text was read".to_owned(),
        about: Vec::new(),
    };
    let waiting =
        serde_json::json!({ "asked": asked, "since_ms": u64::try_from(since_ms).unwrap(), "decision": null });
    case.write("waiting/0123456789ab.json", &waiting.to_string());
    let run = |args: &[&str]| case.run(&[&["approvals"], args, &["--dir", "waiting"]].concat());
    run(&["list"]).check("approvals-list");
    for (args, status) in [
        (&["list", "--json"][..], 1),
        (&["approve", "../waiting/0123456789ab"], 2),
        (&["approve", "ffff"], 2),
        (&["approve", "0123456789ab"], 0),
        (&["list"], 0),
        (&["decline", "0123456789ab"], 0),
    ] {
        let ran = run(args);
        assert_eq!(ran.status, status, "{args:?}\n{}", ran.all());
    }
    case.write("waiting/0123456789ab.json", &waiting.to_string().replace(&since_ms.to_string(), "1"));
    assert_eq!(run(&["approve", "0123456789ab"]).status, 2, "it has expired");
    assert_eq!(run(&["list"]).status, 0);
}
