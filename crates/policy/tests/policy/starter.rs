//! The policies a new user begins with.

use portcullis_core::PrincipalKind;
use portcullis_policy::{Grant, PolicySet, init_policy, run_policy};

use crate::asking::{NOW, authoriser, call, caller, local};

/// Which of these are permitted to the local user under `policies`; nobody else is permitted anything.
fn permitted(policies: &str) -> Vec<&'static str> {
    const ASKED: [(&str, &str); 11] = [
        ("initialize", "Server *"),
        ("tasks/list", "Server *"),
        ("tools/list", "List */tools"),
        ("initialize", "Server git"),
        ("tools/list", "List git/tools"),
        ("tools/call", "Tool git/status"),
        ("tools/call", "Tool git/push"),
        ("resources/read", "Resource git/file:///a"),
        ("tasks/get", "Task git/1"),
        ("tools/call", "Tool hub/status"),
        ("tools/list", "List hub/tools"),
    ];
    let authoriser = authoriser(policies);
    let ask = |who, method, item| authoriser.authorise(call(who, method, item, ""), &NOW).is_ok();
    for (method, item) in ASKED {
        assert!(!ask(caller(PrincipalKind::Dev, "alice"), method, item), "{method} {item}");
        assert!(!ask(caller(PrincipalKind::Gateway, "gateway"), method, item), "{method} {item}");
    }
    ASKED.iter().filter(|(method, item)| ask(local(), method, item)).map(|(_, item)| *item).collect()
}

#[test]
fn they_permit_what_was_granted_and_nothing_else() {
    let git = || "git".parse().unwrap();
    let door = ["Server *", "Server *", "List */tools"];
    let reading = ["Server git", "List git/tools"];
    let rest = ["Resource git/file:///a", "Task git/1"];
    assert_eq!(permitted(&init_policy(&[])), door);
    let all = [&door[..], &reading, &["Tool git/status", "Tool git/push"], &rest].concat();
    assert_eq!(permitted(&init_policy(&[Grant::AllTools(git())])), all);
    assert_eq!(permitted(&run_policy(&git())), all);
    let one = [&door[..], &reading, &["Tool git/status"], &rest].concat();
    assert_eq!(permitted(&init_policy(&[Grant::Tools(git(), vec!["status".into()])])), one);
    let but = [Grant::AllTools(git()), Grant::NoTools(git(), vec!["push".into()])];
    assert_eq!(permitted(&init_policy(&but)), one);
    let none = [&door[..], &reading, &rest].concat();
    assert_eq!(permitted(&init_policy(&[Grant::Tools(git(), vec![])])), none);
}

#[test]
fn a_hostile_tool_name_stays_a_name() {
    let name = "x\"] }; permit (principal, action, resource); //\n\u{202e}\\";
    let text = init_policy(&[Grant::Tools("git".parse().unwrap(), vec![name.into(), "ok".into()])]);
    let set = PolicySet::load(&[("portcullis.cedar", &text)]).map_err(|faults| format!("{faults:?}"));
    // Bidirectional controls in a name are a fault of their own, whatever they are escaped as.
    match set {
        Ok(set) => assert_eq!(set.len(), 5),
        Err(faults) => assert!(faults.contains("change the direction"), "{faults}"),
    }
    let name = name.replace('\u{202e}', "");
    let text = init_policy(&[Grant::Tools("git".parse().unwrap(), vec![name.clone(), "ok".into()])]);
    let authoriser = authoriser(&text);
    let mut hostile = call(local(), "tools/call", "Tool git/x", "");
    assert!(authoriser.authorise(&hostile, &NOW).is_err());
    hostile.target.item = portcullis_core::Item::Tool(name.as_str().into());
    assert!(authoriser.authorise(&hostile, &NOW).is_ok());
}

#[test]
fn the_longest_server_name_fits() {
    let server = "s".repeat(64);
    let text = init_policy(&[Grant::Tools(server.parse().unwrap(), vec!["t".into()])]);
    assert!(PolicySet::load(&[("portcullis.cedar", &text)]).is_ok());
}
