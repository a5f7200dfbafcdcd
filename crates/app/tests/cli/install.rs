//! Clients' settings, rewritten to go through the program and back.

use std::{fs, os::unix::fs::symlink};

use crate::case::{Case, Run, SECRET, fixture_files};

const PROGRAM: &str = env!("CARGO_BIN_EXE_portcullis");

/// What a test reads of a file, with a path for the program that is the same everywhere.
fn shown(case: &Case, name: &str) -> String {
    case.read(name).replace(PROGRAM, "/opt/portcullis")
}

fn install(case: &Case, client: &str, file: &str) -> Run {
    case.run(&["install", client, "--config", file])
}

/// The client a fixture is named after.
fn client_of(file: &str) -> &str {
    let stem = file.split('.').next().unwrap();
    ["vscode", "cursor", "codex", "goose", "continue"]
        .into_iter()
        .find(|client| stem.starts_with(&format!("{client}-")) && stem != "continue-json")
        .unwrap_or(stem)
}

#[test]
fn every_style_is_kept() {
    for file in fixture_files("install") {
        let name = file.file_name().unwrap().to_str().unwrap();
        let case = Case::new(&format!("install-{name}"));
        let before = fs::read_to_string(&file).unwrap();
        case.write(name, &before);
        let run = install(&case, client_of(name), name);
        run.check(&format!("install/{name}"));
        let after = shown(&case, name);
        let quoted = Run { status: run.status, stdout: after, stderr: String::new() };
        quoted.check(&format!("install/{name}.after"));
    }
}

#[test]
fn every_clients_file_goes_there_and_back() {
    let mut changed = 0;
    for file in fixture_files("clients").into_iter().chain(fixture_files("install")) {
        let name = file.file_name().unwrap().to_str().unwrap();
        if name.ends_with(".xml") {
            continue;
        }
        let case = Case::new(&format!("there-and-back-{name}"));
        let before = fs::read(&file).unwrap();
        fs::write(case.path(name), &before).unwrap();
        case.chmod(name, 0o640);
        let client = client_of(name);
        let there = install(&case, client, name);
        assert!(there.status <= 1, "{name}: {}", there.all());
        assert!(!there.all().contains(SECRET), "{name}");
        let after = fs::read(case.path(name)).unwrap();
        changed += usize::from(after != before);
        // Once more changes nothing.
        install(&case, client, name);
        assert_eq!(fs::read(case.path(name)).unwrap(), after, "{name}");
        // What import makes of it: no server that is started without us.
        let import = case.run(&["import", "--client", client, name]);
        let started = import.stdout.lines().filter(|line| line.starts_with("command = "));
        let started: Vec<_> = started.collect();
        assert!(started.is_empty() || there.status == 1, "{name}: {started:?}");
        if case.path("home/.local").exists() {
            for kept in fs::read_dir(case.path("home/.local/state/portcullis/install")).unwrap() {
                let kept = kept.unwrap().path();
                assert!(!fs::read_to_string(&kept).unwrap().contains(SECRET), "{name}: {}", kept.display());
            }
        }
        let back = case.succeed(&["uninstall", client, "--config", name]);
        assert!(!back.all().contains(SECRET), "{name}");
        assert_eq!(fs::read(case.path(name)).unwrap(), before, "{name}");
        assert_eq!(case.mode(name), 0o640, "{name}");
        assert!(case.succeed(&["uninstall", client]).stderr.contains("nothing of"), "{name}");
    }
    assert!(changed >= 14, "{changed}");
}

#[test]
fn settings_are_found_where_the_client_keeps_them() {
    let case = Case::new("install-places");
    let servers = r#"{"mcpServers":{"notes":{"command":"npx"}}}"#;
    case.write("home/.codeium/windsurf/mcp_config.json", servers);
    case.write("home/.codeium/mcp_config.json", "{}");
    case.succeed(&["install", "windsurf", "--dry-run"]).check("install-dry-run");
    assert_eq!(case.read("home/.codeium/windsurf/mcp_config.json"), servers);
    case.succeed(&["install", "windsurf"]).check("install-found");
    assert_ne!(case.read("home/.codeium/windsurf/mcp_config.json"), servers);
    case.succeed(&["uninstall", "windsurf"]).check("uninstall-found");
    assert_eq!(case.read("home/.codeium/windsurf/mcp_config.json"), servers);
    case.run(&["install", "cursor"]).check("install-nowhere");
    case.run(&["install", "netscape"]).check("install-unknown");
}

#[test]
fn what_others_changed_stays() {
    let case = Case::new("install-edited");
    case.write("s.json", r#"{"mcpServers":{"a":{"command":"npx","args":["x"]},"b":{"command":"uvx"}}}"#);
    case.succeed(&["install", "cursor", "--config", "s.json"]);
    // Another server in front, an argument more, and one server less.
    let edited = case
        .read("s.json")
        .replace("{\"a\":", "{\"new\":{\"command\":\"npx\"},\"a\":")
        .replace("\"x\"]", "\"x\",\"--more\"]");
    let gone = edited.find(",\"b\":").unwrap();
    case.write("s.json", &format!("{}}}}}", edited.get(..gone).unwrap()));
    case.succeed(&["uninstall", "cursor"]).check("uninstall-edited");
    let expected = r#"{"mcpServers":{"new":{"command":"npx"},"a":{"command":"npx","args":["x","--more"]}}}"#;
    assert_eq!(case.read("s.json"), expected);
}

#[test]
fn a_file_changed_underneath_is_left_alone() {
    let case = Case::new("install-underneath");
    case.write("s.json", r#"{"mcpServers":{"a":{"command":"npx","args":["x"]},"b":{"command":"uvx"}}}"#);
    case.succeed(&["install", "cursor", "--config", "s.json"]);
    let edited = case.read("s.json").replace("\"--name\", \"a\"", "\"--name\", \"mine\"");
    case.write("s.json", &edited);
    case.run(&["uninstall", "cursor"]).check("uninstall-underneath");
    assert_eq!(case.read("s.json"), edited);
}

#[test]
fn links_stay_links_and_open_files_are_refused() {
    let case = Case::new("install-link");
    let servers = r#"{"mcpServers":{"a":{"command":"npx"}}}"#;
    case.write("dotfiles/mcp.json", servers);
    fs::create_dir_all(case.path("home/.cursor")).unwrap();
    symlink(case.path("dotfiles/mcp.json"), case.path("home/.cursor/mcp.json")).unwrap();
    case.succeed(&["install", "cursor"]);
    assert!(fs::symlink_metadata(case.path("home/.cursor/mcp.json")).unwrap().is_symlink());
    assert!(case.read("dotfiles/mcp.json").contains("\"run\", \"--name\", \"a\", \"--\", \"npx\""));
    case.chmod("dotfiles/mcp.json", 0o666);
    case.run(&["uninstall", "cursor"]).check("uninstall-open");
    case.chmod("dotfiles/mcp.json", 0o644);
    case.succeed(&["uninstall", "cursor"]);
    assert_eq!(case.read("dotfiles/mcp.json"), servers);
}

#[test]
fn the_result_is_there_for_programs() {
    let case = Case::new("install-json");
    let servers = r#"{"mcpServers":{"a":{"command":"npx"},"b":{"url":"https://example.com/mcp"},"c":{"command":"npx","args":[1]}}}"#;
    case.write("s.json", servers);
    let run = case.run(&["install", "--json", "cursor", "--config", "s.json"]);
    assert_eq!(run.status, 1);
    run.check("install-json");
    case.succeed(&["uninstall", "--json", "cursor"]).check("uninstall-json");
    assert_eq!(case.read("s.json"), servers);
}
