//! What is known before a start: `check` says all of it, and `serve` refuses for the same reasons.

use std::{fs, path::PathBuf};

use crate::case::Case;

const POLICY: &str = "permit(principal, action, resource);";

/// A gateway that cannot be started: what else lies in its directory, and what both commands have to say.
const REFUSED: [(&str, &str, &str, &str); 8] = [
    ("log-key", "[audit]\nlog = \"log\"\n", "", "portcullis.toml:2:1: audit.log: the key file"),
    ("directory", "[audit]\nfile = \"notes\"\n", "notes/x", "audit.file: `[DIR]/notes` is a directory"),
    (
        "file-in-the-way",
        "[audit]\nfile = \"notes/x/audit.jsonl\"\n",
        "notes/x",
        "`[DIR]/notes/x/audit.jsonl` cannot be made: `[DIR]/notes/x` is a file",
    ),
    (
        "spare",
        "[audit]\ndanger_spare_file = \"notes\"\n",
        "notes/x",
        "audit.danger_spare_file: `[DIR]/notes`",
    ),
    (
        "commitment",
        "[audit]\ncommitment_key = \"key\"\n",
        "key",
        "portcullis.toml:2:1: audit.commitment_key: ",
    ),
    (
        "authorities",
        "[server.c]\nurl = \"https://example.org/mcp\"\nca_file = \"none.pem\"\n",
        "",
        "server.c.url: `ca_file` `[DIR]/none.pem`",
    ),
    (
        "views",
        "[server.c]\ncommand = \"npx\"\nviews = \"v.toml\"\n",
        "v.toml",
        "v.toml:1:1: x: there is no such",
    ),
    (
        "one-unknown-setting",
        "[audit]\nbogus = 1\ncommitment_key = \"key\"\n",
        "key",
        "portcullis.toml:3:1: audit.commitment_key: ",
    ),
];

#[test]
fn serving_and_checking_refuse_the_same_at_once_and_leave_nothing() {
    for (name, config, other, expected) in REFUSED {
        let case = Case::new(&format!("preflight-{name}"));
        case.write("policy.cedar", POLICY);
        case.write("portcullis.toml", config);
        if !other.is_empty() {
            case.write(other, "x = 1\n");
            case.chmod(other, 0o600);
        }
        let before = files(&case);
        let (checked, served) = (case.run(&["check"]), case.run(&["serve", "--stdio"]));
        for run in [&checked, &served] {
            assert_eq!(run.status, 2, "{name}: {}", run.stderr);
            assert!(run.stderr.contains(expected), "{name}: {}", run.stderr);
        }
        assert_eq!(checked.stderr, served.stderr, "{name}");
        let told = case.run(&["check", "--json"]).stdout;
        let json: serde_json::Value = serde_json::from_str(&told).unwrap();
        assert_eq!(json["ok"], false, "{name}: {told}");
        let errors =
            checked.stderr.matches("\nerror: ").count() + usize::from(checked.stderr.starts_with("error"));
        let listed =
            json["problems"].as_array().unwrap().iter().filter(|it| it["severity"] == "error").count();
        assert_eq!(listed + 1, errors, "{name}: {told}");
        assert_eq!(files(&case), before, "{name}");
    }
}

/// Servers that would not be started, and why.
const NOT_STARTED: [(&str, &str); 5] = [
    ("sandbox_read = [\"/nowhere\"]", "`/nowhere`"),
    ("sandbox_tier = \"oci\"\nsandbox_runtime = \"no-such-runtime\"", "no-such-runtime"),
    ("sandbox_write = [\"audit\"]", "which is the gateway's own"),
    ("sandbox_write = [\"/\"]", "`/`"),
    ("sandbox_execute = [\"no-such-program\"]", "no-such-program"),
];

#[test]
fn a_server_that_would_not_be_started_is_an_error_and_the_others_are_served() {
    for (settings, expected) in NOT_STARTED {
        let case = Case::new("preflight-server");
        case.write("policy.cedar", POLICY);
        case.write("audit/audit.jsonl", "");
        case.write(
            "portcullis.toml",
            &format!(
                "[audit]\nfile = \"audit/audit.jsonl\"\n[server.a]\ncommand = \"/bin/cat\"\n{settings}\n"
            ),
        );
        let before = files(&case);
        let run = case.run(&["check"]);
        let told = "portcullis.toml:4:1: server.a.command: it will not be started: ";
        assert_eq!(run.status, 2, "{settings}: {}", run.stderr);
        assert!(run.stderr.contains(told) && run.stderr.contains(expected), "{settings}: {}", run.stderr);
        assert!(run.stderr.contains("portcullis.toml can be used without 1 server"), "{}", run.stderr);
        assert_eq!(files(&case), before, "{settings}");
    }
}

#[test]
fn a_server_that_would_be_started_is_right_and_its_trial_leaves_nothing() {
    let case = Case::new("preflight-right");
    case.write("policy.cedar", POLICY);
    case.write("portcullis.toml", "[server.a]\ncommand = \"/bin/cat\"\n");
    let before = files(&case);
    let run = case.succeed(&["check"]);
    assert!(run.stderr.contains("portcullis.toml is right: 1 server, "), "{}", run.stderr);
    assert_eq!(files(&case), before);
}

#[test]
fn every_mistake_of_a_file_of_views_is_told_with_its_line() {
    let case = Case::new("preflight-views");
    case.write("policy.cedar", POLICY);
    case.write("portcullis.toml", "[server.c]\ncommand = \"npx\"\nviews = \"v.toml\"\n");
    case.write(
        "v.toml",
        "[[view]]\nname = \"one\"\ntool = \"t\"\nbogus = 1\n[view.passes]\npath = \"/{nam}\"\nraw = \"{other}\"\n\
         [[view]]\nname = 2\ntool = \"t\"\ndescription = \"d\"\n[view.arguments.name]\ntype = \"string\"\n\
         [view.passes]\npath = \"/{name}\"\n",
    );
    let run = case.run(&["check"]);
    for expected in [
        "v.toml:1:1: view `one`: description: this setting is missing",
        "v.toml:4:1: view `one`: bogus: there is no such setting",
        "v.toml:6:1: view `one`: `path` uses `{nam}`",
        "v.toml:7:1: view `one`: `raw` uses `{other}`",
        "v.toml:9:8: view: name: this is a whole number",
        "v.toml:12:17: view: its argument `name` becomes part of a text",
    ] {
        assert!(run.stderr.contains(expected), "{expected}: {}", run.stderr);
    }
}

/// Everything in the directory of a case.
fn files(case: &Case) -> Vec<PathBuf> {
    let (mut found, mut ahead) = (Vec::new(), vec![case.path("")]);
    while let Some(directory) = ahead.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                ahead.push(path.clone());
            }
            found.push(path);
        }
    }
    found.sort();
    found
}
