//! What arguments may name outside of their tool, and which of them do.

use portcullis_core::{Host, spelling::nearest};
use portcullis_inspect::targets::{TargetAction, TargetActions, TargetFault, TargetKind, TargetPolicy};
use serde_json::{Value as Json, json};

use super::{
    kind::{Describe, Kind, List, Parsed, Place, clip, wrong},
    problem::{Fault, Severity},
    setting::{Walk, settings},
    tree::{Node, key},
    word_table::{PASS, phrase, read_table, schema},
};

settings! {
    /// What arguments may name outside of their tool: files, URLs, commands, statements. `note` records it, `refuse`
    /// stops the call, `danger_pass` does nothing. What is left out keeps its default. Which arguments name what is guessed
    /// from names and schemas, which `portcullis scan` shows, or declared in `targets` of a server. `metacharacter`,
    /// `compound` and `statement` concern declared ones only. See `docs/targets.md`.
    pub(crate) struct TargetsSection {
        /// What is done about each finding.
        Live findings: TargetActions = Findings,
            default r#"{ climbs = "refuse", hidden = "refuse", indirect = "refuse", outside = "refuse", scheme = "refuse", cleartext = "note", user_information = "refuse", disguised = "refuse", internal = "refuse", option = "refuse", metacharacter = "refuse", compound = "refuse", statement = "refuse" }"#;
        /// Schemes of URLs that may be followed, besides `https`, `http`, `wss` and `ws`.
        Live schemes: Vec<String> = List(SCHEME);
        /// Hosts, with or without a port, that may be named although they are not on the public internet.
        Live hosts: Vec<String> = List(TARGET_HOST);
    }
}

impl TargetsSection {
    /// The policy, without what is declared for servers, and a warning where something passes.
    pub(crate) fn settle(self, walk: &mut Walk<'_>) -> TargetPolicy {
        if TargetFault::ALL.iter().any(|fault| self.findings.on(*fault) == TargetAction::Pass) {
            let what = "security is lowered: calls can name what no honest caller does without a record";
            walk.conflict(
                "targets.findings",
                Severity::Warning,
                what,
                "write `note` in place of `danger_pass`",
            );
        }
        TargetPolicy {
            actions: self.findings,
            schemes: self.schemes,
            hosts: self.hosts,
            ..TargetPolicy::default()
        }
    }
}

const SCHEME: Parsed<String> = Parsed { phrase: "a scheme", example: "git", parse: parse_scheme };

fn parse_scheme(text: &str) -> Result<String, String> {
    let plain = text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte));
    if plain { Ok(text.to_owned()) } else { Err("is not a scheme in lower case, without a colon".to_owned()) }
}

const TARGET_HOST: Parsed<String> =
    Parsed { phrase: "a host, or a host and a port", example: "localhost:3000", parse: parse_host };

fn parse_host(text: &str) -> Result<String, String> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let host = Host::parse(host).map_err(|fault| fault.to_string())?;
    match port {
        None => Ok(host.to_string()),
        Some(port) if port.parse::<u16>().is_ok_and(|it| it > 0) => Ok(format!("{host}:{port}")),
        Some(_) => Err("has a port that is none".to_owned()),
    }
}

fn names() -> [&'static str; TargetFault::ALL.len()] {
    TargetFault::ALL.map(TargetFault::as_str)
}

const WORDS: [(&str, TargetAction); 3] =
    [(PASS, TargetAction::Pass), ("note", TargetAction::Note), ("refuse", TargetAction::Refuse)];

/// A table of actions.
struct Findings;

impl Describe for Findings {
    fn phrase(&self) -> String {
        phrase(&names(), &WORDS.map(|(word, _)| word))
    }

    fn schema(&self) -> Json {
        schema(&names(), &WORDS.map(|(word, _)| word))
    }
}

impl Kind for Findings {
    type Value = TargetActions;

    fn read(&self, node: &Node, _: &Place<'_>) -> Result<TargetActions, Vec<Fault>> {
        let read = read_table(self, node, &names(), &WORDS)?;
        let given =
            read.into_iter().filter_map(|(slot, action)| Some((*TargetFault::ALL.get(slot)?, action)));
        Ok(given.fold(TargetActions::default(), |actions, (fault, action)| actions.with(fault, action)))
    }
}

/// Tool, names that lead to the parameter, and what it names.
pub(crate) type Declarations = Vec<(String, Vec<String>, TargetKind)>;

/// Tables of parameters by tool, as deep as the parameters are.
pub(super) struct Declared;

fn kinds() -> [&'static str; TargetKind::ALL.len()] {
    TargetKind::ALL.map(TargetKind::as_str)
}

impl Describe for Declared {
    fn phrase(&self) -> String {
        format!(
            "for each tool, or `*` for all, a table of parameters, each one of `{}`",
            kinds().join("`, `")
        )
    }

    fn schema(&self) -> Json {
        let inner = json!({ "anyOf": [{ "enum": kinds() }, { "type": "object" }] });
        json!({ "type": "object", "additionalProperties": { "type": "object", "additionalProperties": inner } })
    }
}

impl Kind for Declared {
    type Value = Declarations;

    fn read(&self, node: &Node, _: &Place<'_>) -> Result<Declarations, Vec<Fault>> {
        let tools = node.entries().ok_or_else(|| wrong(self, node, format!("this is {}", node.shape())))?;
        let (mut declared, mut faults) = (Vec::new(), Vec::new());
        for tool in tools {
            let mut path = Vec::new();
            let mut inside = Vec::new();
            self.descend(
                &tool.node,
                &mut path,
                &mut |path, kind| {
                    declared.push((tool.key.clone(), path.to_vec(), kind));
                },
                &mut inside,
            );
            faults
                .extend(inside.into_iter().map(|fault: Fault| fault.within(&format!(".{}", key(&tool.key)))));
        }
        if faults.is_empty() { Ok(declared) } else { Err(faults) }
    }

    fn absent(&self) -> Option<Declarations> {
        Some(Vec::new())
    }
}

impl Declared {
    fn descend(
        &self,
        node: &Node,
        path: &mut Vec<String>,
        found: &mut impl FnMut(&[String], TargetKind),
        faults: &mut Vec<Fault>,
    ) {
        if let (Some(text), false) = (node.text(), path.is_empty()) {
            match TargetKind::ALL.into_iter().find(|kind| kind.as_str() == text) {
                Some(kind) => found(path, kind),
                None => {
                    let remedy = match nearest(text, &kinds()) {
                        Some(meant) => format!("did you mean `{meant}`?"),
                        None => format!("write one of {}", kinds().join(", ")),
                    };
                    faults.push(Fault::new(node.at, format!("`{}` is not known here", clip(text)), remedy));
                }
            }
            return;
        }
        let Some(entries) = node.entries() else {
            faults.extend(wrong(self, node, format!("this is {}", node.shape())));
            return;
        };
        for entry in entries {
            path.push(entry.key.clone());
            self.descend(&entry.node, path, found, faults);
            path.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use std::path::Path;

    use super::super::rules;
    use super::*;

    const FILES: &str = "[server.files]\ncommand = \"files\"\n";

    fn load(text: &str) -> Result<(TargetPolicy, usize), String> {
        let loaded = rules::assemble(Path::new("/x/portcullis.toml"), text, Some(Path::new("/home/x")));
        let loaded = loaded.map_err(|report| format!("{:?}", report.problems()))?;
        Ok((loaded.config.targets, loaded.warnings.problems().len()))
    }

    #[test]
    fn the_defaults_on_the_page_are_those_in_force() {
        assert_eq!(load("").unwrap(), (TargetPolicy::default(), 0));
    }

    #[test]
    fn what_is_declared_is_kept_by_server() {
        let text = format!(
            "[targets]\nfindings = {{ scheme = \"danger_pass\" }}\nhosts = [\"LOCALHOST:3000\", \"10.0.0.1\"]\n{FILES}\
             roots = [\"notes\"]\nsandbox_hosts = [\"wiki.corp:8443\", \"*.lab.corp\"]\n[server.files.targets]\ngrep.pattern = \"word\"\n\"*\" = {{ options = {{ cwd = \"path\" }} }}"
        );
        let (policy, warnings) = load(&text).unwrap();
        assert_eq!((policy.actions.on(TargetFault::Scheme), warnings), (TargetAction::Pass, 1));
        assert_eq!(policy.hosts, ["localhost:3000", "10.0.0.1"]);
        let files = policy.servers.values().next().unwrap();
        assert_eq!(files.roots, ["/x/notes"]);
        assert_eq!(files.hosts, ["*.lab.corp", "wiki.corp"]);
        let mut declared = files.parameters.clone();
        declared.sort();
        let path = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            declared,
            [
                ("*".to_owned(), path(&["options", "cwd"]), TargetKind::Path),
                ("grep".to_owned(), path(&["pattern"]), TargetKind::Word),
            ]
        );
    }

    #[test]
    fn mistakes_name_field_and_remedy() {
        for (text, expected) in [
            ("[targets]\nfindings = { climb = \"note\" }".to_owned(), "did you mean `climbs`?"),
            ("[targets]\nschemes = [\"Git:\"]".to_owned(), "is not a scheme"),
            ("[targets]\nhosts = [\"0x7f.1\"]".to_owned(), "IP address"),
            (format!("{FILES}targets = {{ grep = \"word\" }}"), "this is a string"),
            (format!("{FILES}targets = {{ grep = {{ pattern = \"wrd\" }} }}"), "did you mean `word`?"),
            (format!("{FILES}targets = 7"), "a whole number"),
        ] {
            let said = load(&text).unwrap_err();
            assert!(said.contains(expected) && said.contains("targets"), "{text}: {said}");
        }
    }
}
