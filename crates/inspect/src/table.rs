//! Tables of controls: as declared, as built, and run.

use portcullis_core::{
    Consent, Context, Control, ControlId, ControlRun, ControlRuns, Edit, Finding, Refusal, RunState, Verdict,
};

use crate::options::InspectorOptions;

/// A control as declared.
pub(crate) struct Row<S: 'static> {
    pub(crate) id: ControlId,
    /// Raised when the control changes what it decides.
    pub(crate) version: u32,
    /// What the record says about it when it has run.
    pub(crate) state: RunState,
    pub(crate) reason: Option<&'static str>,
    /// What it needs, and why it is skipped without; absent if it always has something to look at.
    pub(crate) needs: Option<(Need, &'static str)>,
    /// Whether the options switch it off.
    pub(crate) off: fn(&InspectorOptions) -> bool,
    /// Whether records speak of it; one that only prepares for another of the same control is not spoken of.
    pub(crate) shown: bool,
    pub(crate) stage: Stage<S>,
}

impl<S> Row<S> {
    /// What the record says about it, over a subject that has this.
    fn run(&self, has: Has, options: &InspectorOptions) -> ControlRun {
        let skipped = if (self.off)(options) {
            Some("switched off in the configuration")
        } else {
            self.needs.filter(|(need, _)| !has.has(*need)).map(|(_, why)| why)
        };
        let (state, reason) = match skipped {
            Some(why) => (RunState::Skipped, Some(why)),
            None => (self.state, self.reason),
        };
        ControlRun { control: self.id, state, reason: reason.map(Into::into) }
    }
}

/// What a control may need of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// A schema that it has to fit.
    Schema,
    /// That a server wrote it.
    Server,
}

/// What a subject has of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Has {
    pub(crate) schema: bool,
    pub(crate) server: bool,
}

impl Has {
    const ALL: [Self; 4] = [
        Self { schema: true, server: true },
        Self { schema: true, server: false },
        Self { schema: false, server: true },
        Self { schema: false, server: false },
    ];

    fn has(self, need: Need) -> bool {
        match need {
            Need::Schema => self.schema,
            Need::Server => self.server,
        }
    }
}

/// How a control does its work.
pub(crate) enum Stage<S: 'static> {
    /// `wire` has done it in the walk that made the subject.
    Walk,
    /// The inspector does it, with what is known about the tool concerned.
    Tool(Part),
    /// By itself.
    Check(fn(&InspectorOptions) -> Box<dyn Control<S>>),
}

/// What is looked at with what is known about a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Whether it fits the schema.
    Schema,
    /// What the arguments name outside of the tool.
    Targets,
}

/// The controls over one kind of subject, built.
pub(crate) struct Table<S: 'static> {
    steps: Vec<(ControlId, Step<S>)>,
    /// What the record says about the controls, for each of [`Has::ALL`].
    runs: [ControlRuns; 4],
}

enum Step<S> {
    /// Switched off: nothing is gathered for it either.
    Off,
    Walk,
    Tool(Part),
    Check(Box<dyn Control<S>>),
}

/// What running a table came to, if nothing was refused.
pub(crate) enum Passed {
    /// Nothing to change.
    Unchanged(Vec<Finding>),
    /// The control of this row wants other bytes instead. The controls after it have not run.
    Edited(usize, Edit),
}

impl<S> Table<S> {
    pub(crate) fn build(rows: &[Row<S>], options: &InspectorOptions) -> Self {
        let steps = rows.iter().map(|row| (row.id, Step::build(row, options))).collect();
        let shown = || rows.iter().filter(|row| row.shown);
        let runs = Has::ALL.map(|has| combined(shown().map(|row| row.run(has, options))));
        Self { steps, runs }
    }

    pub(crate) fn has(&self, id: ControlId) -> bool {
        self.steps.iter().any(|(own, _)| *own == id)
    }

    /// What the record says about the controls, shared by all subjects.
    pub(crate) fn runs(&self, has: Has) -> ControlRuns {
        let [whole, own, plain, neither] = &self.runs;
        ControlRuns::clone(match (has.schema, has.server) {
            (true, true) => whole,
            (true, false) => own,
            (false, true) => plain,
            (false, false) => neither,
        })
    }

    /// Runs every control in order; `by_tool` does what needs to know the tool. What the rows of `edited` still note
    /// about their own edits is left out.
    pub(crate) fn run(
        &self,
        subject: &S,
        cx: &Context,
        consent: Consent,
        edited: &[usize],
        mut by_tool: impl FnMut(Part, &S) -> Result<Option<Finding>, Refusal>,
    ) -> Result<Passed, Refusal> {
        let mut findings = Vec::new();
        for (row, (id, step)) in self.steps.iter().enumerate() {
            let verdict = match step {
                Step::Off | Step::Walk => continue,
                Step::Tool(part) => {
                    findings.extend(by_tool(*part, subject)?);
                    continue;
                }
                Step::Check(control) => control.check(subject, cx),
            };
            match verdict {
                Verdict::Pass => {}
                Verdict::Note(_) if edited.contains(&row) => {}
                Verdict::Note(finding) => findings.push(finding),
                Verdict::Edit(edit) => return Ok(Passed::Edited(row, edit)),
                Verdict::Ask(refusal, _) if consent == Consent::Absent => return Err(refusal),
                Verdict::Ask(_, Some(edit)) => return Ok(Passed::Edited(row, edit)),
                Verdict::Ask(refusal, None) => findings.push(agreed(*id, &refusal)),
                Verdict::Refuse(refusal) => return Err(refusal),
            }
        }
        Ok(Passed::Unchanged(findings))
    }
}

impl<S> Step<S> {
    fn build(row: &Row<S>, options: &InspectorOptions) -> Self {
        match &row.stage {
            _ if (row.off)(options) => Self::Off,
            Stage::Walk => Self::Walk,
            Stage::Tool(part) => Self::Tool(*part),
            Stage::Check(build) => Self::Check(build(options)),
        }
    }
}

/// A control of several rows is one control: if some did not run, it ran with less than it should have.
fn combined(rows: impl Iterator<Item = ControlRun>) -> ControlRuns {
    let mut runs: Vec<ControlRun> = Vec::new();
    for run in rows {
        match runs.iter_mut().find(|known| known.control == run.control) {
            Some(known) if known.state != run.state => {
                known.state = RunState::Degraded;
                known.reason = known.reason.take().or(run.reason);
            }
            Some(_) => {}
            None => runs.push(run),
        }
    }
    runs.into_iter().collect()
}

fn agreed(control: ControlId, refusal: &Refusal) -> Finding {
    Finding { control, detail: format!("a person agreed: {}", refusal.detail()).into() }
}

impl<S> std::fmt::Debug for Table<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.steps.iter().map(|(id, _)| id)).finish()
    }
}
