//! The inspector: the tables of controls, built once and run on every subject.

use std::{collections::BTreeSet, sync::Arc};

use portcullis_core::{
    Answer, Call, Context, ControlId, Definition, Digest, Finding, ListKind, Refusal, RefusalKind,
    wire::{Limits, Method, message::decode_one},
};

use crate::{
    cleared::{Cleared, Inspected},
    controls::{ANSWERS, CALLS, DEFINITIONS},
    detect::{Kind, model},
    options::{InspectorOptions, MessageLimits, MissingControl},
    released::Released,
    schema::{ArgumentFault, ToolSchema},
    table::{Passed, Row, Table},
};

/// Inspects calls, answers and definitions. One per configuration; cheap to share, has no state of its own.
#[derive(Debug)]
pub struct Inspector {
    options: InspectorOptions,
    calls: Table<Call>,
    answers: Table<Answer>,
    definitions: Table<Definition>,
    digest: Digest,
}

/// A definition that may be listed. Only [`Inspector::definition`] makes one.
#[derive(Debug)]
pub struct Admitted {
    definition: Definition,
    schema: Option<Arc<ToolSchema>>,
    findings: Vec<Finding>,
}

impl Admitted {
    /// The definition.
    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// The compiled input schema; tools always have one.
    pub fn schema(&self) -> Option<&Arc<ToolSchema>> {
        self.schema.as_ref()
    }

    /// What the controls noticed without objecting.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
}

impl Inspector {
    /// Builds every control of the table.
    ///
    /// # Errors
    /// [`MissingControl`] if a required control is not in it.
    pub fn new(options: InspectorOptions) -> Result<Self, MissingControl> {
        Self::with_tables(options, CALLS, ANSWERS, DEFINITIONS)
    }

    pub(crate) fn with_tables(
        options: InspectorOptions,
        calls: &[Row<Call>],
        answers: &[Row<Answer>],
        definitions: &[Row<Definition>],
    ) -> Result<Self, MissingControl> {
        let mut parts = settings(&options);
        parts.extend(calls.iter().map(|row| described("call", row)));
        parts.extend(answers.iter().map(|row| described("answer", row)));
        parts.extend(definitions.iter().map(|row| described("definition", row)));
        let digest = Digest::of_parts(parts.iter().map(String::as_bytes));
        let calls = Table::build(calls, &options);
        let answers = Table::build(answers, &options);
        let definitions = Table::build(definitions, &options);
        let has = |id| calls.has(id) || answers.has(id) || definitions.has(id);
        let missing: Vec<ControlId> = options.required.iter().copied().filter(|id| !has(*id)).collect();
        if missing.is_empty() {
            Ok(Self { options, calls, answers, definitions, digest })
        } else {
            Err(MissingControl::new(missing))
        }
    }

    /// Digest of the controls, their order and versions, and every setting they depend on.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The limits under which messages have to be decoded before they come here (control NET-05).
    pub fn limits(&self) -> &MessageLimits {
        &self.options.limits
    }

    /// Inspects a call. `schema` is that of the tool called, and is required for `tools/call`.
    ///
    /// # Errors
    /// The refusal of the first control that objects.
    pub fn request<T: AsRef<Call>>(
        &self,
        subject: T,
        schema: Option<&ToolSchema>,
        cx: &Context,
    ) -> Result<Inspected<T>, Refusal> {
        let call = subject.as_ref();
        let calls_tool = call.request.method_kind() == Method::ToolsCall;
        let by_schema = |call: &Call| if calls_tool { check_arguments(call, schema) } else { Ok(()) };
        match self.calls.run(call, cx, &[], by_schema)? {
            Passed::Unchanged(findings) => {
                Ok(Inspected::Cleared(Cleared::new(subject, self.calls.runs(calls_tool), findings)))
            }
            Passed::Edited(_, bytes, finding) => Ok(Inspected::Edited(subject, bytes, finding)),
        }
    }

    /// Inspects an answer, from a server or from the gateway itself.
    ///
    /// # Errors
    /// The refusal of the first control that objects; the answer must then be withheld.
    pub fn response(&self, answer: Answer, cx: &Context) -> Result<Released, Refusal> {
        let foreign = answer.server.is_some();
        let (mut answer, mut rows, mut noted) = (answer, Vec::new(), Vec::new());
        loop {
            match self.answers.run(&answer, cx, &rows, |_| Ok(()))? {
                Passed::Unchanged(findings) => {
                    noted.extend(findings);
                    return Ok(Released::new(answer, self.answers.runs(foreign), noted));
                }
                // An edit that does not satisfy its own control would go round for ever.
                Passed::Edited(row, _, finding) if rows.contains(&row) => {
                    return Err(defect(&format!("{} edited its own edit", finding.control)));
                }
                Passed::Edited(row, bytes, finding) => {
                    answer.message = decode_one(bytes, &edited_limits(&self.options.limits.response))
                        .map_err(|error| defect(&format!("{} broke an answer: {error}", finding.control)))?;
                    rows.push(row);
                    noted.push(finding);
                }
            }
        }
    }

    /// Inspects a definition and compiles a tool's input schema.
    ///
    /// # Errors
    /// The refusal of the first control that objects; the definition must then be neither listed nor used.
    pub fn definition(&self, definition: Definition, cx: &Context) -> Result<Admitted, Refusal> {
        let mut schema = None;
        let passed = self.definitions.run(&definition, cx, &[], |definition| {
            if definition.kind() == ListKind::Tools {
                schema = Some(Arc::new(self.compile(definition)?));
            }
            Ok(())
        })?;
        match passed {
            Passed::Unchanged(findings) => Ok(Admitted { definition, schema, findings }),
            Passed::Edited(_, _, finding) => Err(defect(&format!("{} edited a definition", finding.control))),
        }
    }

    fn compile(&self, definition: &Definition) -> Result<ToolSchema, Refusal> {
        let unusable = |why: String| {
            Refusal::new(RefusalKind::UpstreamInvalid, "the tool has no usable input schema")
                .by(ControlId::Ti02)
                .operator(format!("server `{}`, tool `{}`: {why}", definition.server(), definition.name()))
        };
        let raw = definition.document().root().get("inputSchema");
        let raw = raw.ok_or_else(|| unusable("`inputSchema` is missing".to_owned()))?.raw();
        ToolSchema::compile_with(raw, &self.options.schema, self.options.undeclared)
            .map_err(|fault| unusable(fault.to_string()))
    }
}

fn check_arguments(call: &Call, schema: Option<&ToolSchema>) -> Result<(), Refusal> {
    let Some(schema) = schema else {
        return Err(Refusal::new(
            RefusalKind::InvalidParams,
            "the tool has no usable input schema, so it cannot be called",
        )
        .by(ControlId::Ti02));
    };
    let arguments = call.request.params().and_then(|params| params.get("arguments")).map(|node| node.raw());
    schema.validate(arguments).map_err(|faults| mismatch(&faults))
}

fn mismatch(faults: &[ArgumentFault]) -> Refusal {
    let first = faults.first();
    let place = first.map_or("", |fault| fault.pointer.as_str());
    let expected = first.map_or("something else", |fault| &*fault.expected);
    let remedy = first.map_or("", |fault| &*fault.remedy);
    let public = format!(
        "the arguments do not fit the tool's input schema: at `{place}`, expected {expected}; {remedy}"
    );
    Refusal::new(RefusalKind::SchemaMismatch, public)
        .by(ControlId::Ti02)
        .data(ArgumentFault::list_to_json(faults))
}

fn defect(what: &str) -> Refusal {
    Refusal::new(RefusalKind::Internal, "internal error").operator(what.to_owned())
}

/// What an edit adds may go beyond what a server may send: every line of a text can get a mark.
fn edited_limits(limits: &Limits) -> Limits {
    Limits {
        max_bytes: limits.max_bytes.saturating_mul(4),
        max_string: limits.max_string.saturating_mul(4),
        max_members: limits.max_members.saturating_add(1),
        max_nodes: limits.max_nodes.saturating_add(2),
        ..*limits
    }
}

/// One line for each setting that a control depends on.
fn settings(options: &InspectorOptions) -> Vec<String> {
    let required: BTreeSet<&str> = options.required.iter().map(|id| id.as_str()).collect();
    vec![
        format!("required {required:?}"),
        format!("request {:?}", options.limits.request),
        format!("response {:?}", options.limits.response),
        format!("schema {:?}", options.schema),
        format!("undeclared {:?}", options.undeclared),
        format!("content {:?}", options.content),
        format!("data {:?} {:?}", options.data, options.canaries),
        format!("models {:?}", Kind::ALL.map(|kind| model(kind).version())),
    ]
}

fn described<S>(kind: &str, row: &Row<S>) -> String {
    format!("{kind} {} {}", row.id, row.version)
}

#[cfg(test)]
mod tests;
