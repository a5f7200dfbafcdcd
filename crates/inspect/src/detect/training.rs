//! What the trainer needs to know of detection: the features of a text, and the form of the weights.

use super::{
    assess::bonus,
    features::{FEATURES, Hints, Part, RULE, Sink, Window, extract},
    model::Kind,
    rules::RULES,
};
use crate::{decode::explore, text};

pub use super::model::{FORMAT, encode};

/// How many features there are.
pub const DIMENSIONS: usize = FEATURES;

/// Where the hashed words begin in the space of features.
pub const FIRST_WORD: usize = super::features::WORD as usize;

/// The features of a text.
#[derive(Debug, Default)]
pub struct Sample {
    /// Features of each unit, with repetitions.
    pub units: Vec<Vec<u32>>,
    /// The windows, each over one or two units.
    pub windows: Vec<Span>,
    own: Vec<u32>,
}

/// A window of a [`Sample`].
#[derive(Debug)]
pub struct Span {
    /// The units it covers.
    pub units: std::ops::Range<usize>,
    /// Features of the window itself.
    pub own: Vec<u32>,
    /// Where it is in the text, in bytes.
    pub bytes: std::ops::Range<usize>,
}

/// A text and everything decoded from it, each with what is added to its score.
pub fn read(text: &str) -> Vec<(Sample, f32)> {
    let hidden = !text::scan(text).is_empty();
    let mut views = Vec::new();
    explore(text, hidden, &mut |view, origin| {
        let (sample, hints) = Sample::of(view);
        views.push((sample, bonus(origin)));
        hints
    });
    views
}

impl Sample {
    fn of(text: &str) -> (Self, Hints) {
        let mut sample = Self::default();
        sample.units.push(Vec::new());
        let hints = extract(text, &mut sample);
        sample.units.pop();
        (sample, hints)
    }

    /// Every feature of a window, with repetitions.
    pub fn features<'s>(&'s self, window: &'s Span) -> impl Iterator<Item = u32> + 's {
        let units = self.units.get(window.units.clone()).unwrap_or_default();
        units.iter().flatten().copied().chain(window.own.iter().copied())
    }
}

impl Sink for Sample {
    fn unit(&mut self, feature: u32) {
        if let Some(unit) = self.units.last_mut() {
            unit.push(feature);
        }
    }

    fn worth(&self, _: Part) -> bool {
        true
    }

    fn window(&mut self, feature: u32) {
        self.own.push(feature);
    }

    fn end_unit(&mut self) {
        self.units.push(Vec::new());
    }

    fn end_window(&mut self, window: Window) {
        let end = self.units.len().saturating_sub(1);
        let units = end.saturating_sub(1 + usize::from(window.double))..end;
        let own = std::mem::take(&mut self.own);
        self.windows.push(Span { units, own, bytes: window.start as usize..window.end as usize });
    }
}

/// The weights training starts from and is drawn towards: those of the rules.
pub fn prior(kind: Kind) -> Vec<f32> {
    let mut weights = vec![0.0; DIMENSIONS];
    for (slot, rule) in weights.iter_mut().skip(RULE as usize).zip(RULES) {
        *slot = rule.prior.get(kind as usize).copied().unwrap_or_default();
    }
    weights
}
