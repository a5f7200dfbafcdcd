#![allow(clippy::unwrap_used, reason = "test code")]

use std::fs;

use super::*;
use crate::{
    OpenError,
    note::{Algorithm, SigningKey},
    tlog::fixture::Ground,
    verify::Trust,
};

fn ring() -> KeyRing {
    let key = SigningKey::generate("example.org/witness", Algorithm::Ed25519Cosignature).unwrap();
    KeyRing::parse(std::str::from_utf8(key.line().expose()).unwrap()).unwrap()
}

#[test]
fn each_checkpoint_has_to_continue_the_one_before() {
    let mut ground = Ground::new();
    let store = ground.home.path().join("witness");
    let keys = ring();
    let public: Vec<_> = keys.public().cloned().collect();
    let witness = Witness::new(&store, keys, ground.trust().keys);
    let look = |ground: &Ground| witness.look(&ground.log(), 7);
    assert!(matches!(look(&ground), Err(WitnessFault::Log(LogFault::Missing(_)))), "there is no log yet");
    ground.run(300);
    assert_eq!(look(&ground).unwrap(), Seen::Cosigned { from: 0, to: 300 });
    assert_eq!(look(&ground).unwrap(), Seen::Unchanged { size: 300 });
    let early = ground.copy();
    ground.run(100);
    assert_eq!(look(&ground).unwrap(), Seen::Cosigned { from: 300, to: 400 });
    let (kept, _) = LogDir::at(&store).checkpoint().unwrap();
    let trust = Trust { witnesses: public, since: vec![kept.clone()], ..ground.trust() };
    assert_eq!(ground.verify_with(&trust).findings, []);

    let whole = ground.copy();
    ground.put_back(&early);
    for _ in 0..2 {
        assert!(matches!(look(&ground), Err(WitnessFault::Rollback { known: 400, shown: 300 })));
    }
    assert_eq!(fs::read_to_string(store.join(EVIDENCE)).unwrap().lines().count(), 1);
    ground.put_back(&whole);
    assert_eq!(look(&ground).unwrap(), Seen::Unchanged { size: 400 });
    assert_eq!(LogDir::at(&store).history().len(), 2);
}

#[test]
fn a_log_that_was_written_anew_is_not_cosigned() {
    let mut ground = Ground::new();
    let store = ground.home.path().join("witness");
    let witness = Witness::new(&store, ring(), ground.trust().keys);
    ground.run(300);
    witness.look(&ground.log(), 7).unwrap();
    // The owner has the key, and tells another story from the beginning.
    fs::remove_dir_all(ground.directory()).unwrap();
    fs::remove_file(ground.lines()).unwrap();
    ground.records = 1_000;
    ground.run(500);
    let fault = witness.look(&ground.log(), 8).unwrap_err();
    assert!(matches!(fault, WitnessFault::Rewritten { known: 300, shown: 500 }), "{fault}");
    ground.new_key(&[Algorithm::Ed25519]);
    assert!(matches!(
        Witness::new(&store, ring(), ground.trust().keys).look(&ground.log(), 9),
        Err(WitnessFault::NotSigned)
    ));
}

/// A submission of the log as it is, from `old` entries on.
fn submission(ground: &Ground, old: u64) -> Submission {
    let (note, shown) = ground.log().checkpoint().unwrap();
    let proof = if old == 0 { Vec::new() } else { ground.log().prove_consistency(old, shown.size).unwrap() };
    Submission { old, proof, note }
}

#[test]
fn submissions_are_cosigned_as_the_protocol_says() {
    let mut ground = Ground::new();
    let store = ground.home.path().join("witness");
    let keys = ring();
    let key = keys.public().next().unwrap().clone();
    let witness = Witnesses::open(&store, keys, ground.trust().keys).unwrap();
    assert!(matches!(Witnesses::open(&store, ring(), ground.trust().keys), Err(OpenError::InUse { .. })));
    let add = |submission: &Submission| {
        let text = submission.to_string();
        assert_eq!(Submission::parse(text.as_bytes()).as_ref(), Some(submission));
        witness.add(text.as_bytes(), 7)
    };
    let status = |submission: &Submission| add(submission).map_or_else(|refused| refused.status(), |_| 200);
    ground.run(300);
    let first = submission(&ground, 0);
    let unproven = Submission { proof: vec![crate::tree::TreeHash::empty()], ..first.clone() };
    assert_eq!((status(&unproven), status(&Submission { old: 301, ..first.clone() })), (422, 400));
    let signatures = add(&first).unwrap();
    let mut cosigned = first.note.clone();
    let lines: String = signatures.iter().map(|signature| format!("{signature}\n")).collect();
    assert_eq!((cosigned.adopt(&lines, &key), cosigned.verify(&key)), (1, Ok(Some(7))));
    let again = Submission { old: 300, ..first.clone() };
    assert_eq!((status(&again), status(&Submission { proof: unproven.proof, ..again })), (200, 422));

    ground.run(100);
    assert!(matches!(add(&submission(&ground, 0)), Err(Refused::Conflict(300))));
    let next = submission(&ground, 300);
    let mut other = next.clone();
    other.proof.swap(0, 1);
    assert_eq!((status(&other), status(&next)), (422, 200));
    assert!(matches!(add(&first), Err(Refused::Conflict(400))), "the old size is not what was cosigned last");
    let origin = ground.ring().name().to_owned();
    let kept = LogDir::at(super::service::store_of(&store, &origin));
    assert_eq!((kept.checkpoint().unwrap().1.size, kept.history().len()), (400, 2));

    // Another tree of the same size, by whoever has the key.
    fs::remove_dir_all(ground.directory()).unwrap();
    fs::remove_file(ground.lines()).unwrap();
    ground.records = 1_000;
    ground.run(400);
    let fork = Submission { old: 400, ..submission(&ground, 0) };
    assert!(matches!(add(&fork), Err(Refused::Forked { size: 400, kept: true })));
    // That one, and not the checkpoints whose proofs were none.
    let evidence = || fs::read_to_string(kept.path().join(EVIDENCE)).unwrap();
    assert_eq!(evidence(), format!("{}\n", encoded(&fork.note)));
    let mut varied = fork.clone();
    varied.note = with_strange_lines(&fork.note, 3);
    assert_eq!((status(&varied), evidence().lines().count()), (409, 1));
    fs::write(kept.path().join(EVIDENCE), "\n".repeat(MAX_EVIDENCE)).unwrap();
    assert!(matches!(add(&fork), Err(Refused::Forked { size: 400, kept: false })));
    ground.new_key(&[Algorithm::Ed25519]);
    ground.run(1);
    assert_eq!(status(&submission(&ground, 400)), 403);
    let strange = SigningKey::generate("example.com/other", Algorithm::Ed25519).unwrap();
    let strange = KeyRing::parse(std::str::from_utf8(strange.line().expose()).unwrap()).unwrap();
    let checkpoint = Checkpoint { origin: strange.name().to_owned(), ..first_of(&first) };
    let note = strange.sign(&checkpoint, 7).unwrap();
    assert_eq!(status(&Submission { old: 0, proof: Vec::new(), note }), 404);
    for malformed in ["", "old 1", "old 01\n\n", "old 0\nnothing\n\n", "old 0\n\nno note\n"] {
        let refused = witness.add(malformed.as_bytes(), 7).unwrap_err();
        assert_eq!(refused.status(), 400, "{malformed}");
    }
}

/// The note under up to `most` signature lines: its own, and some of nobody.
fn with_strange_lines(note: &Note, most: usize) -> Note {
    let strange = |id| Signature { name: "example.net/nobody".to_owned(), id, bytes: vec![7; 64] };
    let mut varied = note.clone();
    (0..).map(strange).take(most - note.signatures().len()).for_each(|line| varied.sign(line));
    varied
}

#[test]
fn lines_that_anybody_adds_to_a_checkpoint_do_not_end_its_log() {
    let mut ground = Ground::new();
    let store = ground.home.path().join("witness");
    let keys = ring();
    let key = keys.public().next().unwrap().clone();
    let witness = Witnesses::open(&store, keys, ground.trust().keys).unwrap();
    let kept = LogDir::at(super::service::store_of(&store, ground.ring().name()));
    // As many as a note may have, and one in the name of the witness.
    for (old, new, strange, falsely) in [(0, 300, 64, None), (300, 400, 63, Some(&key)), (400, 401, 1, None)]
    {
        ground.run(new - old);
        let mut submission = submission(&ground, old);
        let own = submission.note.clone();
        submission.note = with_strange_lines(&own, strange);
        let falsely =
            falsely.map(|key| Signature { name: key.name().to_owned(), id: key.id(), bytes: vec![7; 72] });
        falsely.into_iter().for_each(|line| submission.note.sign(line));
        witness.add(submission.to_string().as_bytes(), 7).unwrap();
        let (note, checkpoint) = kept.checkpoint().unwrap();
        assert_eq!((checkpoint.size, note.verify(&key)), (new, Ok(Some(7))));
        assert_eq!(note.signatures().len(), own.signatures().len() + 1);
    }
}

fn first_of(submission: &Submission) -> Checkpoint {
    Checkpoint::parse(submission.note.text()).unwrap()
}
