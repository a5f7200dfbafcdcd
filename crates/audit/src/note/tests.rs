#![allow(clippy::unwrap_used, reason = "test code")]

use super::*;
use crate::tree::TreeHash;

/// The example of C2SP signed-note.
const EXAMPLE_KEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
const EXAMPLE: &str = "This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n";

const ALGORITHMS: [Algorithm; 3] = [Algorithm::Ed25519, Algorithm::Ed25519Cosignature, Algorithm::MlDsa44];

fn checkpoint() -> Checkpoint {
    Checkpoint { origin: "example.com/log".to_owned(), size: 7, root: TreeHash::leaf(b"root") }
}

#[test]
fn the_example_of_the_specification_verifies() {
    let key: VerifierKey = EXAMPLE_KEY.parse().unwrap();
    let note = Note::parse(EXAMPLE.as_bytes()).unwrap();
    assert_eq!(note.verify(&key), Ok(None));
    assert_eq!((note.to_string(), key.to_string()), (EXAMPLE.to_owned(), EXAMPLE_KEY.to_owned()));
    let changed = Note::parse(EXAMPLE.replace("example message", "other message").as_bytes()).unwrap();
    assert_eq!(changed.verify(&key), Err(Unverified::False));
}

#[test]
fn each_algorithm_verifies_what_it_signed_and_nothing_else() {
    for algorithm in ALGORITHMS {
        let key = SigningKey::generate("example.com/log", algorithm).unwrap();
        let text = checkpoint().to_string();
        let mut note = Note::unsigned(text.clone());
        note.sign(key.sign(&text, 1_700_000_000).unwrap());
        let time = (algorithm != Algorithm::Ed25519).then_some(1_700_000_000);
        let read = Note::parse(note.to_string().as_bytes()).unwrap();
        assert_eq!(read.verify(key.public()), Ok(time), "{algorithm:?}");
        let other = SigningKey::generate("example.com/log", algorithm).unwrap();
        assert_eq!(read.verify(other.public()), Err(Unverified::Missing), "{algorithm:?}");
        let larger = Checkpoint { size: 8, ..checkpoint() }.to_string();
        let moved = Note { text: larger, signatures: read.signatures().to_vec() };
        assert_eq!(moved.verify(key.public()), Err(Unverified::False), "{algorithm:?}");
    }
}

#[test]
fn keys_are_read_back_and_never_printed() {
    for algorithm in ALGORITHMS {
        let key = SigningKey::generate("example.com/log", algorithm).unwrap();
        let line = String::from_utf8(key.line().expose().to_vec()).unwrap();
        let read = SigningKey::parse(&line).unwrap();
        assert_eq!(read.public(), key.public());
        assert_eq!(&key.public().to_string().parse::<VerifierKey>().unwrap(), key.public());
        // Four fields before it, and any `+` after them is one of its base64 digits.
        let secret = line.trim_end().splitn(5, '+').nth(4).unwrap().to_owned();
        assert!(!format!("{key:?}").contains(&secret), "{algorithm:?}");
    }
    let line = |name: &str| {
        let key = SigningKey::generate(name, Algorithm::Ed25519).unwrap();
        String::from_utf8(key.line().expose().to_vec()).unwrap()
    };
    let two = format!("{}{}", line("a"), line("a"));
    assert_eq!(KeyRing::parse(&two).unwrap().public().count(), 2);
    assert_eq!(KeyRing::parse("").unwrap_err(), (1, KeyFault::Form));
    let mixed = format!("{}{}", line("a"), line("b"));
    assert_eq!(KeyRing::parse(&mixed).unwrap_err(), (2, KeyFault::Name));
}

#[test]
fn what_is_no_key_is_refused() {
    for (text, fault) in [
        ("example.com/foo+530d903a", KeyFault::Form),
        ("example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", KeyFault::Id),
        ("other+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", KeyFault::Id),
        ("a b+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", KeyFault::Name),
        ("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U0=", KeyFault::Key),
        ("example.com/foo+530d903a+B+kyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", KeyFault::Algorithm),
    ] {
        assert_eq!(text.parse::<VerifierKey>().unwrap_err(), fault, "{text}");
    }
}

#[test]
fn what_is_no_note_is_refused() {
    let signature = "— a AAAAAAA=\n";
    let many = format!("x\n\n{}", signature.repeat(MAX_SIGNATURES + 1));
    for (text, fault) in [
        ("", NoteFault::Unsigned),
        ("text\n", NoteFault::Unsigned),
        ("text\n\n", NoteFault::Unsigned),
        ("\n\n— a AAAAAAA=\n", NoteFault::Unsigned),
        ("text\n\n— a AAAAAAA=", NoteFault::Unsigned),
        ("text\n\n- a AAAAAAA=\n", NoteFault::Signature(1)),
        ("text\n\n— a AAAAAAA=\n— a+b AAAAAAA=\n", NoteFault::Signature(2)),
        ("text\n\n— a AAAA\n", NoteFault::Signature(1)),
        ("te\rxt\n\n— a AAAAAAA=\n", NoteFault::NotText),
        (&many, NoteFault::TooMany),
    ] {
        assert_eq!(Note::parse(text.as_bytes()).unwrap_err(), fault, "{text:?}");
    }
    assert_eq!(Note::parse(&vec![b'a'; MAX_BYTES + 1]).unwrap_err(), NoteFault::TooLong);
    let two_blank = "a\n\nb\n\n— a AAAAAAA=\n";
    assert_eq!(Note::parse(two_blank.as_bytes()).unwrap().text(), "a\n\nb\n");
}

#[test]
fn what_is_no_checkpoint_is_refused() {
    let root = TreeHash::empty();
    for (text, fault) in [
        (String::new(), CheckpointFault::Origin),
        (format!("\n1\n{root}\n"), CheckpointFault::Origin),
        (format!("o\n01\n{root}\n"), CheckpointFault::Size),
        (format!("o\n+1\n{root}\n"), CheckpointFault::Size),
        (format!("o\n18446744073709551616\n{root}\n"), CheckpointFault::Size),
        ("o\n1\nAAAA\n".to_owned(), CheckpointFault::Root),
        (format!("o\n1\n{root}\n\nx\n"), CheckpointFault::Extension),
    ] {
        assert_eq!(Checkpoint::parse(&text).unwrap_err(), fault, "{text:?}");
    }
    assert_eq!(Checkpoint::parse(&checkpoint().to_string()), Ok(checkpoint()));
    assert!(Checkpoint::parse(&format!("o\n1\n{root}\nextension\n")).is_ok());
}

#[test]
fn cosignatures_are_adopted_when_they_are_true() {
    let text = checkpoint().to_string();
    let witness = SigningKey::generate("example.com/witness", Algorithm::Ed25519Cosignature).unwrap();
    let mut note = Note::unsigned(text.clone());
    let line = format!("{}\n", witness.sign(&text, 5).unwrap());
    let stale = format!("{}\n", witness.sign(&text.replace('7', "6"), 5).unwrap());
    assert_eq!(note.adopt(&stale, witness.public()), 0);
    assert_eq!(note.adopt("not a line", witness.public()), 0);
    assert_eq!(note.adopt(&line, witness.public()), 1);
    assert_eq!(note.verify(witness.public()), Ok(Some(5)));
}
