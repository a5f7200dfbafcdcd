//! What is wrong with tools before anybody has called them: shapes that are too broad, bounds that are missing,
//! descriptions that steer, names that are mistaken for others, and tools that are dangerous together.

mod names;
mod rule;
mod shape;
mod text;
mod together;

use std::sync::Arc;

use portcullis_core::{Conduct, Definition, ServerName};
use serde::Serialize;

use crate::{
    conduct::{Guesses, infer},
    targets::{TargetParameters, TargetPolicy},
};

pub(crate) use names::look_of;
pub use rule::{RULES, Rule, Weight};

/// One tool as its server offers it.
#[derive(Clone, Debug)]
pub struct Tool {
    /// The definition.
    pub definition: Arc<Definition>,
    /// What it is thought to do with data, and why.
    pub guesses: Guesses,
    /// What it is taken to do: the guesses, corrected by what the operator declares.
    pub conduct: Conduct,
    /// Which of its arguments name something outside of it.
    pub targets: TargetParameters,
}

impl Tool {
    /// A tool of which nothing is declared but this.
    pub fn new(definition: Definition, policy: &TargetPolicy) -> Self {
        let guesses = infer(&definition);
        let conduct = guesses.conduct();
        let targets = TargetParameters::of(&definition, policy);
        Self { definition: Arc::new(definition), guesses, conduct, targets }
    }

    fn name(&self) -> &str {
        self.definition.name()
    }

    fn server(&self) -> &ServerName {
        self.definition.server()
    }
}

/// Something found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which rule.
    pub rule: &'static str,
    /// How grave.
    pub weight: Weight,
    /// The server; of several together the first.
    pub server: String,
    /// The tool; absent when it concerns a server or several tools together.
    pub tool: Option<String>,
    /// The place in the definition, as a JSON pointer.
    pub pointer: String,
    /// What was found.
    pub message: String,
}

/// Looks at everything that is configured together. Findings come in order of servers, tools and rules.
pub fn lint(tools: &[Tool]) -> Vec<Finding> {
    let mut report = Report::default();
    for tool in tools {
        shape::look(tool, &mut report);
        text::look(tool, tools, &mut report);
    }
    names::look(tools, &mut report);
    together::look(tools, &mut report);
    let mut findings = report.0;
    findings.sort_by(|a, b| {
        (&a.server, &a.tool, a.rule, &a.pointer).cmp(&(&b.server, &b.tool, b.rule, &b.pointer))
    });
    findings.dedup();
    findings
}

#[derive(Default)]
struct Report(Vec<Finding>);

impl Report {
    fn tool(
        &mut self,
        rule: &'static Rule,
        tool: &Tool,
        pointer: impl Into<String>,
        message: impl Into<String>,
    ) {
        self.0.push(Finding {
            rule: rule.id,
            weight: rule.weight,
            server: tool.server().to_string(),
            tool: Some(tool.name().to_owned()),
            pointer: pointer.into(),
            message: message.into(),
        });
    }

    fn server(&mut self, rule: &'static Rule, server: &ServerName, message: impl Into<String>) {
        self.0.push(Finding {
            rule: rule.id,
            weight: rule.weight,
            server: server.to_string(),
            tool: None,
            pointer: String::new(),
            message: message.into(),
        });
    }
}

#[cfg(test)]
mod tests;
