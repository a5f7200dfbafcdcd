//! What is done about a finding: by surface and by how strong it is.

use super::{
    assess::{Action, Assessment, Level},
    surface::TextSurface,
};

/// What is done on one surface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SurfacePolicy {
    /// About text that one in a hundred ordinary texts resembles.
    pub unusual: Action,
    /// About text that one in a thousand resembles.
    pub suspicious: Action,
    /// About text that no ordinary text resembles.
    pub attack: Action,
    /// About hidden characters that nobody writes by accident.
    pub hidden: Action,
}

/// What is done on every surface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentPolicy {
    rows: [SurfacePolicy; TextSurface::ALL.len()],
}

const fn row(unusual: Action, suspicious: Action, attack: Action, hidden: Action) -> SurfacePolicy {
    SurfacePolicy { unusual, suspicious, attack, hidden }
}

/// In the order of [`TextSurface::ALL`]. A definition cannot be fenced off, so one that attacks is refused;
/// results can. What callers write themselves is recorded and labelled: it is theirs to write.
const DEFAULT: [SurfacePolicy; TextSurface::ALL.len()] = [
    row(Action::Note, Action::Label, Action::Refuse, Action::Refuse),
    row(Action::Note, Action::Label, Action::Refuse, Action::Refuse),
    row(Action::Note, Action::Label, Action::Neutralise, Action::Neutralise),
    row(Action::Note, Action::Label, Action::Neutralise, Action::Neutralise),
    row(Action::Note, Action::Label, Action::Neutralise, Action::Neutralise),
    row(Action::Note, Action::Note, Action::Label, Action::Label),
];

impl Default for ContentPolicy {
    fn default() -> Self {
        Self { rows: DEFAULT }
    }
}

impl ContentPolicy {
    /// What is done on a surface.
    pub fn on(&self, surface: TextSurface) -> SurfacePolicy {
        let [first, ..] = self.rows;
        self.rows.get(surface as usize).copied().unwrap_or(first)
    }

    /// The same with another row for a surface.
    #[must_use]
    pub fn with(mut self, surface: TextSurface, row: SurfacePolicy) -> Self {
        if let Some(own) = self.rows.get_mut(surface as usize) {
            *own = row;
        }
        self
    }

    /// Whether nothing is done on a surface, whatever is found.
    pub fn is_off(&self, surface: TextSurface) -> bool {
        let SurfacePolicy { unusual, suspicious, attack, hidden } = self.on(surface);
        [unusual, suspicious, attack, hidden] == [Action::Pass; 4]
    }

    /// The strongest of what applies.
    pub fn action(&self, assessment: &Assessment, surface: TextSurface) -> Action {
        let row = self.on(surface);
        let by_level = match assessment.level {
            Level::Ordinary => Action::Pass,
            Level::Unusual => row.unusual,
            Level::Suspicious => row.suspicious,
            Level::Attack => row.attack,
        };
        let hidden = assessment
            .sightings
            .iter()
            .map(|sighting| if sighting.deliberate { row.hidden } else { Action::Note });
        hidden.fold(by_level, Action::max)
    }
}
