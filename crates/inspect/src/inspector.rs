//! The inspector: the tables of controls, built once and run on every subject.

use std::{collections::BTreeSet, sync::Arc};

use portcullis_core::{
    Answer, Call, Canonical, ClientMessage, Consent, Context, ControlId, Definition, Digest, Edit, Finding,
    Kept, ListKind, Refusal, RefusalKind,
    wire::{Limits, Message, Method, message::decode_one},
};

use crate::{
    cleared::{Cleared, ClearedMessage, Inspected},
    controls::{ANSWERS, CALLS, CLIENT_MESSAGES, DEFINITIONS},
    detect::{Kind, model},
    options::{InspectorOptions, MessageLimits, MissingControl},
    released::Released,
    schema::{ArgumentFault, Broken, Misfits, Promised, ToolSchema, Undeclared},
    table::{Has, Part, Passed, Row, Table},
    targets::{self, TargetParameters},
};

/// Inspects calls, answers and definitions. One per configuration; cheap to share, has no state of its own.
#[derive(Debug)]
pub struct Inspector {
    options: InspectorOptions,
    calls: Table<Call>,
    answers: Table<Answer>,
    client_messages: Table<ClientMessage>,
    definitions: Table<Definition>,
    digest: Digest,
}

/// A definition that may be listed. Only [`Inspector::definition`] makes one.
#[derive(Debug)]
pub struct Admitted {
    definition: Definition,
    schemas: Schemas,
    findings: Vec<Finding>,
}

/// A tool's schemas, compiled.
#[derive(Debug, Default)]
struct Schemas {
    input: Option<Arc<ToolSchema>>,
    output: Option<Arc<ToolSchema>>,
}

impl Admitted {
    /// The definition.
    pub fn definition(&self) -> &Definition {
        &self.definition
    }

    /// The compiled input schema; tools always have one.
    pub fn schema(&self) -> Option<&Arc<ToolSchema>> {
        self.schemas.input.as_ref()
    }

    /// The compiled output schema, of tools that have one.
    pub fn output_schema(&self) -> Option<&Arc<ToolSchema>> {
        self.schemas.output.as_ref()
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
        parts.extend(CLIENT_MESSAGES.iter().map(|row| described("client message", row)));
        parts.extend(definitions.iter().map(|row| described("definition", row)));
        let digest = Digest::of_parts(parts.iter().map(String::as_bytes));
        let calls = Table::build(calls, &options);
        let answers = Table::build(answers, &options);
        let client_messages = Table::build(CLIENT_MESSAGES, &options);
        let definitions = Table::build(definitions, &options);
        let has = |id| calls.has(id) || answers.has(id) || definitions.has(id);
        let missing: Vec<ControlId> = options.required.iter().copied().filter(|id| !has(*id)).collect();
        if missing.is_empty() {
            Ok(Self { options, calls, answers, client_messages, definitions, digest })
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

    /// What policies see in place of what a call's arguments say about files, URLs and the like. `schema` is that of
    /// the tool called.
    pub fn canonical(&self, call: &Call, schema: Option<&ToolSchema>) -> Canonical {
        targets::canonical(call, schema.map(ToolSchema::targets), &self.options.targets)
    }

    /// Inspects a call. `schema` is that of the tool called, and is required for `tools/call`. With consent given,
    /// nothing is [asked](Inspected::Asked) any more.
    ///
    /// # Errors
    /// The refusal of the first control that objects.
    pub fn request<T: AsRef<Call>>(
        &self,
        subject: T,
        schema: Option<&ToolSchema>,
        consent: Consent,
        cx: &Context,
    ) -> Result<Inspected<T>, Refusal> {
        let call = subject.as_ref();
        let calls_tool = call.request.method_kind() == Method::ToolsCall;
        let by_tool = |part, call: &Call| match part {
            Part::Schema if calls_tool => check_arguments(call, schema).map(|()| None),
            Part::Schema => Ok(None),
            Part::Targets => targets::check(call, schema.map(ToolSchema::targets), &self.options.targets),
        };
        match self.calls.run(call, cx, consent, &[], by_tool) {
            Ok(Passed::Unchanged(findings)) => {
                let has = Has { schema: calls_tool, server: true };
                Ok(Inspected::Cleared(Cleared::new(subject, self.calls.runs(has), findings)))
            }
            Ok(Passed::Edited(_, edit)) => Ok(Inspected::Edited(subject, edit.bytes, edit.finding)),
            Err(refusal) if refusal.question().is_some() => Ok(Inspected::Asked(subject, refusal)),
            Err(refusal) => Err(refusal),
        }
    }

    /// Inspects an answer, from a server or from the gateway itself. `promised` is the output schema of the tool
    /// called, if it has one.
    ///
    /// # Errors
    /// The refusal of the first control that objects; the answer must then be withheld. One with a
    /// [question](Refusal::question) is lifted by consent.
    pub fn response(
        &self,
        answer: Answer,
        promised: Option<Promised<'_>>,
        consent: Consent,
        cx: &Context,
    ) -> Result<Released, Refusal> {
        let promised = promised.filter(|_| self.options.misfits == Misfits::Refuse);
        let has = Has { schema: promised.is_some(), server: answer.server.is_some() };
        let by_tool = |answer: &Answer, edited| check_result(answer, promised, edited).map(|()| None);
        let put = |answer: &mut Answer, message| answer.message = message;
        let terms = Terms { cx, consent, limits: &self.options.limits.response };
        let (answer, made) = settle(&self.answers, answer, &terms, by_tool, put)?;
        Ok(Released::new(answer, self.answers.runs(has), made.noted, made.kept))
    }

    /// Inspects what a client says that is no request.
    ///
    /// # Errors
    /// The refusal of the first control that objects; the message must then not reach a server.
    pub fn client_message(&self, subject: ClientMessage, cx: &Context) -> Result<ClearedMessage, Refusal> {
        let has = Has { schema: false, server: true };
        let put = |subject: &mut ClientMessage, message| subject.message = message;
        let terms = Terms { cx, consent: Consent::Absent, limits: &self.options.limits.request };
        let (subject, made) = settle(&self.client_messages, subject, &terms, |_, _| Ok(None), put)?;
        Ok(ClearedMessage::new(subject.message, self.client_messages.runs(has), made.noted))
    }

    /// Inspects a definition and compiles a tool's schemas.
    ///
    /// # Errors
    /// The refusal of the first control that objects; the definition must then be neither listed nor used.
    pub fn definition(&self, definition: Definition, cx: &Context) -> Result<Admitted, Refusal> {
        let mut schemas = Schemas::default();
        let passed = self.definitions.run(&definition, cx, Consent::Absent, &[], |_, definition| {
            if definition.kind() == ListKind::Tools {
                schemas = self.compile(definition)?;
            }
            Ok(schemas.input.as_ref().filter(|schema| schema.is_left_open()).map(|_| left_open(definition)))
        })?;
        match passed {
            Passed::Unchanged(findings) => Ok(Admitted { definition, schemas, findings }),
            Passed::Edited(_, Edit { finding, .. }) => {
                Err(defect(&format!("{} edited a definition", finding.control)))
            }
        }
    }

    fn compile(&self, definition: &Definition) -> Result<Schemas, Refusal> {
        let unusable = |member: &str, why: &dyn std::fmt::Display| {
            let (server, tool) = (definition.server(), definition.name());
            Refusal::new(RefusalKind::UpstreamInvalid, "the tool has no usable schema")
                .by(ControlId::Ti02)
                .operator(format!("server `{server}`, tool `{tool}`: `{member}` {why}"))
        };
        let compile = |member: &str, undeclared| {
            let raw = definition.document().root().get(member)?.raw();
            let compiled = ToolSchema::compile_with(raw, &self.options.schema, undeclared);
            Some(compiled.map_err(|fault| unusable(member, &fault)))
        };
        let input = compile("inputSchema", self.options.undeclared);
        let input = input.ok_or_else(|| unusable("inputSchema", &"is missing"))??;
        // What a result says beyond its schema is the server's to say.
        let output = compile("outputSchema", Undeclared::Accept).transpose()?;
        let targets = TargetParameters::of(definition, &self.options.targets);
        Ok(Schemas { input: Some(Arc::new(input.naming(targets))), output: output.map(Arc::new) })
    }
}

/// Under what a message is inspected.
struct Terms<'t> {
    cx: &'t Context,
    consent: Consent,
    /// Under which it was decoded.
    limits: &'t Limits,
}

/// What was made of a message.
#[derive(Default)]
struct Made {
    noted: Vec<Finding>,
    kept: Vec<Kept>,
}

/// Runs a table until nothing is left to change. `by_tool` is told whether anything has been; `put` takes what a control
/// wrote in place of a message.
fn settle<S>(
    table: &Table<S>,
    mut subject: S,
    terms: &Terms<'_>,
    by_tool: impl Fn(&S, bool) -> Result<Option<Finding>, Refusal>,
    put: impl Fn(&mut S, Message),
) -> Result<(S, Made), Refusal> {
    let (mut rows, mut made) = (Vec::new(), Made::default());
    loop {
        let by_tool = |_, subject: &S| by_tool(subject, !rows.is_empty());
        match table.run(&subject, terms.cx, terms.consent, &rows, by_tool)? {
            Passed::Unchanged(findings) => {
                made.noted.extend(findings);
                return Ok((subject, made));
            }
            // An edit that does not satisfy its own control would go round for ever.
            Passed::Edited(row, Edit { finding, .. }) if rows.contains(&row) => {
                return Err(defect(&format!("{} edited its own edit", finding.control)));
            }
            Passed::Edited(row, Edit { bytes, finding, kept }) => {
                let message = decode_one(bytes, &edited_limits(terms.limits))
                    .map_err(|error| defect(&format!("{} broke a message: {error}", finding.control)))?;
                put(&mut subject, message);
                rows.push(row);
                made.noted.push(finding);
                made.kept.extend(kept);
            }
        }
    }
}

fn left_open(definition: &Definition) -> Finding {
    let name: String = definition.name().chars().take(64).flat_map(char::escape_debug).collect();
    let detail = format!(
        "parameters that the schema of `{name}` does not declare are not refused: to tell them costs too much"
    );
    Finding { control: ControlId::Ti02, detail: detail.into() }
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

/// `edited` if the gateway has changed the answer: one that fits no more would break its reader.
fn check_result(answer: &Answer, promised: Option<Promised<'_>>, edited: bool) -> Result<(), Refusal> {
    let Some(promised) = promised else { return Ok(()) };
    let Err(broken) = promised.check(&answer.message) else { return Ok(()) };
    let public = match (edited, &broken) {
        (true, _) => {
            "the answer was withheld: without what had to be taken out of it, it does not fit the tool's output schema"
        }
        (false, Broken::Missing) => {
            "the answer was withheld: the tool has an output schema, and the result no structured content"
        }
        (false, Broken::Misfit(_)) => {
            "the answer was withheld: its structured content does not fit the tool's output schema"
        }
    };
    let server = answer.server.as_ref().map_or("the gateway", |server| server.as_str());
    let mut detail = format!("{public}; server `{server}`");
    if let Broken::Misfit(faults) = &broken {
        for ArgumentFault { pointer, expected, rule, .. } in faults {
            detail.push_str(&format!(", at `/structuredContent{pointer}` expected {expected} (`{rule}`)"));
        }
    }
    let kind = if edited { RefusalKind::Denied } else { RefusalKind::UpstreamInvalid };
    Err(Refusal::new(kind, public).by(ControlId::Ti02).operator(detail))
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
        format!("misfits {:?}", options.misfits),
        format!("targets {:?}", options.targets),
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
