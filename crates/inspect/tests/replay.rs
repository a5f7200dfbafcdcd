//! Every input that is kept in `fuzz/corpus` still passes its target.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::string_slice,
    clippy::disallowed_methods,
    missing_docs,
    unreachable_pub,
    reason = "test code, shared with the fuzz targets"
)]

use std::{fs, path::Path};

#[path = "../../../fuzz/src/inspect/mod.rs"]
mod targets;

#[test]
fn the_corpus_passes() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (name, target) in targets::ALL {
        let inputs: Vec<_> =
            fs::read_dir(corpus.join(name)).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(inputs.len() >= 9, "corpus of `{name}` has too few inputs");
        for input in inputs {
            target(&fs::read(&input).unwrap());
        }
    }
}
