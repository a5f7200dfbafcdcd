#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "test code")]

use std::{fs, os::unix::fs::PermissionsExt as _};

use proptest::prelude::*;

use super::{fixture::*, *};
use crate::{
    note::{Algorithm, Checkpoint, Unverified},
    segments,
    tree::{Kind, TilePath},
    verify::Trust,
};

/// Every line of every segment.
fn all_lines(ground: &Ground) -> Vec<Vec<u8>> {
    let texts = segments(&ground.lines()).unwrap().into_iter().map(|path| fs::read(path).unwrap());
    texts
        .flat_map(|text| text.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>())
        .filter(|l| !l.is_empty())
        .collect()
}

fn all_entries(ground: &Ground) -> Vec<Vec<u8>> {
    let log = ground.log();
    let size = log.checkpoint().unwrap().1.size;
    TilePath::all(Kind::Entries, size).flat_map(|path| log.entries(path).unwrap()).collect()
}

#[track_caller]
fn check_whole(ground: &Ground) {
    let report = ground.verify();
    assert_eq!(report.findings, [], "{report:?}");
    assert_eq!(all_entries(ground), all_lines(ground));
}

#[test]
fn the_tree_holds_every_line_in_order_over_runs_and_segments() {
    let mut ground = Ground::new();
    ground.rotate_bytes = Some(16 << 10);
    for count in [1, 254, 1, 1, 300, 0, 700] {
        ground.run(count);
        check_whole(&ground);
    }
    assert!(segments(&ground.lines()).unwrap().len() > 3, "segments were rotated");
}

#[test]
fn lines_written_before_there_was_a_log_become_part_of_it() {
    let mut ground = Ground::new();
    ground.run(300);
    fs::remove_dir_all(ground.directory()).unwrap();
    ground.run(1);
    check_whole(&ground);
    assert!(all_entries(&ground).len() > 300);
}

#[tokio::test]
async fn checkpoints_follow_while_records_are_written() {
    let mut ground = Ground::new();
    let (log, lines) = ground.open();
    let mut checkpoints = log.checkpoints();
    let mut sizes = Vec::new();
    for wanted in [1, 2, 257, 258] {
        let more = wanted - ground.records;
        ground.write(&lines, more);
        let there = |note: &Option<Arc<Note>>| size_of(note.as_deref()) >= wanted;
        let note = checkpoints.wait_for(there).await.unwrap().clone();
        sizes.push(size_of(note.as_deref()));
        assert_eq!(ground.verify().findings, []);
    }
    assert_eq!(sizes, [1, 2, 257, 258]);
    assert_eq!(log.metrics().size.get(), 258);
    tokio::task::spawn_blocking(move || log.shutdown()).await.unwrap().unwrap();
}

fn size_of(note: Option<&Note>) -> u64 {
    note.map_or(0, |note| Checkpoint::parse(note.text()).unwrap().size)
}

/// How a run ends that is killed while it commits.
#[derive(Clone, Copy, Debug)]
enum Death {
    /// Before the new tiles were durable: any of them may be torn.
    Tearing,
    /// After that, with the partial tiles they supersede removed.
    Tidied,
    /// After the state was written and before the checkpoint was.
    Stated,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn a_log_killed_at_any_point_goes_on_without_losing_a_line(
        before in 1_u64..600,
        during in 1_u64..600,
        after in 0_u64..3,
        death in prop_oneof![Just(Death::Tearing), Just(Death::Tidied), Just(Death::Stated)],
        cuts in proptest::collection::vec(0.0_f64..1.0, 1..8),
    ) {
        let mut ground = Ground::new();
        ground.run(before);
        let old = ground.copy();
        ground.run(during);
        let new = ground.directory();
        for name in ["checkpoint", "history.jsonl", "state.json"] {
            if name != "state.json" || !matches!(death, Death::Stated) {
                fs::copy(old.path().join(name), new.join(name)).unwrap();
            }
        }
        if matches!(death, Death::Tearing) {
            copy_into(&old.path().join("tile"), &new.join("tile"));
            tear(old.path(), &new, &cuts);
        }
        ground.run(after);
        let report = ground.verify();
        prop_assert_eq!(&report.findings, &[]);
        prop_assert_eq!(all_entries(&ground), all_lines(&ground));
    }
}

/// Cuts files of `new` that `old` has not got.
fn tear(old: &Path, new: &Path, cuts: &[f64]) {
    let mut files = Vec::new();
    let size = LogDir::at(new).checkpoint().unwrap().1.size + 1_200;
    for kind in [Kind::Entries, Kind::Hashes(0), Kind::Hashes(1)] {
        for index in 0..=size / 256 {
            for width in 1..=256 {
                files.push(TilePath { kind, index, width }.to_string());
            }
        }
    }
    let fresh = files.into_iter().filter(|name| new.join(name).exists() && !old.join(name).exists());
    for (name, cut) in fresh.zip(cuts.iter().cycle()) {
        let bytes = fs::read(new.join(&name)).unwrap();
        let keep = (bytes.len() as f64 * cut) as usize;
        fs::write(new.join(&name), &bytes[..keep]).unwrap();
    }
}

#[test]
fn lines_that_are_gone_are_missed_aloud() {
    let mut ground = Ground::new();
    ground.run(10);
    fs::remove_file(ground.lines()).unwrap();
    ground.run(5);
    let entries = all_entries(&ground);
    let gaps: Vec<_> =
        entries.iter().filter(|e| String::from_utf8_lossy(e).contains("\"log-gap\"")).collect();
    assert_eq!((entries.len(), gaps.len()), (16, 1));
    assert_eq!(ground.verify().findings, []);
}

/// Its name, what is done to a log, and what opening it says then.
type Spoilt = (&'static str, fn(&Ground), &'static str);

#[test]
fn what_cannot_be_continued_is_not_opened() {
    let cases: [Spoilt; 6] = [
        (
            "tile",
            |g| fs::write(g.directory().join("tile/0/000.p/10"), vec![7; 320]).unwrap(),
            "tiles are not those",
        ),
        (
            "short tile",
            |g| fs::write(g.directory().join("tile/0/000.p/10"), vec![7; 319]).unwrap(),
            "holds 9 of 10",
        ),
        (
            "entry",
            |g| fs::write(g.directory().join("tile/entries/000.p/10"), bundle_of(10)).unwrap(),
            "is not the one in the tree",
        ),
        ("state", |g| fs::remove_file(g.directory().join("state.json")).unwrap(), "it is a copy"),
        (
            "mode",
            |g| fs::set_permissions(g.key_file(), fs::Permissions::from_mode(0o640)).unwrap(),
            "can be read by others",
        ),
        (
            "name",
            |g| {
                let key = crate::note::SigningKey::generate("example.com/other", Algorithm::Ed25519).unwrap();
                fs::write(g.key_file(), key.line().expose()).unwrap();
            },
            "and the key is named `example.com/other`",
        ),
    ];
    for (name, spoil, says) in cases {
        let mut ground = Ground::new();
        ground.run(10);
        spoil(&ground);
        let error = ground.try_open().map(drop).unwrap_err().to_string();
        assert!(error.contains(says), "{name}: {error}");
    }
    let ground = Ground::new();
    let (_held, _lines) = ground.open();
    let second = TransparencyLog::open(
        TransparencyLogOptions::new(ground.directory(), ground.key_file()),
        Arc::new(
            crate::JsonLines::open(
                crate::JsonLinesOptions {
                    followed: true,
                    ..crate::JsonLinesOptions::new(ground.home.path().join("b.jsonl"))
                },
                Arc::new(portcullis_core::SystemClock),
            )
            .unwrap(),
        ),
        Arc::new(portcullis_core::SystemClock),
    );
    assert!(matches!(second, Err(TransparencyLogError::Open(OpenError::InUse { .. }))));
}

fn bundle_of(entries: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    (0..entries).for_each(|number| assert!(bundle::push(&mut bytes, &record(number + 100))));
    bytes
}

#[tokio::test]
async fn keys_are_replaced_while_the_log_runs_and_vouch_for_their_successors() {
    let mut ground = Ground::new();
    let old = ground.trust();
    let (log, lines) = ground.open();
    let mut checkpoints = log.checkpoints();
    ground.write(&lines, 3);
    checkpoints.wait_for(|note| size_of(note.as_deref()) >= 3).await.unwrap();
    let new = ground.new_key(&[Algorithm::Ed25519, Algorithm::MlDsa44]);
    ground.write(&lines, 1);
    // The record, and the line that names the new keys.
    checkpoints.wait_for(|note| size_of(note.as_deref()) >= 5).await.unwrap();
    ground.write(&lines, 1);
    checkpoints.wait_for(|note| size_of(note.as_deref()) >= 6).await.unwrap();
    tokio::task::spawn_blocking(move || log.shutdown()).await.unwrap().unwrap();
    let both =
        ground.log().history().into_iter().rev().find(|(note, _)| note.verify(&old.keys[0]).is_ok()).unwrap();
    assert!(new.iter().all(|key| both.0.verify(key).is_ok()), "{}", both.0);
    let announced =
        all_entries(&ground).iter().position(|e| String::from_utf8_lossy(e).contains(&new[0].to_string()));
    assert!(
        (announced.unwrap() as u64) < both.1.size,
        "the line that names the new keys is covered by the old"
    );
    let newest = ground.log().checkpoint().unwrap().0;
    assert_eq!(newest.verify(&old.keys[0]), Err(Unverified::Missing));
    assert_eq!(ground.verify().findings, []);
    assert_eq!(ground.verify().signed_by.len(), 2);
    assert_eq!(ground.verify_with(&old).findings.len(), 1, "the old key alone does not do any more");
    assert!(ground.verify_with(&Trust { keys: vec![new[1].clone()], ..Trust::default() }).is_whole());
}

#[test]
fn a_witness_is_heard_for_the_checkpoint_it_saw() {
    let mut ground = Ground::new();
    let (log, lines) = ground.open();
    let witness = crate::note::SigningKey::generate("w", Algorithm::Ed25519Cosignature).unwrap();
    ground.write(&lines, 3);
    log.shutdown().unwrap();
    let note = log.checkpoints().borrow().clone().unwrap();
    let line = format!("{}\n", witness.sign(note.text(), 77).unwrap());
    let stranger = crate::note::SigningKey::generate("w", Algorithm::Ed25519Cosignature).unwrap();
    assert!(!log.adopt(&note, &line, stranger.public()).unwrap());
    assert!(log.adopt(&note, &line, witness.public()).unwrap());
    let trust = Trust { witnesses: vec![witness.public().clone()], ..ground.trust() };
    let report = ground.verify_with(&trust);
    assert!(report.is_whole());
    assert_eq!(report.witnessed_by[0].at, 77);
}

#[test]
fn proofs_are_made_from_tiles_and_read_back() {
    use crate::{
        note::InclusionProof,
        tree::{TreeHash, consistent},
    };
    let mut ground = Ground::new();
    ground.run(300);
    let (_, old) = ground.log().checkpoint().unwrap();
    ground.run(400);
    let (log, key) = (ground.log(), ground.trust().keys[0].clone());
    let (note, newest) = log.checkpoint().unwrap();
    for number in [1, 256, 257, 700] {
        let (index, entry) = log.find(&format!("node-0-{number:x}"), newest.size).unwrap().unwrap();
        assert_eq!(entry, record(number));
        let proof = log.prove(index, note.clone(), &newest).unwrap();
        let read = InclusionProof::parse(proof.to_string().as_bytes()).unwrap();
        assert_eq!(read.check(&entry, &key), Some(newest.clone()));
        assert_eq!(read.check(b"another record", &key), None);
        assert_eq!(InclusionProof { index: index ^ 1, ..read }.check(&entry, &key), None);
    }
    assert_eq!(log.find("node-0-ffff", newest.size).unwrap(), None);
    let proof = log.prove_consistency(old.size, newest.size).unwrap();
    assert!(consistent((old.size, old.root), (newest.size, newest.root), &proof));
    assert!(!consistent((old.size, TreeHash::empty()), (newest.size, newest.root), &proof));
}
