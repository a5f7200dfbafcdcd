//! Help and the documents the program writes about itself.

use crate::case::Case;

/// Every command a person is meant to find.
const COMMANDS: &[&str] = &[
    "run",
    "connect",
    "serve",
    "init",
    "check",
    "import",
    "install",
    "uninstall",
    "discover",
    "verify",
    "add",
    "approve",
    "lock",
    "inventory",
    "retire",
    "rollback",
    "update",
    "egress",
    "sandbox",
    "inspect",
    "scan",
    "pins",
    "policy",
    "approvals",
    "audit",
    "stop",
    "resume",
    "revoke",
    "tasks",
    "login",
    "logout",
    "completions",
    "man",
    "version",
];

#[test]
fn help() {
    let case = Case::new("help");
    case.succeed(&["--help"]).check("help");
    for command in COMMANDS {
        case.succeed(&[command, "--help"]).check(&format!("help-{command}"));
    }
}

#[test]
fn a_wrong_command_line_ends_with_status_2() {
    let case = Case::new("usage");
    for args in [
        vec![],
        vec!["frobnicate"],
        vec!["run"],
        vec!["run", "--name", "Not Allowed", "--", "x"],
        vec!["import"],
    ] {
        assert_eq!(case.run(&args).status, 2, "{args:?}");
    }
    case.run(&["run", "--name", "Not Allowed", "--", "x"]).check("usage-name");
}

#[test]
fn version() {
    let case = Case::new("version");
    let short = case.succeed(&["version"]).stdout;
    assert!(short.starts_with(concat!("portcullis ", env!("CARGO_PKG_VERSION"))), "{short}");
    assert!(short.contains("2024-11-05") && short.contains("2026-07-28"), "{short}");
    let json: serde_json::Value = serde_json::from_str(&case.succeed(&["version", "--json"]).stdout).unwrap();
    assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(json["protocols"].as_array().unwrap().len(), 5);
}

#[test]
fn completions_and_the_manual_know_every_command() {
    let case = Case::new("documents");
    let man = case.succeed(&["man"]).stdout;
    assert!(man.contains(".TH portcullis") || man.contains(".TH \"portcullis"), "{man}");
    let scripts: Vec<String> =
        ["bash", "zsh", "fish"].iter().map(|shell| case.succeed(&["completions", shell]).stdout).collect();
    for command in COMMANDS {
        assert!(man.contains(&format!(".SH {}", command.to_uppercase())), "{command}");
        assert!(scripts.iter().all(|script| script.contains(command)), "{command}");
    }
    assert!(!man.contains("__supervise") && !man.contains(".SH CONFIG"));
}

#[test]
fn the_reference_and_the_schema_are_written_from_the_same_settings() {
    let case = Case::new("reference");
    let page = case.succeed(&["config", "reference"]).stdout;
    let schema: serde_json::Value =
        serde_json::from_str(&case.succeed(&["config", "schema"]).stdout).unwrap();
    for (section, settings) in schema["properties"].as_object().unwrap() {
        let settings = match section.as_str() {
            "server" => &settings["additionalProperties"]["properties"],
            _ => &settings["properties"],
        };
        for name in settings.as_object().into_iter().flat_map(|settings| settings.keys()) {
            let shown = [format!("| `{name}` |"), format!("## `[{section}.{name}]`")];
            assert!(shown.iter().any(|text| page.contains(text)), "{section}.{name}");
        }
    }
}
