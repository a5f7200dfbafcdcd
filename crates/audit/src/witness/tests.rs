#![allow(clippy::unwrap_used, reason = "test code")]

use std::fs;

use super::*;
use crate::{
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
