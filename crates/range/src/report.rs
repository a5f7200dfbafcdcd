//! What came of a scenario.

use std::fmt::{self, Write as _};

use serde::Serialize;

/// A scenario's result with everything that was looked at.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The scenario, for example `S-27`.
    pub id: &'static str,
    /// The threat.
    pub title: &'static str,
    /// What holds when it passes.
    pub claim: &'static str,
    /// Whether every check passed, with at least one attack and one twin among them, and nothing kept the
    /// scenario from its end.
    pub passed: bool,
    /// Everything that was looked at.
    pub checks: Vec<Check>,
    /// What of the threat this build has no defence for yet, or nothing to attack.
    pub not_covered: Vec<NotCovered>,
    /// Numbers worth knowing.
    pub measured: Vec<Measured>,
    /// What kept the scenario from its end.
    pub trouble: Option<String>,
    /// How long it took.
    pub seconds: f64,
}

/// One thing that was looked at.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// What it was part of.
    pub kind: Kind,
    /// What was done or looked at.
    pub name: String,
    /// What had to come of it.
    pub wanted: String,
    /// What came of it.
    pub seen: String,
    /// Whether that is it.
    pub passed: bool,
}

/// What a check was part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Something that must not have its effect.
    Attack,
    /// The same done properly, which must work.
    Twin,
    /// How things stand: what a server saw, what is on record, what is still running.
    State,
}

/// Something a scenario could not show.
#[derive(Debug, Clone, Serialize)]
pub struct NotCovered {
    /// What.
    pub what: String,
    /// What it needs.
    pub needs: String,
}

/// A number.
#[derive(Debug, Clone, Serialize)]
pub struct Measured {
    /// What was measured.
    pub name: String,
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: &'static str,
}

impl Report {
    pub(crate) fn new(id: &'static str, title: &'static str, claim: &'static str) -> Self {
        let (checks, not_covered, measured) = (Vec::new(), Vec::new(), Vec::new());
        Self { id, title, claim, passed: false, checks, not_covered, measured, trouble: None, seconds: 0.0 }
    }

    /// Notes what came of something.
    pub(crate) fn check(
        &mut self,
        kind: Kind,
        name: impl Into<String>,
        wanted: impl Into<String>,
        seen: impl Into<String>,
        passed: bool,
    ) {
        let (name, wanted, seen) = (name.into(), wanted.into(), seen.into());
        self.checks.push(Check { kind, name, wanted, seen, passed });
    }

    /// Notes how things stand: equal is as it should be.
    pub(crate) fn state<T: PartialEq + fmt::Debug>(&mut self, name: impl Into<String>, wanted: T, seen: T) {
        let passed = wanted == seen;
        self.check(Kind::State, name, format!("{wanted:?}"), format!("{seen:?}"), passed);
    }

    /// Notes a number and that it must not be more than `most`.
    #[allow(dead_code, reason = "only the limits scenario has bounds to state")]
    pub(crate) fn at_most(&mut self, name: impl Into<String>, value: f64, most: f64, unit: &'static str) {
        let name = name.into();
        let passed = value <= most;
        self.check(
            Kind::State,
            &*name,
            format!("at most {most:.1} {unit}"),
            format!("{value:.1} {unit}"),
            passed,
        );
        self.measure(name, value, unit);
    }

    /// Notes a number.
    pub(crate) fn measure(&mut self, name: impl Into<String>, value: f64, unit: &'static str) {
        self.measured.push(Measured { name: name.into(), value, unit });
    }

    /// Notes what could not be shown.
    pub(crate) fn not_covered(&mut self, what: impl Into<String>, needs: impl Into<String>) {
        self.not_covered.push(NotCovered { what: what.into(), needs: needs.into() });
    }

    pub(crate) fn conclude(&mut self, trouble: Option<String>, seconds: f64) {
        (self.trouble, self.seconds) = (trouble, seconds);
        let some = |kind| self.checks.iter().any(|check| check.kind == kind);
        let all = self.checks.iter().all(|check| check.passed);
        self.passed = self.trouble.is_none() && all && some(Kind::Attack) && some(Kind::Twin);
    }

    fn count(&self, kind: Kind) -> usize {
        self.checks.iter().filter(|check| check.kind == kind).count()
    }
}

/// One line for the result, one for each thing that went wrong, was not covered or was measured.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (attacks, twins) = (self.count(Kind::Attack), self.count(Kind::Twin));
        let states = self.count(Kind::State);
        let verdict = if self.passed { "pass" } else { "FAIL" };
        let said = if self.passed { self.claim } else { self.title };
        write!(
            f,
            "{} {verdict:<11} {said} [{attacks} attacks, {twins} twins, {states} states, {:.1} s]",
            self.id, self.seconds
        )?;
        let mut lines = String::new();
        if let Some(trouble) = &self.trouble {
            writeln!(lines, "{} trouble     {trouble}", self.id)?;
        }
        for Check { name, wanted, seen, .. } in self.checks.iter().filter(|check| !check.passed) {
            writeln!(lines, "{} wrong       {name}: wanted {wanted}; saw {seen}", self.id)?;
        }
        for NotCovered { what, needs } in &self.not_covered {
            writeln!(lines, "{} not-covered {what}: needs {needs}", self.id)?;
        }
        for Measured { name, value, unit } in &self.measured {
            writeln!(lines, "{} measured    {name}: {value:.1} {unit}", self.id)?;
        }
        if lines.is_empty() { Ok(()) } else { write!(f, "\n{}", lines.trim_end()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kinds: &[(Kind, bool)], trouble: Option<&str>, passed: bool, last: &str) {
        let mut report = Report::new("S-00", "threat", "claim");
        for (kind, passed) in kinds {
            report.check(*kind, "name", "this", "that", *passed);
        }
        report.conclude(trouble.map(str::to_owned), 0.0);
        assert_eq!(report.passed, passed, "{kinds:?}");
        assert_eq!(report.to_string().lines().last().unwrap_or_default(), last);
    }

    #[test]
    fn a_scenario_passes_with_attack_and_twin_and_nothing_wrong() {
        let (attack, twin) = ((Kind::Attack, true), (Kind::Twin, true));
        check(&[attack, twin], None, true, "S-00 pass        claim [1 attacks, 1 twins, 0 states, 0.0 s]");
        check(&[attack], None, false, "S-00 FAIL        threat [1 attacks, 0 twins, 0 states, 0.0 s]");
        check(&[twin], None, false, "S-00 FAIL        threat [0 attacks, 1 twins, 0 states, 0.0 s]");
        check(
            &[attack, twin, (Kind::State, false)],
            None,
            false,
            "S-00 wrong       name: wanted this; saw that",
        );
        check(&[attack, twin], Some("no server"), false, "S-00 trouble     no server");
    }
}
