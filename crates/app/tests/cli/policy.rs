//! Policies tried out: with cases, and with what is on record.

use serde_json::{Value, json};

use crate::case::{Case, Run};

const POLICY: &str = r#"@id("door")
permit (principal, action in Mcp::Action::"read", resource in Mcp::Endpoint::"*");

@id("git")
permit (principal, action, resource in Mcp::Server::"git");

@id("no-force")
@reason("history stays")
forbid (principal, action == Mcp::Action::"tools/call", resource == Mcp::Tool::"git/push")
when { context.arguments has force && context.arguments.force };

@id("stays-in")
forbid (principal, action == Mcp::Action::"tools/call", resource)
when { context.conduct.contains("outward") && context.labels.contains("private") && !context.approved };

@id("writers")
forbid (principal, action == Mcp::Action::"tools/call", resource == Mcp::Tool::"git/commit")
unless { context.scopes.contains("git:write") };
"#;

const CASES: &str = r#"
[[case]]
name = "anybody may look at the log"
principal = "dev:alice"
tool = "git/log"
expect = "allow"
by = "git"

[[case]]
name = "nobody rewrites history"
principal = "oauth:corp:alice"
actor = "oauth:corp:planner"
scopes = ["git:write"]
tool = "git/push"
arguments = { remote = "origin", force = true, depth = 1.5 }
expect = "deny"
by = ["no-force"]

[[case]]
name = "a commit needs its scope"
principal = "oauth:corp:alice"
issuer = "https://as.example.com"
scopes = ["git:write"]
tool = "git/commit"
expect = "allow"

[[case]]
name = "private data leaves with a person's word only"
principal = "dev:alice"
tool = "git/push"
labels = ["private:git"]
conduct = ["outward"]
expect = "approve"
by = "stays-in"

[[case]]
name = "the list is for everybody"
principal = "local-user:uid:1000"
list = "*/tools"
time = "2026-11-29T10:15:00Z"
expect = "allow"
by = "door"
"#;

fn case(name: &str) -> Case {
    let case = Case::new(name);
    case.write("policy.cedar", POLICY);
    case.write("cases.toml", CASES);
    case
}

fn json(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap()
}

#[test]
fn every_mistake_is_told_with_its_line() {
    let case = case("policy-check");
    case.write(
        "broken.cedar",
        "permit (principal, action, resource in Mcp::Server::\"Git\");\n\
         @idd(\"x\") permit (principal, action == Mcp::Action::\"tools/cal\", resource);\n\
         forbid (principal, action == Mcp::Action::\"tools/call\", resource) when { context.arguments.n > \"3\" };\n",
    );
    case.run(&["policy", "check", "broken.cedar", "none.cedar"]).check("policy-check-broken");
    let run = case.run(&["policy", "check", "broken.cedar", "--json"]);
    assert_eq!((run.status, &json(&run)["ok"]), (2, &json!(false)));
    case.run(&["policy", "check", "policy.cedar"]).check("policy-check");
    case.write("open.cedar", "permit (principal, action, resource);\n");
    let run = case.succeed(&["policy", "check", "open.cedar", "--json"]);
    assert!(run.stdout.contains("no policy looks at `context.labels`"), "{}", run.stdout);
    case.write("empty/readme", "");
    assert_eq!(case.run(&["policy", "check", "empty"]).status, 2);
}

#[test]
fn cases_pass_or_say_what_came_out_instead() {
    let case = case("policy-test");
    case.succeed(&["policy", "test", "cases.toml", "--policy", "policy.cedar"]).check("policy-test");
    case.write("wrong.toml", &CASES.replace("\"git\"", "\"door\"").replace("\"approve\"", "\"deny\""));
    case.run(&["policy", "test", "wrong.toml", "--policy", "policy.cedar"]).check("policy-test-failed");
    let run = case.run(&["policy", "test", "wrong.toml", "--policy", "policy.cedar", "--json"]);
    let report = json(&run);
    assert_eq!((run.status, &report["passed"], &report["failed"]), (1, &json!(3), &json!(2)));
    let failed: Vec<_> =
        report["cases"].as_array().unwrap().iter().filter(|it| it["passed"] == false).collect();
    assert_eq!(failed[1]["got"], json!({"decision": "approve", "policies": ["stays-in"]}));
}

#[test]
fn every_mistake_in_a_file_of_cases_is_told() {
    let case = case("policy-cases-broken");
    case.write(
        "broken.toml",
        r#"
top = 1
[[case]]
principal = "alice"
tool = "git"
labels = ["secret:git"]
arguments = [1]
expect = "maybe"
colour = "red"
[[case]]
name = "two"
principal = "dev:alice"
tool = "git/log"
prompt = "git/log"
arguments = { at = 2026-11-29 }
by = "git"
"#,
    );
    case.run(&["policy", "test", "broken.toml", "--policy", "policy.cedar"]).check("policy-cases-broken");
    case.write("open.toml", "[[case]]\nname = \"a\"\nprincipal = \"dev:a\"\ntool = \"a/b\"\n");
    let run = case.run(&["policy", "test", "open.toml", "--policy", "policy.cedar"]);
    assert!(run.status == 2 && run.stderr.contains("expects nothing"), "{}", run.stderr);
}

#[test]
fn a_decision_is_explained_by_its_policies() {
    let case = case("policy-explain");
    let explain =
        |more: &[&str]| case.run(&[&["policy", "explain", "--policy", "policy.cedar"], more].concat());
    let push = ["--principal", "dev:alice", "--tool", "git/push", "--arguments", r#"{"force":true}"#];
    explain(&push).check("policy-explain");
    let report = json(&explain(&[&push[..], &["--json"]].concat()));
    assert_eq!((&report["decision"], &report["policies"]), (&json!("deny"), &json!(["no-force"])));
    assert_eq!(report["considered"][0]["place"], "policy.cedar:4");
    let one = explain(&["--cases", "cases.toml", "--case", "a commit needs its scope"]);
    assert!(one.status == 0 && one.stdout.contains("\npermitted\n"), "{}", one.stdout);
    for (args, says) in [
        (&["--principal", "alice", "--tool", "git/log"][..], "such as `oauth:corp:alice`"),
        (&["--principal", "dev:alice"], "one tool, prompt, resource"),
        (&["--principal", "dev:alice", "--tool", "git/log", "--arguments", "{"], "--arguments"),
        (&["--principal", "dev:alice", "--tool", "git/log", "--arguments", "7"], "a whole number"),
        (&["--cases", "cases.toml", "--case", "no"], "has no case `no`"),
    ] {
        let run = explain(args);
        assert!(run.status == 2 && run.stderr.contains(says), "{args:?}: {}", run.stderr);
    }
}

/// A decision as it is on record.
fn record(number: u64, tool: &str, scopes: &[&str], decision: Value, context: Value) -> String {
    let record = json!({
        "v": 1, "id": format!("n-{number}"), "time": format!("2026-11-29T10:15:0{number}.000Z"), "seq": number,
        "type": "decision", "channel": "http",
        "caller": {
            "principal": {"kind": "oauth", "id": "corp:alice"}, "actor": null, "tenant": null,
            "method": "bearer-token",
            "grant": {"issuer": "https://as.example.com", "client": null, "scopes": scopes, "token_id": null},
        },
        "endpoint": null, "version": "2026-07-28", "method": "tools/call", "server": "git",
        "item_kind": "Tool", "item": tool, "controls": [], "context": context, "decision": decision,
    });
    format!("{record}\n")
}

fn records() -> String {
    let told = || json!({"labels": [], "conduct": [], "approved": false});
    let allowed = || json!({"verdict": "allow", "policies": ["git"]});
    let refused =
        |control: &str| json!({"verdict": "refuse", "kind": "denied", "control": control, "detail": "x"});
    let held = json!({"labels": ["private:git"], "conduct": ["outward"], "approved": false});
    [
        record(1, "log", &[], allowed(), told()),
        record(2, "commit", &[], allowed(), told()),
        record(3, "commit", &["git:write"], refused("AZ-02"), told()),
        record(4, "push", &[], allowed(), told()),
        record(5, "log", &[], refused("TI-03"), told()),
        record(6, "log", &[], allowed(), json!({"labels": []})),
        record(7, "lo[redacted]", &[], allowed(), told()),
        record(8, "log", &[], allowed(), held),
        "no record\n".to_owned(),
    ]
    .concat()
}

#[test]
fn recorded_decisions_are_put_to_policies_and_nothing_is_guessed() {
    let case = case("policy-replay");
    case.write("audit.jsonl", &records());
    let replay = |more: &[&str]| {
        let args = ["policy", "replay", "--policy", "policy.cedar", "--records", "audit.jsonl"];
        case.run(&[&args[..], more].concat())
    };
    replay(&[]).check("policy-replay");
    let run = replay(&["--json"]);
    let report = json(&run);
    assert_eq!((run.status, &report["same"], &report["not_by_policy"]), (1, &json!(1), &json!(1)));
    let changed: Vec<_> = report["changed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            [&it["name"], &it["old"]["decision"], &it["new"]["decision"]]
                .map(|it| it.as_str().unwrap().to_owned())
                .join(" ")
        })
        .collect();
    assert_eq!(changed, ["n-2 allow deny", "n-3 deny allow", "n-8 allow approve"]);
    let undecided: u64 =
        report["undecided"].as_array().unwrap().iter().map(|it| it["count"].as_u64().unwrap()).sum();
    assert_eq!(undecided, 3, "{report}");
    assert_eq!(report["unreadable"], 1);
    let one = replay(&["--tool", "log", "--until", "2026-11-29T10:15:02Z"]);
    assert_eq!(one.status, 0, "{}", one.stdout);
}

#[test]
fn grants_that_nobody_uses_are_found() {
    let case = case("policy-unused");
    case.write("audit.jsonl", &records());
    let unused = |more: &[&str]| {
        let args = ["policy", "unused", "--policy", "policy.cedar", "--records", "audit.jsonl"];
        case.run(&[&args[..], more].concat())
    };
    unused(&[]).check("policy-unused");
    let report = json(&unused(&["--json"]));
    let counts: Vec<_> =
        report["policies"].as_array().unwrap().iter().map(|it| (&it["policy"], &it["allowed"])).collect();
    assert_eq!(counts, [(&json!("door"), &json!(0)), (&json!("git"), &json!(6))]);
}

#[test]
fn two_policies_are_compared_over_cases_and_over_records() {
    let case = case("policy-diff");
    case.write("audit.jsonl", &records());
    case.write("old/a.cedar", &POLICY.replace("git:write", "git:read"));
    case.write("portcullis.toml", "[policy]\nfiles = [\"policy.cedar\"]\n[audit]\nfile = \"audit.jsonl\"\n");
    case.run(&["policy", "diff", "--old", "old", "--cases", "cases.toml"]).check("policy-diff");
    let run = case.run(&["policy", "diff", "--old", "old", "--json"]);
    let report = json(&run);
    let changed: Vec<_> = report["changed"].as_array().unwrap().iter().map(|it| it["name"].clone()).collect();
    assert_eq!((run.status, changed), (1, vec![json!("n-3")]), "{report}");
    let same = case.succeed(&["policy", "diff", "--old", "policy.cedar", "--cases", "cases.toml"]);
    assert!(same.stderr.contains("0 changed, 5 the same"), "{}", same.stderr);
}

#[test]
fn lists_of_clients_become_a_policy() {
    let case = case("policy-import");
    case.write(
        "settings.json",
        r#"{"permissions":{"allow":["Bash(ls)","mcp__git__log","mcp__web"],"deny":["mcp__web__post"]}}"#,
    );
    case.succeed(&["policy", "import", "settings.json", "--out", "made.cedar"]);
    case.succeed(&["policy", "check", "made.cedar"]);
    for (tool, status) in [("git/log", 0), ("git/push", 1), ("web/get", 0), ("web/post", 1)] {
        let args = [
            "policy",
            "explain",
            "--policy",
            "made.cedar",
            "--principal",
            "local-user:uid:1",
            "--tool",
            tool,
        ];
        assert_eq!(case.run(&args).status, status, "{tool}");
    }
    assert_eq!(case.run(&["policy", "import", "settings.json", "--out", "made.cedar"]).status, 2);
    let listed = json(&case.succeed(&["policy", "import", "settings.json", "--json"]));
    assert_eq!(
        listed[1],
        json!({"server": "web", "all": true, "tools": [], "denied": ["post"], "none": false})
    );
}
