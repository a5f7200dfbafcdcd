//! A log that the program wrote, read by its own verifier and by one in another language: they agree about the
//! log as it is and about every way of tampering with it.

mod site;

use std::fs;

use portcullis_audit::tree::{Kind, TilePath};
use serde_json::Value;

use site::{Copy, Site, found};

/// Its name, the run whose log is spoilt, how, the arguments that say what to believe, and the kinds that are
/// found and the first bad entry.
type Case = (
    &'static str,
    usize,
    fn(&Site, &Copy<'_>),
    fn(&Site) -> Vec<String>,
    &'static [&'static str],
    Option<u64>,
);

const CASES: &[Case] = &[
    ("whole", 2, |_, _| {}, log_key, &[], None),
    ("whole, and continues what was kept", 2, |_, _| {}, kept_of_all, &[], None),
    ("flip", 2, |_, log| log.edit(300, |e, at| forge(&mut e[at])), log_key, &["entry"], Some(300)),
    (
        "delete",
        2,
        |_, log| log.edit(300, |e, at| drop(e.remove(at))),
        log_key,
        &["entry", "missing"],
        Some(300),
    ),
    (
        "insert",
        2,
        |_, log| log.edit(300, |e, at| e.insert(at, br#"{"v":1,"id":"x-1","seq":1}"#.to_vec())),
        log_key,
        &["entry"],
        Some(300),
    ),
    (
        "reorder",
        2,
        |_, log| log.edit(300, |e, at| e.swap(at, at + 1)),
        log_key,
        &["entry", "order"],
        Some(300),
    ),
    (
        "replay",
        2,
        |_, log| log.edit(400, |e, at| e[at] = e[at - 100].clone()),
        log_key,
        &["entry", "order"],
        Some(400),
    ),
    (
        "no record",
        2,
        |_, log| log.edit(10, |e, at| e[at] = b"nothing".to_vec()),
        log_key,
        &["entry", "no-record"],
        Some(10),
    ),
    ("tail cut", 2, |_, log| cut(log), log_key, &["missing"], Some(512)),
    ("tile spoilt", 2, |_, log| spoil(log), log_key, &["tile"], None),
    (
        "no checkpoint",
        2,
        |_, log| fs::remove_file(log.path("checkpoint")).unwrap(),
        log_key,
        &["checkpoint"],
        Some(0),
    ),
    ("key of another", 2, |_, _| {}, strange_key, &["key"], Some(0)),
    ("rebuilt", 2, |_, log| drop(rebuild(log)), log_key, &["root"], Some(0)),
    (
        "signed by another",
        2,
        |site, log| log.sign(&site.key("stranger.key"), &rebuild(log)),
        log_key,
        &["key"],
        Some(0),
    ),
    (
        "signed again with its own key",
        2,
        |site, log| log.sign(&site.key("live.key"), &rebuild(log)),
        log_key,
        &[],
        None,
    ),
    (
        "the same against what was kept",
        2,
        |site, log| log.sign(&site.key("live.key"), &rebuild(log)),
        kept_of_all,
        &["rewritten"],
        Some(0),
    ),
    ("older copy", 1, |_, _| {}, log_key, &[], None),
    ("older copy against what was kept", 1, |_, _| {}, kept_of_all, &["rollback"], None),
    ("witnessed", 2, |site, log| log.cosign(&site.kept(1)), witness_key, &[], None),
    (
        "older than what was witnessed",
        1,
        |site, log| log.cosign(&site.kept(2)),
        witness_key,
        &["rollback"],
        None,
    ),
];

fn log_key(site: &Site) -> Vec<String> {
    vec!["--key".to_owned(), site.path("live.key.pub").display().to_string()]
}

fn strange_key(site: &Site) -> Vec<String> {
    vec!["--key".to_owned(), site.path("stranger.key.pub").display().to_string()]
}

fn witness_key(site: &Site) -> Vec<String> {
    [log_key(site), vec!["--witness".to_owned(), site.witness.public().to_string()]].concat()
}

fn kept_of_all(site: &Site) -> Vec<String> {
    let since = (0..3).flat_map(|run| ["--since".to_owned(), site.kept(run).display().to_string()]);
    log_key(site).into_iter().chain(since).collect()
}

/// Makes a record a thousand years younger.
fn forge(entry: &mut [u8]) {
    let time = br#""time":""#;
    let at = entry.windows(time.len()).position(|part| part == time).unwrap() + time.len();
    entry[at] += 1;
}

fn cut(log: &Copy<'_>) {
    let last = TilePath::all(Kind::Entries, log.size).last().unwrap();
    fs::remove_file(log.path(&last.to_string())).unwrap();
}

fn spoil(log: &Copy<'_>) {
    let path = log.path("tile/0/001");
    let mut bytes = fs::read(&path).unwrap();
    bytes[33] ^= 1;
    fs::write(path, bytes).unwrap();
}

fn rebuild(log: &Copy<'_>) -> portcullis_audit::tree::Edge {
    let mut entries = log.entries();
    forge(&mut entries[100]);
    // What the log knows of its own past would only narrow it down.
    fs::remove_file(log.path("history.jsonl")).unwrap();
    log.rebuild(&entries)
}

#[tokio::test]
async fn two_verifiers_agree_about_every_way_of_tampering() {
    let site = Site::new().await;
    for (name, run, spoil, trust, kinds, first) in CASES {
        let log = site.copy(*run);
        spoil(&site, &log);
        let [own, other] = log.verify(&trust(&site));
        for part in [
            "ok",
            "first_bad_entry",
            "origin",
            "size",
            "root",
            "checked",
            "signed_by",
            "witnessed_by",
            "continues",
        ] {
            assert_eq!(own[part], other[part], "{name}: {part}\n{own:#}\n{other:#}");
        }
        assert_eq!(found(&own), found(&other), "{name}\n{own:#}\n{other:#}");
        let mut of_kind: Vec<_> = found(&own).into_iter().map(|(kind, ..)| kind).collect();
        of_kind.dedup();
        assert_eq!(of_kind, *kinds, "{name}\n{own:#}");
        if first.is_some() {
            assert_eq!(own["first_bad_entry"].as_u64(), *first, "{name}");
        }
    }
    no_edit_goes_unnoticed(&site);
}

/// Spoils one file after the other in ways that a seed chooses.
fn no_edit_goes_unnoticed(site: &Site) {
    let mut seed = 0x5eed_u64;
    let mut next = move |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).unwrap() % below
    };
    for number in 0..40 {
        let log = site.copy(2);
        let files = log.files();
        let path = &files[number % files.len()];
        let mut bytes = fs::read(path).unwrap();
        match next(4) {
            0 => bytes.truncate(next(bytes.len())),
            1 => bytes.push(b'x'),
            _ => {
                let at = next(bytes.len());
                bytes[at] ^= 1 << next(8);
            }
        }
        fs::write(path, bytes).unwrap();
        let [own, other] = log.verify(&log_key(site));
        // Readers of JSON may differ about what else a spoilt record is.
        let hard = |report: &Value| {
            let mut found = found(report);
            found.retain(|(kind, ..)| kind != "no-record" && kind != "order");
            found
        };
        assert_eq!(own["ok"], Value::Bool(false), "{path:?} {own:#}");
        assert_eq!(hard(&own), hard(&other), "{path:?}\n{own:#}\n{other:#}");
    }
}
