#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

use std::fs;

use bytes::Bytes;
use portcullis_core::{Hold, Standing};

use super::*;

const TOOL: &str = r#"{"name":"x","description":"one","inputSchema":{}}"#;

struct Place {
    directory: PathBuf,
    server: ServerName,
}

impl Place {
    fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("portcullis-pins-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        Self { directory, server: "notes".parse().unwrap() }
    }

    fn files(&self) -> PinFiles {
        self.files_with(Trust::FirstUse, &[])
    }

    fn files_with(&self, trust: Trust, keys: &[VerifierKey]) -> PinFiles {
        let (directory, suffix) = (self.directory.clone(), String::new());
        PinFiles::new(&config::Pins { directory, suffix, trust, keys: keys.to_vec() })
    }

    async fn review(&self, files: &PinFiles, tool: &str) -> Result<Standing, PinsUnavailable> {
        let offer = Offer { name: "x".into(), raw: Bytes::copy_from_slice(tool.as_bytes()) };
        files.review(&self.server, PinKind::Tool, vec![offer], 1).await.map(|it| it.standings[0])
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

const HELD: Standing = Standing::Held(Hold::Changed);

#[tokio::test]
async fn pins_outlive_the_gateway_and_are_shared_with_others() {
    let place = Place::new("shared");
    let changed = TOOL.replace("one", "two");
    let (a, b) = (place.files(), place.files());
    assert_eq!(place.review(&a, TOOL).await.unwrap(), Standing::Trusted);
    assert_eq!(place.review(&b, &changed).await.unwrap(), HELD);
    assert_eq!(place.review(&place.files(), &changed).await.unwrap(), HELD);
    assert_eq!(a.changed_elsewhere().len(), 0, "what is held can be used by nobody, as before");
    change(&place.directory, "notes", |book| book.approve(PinKind::Tool, "x", 7, 2)).unwrap().unwrap();
    for files in [&a, &b] {
        let changed = files.changed_elsewhere();
        assert_eq!(changed.len(), 1);
        assert!(changed[0].1[0].1.detail.contains("trusted by user 7"), "{changed:?}");
        assert!(files.changed_elsewhere().is_empty(), "it is told once");
    }
    assert_eq!(place.review(&a, &changed).await.unwrap(), Standing::Trusted);
    assert_eq!(place.review(&a, TOOL).await.unwrap(), HELD);
}

#[tokio::test]
async fn a_file_that_is_not_what_was_written_refuses() {
    let place = Place::new("broken");
    let files = place.files();
    place.review(&files, TOOL).await.unwrap();
    let path = place.directory.join("notes.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("one", "two")).unwrap();
    let fault = place.review(&files, TOOL).await.unwrap_err();
    assert!(fault.to_string().contains("does not fit"), "{fault}");
    fs::write(&path, &text).unwrap();
    assert_eq!(place.review(&files, TOOL).await.unwrap(), Standing::Trusted);
}

#[tokio::test]
async fn what_a_crash_left_behind_is_in_nobodys_way() {
    let place = Place::new("crash");
    fs::create_dir_all(&place.directory).unwrap();
    for left in ["notes.new", "notes.lock"] {
        fs::write(place.directory.join(left), "half").unwrap();
    }
    assert_eq!(place.review(&place.files(), TOOL).await.unwrap(), Standing::Trusted);
    assert_eq!(place.review(&place.files(), &TOOL.replace("one", "two")).await.unwrap(), HELD);
}

#[tokio::test(flavor = "multi_thread")]
async fn gateways_that_write_at_once_lose_nothing() {
    let place = Place::new("at-once");
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..16 {
        let (files, server) = (place.files(), place.server.clone());
        tasks.spawn(async move {
            let kind = if number % 2 == 0 { PinKind::Tool } else { PinKind::Prompt };
            let raw = format!(r#"{{"name":"{number}","inputSchema":{{}}}}"#);
            let offer = Offer { name: number.to_string().into(), raw: Bytes::from(raw) };
            files.review(&server, kind, vec![offer], 1).await.unwrap();
        });
    }
    tasks.join_all().await;
    assert_eq!(books_in(&place.directory).unwrap()[0].1.pins().count(), 16);
}

#[tokio::test]
async fn only_a_list_that_is_signed_by_a_known_key_vouches_for_anything() {
    use portcullis_audit::note::{Algorithm, KeyRing, SigningKey};
    use portcullis_inspect::pins::Manifest;

    let place = Place::new("signed");
    let key = || SigningKey::generate("example.com/pins", Algorithm::Ed25519).unwrap();
    let (ours, theirs) = (key(), key());
    let write = |key: &SigningKey, server: &str| {
        let mut book = Book::default();
        let offer = Offer { name: "x".into(), raw: Bytes::from_static(TOOL.as_bytes()) };
        let judgement = book.judge(PinKind::Tool, &[offer], Trust::FirstUse, None, 1);
        book.apply(judgement);
        let ring = KeyRing::parse(std::str::from_utf8(key.line().expose()).unwrap().trim_end()).unwrap();
        let note = ring.sign_text(Manifest::of(server, &book).write(), 1).unwrap();
        fs::create_dir_all(&place.directory).unwrap();
        fs::write(place.directory.join("notes.signed"), note.to_string()).unwrap();
    };
    let files = place.files_with(Trust::Signed, std::slice::from_ref(ours.public()));
    assert_eq!(place.review(&files, TOOL).await.unwrap(), Standing::Held(Hold::Unsigned), "no list");
    write(&ours, "notes");
    assert_eq!(place.review(&files, TOOL).await.unwrap(), Standing::Trusted);
    assert_eq!(
        place.review(&files, &TOOL.replace("one", "two")).await.unwrap(),
        Standing::Held(Hold::Unsigned)
    );
    for (key, server, wanted) in [(&theirs, "notes", "signed it"), (&ours, "mail", "about `mail`")] {
        write(key, server);
        let fault = place.review(&files, TOOL).await.unwrap_err().to_string();
        assert!(fault.contains(wanted), "{fault}");
    }
}
