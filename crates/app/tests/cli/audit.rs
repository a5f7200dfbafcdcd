//! The transparency log as a user meets it: kept by `run` and `serve`, verified with a public key alone.

use std::fs;

use serde_json::Value;

use crate::case::{Case, Run};

const POLICY: &str = "permit (principal, action, resource);\n";
const CONFIG: &str = r#"
[audit]
file = "serve.jsonl"
log = "serve.log"
log_key = "keys/log"

[server.one]
command = "npx"
"#;

/// What keeps a log, the file of its lines, its directory and its public key.
type Keeper = (&'static [&'static str], &'static str, &'static str, &'static str);

const KEEPERS: [Keeper; 2] = [
    (
        &["run", "--name", "one", "--record", "run.jsonl", "--log", "run.log", "--", "npx"],
        "run.jsonl",
        "run.log",
        "run.log.key.pub",
    ),
    (&["serve", "--stdio", "--config", "portcullis.toml"], "serve.jsonl", "serve.log", "keys/log.pub"),
];

fn case(name: &str) -> Case {
    let case = Case::new(name);
    case.write("policy.cedar", POLICY);
    case.write("portcullis.toml", CONFIG);
    case.succeed(&["audit", "key", "new", "run.log.key", "--name", "example.com/run"]);
    case.succeed(&["audit", "key", "new", "keys/log", "--name", "example.com/serve", "--post-quantum"]);
    case
}

fn verify(case: &Case, log: &str, key: &str, more: &[&str]) -> (Run, Value) {
    let run = case.run(&[&["audit", "verify", log, "--key", key, "--json"], more].concat());
    let report = serde_json::from_str(&run.stdout).unwrap();
    (run, report)
}

#[test]
fn run_and_serve_keep_a_log_that_verifies_until_a_byte_is_changed() {
    let case = case("audit-log");
    for (keeper, lines, log, key) in KEEPERS {
        case.succeed(keeper);
        let kept = case.read(&format!("{log}/checkpoint"));
        case.write("kept", &kept);
        case.succeed(keeper);
        let written = case.read(lines).lines().count();
        let (run, report) = verify(&case, log, key, &["--since", "kept"]);
        assert_eq!((run.status, &report["ok"]), (0, &Value::Bool(true)), "{}{}", run.stdout, run.stderr);
        assert_eq!(report["size"], written, "every line of both runs is an entry");
        assert_eq!(report["continues"].as_array().unwrap().len(), 1);
        let entries = case.path(&format!("{log}/tile/entries/000.p/{written}"));
        let mut bytes = fs::read(&entries).unwrap();
        let first = usize::from(u16::from_be_bytes([bytes[0], bytes[1]])) + 2;
        bytes[first + 40] ^= 1;
        fs::write(&entries, bytes).unwrap();
        let (run, report) = verify(&case, log, key, &[]);
        assert_eq!((run.status, &report["first_bad_entry"]), (1, &Value::from(1)), "{}", run.stdout);
        assert_eq!(report["findings"][0]["kind"], "entry");
    }
}

#[test]
fn a_record_is_proved_without_the_log() {
    let case = case("audit-proof");
    let (keeper, lines, log, key) = KEEPERS[1];
    case.succeed(keeper);
    case.write("kept", &case.read(&format!("{log}/checkpoint")));
    case.succeed(keeper);
    let record = case.read(lines).lines().next().unwrap().to_owned();
    let id = serde_json::from_str::<Value>(&record).unwrap()["id"].as_str().unwrap().to_owned();
    case.succeed(&["audit", "proof", &id, log, "--out", "first.proof"]);
    assert_eq!(case.read("first.proof.json"), record);
    case.succeed(&["audit", "check-proof", "first.proof", "first.proof.json", "--key", key]);
    case.write("other.json", &record.replace("started", "stopped"));
    assert_eq!(case.run(&["audit", "check-proof", "first.proof", "other.json", "--key", key]).status, 1);
    assert_eq!(case.run(&["audit", "proof", "no-such-record", log]).status, 1);
    case.succeed(&["audit", "consistency", log, "--since", "kept", "--key", key]);
    let stranger = "run.log.key.pub";
    assert_eq!(case.run(&["audit", "consistency", log, "--since", "kept", "--key", stranger]).status, 1);
    assert_eq!(case.run(&["audit", "verify", log, "--key", stranger]).status, 1);
}

#[test]
fn keys_are_private_and_not_replaced_by_accident() {
    let case = case("audit-keys");
    assert_eq!(case.mode("keys/log"), 0o600);
    let shown = case.succeed(&["audit", "key", "show", "keys/log"]).stdout;
    assert_eq!(shown, case.read("keys/log.pub"));
    assert_eq!(shown.lines().count(), 2, "Ed25519 and ML-DSA-44");
    assert_eq!(case.run(&["audit", "key", "new", "keys/log"]).status, 2);
    assert_eq!(case.read("keys/log.pub"), shown);
    case.succeed(&["audit", "key", "new", "keys/log", "--replace"]);
    let replaced = case.read("keys/log.pub");
    assert!(replaced != shown && replaced.starts_with("example.com/serve+"), "{replaced}");
    case.chmod("keys/log", 0o640);
    let (keeper, ..) = KEEPERS[1];
    let refused = case.run(keeper);
    assert!(refused.status == 2 && refused.stderr.contains("chmod 600"), "{}", refused.stderr);
    fs::remove_file(case.path("run.log.key")).unwrap();
    let (keeper, ..) = KEEPERS[0];
    let refused = case.run(keeper);
    assert!(refused.status == 2 && refused.stderr.contains("audit key new"), "{}", refused.stderr);
}

#[test]
fn records_are_found_in_lines_and_in_the_log_and_by_configuration() {
    let case = case("audit-query");
    for (keeper, lines, log, _) in KEEPERS {
        case.succeed(keeper);
        case.succeed(keeper);
        let ids = |args: &[&str]| {
            let found = case.succeed(&[&["audit", "query", "--json"], args].concat()).stdout;
            let id =
                |line: &str| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned();
            found.lines().map(id).collect::<Vec<_>>()
        };
        let started = ids(&["--records", lines, "--event", "started"]);
        assert_eq!(started.len(), 2);
        assert_eq!(ids(&["--records", log, "--event", "started"]), started);
        assert_eq!(ids(&["--records", lines, "--id", &started[1]]), started[1..]);
        assert_eq!(ids(&["--records", lines, "--since", "1d"]).len(), case.read(lines).lines().count());
        assert_eq!(ids(&["--records", lines, "--until", "1d"]).len(), 0);
        assert_eq!(ids(&["--records", lines, "--decision", "refuse"]).len(), 0);
        if lines == "serve.jsonl" {
            assert_eq!(ids(&["--event", "started"]), started, "the file is in the configuration");
        }
        let shown = case.succeed(&["audit", "query", "--records", lines, "--event", "started"]).stdout;
        assert!(shown.lines().all(|line| line.contains(" event     started - portcullis ")), "{shown}");
        let trace = case.succeed(&["audit", "trace", &started[1], "--records", lines]).stdout;
        assert!(trace.starts_with("run            present          "), "{trace}");
    }
}

#[test]
fn questions_that_cannot_be_answered_say_why() {
    let case = case("audit-questions");
    case.succeed(KEEPERS[0].0);
    for (args, status, says) in [
        (&["query", "--records", "run.jsonl", "--since", "yesterday"][..], 2, "how long ago"),
        (&["query", "--records", "nowhere.jsonl"], 3, "there are no records"),
        (&["query", "--records", "bin"], 3, "`checkpoint` is missing"),
        (&["query", "--records", "run.log", "--follow"], 2, "follow the file of lines"),
        (&["query", "--config", "none.toml"], 2, "none.toml"),
        (&["trace", "no-such-record", "--records", "run.jsonl"], 1, "there is no record `no-such-record`"),
        (&["trace", "x", "--records", "nowhere.jsonl"], 3, "there are no records"),
    ] {
        let run = case.run(&[&["audit"], args].concat());
        assert!(run.status == status && run.stderr.contains(says), "{args:?}: {} {}", run.status, run.stderr);
    }
}

#[test]
fn a_witness_cosigns_what_continues_and_finds_an_older_copy() {
    let case = case("audit-witness");
    let (keeper, _, log, key) = KEEPERS[0];
    case.succeed(&["audit", "key", "new", "w.key", "--witness", "--name", "example.org/witness"]);
    let look = |store: &str, with: &str| {
        case.run(&["audit", "witness", log, "--key", key, "--witness-key", with, "--store", store, "--once"])
    };
    assert_eq!(look("store", "w.key").status, 3, "there is no log yet");
    assert_eq!(look("store", "run.log.key").status, 2, "a log's key is not a witness's");
    case.succeed(keeper);
    let first = case.read(&format!("{log}/checkpoint"));
    assert_eq!(look("store", "w.key").status, 0);
    case.succeed(keeper);
    let run = look("store", "w.key");
    assert!(run.status == 0 && run.stderr.contains("which continue"), "{}", run.stderr);
    let since = ["--witness", "w.key.pub", "--since", "store/checkpoint"];
    let (run, report) = verify(&case, log, key, &since);
    assert_eq!((run.status, report["continues"].as_array().unwrap().len()), (0, 1), "{}", run.stdout);
    let now = case.read(&format!("{log}/checkpoint"));
    case.write(&format!("{log}/checkpoint"), &first);
    let run = look("store", "w.key");
    assert!(run.status == 1 && run.stderr.contains("rollback"), "{} {}", run.status, run.stderr);
    assert_eq!(verify(&case, log, key, &since).0.status, 1);
    case.write(&format!("{log}/checkpoint"), &now);
    assert_eq!(look("store", "w.key").status, 0);
}
