//! Fitting: logistic loss over the highest window of each text, by AdaGrad, drawn towards the rules' priors.

use std::collections::BTreeMap;

use portcullis_inspect::detect::{
    Kind,
    training::{FIRST_WORD, Sample, Span, prior},
};

use crate::corpus::Doc;

/// Passes over the texts.
const EPOCHS: usize = 25;
const RATE: f32 = 0.1;
/// What each pass takes from every weight's distance to its prior.
const DECAY: f32 = 0.25;
/// How far words count beside concepts.
const WORD_SHARE: f32 = 0.6;
/// How much ordinary texts count beside attacks.
const ORDINARY_SHARE: f32 = 4.0;
const SEED: u64 = 7;

/// Weights and bias.
pub(crate) struct Fit {
    pub(crate) weights: Vec<f32>,
    pub(crate) bias: f32,
}

impl Fit {
    /// The score of a text, in logits.
    pub(crate) fn score(&self, doc: &Doc) -> f32 {
        highest(doc, &self.weights).map_or(-20.0, |peak| peak.score) + self.bias
    }
}

struct Peak<'d> {
    score: f32,
    sample: &'d Sample,
    window: &'d Span,
}

/// The window with the highest score, without the bias.
fn highest<'d>(doc: &'d Doc, weights: &[f32]) -> Option<Peak<'d>> {
    let weight = |feature: &u32| weights.get(*feature as usize).copied().unwrap_or_default();
    let mut best: Option<Peak<'d>> = None;
    for (sample, bonus) in &doc.views {
        let units: Vec<f32> = sample.units.iter().map(|unit| unit.iter().map(weight).sum()).collect();
        for window in &sample.windows {
            let units: f32 = units.get(window.units.clone()).unwrap_or_default().iter().sum();
            let score = bonus + units + window.own.iter().map(weight).sum::<f32>();
            if best.as_ref().is_none_or(|best| best.score < score) {
                best = Some(Peak { score, sample, window });
            }
        }
    }
    best
}

/// Fits the model of a kind to `docs`.
pub(crate) fn fit(docs: &[&Doc], kind: Kind) -> Fit {
    let weighted = weighted(docs, kind);
    let prior = prior(kind);
    let mut weights = prior.clone();
    let mut squares = vec![1e-2_f32; weights.len()];
    let (mut bias, mut bias_square) = (-4.0_f32, 1.0_f32);
    let mut order: Vec<usize> = (0..weighted.len()).collect();
    let mut state = SEED;
    for _ in 0..EPOCHS {
        shuffle(&mut order, &mut state);
        for (doc, share) in order.iter().filter_map(|at| weighted.get(*at)) {
            let Some(peak) = highest(doc, &weights) else { continue };
            let expected = if doc.attack { 1.0 } else { 0.0 };
            let error = share * (1.0 / (1.0 + (-(peak.score + bias)).exp()) - expected);
            if error.abs() < 1e-4 {
                continue;
            }
            for feature in peak.sample.features(peak.window) {
                let at = feature as usize;
                let scale = if at >= FIRST_WORD { WORD_SHARE } else { 1.0 };
                let gradient = error * scale;
                if let (Some(weight), Some(square)) = (weights.get_mut(at), squares.get_mut(at)) {
                    *square += gradient * gradient;
                    *weight -= RATE * scale * gradient / square.sqrt();
                }
            }
            bias_square += error * error;
            bias -= RATE * error / bias_square.sqrt();
        }
        for (weight, prior) in weights.iter_mut().zip(&prior) {
            *weight = prior + (*weight - prior) * (1.0 - DECAY);
        }
    }
    Fit { weights, bias }
}

/// A fixed sequence, so that training gives the same weights every time.
fn shuffle(order: &mut [usize], state: &mut u64) {
    for last in (1..order.len()).rev() {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        order.swap(last, (*state >> 33) as usize % (last + 1));
    }
}

/// How much each text counts: a source by the root of its size, so that large ones do not drown small ones.
fn weighted<'d>(docs: &[&'d Doc], kind: Kind) -> Vec<(&'d Doc, f32)> {
    let mut sources: BTreeMap<(&str, bool), f32> = BTreeMap::new();
    for doc in docs {
        let relevance = relevance(doc, kind);
        if relevance > 0.0 {
            *sources.entry((&doc.source, doc.attack)).or_default() += relevance;
        }
    }
    let total = |attack: bool| -> f32 {
        sources.iter().filter(|((_, label), _)| *label == attack).map(|(_, size)| size.sqrt()).sum()
    };
    let (attacks, ordinary) = (total(true), total(false));
    let share = |doc: &Doc| {
        let relevance = relevance(doc, kind);
        let size = sources.get(&(doc.source.as_str(), doc.attack)).copied().unwrap_or(1.0);
        let side = if doc.attack { 1.0 / attacks } else { ORDINARY_SHARE / ordinary };
        relevance / size.sqrt() * side * docs.len() as f32 * 0.5
    };
    docs.iter().filter(|doc| relevance(doc, kind) > 0.0).map(|doc| (*doc, share(doc))).collect()
}

/// How much a text of another surface tells a model. An order that is an attack inside a result can be an
/// ordinary prompt, so attacks on other surfaces teach the model of prompts nothing, unless they speak of
/// other instructions.
fn relevance(doc: &Doc, kind: Kind) -> f32 {
    if doc.surface.kind() == kind {
        // Made from attacks of other sources by encoding them: kept for measuring.
        return if doc.source == "obf_dev" && doc.attack { 0.0 } else { 1.0 };
    }
    match (kind, doc.attack) {
        (Kind::Prompt, true) => 0.0,
        (_, true) if doc.source == "obf_dev" => 0.0,
        (Kind::Content, true) if doc.source == "synth_tool_poison_dev" => 0.3,
        (_, true) => 0.4,
        // Requests to act are ordinary prompts and no ordinary results.
        (Kind::Content, false) if doc.source == "bfcl" && doc.surface.as_str() == "prompt" => 0.0,
        (Kind::Content, false) if doc.source == "benign_prompts" => 0.3,
        (Kind::Prompt, false) => 0.4,
        (_, false) => 0.5,
    }
}
