//! Leave one source out: every text scored by a model that has seen nothing of its source.

use std::collections::BTreeSet;

use portcullis_inspect::detect::Kind;

use crate::{corpus::Doc, fit::fit};

/// Sources made from parts of another: left out together with it.
const RELATED: &[(&str, &[&str])] = &[
    ("injecagent", &["synth_indirect_dev"]),
    ("deepset", &["synth_indirect_dev"]),
    ("garak", &["synth_indirect_dev"]),
    ("pyrit", &["synth_indirect_dev"]),
    ("synth_indirect_dev", &["injecagent"]),
];

/// A text with the score it got from a model that does not know its source.
pub(crate) struct Scored<'d> {
    pub(crate) doc: &'d Doc,
    pub(crate) score: f32,
}

/// Scores every text, on as many threads as the machine has.
pub(crate) fn leave_one_out(docs: &[Doc]) -> Vec<Scored<'_>> {
    let sources: BTreeSet<&str> = docs.iter().map(|doc| doc.source.as_str()).collect();
    let tasks: Vec<(&str, Kind)> =
        sources.iter().flat_map(|source| Kind::ALL.map(|kind| (*source, kind))).collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let next = std::sync::atomic::AtomicUsize::new(0);
    let mut scored: Vec<(usize, Vec<Scored<'_>>)> = std::thread::scope(|scope| {
        let work = || {
            let mut done = Vec::new();
            loop {
                let at = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let Some((source, kind)) = tasks.get(at) else { return done };
                done.push((at, fold(docs, source, *kind)));
            }
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap_or_default()).collect()
    });
    scored.sort_by_key(|(at, _)| *at);
    scored.into_iter().flat_map(|(_, scored)| scored).collect()
}

fn fold<'d>(docs: &'d [Doc], source: &str, kind: Kind) -> Vec<Scored<'d>> {
    let held: Vec<&Doc> =
        docs.iter().filter(|doc| doc.source == source && doc.surface.kind() == kind).collect();
    if held.is_empty() {
        return Vec::new();
    }
    let related = RELATED.iter().find(|(name, _)| *name == source).map_or(&[][..], |(_, related)| related);
    let rest: Vec<&Doc> =
        docs.iter().filter(|doc| doc.source != source && !related.contains(&doc.source.as_str())).collect();
    let model = fit(&rest, kind);
    held.into_iter().map(|doc| Scored { doc, score: model.score(doc) }).collect()
}
