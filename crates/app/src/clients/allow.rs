//! What clients call without asking, as their own settings list it.

use std::{collections::BTreeMap, path::Path};

use portcullis_core::ServerName;

use super::{catalogue, guess, server_name};
use crate::config::{
    problem::Fault,
    tree::{Language, Node, Value},
};

/// Members of a server that list what is called without asking.
const ALLOWED: &[&str] =
    &["alwaysAllow", "autoApprove", "autoAllow", "enabled_tools", "includeTools", "tools"];
/// Members of a server that list what is not called at all.
const DENIED: &[&str] = &["disabled_tools", "excludeTools"];
/// How a rule of Claude Code names a server, or a tool of one: `mcp__<server>__<tool>`.
const RULE: &str = "mcp__";

/// The tools of one server.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Allowed {
    /// All of them, now and after every update.
    pub(crate) all: bool,
    /// These.
    pub(crate) tools: Vec<String>,
    /// But not these.
    pub(crate) denied: Vec<String>,
    /// None of them, whatever else is listed.
    pub(crate) none: bool,
}

/// What a client's settings allow, by server.
///
/// # Errors
/// When the file cannot be read, or lists nothing.
pub(crate) fn allow_lists(path: &Path, text: &str) -> Result<BTreeMap<ServerName, Allowed>, Vec<Fault>> {
    let language = Language::of(path).unwrap_or_else(|| guess(text));
    let (root, mut faults) = language.parse(text);
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut lists = BTreeMap::new();
    let located = catalogue::recognise(language, &root).map(|client| client.entries(&root));
    for server in located.unwrap_or_default() {
        let mut allowed = Allowed::default();
        of_server(server.node, &mut allowed, &mut faults);
        if allowed == Allowed::default() {
            continue;
        }
        match server_name(server.label) {
            Ok(name) => add(&mut lists, name, allowed),
            Err(fault) => faults.push(Fault { at: server.at, ..fault }),
        }
    }
    rules(&root, "allow", &mut lists, &mut faults);
    rules(&root, "deny", &mut lists, &mut faults);
    if lists.is_empty() && faults.is_empty() {
        let what = "this lists no tools that are called without asking";
        faults.push(Fault::new(root.at, what, "name the settings of a client that does"));
    }
    if faults.is_empty() { Ok(lists) } else { Err(faults) }
}

fn add(lists: &mut BTreeMap<ServerName, Allowed>, server: ServerName, more: Allowed) {
    let list = lists.entry(server).or_default();
    list.all |= more.all;
    list.none |= more.none;
    list.tools.extend(more.tools);
    list.denied.extend(more.denied);
    for names in [&mut list.tools, &mut list.denied] {
        names.sort();
        names.dedup();
    }
}

fn of_server(node: &Node, allowed: &mut Allowed, faults: &mut Vec<Fault>) {
    allowed.all |= node.get("trust").is_some_and(|trust| matches!(trust.value, Value::Bool(true)));
    for name in ALLOWED {
        for tool in names(node, name, faults) {
            if tool == "*" { allowed.all = true } else { allowed.tools.push(tool) }
        }
    }
    for name in DENIED {
        for tool in names(node, name, faults) {
            if tool == "*" { allowed.none = true } else { allowed.denied.push(tool) }
        }
    }
    refuse_patterns(node, &allowed.denied, faults);
}

/// A pattern that denies would deny nothing as the name of a tool.
fn refuse_patterns(at: &Node, denied: &[String], faults: &mut Vec<Fault>) {
    for pattern in denied.iter().filter(|it| it.contains('*')) {
        let what = format!("`{pattern}` denies by a pattern, which cannot be carried over");
        faults.push(Fault::new(at.at, what, "list the tools that it means"));
    }
}

/// The strings of a list; nothing where there is no such member, or it is a switch.
fn names(node: &Node, member: &str, faults: &mut Vec<Fault>) -> Vec<String> {
    let Some(list) = node.get(member).filter(|it| !matches!(it.value, Value::Bool(_) | Value::Null)) else {
        return Vec::new();
    };
    let names = list.items().and_then(|items| items.iter().map(|it| it.text().map(str::to_owned)).collect());
    names.unwrap_or_else(|| {
        let what = format!("`{member}` is not a list of tools");
        faults.push(Fault::new(list.at, what, "write the names of tools in it, or remove it"));
        Vec::new()
    })
}

/// `permissions.allow` and `permissions.deny`; rules about anything but MCP are somebody else's.
fn rules(root: &Node, which: &str, lists: &mut BTreeMap<ServerName, Allowed>, faults: &mut Vec<Fault>) {
    let Some(permissions) = root.get("permissions") else { return };
    for rule in names(permissions, which, faults) {
        let Some(rest) = rule.strip_prefix(RULE) else { continue };
        let (label, tool) = rest.split_once("__").unwrap_or((rest, "*"));
        let Ok(server) = server_name(label) else {
            let what = format!("no server name can be made of `{rule}`");
            faults.push(Fault::new(permissions.at, what, "rename the server"));
            continue;
        };
        let tools = vec![tool.to_owned()];
        if which == "deny" && tool != "*" {
            refuse_patterns(permissions, &tools, faults);
        }
        let allowed = match (which, tool) {
            ("allow", "*") => Allowed { all: true, ..Allowed::default() },
            ("allow", _) => Allowed { tools, ..Allowed::default() },
            (_, "*") => Allowed { none: true, ..Allowed::default() },
            _ => Allowed { denied: tools, ..Allowed::default() },
        };
        add(lists, server, allowed);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use super::*;

    fn check(file: &str, text: &str, expected: &[(&str, bool, &[&str], &[&str])]) {
        let lists = allow_lists(Path::new(file), text).unwrap();
        let found: Vec<_> = lists
            .iter()
            .map(|(server, it)| (server.as_str(), it.all, it.tools.clone(), it.denied.clone()))
            .collect();
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let expected: Vec<_> = expected
            .iter()
            .map(|(server, all, tools, denied)| (*server, *all, owned(tools), owned(denied)))
            .collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn lists_of_clients_become_one_form() {
        check(
            "mcp.json",
            r#"{"mcpServers":{"Git":{"command":"x","alwaysAllow":["log","status"],"autoApprove":["log"]},"b":{"command":"y"}}}"#,
            &[("git", false, &["log", "status"], &[])],
        );
        check(
            "config.toml",
            "[mcp_servers.notes]\ncommand = \"x\"\nenabled_tools = [\"read\"]\ndisabled_tools = [\"write\"]\n",
            &[("notes", false, &["read"], &["write"])],
        );
        check(
            "settings.json",
            r#"{"permissions":{"allow":["Bash(ls)","mcp__git__log","mcp__web","mcp__x"],"deny":["mcp__web__post","mcp__x"]}}"#,
            &[("git", false, &["log"], &[]), ("web", true, &[], &["post"]), ("x", true, &[], &[])],
        );
        check(
            "mcp.json",
            r#"{"mcpServers":{"a":{"command":"x","trust":true},"b":{"command":"x","tools":["*"]}}}"#,
            &[("a", true, &[], &[]), ("b", true, &[], &[])],
        );
    }

    #[test]
    fn what_is_denied_as_a_whole_is() {
        let text = r#"{"permissions":{"allow":["mcp__x"],"deny":["mcp__x"]}}"#;
        let lists = allow_lists(Path::new("settings.json"), text).unwrap();
        assert!(lists.values().all(|list| list.none), "{lists:?}");
    }

    #[test]
    fn what_lists_nothing_says_so() {
        for text in
            [r#"{"mcpServers":{"a":{"command":"x"}}}"#, r#"{"mcpServers":{"a":{"alwaysAllow":[7]}}}"#, "{"]
        {
            assert!(allow_lists(Path::new("a.json"), text).is_err(), "{text}");
        }
    }
}
