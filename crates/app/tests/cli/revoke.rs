//! Taking access back.

use crate::case::Case;

const CONFIG: &str = r#"
[auth]
mode = "oauth"
revocations = "state/revoked.jsonl"

[issuer.corp]
url = "https://login.example.com"
"#;

#[test]
fn what_is_taken_back_is_on_the_list_once() {
    let case = Case::new("revoke");
    case.write("portcullis.toml", CONFIG);
    case.write("policy.cedar", "");
    let revoke = |args: &[&str]| case.succeed(&[&["revoke"], args].concat());
    assert_eq!(revoke(&["--list"]).stdout, "");
    let first = revoke(&["--principal", "oauth:corp:alice", "--reason", "left the company"]);
    assert!(first.stderr.contains("the principal `oauth:corp:alice` is now on the list"), "{}", first.stderr);
    // The same person in fewer words.
    let again = revoke(&["--principal", "alice"]);
    assert!(again.stderr.contains("`oauth:corp:alice` was already on the list"), "{}", again.stderr);
    revoke(&["--client", "editor", "--issuer", "corp"]);
    revoke(&["--token-id", "t1", "--issuer", "corp"]);
    let again = revoke(&["--token-id", "t1", "--issuer", "corp", "--json"]);
    assert!(again.stdout.contains("\"already\": true"), "{}", again.stdout);
    let list = std::fs::read_to_string(case.path("state/revoked.jsonl")).unwrap();
    assert_eq!(list.lines().count(), 3);
    assert!(list.contains("left the company"));
    revoke(&["--list"]).check("revoke-list");
    case.succeed(&["check"]);
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let case = Case::new("revoke-usage");
    case.write("portcullis.toml", CONFIG);
    case.write("policy.cedar", "");
    for (args, why) in [
        (&["--principal", "oauth:corpp:alice"][..], "did you mean `oauth:corp:alice`?"),
        (&["--principal", "local-user:loopback"], "can be nobody here"),
        (&["--client", "editor", "--issuer", "other"], "there is no `[issuer.other]`"),
        (&["--client", "editor"], "--issuer"),
        (&["--principal", "a:b", "--client", "c", "--issuer", "corp"], "cannot be used with"),
        (&[], "what is to be taken back"),
    ] {
        let run = case.run(&[&["revoke"], args].concat());
        assert_eq!(run.status, 2, "{args:?}");
        assert!(run.stderr.contains(why), "{args:?}: {}", run.stderr);
    }
    assert!(!case.path("state/revoked.jsonl").exists());
}

#[test]
fn a_list_that_cannot_be_read_stops_the_gateway() {
    let case = Case::new("revoke-broken");
    case.write("portcullis.toml", CONFIG);
    case.write("policy.cedar", "");
    case.write("state/revoked.jsonl", "{\"principal\":\"oauth:corp:alice\"}\n{\"principle\":\"x\"}\n");
    let run = case.run(&["check"]);
    assert_eq!(run.status, 2);
    assert!(run.stderr.contains("auth.revocations: `state/revoked.jsonl`: line 2"), "{}", run.stderr);
}
