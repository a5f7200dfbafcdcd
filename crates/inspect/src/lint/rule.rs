//! The rules, one row each.

use serde::Serialize;

/// How grave a finding is; the words of SARIF 2.1.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// Worth knowing.
    Note,
    /// Worth changing.
    Warning,
    /// Not to be used like this.
    Error,
}

impl Weight {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// What is looked for.
#[derive(Debug)]
pub struct Rule {
    /// Its name in reports and exceptions.
    pub id: &'static str,
    /// How grave it is.
    pub weight: Weight,
    /// What it says, in one sentence.
    pub title: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

macro_rules! rules {
    ($($name:ident $id:literal $weight:ident $title:literal $remedy:literal;)+) => {
        $(pub(super) const $name: &Rule = &Rule { id: $id, weight: Weight::$weight, title: $title, remedy: $remedy };)+

        /// Every rule.
        pub const RULES: &[&Rule] = &[$($name),+];
    };
}

rules! {
    SHELL "shell" Error
        "A tool runs whatever command it is given."
        "publish a tool for each command that is needed, or forbid it by policy";
    CODE "code" Error
        "A tool runs whatever code it is given."
        "forbid it by policy, or give it a sandbox of its own";
    SQL "any-sql" Warning
        "A tool takes any SQL."
        "publish tools for the queries that are needed, and give it a user that may only read";
    ANY_PATH "free-path" Warning
        "A tool takes any path."
        "bound the parameter with a pattern, or the call by policy";
    ANY_URL "free-url" Warning
        "A tool goes to any URL."
        "bound the parameter with a pattern, or where the server may go with `portcullis egress`";
    DOES_ALL "does-everything" Warning
        "One tool reads, writes and deletes, so that no policy can permit one without the others by its name."
        "permit its operations one by one with `context.arguments`";
    UNBOUNDED "unbounded" Note
        "A parameter has no bound on its size."
        "add `maxLength`, `maxItems`, `enum` or `pattern`";
    OPEN "open-arguments" Note
        "A tool takes parameters that it does not declare."
        "add `additionalProperties: false`";
    UNMARKED "no-annotations" Note
        "A tool does not say whether it only reads."
        "add `annotations`, and do not rely on them";
    CONTRADICTS "contradicts-itself" Error
        "A tool says that it only reads, and its name says otherwise."
        "take its annotations for what they are: its server's word";
    UNCONFIRMED "no-confirmation" Warning
        "A tool does what cannot be taken back, at once and without being asked again."
        "let policy require `context.approved`, or add a parameter that confirms or tries out";
    STEERS "steers" Error
        "A definition gives orders to the model that reads it."
        "do not use it; tell whoever publishes it";
    MENTIONS "mentions-another" Warning
        "A definition speaks of another server or its tools."
        "check that it does not change how those are used";
    ASKS "asks-for-secrets" Error
        "A definition asks the model for secrets."
        "give the server its secrets in its configuration, never through a model";
    RESERVED "reserved-name" Error
        "A tool has a name that is taken by something else."
        "rename it, or leave it out by policy";
    CONFUSABLE "confusable-name" Error
        "A name looks like another one."
        "rename one of the two, or leave it out by policy";
    SAME "same-name" Warning
        "Two servers have a tool of the same name."
        "use the endpoint in front of all servers, where each has its server's name before it";
    NEAR "near-name" Note
        "Two servers have tools whose names differ by one letter."
        "check that neither passes itself off as the other";
    LOOKALIKE "lookalike-server" Warning
        "A server's name differs by a letter or two from that of a well-known one."
        "check where it comes from";
    TOXIC "toxic-combination" Warning
        "Private data, text that others wrote and a way out come together."
        "keep them in separate configurations, or keep the first policy's flow rules";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_rules_are_sentences() {
        let mut ids: Vec<_> = RULES.iter().map(|rule| rule.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), RULES.len());
        assert!(RULES.iter().all(|rule| rule.title.ends_with('.') && !rule.remedy.ends_with('.')));
    }
}
