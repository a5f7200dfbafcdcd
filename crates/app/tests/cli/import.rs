//! Clients' files.

use std::fs;

use crate::case::{Case, SECRET, fixture_files};

#[test]
fn every_clients_file_is_read_and_its_secrets_stay_hidden() {
    let files = fixture_files("clients");
    assert!(files.len() >= 20, "{} fixtures", files.len());
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        let stem = file.file_stem().unwrap().to_str().unwrap();
        let case = Case::new(&format!("import-{stem}"));
        case.write(name, &fs::read_to_string(&file).unwrap());
        let run = case.run(&["import", name]);
        assert!(!run.all().contains(SECRET), "{name} shows a secret");
        run.check(&format!("import/{stem}"));
    }
}

#[test]
fn a_client_can_be_named() {
    for file in fixture_files("clients") {
        let name = file.file_name().unwrap().to_str().unwrap();
        let id = match file.file_stem().unwrap().to_str().unwrap() {
            "jetbrains" => continue,
            "vscode-settings" => "vscode",
            id => id,
        };
        let case = Case::new(&format!("client-{id}-{}", name.len()));
        case.write(name, &fs::read_to_string(&file).unwrap());
        let (named, recognised) = (case.run(&["import", "--client", id, name]), case.run(&["import", name]));
        // A file of the usual shape may hold more where a certain client keeps it.
        assert!(
            recognised.stdout.contains(&named.stdout) && !named.stdout.is_empty(),
            "{id}: {}",
            named.stderr
        );
    }
    let case = Case::new("client-unknown");
    case.write("x.json", "{}");
    case.run(&["import", "--client", "netscape", "x.json"]).check("import-unknown-client");
}

#[test]
fn what_is_imported_can_be_used() {
    for file in fixture_files("clients") {
        let name = file.file_name().unwrap().to_str().unwrap();
        if name.ends_with(".xml") {
            continue;
        }
        let case = Case::new(&format!("import-write-{name}"));
        case.write("portcullis.toml", "[limits]\njson_depth = 32 # kept\n");
        case.write("policy.cedar", "");
        case.write(name, &fs::read_to_string(&file).unwrap());
        let run = case.run(&["import", "--write", name]);
        assert!(!run.all().contains(SECRET), "{name}");
        let written = case.read("portcullis.toml");
        assert!(
            written.starts_with("[limits]\njson_depth = 32 # kept\n\n[server."),
            "{name}: {written}\n{}",
            run.stderr
        );
        assert!(!written.contains(SECRET), "{name}");
        let check = case.run(&["check"]);
        // Variables that are not set and programs that are not installed here may be missing.
        let errors = check.stderr.lines().filter(|line| line.starts_with("error: portcullis.toml:"));
        let missing = |line: &&str| line.contains("is not set") || line.contains("it will not be started");
        let other: Vec<&str> = errors.filter(|line| !missing(line)).collect();
        assert!(other.is_empty(), "{name}: {other:?}\n{written}");
        if case.path("secrets").exists() {
            assert_eq!(case.mode("secrets"), 0o700, "{name}");
            for secret in fs::read_dir(case.path("secrets")).unwrap() {
                let secret = secret.unwrap().file_name().into_string().unwrap();
                assert_eq!(case.mode(&format!("secrets/{secret}")), 0o600, "{name} {secret}");
            }
        }
    }
}

#[test]
fn importing_adds_and_never_replaces() {
    let case = Case::new("import-twice");
    case.write("portcullis.toml", "");
    case.write("a.json", r#"{"mcpServers":{"a":{"command":"npx","env":{"TOKEN":"hunter2"}}}}"#);
    case.write("b.json", r#"{"mcpServers":{"b":{"command":"npx"}}}"#);
    case.succeed(&["import", "--write", "a.json"]).check("import-write");
    assert_eq!(case.read("secrets/a.TOKEN"), "hunter2");
    let before = case.read("portcullis.toml");
    let again = case.run(&["import", "--write", "a.json", "b.json"]);
    again.check("import-write-again");
    let after = case.read("portcullis.toml");
    assert!(after.starts_with(&before) && after.contains("[server.b]"));
    assert_eq!(after.matches("[server.a]").count(), 1);
}

#[test]
fn the_result_is_there_for_programs() {
    let case = Case::new("import-json");
    case.write("a.json", r#"{"mcpServers":{"A":{"command":"npx","env":{"TOKEN":"hunter2"}},"off":{"command":"x","disabled":true}}}"#);
    let run = case.succeed(&["import", "--json", "a.json"]);
    assert!(!run.all().contains(SECRET));
    run.check("import-json");
}

#[test]
fn a_file_that_is_no_clients_is_refused() {
    let case = Case::new("import-none");
    case.write("package.json", r#"{"name":"x"}"#);
    case.write("broken.json", "{");
    case.run(&["import", "package.json", "broken.json", "missing.json"]).check("import-none");
}

#[test]
fn a_configuration_that_would_not_be_valid_is_left_alone() {
    let case = Case::new("import-invalid");
    // A table that is written inline cannot be added to.
    case.write("portcullis.toml", "server = { b = { command = \"npx\" } }\n");
    case.write("a.json", r#"{"mcpServers":{"a":{"command":"npx","env":{"TOKEN":"hunter2"}}}}"#);
    let before = case.read("portcullis.toml");
    case.run(&["import", "--write", "a.json"]).check("import-invalid");
    assert_eq!(case.read("portcullis.toml"), before);
    assert!(!case.path("secrets").exists());
}

#[test]
fn secrets_of_like_names_stay_apart() {
    let case = Case::new("import-like-names");
    case.write("portcullis.toml", "");
    let env = r#"{"A.TOKEN":"first","A_TOKEN":"second","a_token":"third"}"#;
    case.write("a.json", &format!(r#"{{"mcpServers":{{"a":{{"command":"npx","env":{env}}}}}}}"#));
    case.succeed(&["import", "--write", "a.json"]);
    let values: Vec<String> = fs::read_dir(case.path("secrets"))
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
        .collect();
    for value in ["first", "second", "third"] {
        assert!(values.iter().any(|stored| stored == value), "{value}");
    }
}
