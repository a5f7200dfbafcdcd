//! A command in a sandbox, as a user meets it.

use std::fs;

use crate::case::Case;

#[test]
fn a_command_reads_and_changes_what_is_listed_and_nothing_else() {
    let case = Case::new("sandbox-exec");
    case.write("notes/milk", "two pints\n");
    let (notes, milk) = (case.path("notes"), case.path("notes/milk"));
    let (notes, milk) = (notes.to_str().unwrap(), milk.to_str().unwrap());
    let new = format!("{notes}/new");
    for (options, command, status) in [
        (vec![], vec!["/bin/cat", milk], 1),
        (vec!["--read", notes], vec!["/bin/cat", milk], 0),
        (vec!["--read", "notes/milk"], vec!["/bin/cat", milk], 0),
        (vec!["--read", notes], vec!["/bin/cp", milk, &new], 1),
        (vec!["--write", notes], vec!["/bin/cp", milk, &new], 0),
        (vec![], vec!["/usr/bin/env", "/bin/true"], 127),
        (vec!["--execute", "/bin/true"], vec!["/usr/bin/env", "/bin/true"], 0),
        (vec![], vec!["/bin/sh", "-c", "exit 7"], 7),
        (vec![], vec!["/bin/sh", "-c", "kill -TERM $$"], 143),
        (vec!["--seconds", "1"], vec!["/bin/sh", "-c", "while :; do :; done"], 124),
        (vec!["--read", notes], vec![milk], 126),
    ] {
        let allowed = status == 0;
        let run = case.run(&[&["sandbox", "exec"], options.as_slice(), &["--"], command.as_slice()].concat());
        assert_eq!(run.status, status, "{options:?} {command:?}: {}", run.all());
        assert_eq!(
            run.stdout == "two pints\n",
            allowed && command.first() == Some(&"/bin/cat"),
            "{}",
            run.all()
        );
        assert_eq!(
            fs::remove_file(&new).is_ok(),
            allowed && command.first() == Some(&"/bin/cp"),
            "{}",
            run.all()
        );
    }
}

/// Speaks to the way out as a program with a proxy would, and asks for somebody who is not listed.
const ASK: &str = "exec 3<>/dev/tcp/127.0.0.1/3128; \
                   printf 'CONNECT other.example:443 HTTP/1.1\\r\\nHost: other.example:443\\r\\n\\r\\n' >&3; \
                   read -r line <&3; echo \"$line\"";

#[test]
fn what_a_command_reaches_is_on_record() {
    let case = Case::new("sandbox-allow");
    let record = case.path("record.jsonl");
    let options =
        ["--allow", "api.example.com", "--name-server", "127.0.0.1:9", "--record", record.to_str().unwrap()];
    let run = case.succeed(&[&["sandbox", "exec"], &options[..], &["--", "/bin/bash", "-c", ASK]].concat());
    assert!(run.stdout.starts_with("HTTP/1.1 403"), "{}", run.all());
    let records = fs::read_to_string(&record).unwrap();
    let refused = records.lines().find(|line| line.contains("other.example:443")).unwrap();
    assert!(refused.contains("\"NET-02\""), "{refused}");
    assert!(run.all().contains("0 allowed, 1 refused"), "{}", run.all());

    let closed = case.run(&["sandbox", "exec", "--", "/bin/bash", "-c", ASK]);
    assert!(closed.status != 0 || closed.stdout.trim().is_empty(), "{}", closed.all());
}

#[test]
fn a_plan_can_be_read_before_anything_runs() {
    let case = Case::new("sandbox-show");
    case.write("notes/milk", "");
    let show = |options: &[&str]| {
        case.succeed(&[&["sandbox", "show"], options, &["--", "/bin/true"]].concat()).stdout
    };
    let plain = show(&["--write", "notes", "--env", "TOKEN", "--seconds", "9"]);
    for line in ["changes       [DIR]/notes", "connects to   nothing", "TOKEN", "after 9 s", "/usr/bin/true"]
    {
        assert!(plain.contains(line), "{line} in:\n{plain}");
    }
    let json = |options: &[&str]| -> serde_json::Value {
        serde_json::from_str(&show(&[&["--json"], options].concat())).unwrap()
    };
    assert_eq!(json(&[])["digest"], json(&[])["digest"]);
    assert_ne!(json(&[])["digest"], json(&["--read", "notes"])["digest"]);
    assert_eq!(json(&["--read", "notes/milk"])["plan"]["limits"]["processes"], 128);
    let calls = json(&["--calls"]);
    let verdict = |name: &str| {
        let rows = calls["system_calls"].as_array().unwrap();
        rows.iter().find(|row| row["name"] == name).map(|row| row["verdict"].clone()).unwrap_or_default()
    };
    assert_eq!(
        (verdict("openat"), verdict("ptrace"), verdict("clone3")),
        ("allowed".into(), "refused".into(), serde_json::Value::Null)
    );
    assert!(
        show(&["--allow", "api.example.com"]).contains("connects to   api.example.com over TLS; through")
    );
    for wrong in [
        ["--read", "/"],
        ["--write", "/proc"],
        ["--read", "none"],
        ["--execute", "none"],
        ["--allow", "https://api.example.com"],
        ["--allow", "*.com"],
    ] {
        let args = [&["sandbox", "show"], wrong.as_slice(), &["--", "/bin/true"]].concat();
        assert_eq!(case.run(&args).status, 2, "{wrong:?}");
    }
}

#[test]
fn a_plan_can_be_tried_out_before_anything_runs_in_it() {
    let case = Case::new("sandbox-test");
    let test = |options: &[&str]| case.run(&[&["sandbox", "test"], options, &["--", "/bin/true"]].concat());
    let plain = test(&["--all"]);
    assert_eq!(plain.status, 0, "{}", plain.all());
    for line in
        ["held     files", "held     network", "held     processes", "held     rights", "held     calls"]
    {
        assert!(plain.stdout.contains(line), "{line} in:\n{}", plain.stdout);
    }
    assert_eq!(test(&["--allow", "api.example.com"]).status, 0);
    // Its own results are among what no server has any business with.
    case.write("home/.local/state/portcullis/x", "");
    for (options, found) in [
        (["--read", "home/.local"], "OPEN     files      read a file of Portcullis"),
        (["--write", "home/.local"], "OPEN     files      nothing has changed outside"),
        (["--danger-host-network", "--all"], "granted  network    connect to a service of this machine"),
    ] {
        let wide = test(&options);
        assert_eq!(wide.status, 1, "{}", wide.all());
        assert!(wide.stdout.contains(found), "{}", wide.all());
    }
    let json: serde_json::Value =
        serde_json::from_str(&test(&["--json", "--signed", "result"]).stdout).unwrap();
    assert_eq!(json["holds"], true);
    let (note, public) = (case.read("result"), case.read("home/.local/state/portcullis/selftest.key.pub"));
    assert!(note.starts_with("portcullis self-test v1\n{") && note.contains("\"expires_ms\":"), "{note}");
    let name = public.split('+').next().unwrap();
    assert!(note.contains(&format!("\n\u{2014} {name} ")), "{note} by {public}");
    assert_eq!(case.mode("home/.local/state/portcullis/selftest.key"), 0o600);
    assert!(json["proof"]["probes"].as_array().unwrap().len() > 100);
}

#[test]
fn messages_name_what_a_person_has_written() {
    let case = Case::new("sandbox-words");
    case.write("work/x", "");
    case.write("policy.cedar", "");
    let own = "which is the gateway's own: ";
    for (options, told) in [
        (
            &[][..],
            "that follows from its command; name a smaller directory there, or keep that elsewhere with `--record`",
        ),
        (
            &["--write", "work"],
            "list less with `--read`, `--write` and `--execute`, or keep that elsewhere with `--record`",
        ),
    ] {
        let args =
            [&["run", "--name", "it", "--record", "work/r.jsonl"], options, &["--", "/bin/cat", "work"]];
        let run = case.run(&args.concat());
        for part in [own, told, "`--danger-no-sandbox` starts it without one"] {
            assert!(run.stderr.contains(part), "{options:?}: {part}: {}", run.stderr);
        }
    }
    case.write(
        "portcullis.toml",
        "[audit]\nfile = \"work/r.jsonl\"\n[server.it]\ncommand = \"/bin/cat\"\nsandbox_write = [\"work\"]\n",
    );
    let run = case.run(&["check"]);
    for part in [own, "list less with `sandbox_read`, `sandbox_write`", "`danger_no_sandbox` starts it"] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
}

/// Whoever is to be contained could otherwise write records and keys of its own.
#[test]
fn what_is_the_gateways_own_is_out_of_reach_of_a_command() {
    let case = Case::new("sandbox-own");
    for file in [
        "home/.local/state/portcullis/audit.jsonl",
        "home/notes",
        "logs/a.jsonl",
        "keys/tls.key",
        "keys/cert.pem",
        "token",
        "work/x",
    ] {
        case.write(file, "as it was\n");
    }
    case.write(
        "portcullis.toml",
        "[audit]\nfile = \"logs/a.jsonl\"\n[tls]\ncert = \"keys/cert.pem\"\nkey = \"keys/tls.key\"\n\
         [server.notes]\ncommand = \"/bin/true\"\nenv = { TOKEN = { file = \"token\" } }\n",
    );
    for (option, granted, target, told) in [
        ("--write", "home", "home/.local/state/portcullis/audit.jsonl", "Portcullis in"),
        ("--read", "home/.local", "home/.local/state/portcullis/audit.jsonl", "records, keys and pins"),
        ("--write", "logs", "logs/a.jsonl", "`audit.file`"),
        ("--write", ".", "logs/a.jsonl", "the gateway's own"),
        ("--read", "keys", "keys/tls.key", "`tls.key`"),
        ("--write", "keys/cert.pem", "keys/cert.pem", "`tls.cert`"),
        ("--read", "token", "token", "`server.notes.env`"),
        ("--write", "portcullis.toml", "portcullis.toml", "configuration"),
        ("--read", "keys/cert.pem", "keys/cert.pem", ""),
        ("--write", "home/notes", "home/notes", ""),
        ("--write", "work", "work/x", ""),
    ] {
        let deed = if option == "--write" { ">>" } else { "<" };
        let script = format!("exec 3{deed}{}", case.path(target).display());
        let run = case.run(&["sandbox", "exec", option, granted, "--", "/bin/sh", "-c", &script]);
        let expected = if told.is_empty() { 0 } else { 125 };
        assert_eq!(run.status, expected, "{option} {granted}: {}", run.all());
        assert!(run.all().contains(told), "{option} {granted}: {}", run.all());
        let shown = case.run(&["sandbox", "show", option, granted, "--", "/bin/sh"]);
        assert_eq!(shown.status, i32::from(!told.is_empty()), "{option} {granted}: {}", shown.all());
    }
}
