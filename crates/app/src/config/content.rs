//! What is done about text that gives orders to a model, surface by surface.

use portcullis_inspect::detect::{Action, ContentPolicy, SurfacePolicy, TextSurface};
use serde_json::Value as Json;

use super::{
    kind::{Describe, Kind, Place},
    problem::{Fault, Severity},
    setting::{Walk, settings},
    tree::Node,
    word_table::{PASS, phrase, read_table, schema},
};

settings! {
    /// What is done about text that gives orders to the model that reads it (prompt injection), or hides something,
    /// by where it is read. `unusual` is text that one in a hundred ordinary texts resembles, `suspicious` one in a
    /// thousand, `attack` none that was measured; `hidden` is characters that nobody writes by accident and nobody
    /// sees. `note` records it; `label` also marks a result as `portcullis/untrusted` in its `_meta`; `neutralise`
    /// also removes what is hidden and fences off what reads as orders; `ask` waits for the consent of a
    /// person where it is a call or its answer, and refuses everything else; `refuse` withholds it. `danger_pass` does nothing. What is left out
    /// keeps its default. See `docs/content.md`.
    pub(crate) struct ContentSection {
        /// Names, titles and descriptions of tools, prompts and resources, and what servers say about themselves.
        Live tool_description: SurfacePolicy = Actions(TextSurface::ToolDescription),
            default r#"{ unusual = "note", suspicious = "label", attack = "refuse", hidden = "refuse" }"#;
        /// Schemas of the arguments and results of tools.
        Live schema: SurfacePolicy = Actions(TextSurface::Schema),
            default r#"{ unusual = "note", suspicious = "label", attack = "refuse", hidden = "refuse" }"#;
        /// Results, errors, notifications, and what servers ask of a person (elicitation).
        Live tool_output: SurfacePolicy = Actions(TextSurface::ToolOutput),
            default r#"{ unusual = "note", suspicious = "label", attack = "neutralise", hidden = "neutralise" }"#;
        /// What resources hold, texts and blobs.
        Live resource: SurfacePolicy = Actions(TextSurface::Resource),
            default r#"{ unusual = "note", suspicious = "label", attack = "neutralise", hidden = "neutralise" }"#;
        /// Prompts of servers, and what servers ask of the client's model (sampling).
        Live prompt: SurfacePolicy = Actions(TextSurface::Prompt),
            default r#"{ unusual = "note", suspicious = "label", attack = "neutralise", hidden = "neutralise" }"#;
        /// What callers send with their requests.
        Live argument: SurfacePolicy = Actions(TextSurface::Argument),
            default r#"{ unusual = "note", suspicious = "note", attack = "label", hidden = "label" }"#;
    }
}

impl ContentSection {
    /// The policy, and a warning for each surface on which something passes.
    pub(crate) fn settle(self, walk: &mut Walk<'_>) -> ContentPolicy {
        let rows = [
            (TextSurface::ToolDescription, self.tool_description),
            (TextSurface::Schema, self.schema),
            (TextSurface::ToolOutput, self.tool_output),
            (TextSurface::Resource, self.resource),
            (TextSurface::Prompt, self.prompt),
            (TextSurface::Argument, self.argument),
        ];
        rows.into_iter().fold(ContentPolicy::default(), |policy, (surface, row)| {
            if [row.unusual, row.suspicious, row.attack, row.hidden].contains(&Action::Pass) {
                let field = format!("content.{}", surface.as_str());
                let what = "security is lowered: text that gives orders to a model passes without a record";
                walk.conflict(&field, Severity::Warning, what, "write `note` in place of `danger_pass`");
            }
            policy.with(surface, row)
        })
    }
}

/// The four findings a table decides about.
const FINDINGS: [&str; 4] = ["unusual", "suspicious", "attack", "hidden"];

/// A table of actions for one surface.
struct Actions(TextSurface);

impl Actions {
    /// A definition that says something else would not be its server's, nor a call its caller's.
    fn allowed(&self) -> impl Iterator<Item = (&'static str, Action)> {
        let editable =
            matches!(self.0, TextSurface::ToolOutput | TextSurface::Resource | TextSurface::Prompt);
        let kept = Action::ALL.into_iter().filter(move |action| editable || *action != Action::Neutralise);
        kept.map(|action| (if action == Action::Pass { PASS } else { action.as_str() }, action))
    }

    fn words(&self) -> Vec<&'static str> {
        self.allowed().map(|(word, _)| word).collect()
    }
}

impl Describe for Actions {
    fn phrase(&self) -> String {
        phrase(&FINDINGS, &self.words())
    }

    fn schema(&self) -> Json {
        schema(&FINDINGS, &self.words())
    }
}

impl Kind for Actions {
    type Value = SurfacePolicy;

    fn read(&self, node: &Node, _: &Place<'_>) -> Result<SurfacePolicy, Vec<Fault>> {
        let mut row = ContentPolicy::default().on(self.0);
        let words: Vec<_> = self.allowed().collect();
        for (slot, action) in read_table(self, node, &FINDINGS, &words)? {
            let fields = [&mut row.unusual, &mut row.suspicious, &mut row.attack, &mut row.hidden];
            if let Some(field) = fields.into_iter().nth(slot) {
                *field = action;
            }
        }
        Ok(row)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use std::path::Path;

    use super::super::rules;
    use super::*;

    fn load(text: &str) -> Result<(ContentPolicy, usize), String> {
        let loaded = rules::assemble(Path::new("/x/portcullis.toml"), text, Some(Path::new("/home/x")));
        let loaded = loaded.map_err(|report| format!("{:?}", report.problems()))?;
        Ok((loaded.config.content, loaded.warnings.problems().len()))
    }

    #[test]
    fn the_defaults_on_the_page_are_those_in_force() {
        assert_eq!(load("").unwrap(), (ContentPolicy::default(), 0));
    }

    #[test]
    fn what_is_left_out_keeps_its_default_and_what_passes_is_warned_of() {
        let (policy, warnings) = load(
            "[content.tool_output]\nattack = \"refuse\"\n[content]\nargument = { hidden = \"danger_pass\" }",
        )
        .unwrap();
        let own = ContentPolicy::default();
        assert_eq!(policy.on(TextSurface::ToolOutput).attack, Action::Refuse);
        assert_eq!(policy.on(TextSurface::ToolOutput).hidden, own.on(TextSurface::ToolOutput).hidden);
        assert_eq!(policy.on(TextSurface::Argument).hidden, Action::Pass);
        assert_eq!(warnings, 1);
    }

    #[test]
    fn mistakes_name_field_and_remedy() {
        for (text, expected) in [
            ("[content]\ntool_output = \"refuse\"", "a string"),
            ("[content.tool_output]\natack = \"note\"", "did you mean `attack`?"),
            ("[content.tool_output]\nattack = \"pass\"", "danger_pass"),
            ("[content.schema]\nattack = \"neutralise\"", "`neutralise` is not known here"),
            ("[content.argument]\nattack = 7", "a whole number"),
            ("[content.nowhere]\nattack = \"note\"", "there is no such setting"),
        ] {
            let said = load(text).unwrap_err();
            assert!(said.contains(expected) && said.contains("content."), "{text}: {said}");
        }
    }
}
