//! Every input that is kept in `fuzz/corpus` still passes its target.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "test code")]

use std::{fs, path::Path};

#[allow(unreachable_pub, reason = "the fuzz crate, whose module it is, exports it")]
#[path = "../../../fuzz/src/supply/mod.rs"]
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
