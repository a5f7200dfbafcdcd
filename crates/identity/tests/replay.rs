//! Every input that is kept in `fuzz/corpus` still passes its target.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    unreachable_pub,
    reason = "test code, shared with the fuzz targets"
)]

use std::{fs, path::Path};

#[path = "../../../fuzz/src/identity/mod.rs"]
mod targets;

#[test]
fn the_corpus_passes() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (name, check) in targets::ALL {
        let files: Vec<_> =
            fs::read_dir(corpus.join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(files.len() >= 3, "corpus of `{name}` has too few inputs");
        files.iter().for_each(|file| check(&fs::read(file).unwrap()));
    }
}
