//! What a text comes to.

use super::{
    features::{Window, holding},
    model::{Model, Thresholds, model},
    surface::TextSurface,
};
use crate::{
    decode::{Encoding, Origin, explore},
    text::{self, Sighting},
};

/// What is done about a text, from nothing to the strongest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Nothing.
    Pass,
    /// It is recorded.
    Note,
    /// It is marked as untrusted for policy, and recorded.
    Label,
    /// What is hidden is removed and the text is fenced off as data.
    Neutralise,
    /// A person is asked.
    Ask,
    /// It goes no further.
    Refuse,
}

impl Action {
    /// Every action, the weakest first.
    pub const ALL: [Self; 6] =
        [Self::Pass, Self::Note, Self::Label, Self::Neutralise, Self::Ask, Self::Refuse];

    /// The name in settings, records and JSON lines.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Note => "note",
            Self::Label => "label",
            Self::Neutralise => "neutralise",
            Self::Ask => "ask",
            Self::Refuse => "refuse",
        }
    }
}

/// Why a text has its score.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// What was found.
    pub what: String,
    /// Where, in bytes of the text.
    pub at: std::ops::Range<usize>,
}

/// What a text comes to.
#[derive(Clone, Debug)]
pub struct Assessment {
    /// How sure, from 0 to 1: at 0.5, one in two hundred ordinary texts of the surface scores more.
    pub score: f64,
    /// How strong the finding is, for policy to act on.
    pub level: Level,
    /// What was found, the weightiest first; empty if nothing was.
    pub reasons: Vec<Reason>,
    /// Hidden characters.
    pub sightings: Vec<Sighting>,
}

/// How strong a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Nothing out of the ordinary.
    Ordinary,
    /// One in a hundred ordinary texts reaches it.
    Unusual,
    /// One in a thousand.
    Suspicious,
    /// None of the ordinary texts it was measured on, by a margin.
    Attack,
}

/// Beyond one in a thousand by this many logits, nothing ordinary was seen.
const MARGIN: f32 = 1.5;
/// Logits of the score for each logit of the model.
const SLOPE: f64 = 0.7;
/// What an encoding adds to an attack that was inside it.
const ENCODED: f32 = 1.0;
/// How far above the threshold of one in a thousand hidden writing is at least, and at most what the text
/// itself adds to that.
const HIDDEN: f32 = 2.0;
const HIDDEN_TEXT: f32 = 2.0;
/// A hidden character that can be an accident adds this.
const ACCIDENT: f32 = 0.5;

/// Assesses a text.
pub fn assess(text: &str, surface: TextSurface) -> Assessment {
    assess_with(text, surface, text::scan(text))
}

/// Assesses bytes that should be UTF-8. Halves of surrogate pairs, three bytes each, are counted as hidden
/// characters; whatever else is not UTF-8 is read as the replacement character.
pub fn assess_bytes(bytes: &[u8], surface: TextSurface) -> Assessment {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return assess(text, surface);
    }
    let text = String::from_utf8_lossy(bytes);
    let mut sightings = text::scan(&text);
    sightings.extend(text::surrogates(bytes));
    assess_with(&text, surface, sightings)
}

fn assess_with(text: &str, surface: TextSurface, sightings: Vec<Sighting>) -> Assessment {
    let model = model(surface.kind());
    let thresholds = model.thresholds(surface);
    let mut best = None;
    explore(text, !sightings.is_empty(), &mut |view, origin| {
        let peak = model.score(view);
        let score = peak.score + bonus(origin);
        if best.as_ref().is_none_or(|best: &Found| best.score < score) {
            best = Some(Found::new(score, peak.window, origin));
        }
        peak.hints
    });
    let (mut score, mut reasons) = match best {
        Some(best) => (best.score, best.reasons(model, surface, &thresholds)),
        None => (thresholds.percent, Vec::new()),
    };
    for sighting in &sightings {
        score = raised(score, sighting, &thresholds);
        let what = format!("{} ({})", sighting.family.as_str(), sighting.count);
        reasons.push(Reason { what, at: sighting.at..sighting.at + 1 });
    }
    let level = level(score, &thresholds);
    if level == Level::Ordinary && sightings.is_empty() {
        reasons.clear();
    }
    let distance = f64::from(score - thresholds.half_percent);
    Assessment { score: 1.0 / (1.0 + (-SLOPE * distance).exp()), level, reasons, sightings }
}

/// What is added to the score of a text for being inside another.
pub(crate) fn bonus(origin: Option<&Origin<'_>>) -> f32 {
    if origin.is_some() { ENCODED } else { 0.0 }
}

fn level(score: f32, thresholds: &Thresholds) -> Level {
    if score > thresholds.per_mille + MARGIN {
        Level::Attack
    } else if score > thresholds.per_mille {
        Level::Suspicious
    } else if score > thresholds.percent {
        Level::Unusual
    } else {
        Level::Ordinary
    }
}

/// Hidden writing is an attack whatever it says; what it says still orders the scores.
fn raised(score: f32, sighting: &Sighting, thresholds: &Thresholds) -> f32 {
    if !sighting.deliberate {
        return score + ACCIDENT;
    }
    let floor = thresholds.per_mille + HIDDEN;
    let own = HIDDEN_TEXT / (1.0 + (-0.3 * (score - thresholds.percent)).exp());
    score.max(floor + own)
}

/// The highest view so far.
struct Found {
    score: f32,
    concepts: u64,
    at: std::ops::Range<usize>,
    /// The encodings it was in, the outermost first.
    encodings: Vec<Encoding>,
}

impl Found {
    fn new(score: f32, window: Window, origin: Option<&Origin<'_>>) -> Self {
        let mut at = window.start as usize..window.end as usize;
        let mut encodings = Vec::new();
        let mut next = origin;
        while let Some(origin) = next {
            encodings.insert(0, origin.encoding);
            at = origin.at..origin.at + 1;
            next = origin.outer;
        }
        Self { score, concepts: window.concepts, at, encodings }
    }

    fn reasons(self, model: &Model, surface: TextSurface, thresholds: &Thresholds) -> Vec<Reason> {
        let reason = |what: String| Reason { what, at: self.at.clone() };
        let mut reasons: Vec<Reason> =
            holding(self.concepts).map(|rule| reason(rule.name.to_owned())).collect();
        if self.score > thresholds.percent {
            let kind = surface.kind().as_str();
            reasons.push(reason(format!("model {kind} {} at {:.1}", model.version(), self.score)));
        }
        reasons.extend(self.encodings.iter().map(|encoding| reason(format!("inside {}", encoding.as_str()))));
        reasons
    }
}
