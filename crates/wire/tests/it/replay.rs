//! Every input that is kept in `fuzz/corpus` still passes its target.

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;

use crate::targets;

#[test]
fn corpus_passes() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (name, target) in targets::ALL {
        let folder = corpus.join(name);
        let files: Vec<_> = fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .map(|entry| entry.unwrap().path())
            .collect();
        assert!(files.len() >= 3, "corpus of `{name}` has too few inputs");
        for file in files {
            let input = fs::read(&file).unwrap();
            let outcome = catch_unwind(|| target(&input));
            assert!(outcome.is_ok(), "`{name}` fails on {}", file.display());
        }
    }
}

#[test]
fn every_target_survives_hostile_basics() {
    let samples: [&[u8]; 8] =
        [b"", b"\0", b"\xFF\xFE", b"\xEF\xBB\xBF{}", b"[[[[[[[[", b"\"\\u", b"{\"a\":", &[b'\r'; 300]];
    for (_, target) in targets::ALL {
        samples.iter().for_each(|sample| target(sample));
    }
}
