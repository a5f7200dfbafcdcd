//! The linear models: one byte a weight, compiled in.

use std::sync::LazyLock;

use portcullis_core::Digest;

use super::{
    features::{FEATURES, Hints, Part, Sink, WORD, Window, extract},
    surface::TextSurface,
};

/// Which model: attacks look different where text of that kind is expected to give orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Results, resources, arguments.
    Content = 0,
    /// Prompts: what a person asks for.
    Prompt = 1,
    /// Descriptions and schemas of tools.
    Definition = 2,
}

impl Kind {
    /// Every model.
    pub const ALL: [Self; 3] = [Self::Content, Self::Prompt, Self::Definition];

    /// The name, also that of the file with the weights.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Content => "content",
            Self::Prompt => "prompt",
            Self::Definition => "definition",
        }
    }
}

/// Raised when features change, so that weights of other features are not taken.
pub const FORMAT: u32 = 1;

/// Scores, in logits, that ordinary text of a surface seldom reaches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    /// One in a hundred ordinary texts scores more.
    pub percent: f32,
    /// One in two hundred.
    pub half_percent: f32,
    /// One in a thousand.
    pub per_mille: f32,
}

/// Everything before the weights: format, features, scales of the two groups, bias, thresholds by surface.
const HEAD: usize = 4 * (2 + 2 + 1 + 3 * TextSurface::ALL.len());

/// A trained model.
#[derive(Debug)]
pub struct Model {
    weights: &'static [u8],
    scales: [f32; 2],
    bias: f32,
    /// See [`GATE`].
    gate: f32,
    thresholds: [Thresholds; TextSurface::ALL.len()],
    digest: Digest,
}

static FILES: [&[u8]; 3] = [
    include_bytes!("weights/content.bin"),
    include_bytes!("weights/prompt.bin"),
    include_bytes!("weights/definition.bin"),
];

static MODELS: LazyLock<[Model; 3]> = LazyLock::new(|| FILES.map(Model::read));

/// The model of a kind.
pub fn model(kind: Kind) -> &'static Model {
    let [content, prompt, definition] = &*MODELS;
    match kind {
        Kind::Content => content,
        Kind::Prompt => prompt,
        Kind::Definition => definition,
    }
}

/// The highest window of a text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Peak {
    /// In logits.
    pub(crate) score: f32,
    pub(crate) window: Window,
    /// What may be encoded in it.
    pub(crate) hints: Hints,
}

impl Model {
    /// A file that is not of this format gives a model that flags everything, so that nothing passes unseen.
    fn read(file: &'static [u8]) -> Self {
        let digest = Digest::of(file);
        let number = |at: usize| file.get(at * 4..at * 4 + 4).and_then(|bytes| bytes.try_into().ok());
        let float = |at: usize| number(at).map_or(f32::MAX, f32::from_le_bytes);
        let whole = |at: usize| number(at).map_or(0, u32::from_le_bytes);
        let fits = file.len() == HEAD + FEATURES && whole(0) == FORMAT && whole(1) == FEATURES as u32;
        let mut thresholds =
            [Thresholds { percent: 0.0, half_percent: 0.0, per_mille: 0.0 }; TextSurface::ALL.len()];
        for (slot, at) in thresholds.iter_mut().zip((5..).step_by(3)) {
            *slot = Thresholds { percent: float(at), half_percent: float(at + 1), per_mille: float(at + 2) };
        }
        let weights = file.get(HEAD..).filter(|_| fits).unwrap_or_default();
        let bias = if fits { float(4) } else { f32::MAX };
        let lowest = thresholds.iter().map(|surface| surface.percent).fold(f32::MAX, f32::min);
        let gate = lowest - bias - GATE;
        Self { weights, scales: [float(2), float(3)], bias, gate, thresholds, digest }
    }

    pub(crate) fn thresholds(&self, surface: TextSurface) -> Thresholds {
        let [first, ..] = self.thresholds;
        self.thresholds.get(surface as usize).copied().unwrap_or(first)
    }

    /// Format and digest, short: the name in reasons and records.
    pub fn version(&self) -> String {
        named(self.digest)
    }

    /// The score of the highest window.
    pub(crate) fn score(&self, text: &str) -> Peak {
        let nowhere = Window { start: 0, end: 0, concepts: 0, double: false };
        let mut scorer = Scorer {
            model: self,
            unit: [0; 2],
            units: [[0; 2]; 2],
            window: 0,
            gate: self.gate,
            best: (self.bias - EMPTY, nowhere),
        };
        let hints = extract(text, &mut scorer);
        Peak { score: scorer.best.0, window: scorer.best.1, hints }
    }
}

/// The version of a model by its file.
pub fn version_of(file: &[u8]) -> String {
    named(Digest::of(file))
}

fn named(digest: Digest) -> String {
    let digest = digest.to_string();
    let hex = digest.rsplit(':').next().unwrap_or_default();
    format!("v{FORMAT}-{}", hex.get(..8).unwrap_or(hex))
}

/// How far below the lowest threshold, in logits, a window's words and concepts by themselves can be before
/// what stands together in it is no longer looked at. Measured on the corpora: no recall changes down to 4.
const GATE: f32 = 6.0;

/// How far below the bias a text without a single word is.
const EMPTY: f32 = 8.0;

/// Adds up weights as features come.
struct Scorer<'m> {
    model: &'m Model,
    unit: [i32; 2],
    /// The last unit and the one before it.
    units: [[i32; 2]; 2],
    window: i32,
    /// Sums below this are not worth going on with.
    gate: f32,
    best: (f32, Window),
}

impl Scorer<'_> {
    #[inline]
    fn weight(&self, feature: u32) -> i32 {
        self.model.weights.get(feature as usize).map_or(0, |byte| i32::from(byte.cast_signed()))
    }
}

impl Sink for Scorer<'_> {
    #[inline]
    fn unit(&mut self, feature: u32) {
        let weight = self.weight(feature);
        let [dense, words] = &mut self.unit;
        *(if feature >= WORD { words } else { dense }) += weight;
    }

    #[inline]
    fn window(&mut self, feature: u32) {
        self.window += self.weight(feature);
    }

    fn worth(&self, of: Part) -> bool {
        let [last, before] = self.units;
        let [dense, words] = match of {
            Part::Unit => self.unit,
            Part::Window { double: false } => last,
            Part::Window { double: true } => [last[0] + before[0], last[1] + before[1]],
        };
        let [scale, word_scale] = self.model.scales;
        dense as f32 * scale + words as f32 * word_scale > self.gate
    }

    fn end_unit(&mut self) {
        let [last, _] = self.units;
        self.units = [std::mem::take(&mut self.unit), last];
    }

    fn end_window(&mut self, window: Window) {
        let [last, before] = self.units;
        let before = if window.double { before } else { [0; 2] };
        let dense = std::mem::take(&mut self.window) + last[0] + before[0];
        let words = last[1] + before[1];
        let [scale, word_scale] = self.model.scales;
        let score = self.model.bias + dense as f32 * scale + words as f32 * word_scale;
        if score > self.best.0 {
            self.best = (score, window);
        }
    }
}

/// A model as a file: quantised to one byte a weight, a scale for the words and one for everything else.
pub fn encode(weights: &[f32], bias: f32, thresholds: &[Thresholds]) -> Vec<u8> {
    let (dense, words) = weights.split_at(weights.len().min(WORD as usize));
    let scale = |part: &[f32]| part.iter().fold(1e-6_f32, |most, weight| most.max(weight.abs())) / 127.0;
    let scales = [scale(dense), scale(words)];
    let mut file = Vec::with_capacity(HEAD + weights.len());
    file.extend(FORMAT.to_le_bytes());
    file.extend((weights.len() as u32).to_le_bytes());
    let rest = thresholds.iter().flat_map(|t| [t.percent, t.half_percent, t.per_mille]);
    for number in scales.into_iter().chain([bias]).chain(rest) {
        file.extend(number.to_le_bytes());
    }
    for (part, scale) in [(dense, scales[0]), (words, scales[1])] {
        file.extend(part.iter().map(|weight| ((weight / scale).round() as i8).cast_unsigned()));
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_weights_fit_this_build() {
        for kind in Kind::ALL {
            assert_eq!(model(kind).weights.len(), FEATURES, "{}: run `cargo xtask train`", kind.as_str());
        }
    }

    #[test]
    fn weights_of_another_format_flag_everything() {
        assert!(Model::read(b"not a model").score("anything").score > 1e30);
    }
}
