//! Broken configurations, each with the whole report.

use std::fs;

use crate::case::{Case, SECRET, fixture_files, fixtures};

#[test]
fn every_broken_configuration_is_reported_in_full() {
    let files = fixture_files("broken");
    assert!(files.len() >= 30, "{} fixtures", files.len());
    for file in files {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let case = Case::new(&format!("broken-{name}"));
        case.copy(&fixtures("broken/with"));
        case.write("portcullis.toml", &fs::read_to_string(&file).unwrap());
        let run = case.run(&["check"]);
        assert!(run.stderr.contains("error: "), "{name}: {}", run.stderr);
        assert!(!run.all().contains(SECRET), "{name} shows a secret");
        run.check(&format!("broken/{name}"));
        assert_eq!(run.status, 2, "{name}");
    }
}

#[test]
fn the_same_report_is_there_for_programs() {
    let case = Case::new("broken-json");
    case.write("portcullis.toml", "[limits]\nbody_bites = 5\n");
    let run = case.run(&["check", "--json"]);
    run.check("check-json-broken");
    assert_eq!((run.status, run.stderr.as_str()), (2, ""));
}

#[test]
fn serving_refuses_what_checking_refuses() {
    let case = Case::new("broken-serve");
    case.write("portcullis.toml", "[limits]\nbody_bites = 5\n");
    let run = case.run(&["serve"]);
    assert_eq!(run.status, 2);
    assert!(
        run.stderr.contains("portcullis.toml:2:1: limits.body_bites: there is no such setting"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_missing_or_unfit_file_is_said_to_be_so() {
    let case = Case::new("broken-file");
    case.run(&["check"]).check("check-no-file");
    case.run(&["check", "--config", "nowhere.toml"]).check("check-file-missing");
    case.write("portcullis.toml", "");
    case.chmod("portcullis.toml", 0o666);
    case.run(&["check"]).check("check-file-open");
}
