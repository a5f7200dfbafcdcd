//! Results that cannot be written.

use std::{
    fs::OpenOptions,
    io::pipe,
    process::{Command, Stdio},
};

use crate::case::Case;

/// Commands with a result that need nothing to be there, and what they read.
const COMMANDS: [(&[&str], &str); 8] = [
    (&["version"], ""),
    (&["version", "--json"], ""),
    (&["--help"], ""),
    (&["run", "--help"], ""),
    (&["completions", "bash"], ""),
    (&["man"], ""),
    (&["check", "--explain"], ""),
    (&["inspect", "--jsonl"], "{\"id\":1,\"text\":\"hello\"}\n"),
];

fn run(case: &Case, args: &[&str], input: &str, output: impl Into<Stdio>) -> (i32, String) {
    case.write("input", input);
    let run = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(args)
        .current_dir(case.path(""))
        .env_clear()
        .env("HOME", case.path("home"))
        .stdin(OpenOptions::new().read(true).open(case.path("input")).unwrap())
        .stdout(output)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
        .wait_with_output()
        .unwrap();
    (run.status.code().unwrap(), String::from_utf8(run.stderr).unwrap())
}

#[test]
fn a_result_that_cannot_be_written_is_no_success() {
    let case = Case::new("output");
    case.write("portcullis.toml", "");
    case.write("policy.cedar", "");
    for (args, input) in COMMANDS {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let (status, said) = run(&case, args, input, full);
        assert_eq!(status, 3, "{args:?}: {said}");
        let told = "error: the result could not be written to standard output: No space left on device";
        assert_eq!(said.matches(told).count(), 1, "{args:?}: {said}");
        // `| head` has what it wanted.
        let (reader, writer) = pipe().unwrap();
        drop(reader);
        let (status, said) = run(&case, args, input, writer);
        assert_eq!((status, said.contains("error: ")), (0, false), "{args:?}: {said}");
    }
}
