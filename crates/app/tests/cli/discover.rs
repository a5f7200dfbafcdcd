//! Servers in the settings of clients. What runs on the machine is found in the attack range (S-06).

use std::process::Command;

use crate::case::{Case, SECRET};

fn planted(name: &str) -> Case {
    let case = Case::new(name);
    case.write(
        "home/.cursor/mcp.json",
        r#"{ "mcpServers": {
  "notes": { "command": "npx", "args": ["-y", "notes", "--token", "hunter2"] },
  "wrapped": { "command": "/usr/local/bin/portcullis", "args": ["run", "--", "npx", "x"] },
  "away": { "url": "https://me:hunter2@mcp.example.com/mcp?key=hunter2" },
  "gateway": { "url": "http://localhost:9393/mcp" }
} }"#,
    );
    case.write("home/.codex/config.toml", "[mcp_servers.docs]\ncommand = \"/opt/docs\"\n");
    case.write("home/.config/goose/config.yaml", "extensions:\n  dev: { type: builtin }\n  broken: [\n");
    case.write("work/.vscode/mcp.json", r#"{ "servers": { "project": { "command": "uvx" } } }"#);
    case.write("portcullis.toml", "[gateway]\nlisten = \"127.0.0.1:9393\"\n");
    case.write("policy.cedar", "");
    case
}

/// Whoever runs the tests owns their files.
fn without_owner(text: &str) -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    let me = String::from_utf8(output.stdout).unwrap();
    let me = me.trim();
    let shown = text.replace(&format!("owner {me}\n"), "owner [USER]\n");
    shown.replace(&format!("\"owner\": \"{me}\""), "\"owner\": \"[USER]\"")
}

#[test]
fn what_is_in_settings_is_found_and_no_secret_is_shown() {
    let case = planted("discover");
    for (name, args) in [
        ("discover", &["discover", "--in", "clients", "--project", "work"][..]),
        ("discover-all", &["discover", "--in", "clients", "--all"]),
        ("discover-json", &["discover", "--in", "clients", "--project", "work", "--json"]),
        ("discover-sarif", &["discover", "--in", "clients", "--project", "work", "--sarif"]),
    ] {
        let mut run = case.run(args);
        run.stdout = without_owner(&run.stdout);
        assert_eq!(run.status, 1, "{}", run.stderr);
        assert!(!run.all().contains(SECRET), "{name}");
        run.check(name);
    }
}

#[test]
fn nothing_is_found_where_nothing_is() {
    let case = Case::new("discover-nothing");
    case.write(
        "home/.cursor/mcp.json",
        r#"{ "mcpServers": { "wrapped": { "command": "portcullis", "args": ["run", "--", "x"] } } }"#,
    );
    let mut run = case.succeed(&["discover", "--in", "clients"]);
    run.stdout = without_owner(&run.stdout);
    run.check("discover-nothing");
    case.run(&["discover", "--config", "missing.toml"]).check("discover-no-config");
}

#[test]
fn what_is_installed_is_known() {
    let case = Case::new("discover-installed");
    case.write("home/.cursor/mcp.json", r#"{ "mcpServers": { "a": { "command": "npx" } } }"#);
    assert_eq!(case.run(&["discover", "--in", "clients"]).status, 1);
    case.succeed(&["install", "cursor"]);
    case.succeed(&["discover", "--in", "clients"]);
}
