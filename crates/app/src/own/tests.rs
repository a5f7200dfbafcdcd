#![allow(clippy::unwrap_used, reason = "test code")]

use std::os::unix::fs::symlink;

use portcullis_sandbox::Draft;

use super::*;

/// A part of the log in `logs/audit.jsonl`.
const CLOSED: &str = "logs/audit.000001.20260101T000000Z.jsonl";

/// Removed when dropped.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let at = std::env::temp_dir().join(format!("portcullis-own-{name}-{}", std::process::id()));
        for part in
            ["state/store/tree", "state/pins", "logs", "work", "config", "elsewhere/other", "elsewhere/pins"]
        {
            fs::create_dir_all(at.join(part)).unwrap();
        }
        for file in ["logs/audit.jsonl", CLOSED, "logs/auditor.jsonl", "config/key", "config/policy"] {
            fs::write(at.join(file), "").unwrap();
        }
        let at = at.canonicalize().unwrap();
        symlink(at.join("elsewhere"), at.join("work/link")).unwrap();
        Self(at)
    }

    fn own(&self) -> Own {
        let mut own = Own::default();
        own.add(&self.0.join("state"), "the state", false);
        own.add(&self.0.join("state/store"), "`supply.store`", true);
        for (field, path) in [
            ("audit.file", "logs/audit.jsonl"),
            ("tls.key", "config/key"),
            ("policy.files", "config/policy"),
            ("pins.directory", "work/link/pins"),
            ("server.notes.sandbox_write", "work"),
            ("server.notes.env", "config/token"),
        ] {
            own.add_named(&Named { field: field.to_owned(), path: self.0.join(path) });
        }
        own
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn no_plan_reaches_what_is_the_gateways_own() {
    let place = Place::new("reach");
    let own = place.own();
    for (granted, read, write) in [
        ("", false, false),
        ("state", false, false),
        ("state/pins", false, false),
        ("state/store/tree", true, false),
        ("state/store", true, false),
        ("logs", false, false),
        ("logs/audit.jsonl", false, false),
        (CLOSED, false, false),
        ("logs/auditor.jsonl", true, true),
        ("config", false, false),
        ("config/policy", true, false),
        // The link in it leads to the pins: whoever may change the link says where they are.
        ("work", false, false),
        ("elsewhere", false, false),
        ("elsewhere/pins", false, false),
        // Beside the pins, where the link leads as well.
        ("elsewhere/other", true, true),
    ] {
        for (writes, allowed) in [(false, read), (true, write)] {
            let mut draft = Draft::new("/usr/bin".as_ref(), &place.0);
            let path = place.0.join(granted);
            if writes {
                draft.write(&path).unwrap()
            } else {
                draft.read(&path).unwrap()
            }
            let judged = own.is_out_of_reach_of(&draft.finish());
            assert_eq!(judged.is_ok(), allowed, "{granted}, writes: {writes}: {judged:?}");
        }
    }
}

#[test]
fn every_path_a_configuration_names_is_the_gateways_own_or_a_servers() {
    let place = Place::new("names");
    let file = place.0.join("config/portcullis.toml");
    let text = "[audit]\nfile = \"../logs/a.jsonl\"\nlog = \"../logs/tree\"\n[server.notes]\ncommand = \"/bin/true\"\n\
                sandbox_read = [\"../work\"]\nenv = { TOKEN = { file = \"token\" } }\n";
    fs::write(&file, text).unwrap();
    let config = config::load(&file).unwrap().config;
    // As well for a command that has a configuration of its own, beside that of the user's gateway.
    let mut other = config.clone();
    (other.named, other.sources) = (Vec::new(), Vec::new());
    other.audit.file = place.0.join("work/records.jsonl");
    other.pins.directory = place.0.join("work/pins");
    other.audit.transparency = None;
    other.users = Some(Box::new(config.clone()));
    for config in [&config, &other] {
        keeps_all(&place, &Own::of(config));
    }
    assert!(!keeps(&place, &Own::of(&config), "work"));
}

fn keeps(place: &Place, own: &Own, path: &str) -> bool {
    own.0.iter().any(|kept| kept.path == place.0.join(path))
}

fn keeps_all(place: &Place, own: &Own) {
    for path in [
        "logs/a.jsonl",
        "logs/tree",
        "logs/tree.key",
        "logs/pins",
        "logs/approvals",
        "logs/connections",
        "logs/serving",
        "logs/streams",
        "config/token",
        "config/portcullis.toml",
        "config/portcullis.lock",
        "config/policy.cedar",
    ] {
        assert!(keeps(place, own, path), "{path} in {own:?}");
    }
}
