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
    for (options, command, allowed) in [
        (vec![], vec!["/bin/cat", milk], false),
        (vec!["--read", notes], vec!["/bin/cat", milk], true),
        (vec!["--read", "notes/milk"], vec!["/bin/cat", milk], true),
        (vec!["--read", notes], vec!["/bin/cp", milk, &new], false),
        (vec!["--write", notes], vec!["/bin/cp", milk, &new], true),
        (vec![], vec!["/usr/bin/env", "/bin/true"], false),
        (vec!["--execute", "/bin/true"], vec!["/usr/bin/env", "/bin/true"], true),
    ] {
        let run = case.run(&[&["sandbox", "exec"], options.as_slice(), &["--"], command.as_slice()].concat());
        assert_eq!(run.status, i32::from(!allowed), "{options:?} {command:?}: {}", run.all());
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
    for wrong in [["--read", "/"], ["--write", "/proc"], ["--read", "none"], ["--execute", "none"]] {
        let args = [&["sandbox", "show"], wrong.as_slice(), &["--", "/bin/true"]].concat();
        assert_eq!(case.run(&args).status, 2, "{wrong:?}");
    }
}
