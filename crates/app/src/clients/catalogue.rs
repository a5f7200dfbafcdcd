//! Which program keeps its servers where.

use super::Located;
use crate::config::tree::{Language, Node};

/// A program that keeps MCP servers in a file.
#[derive(Debug)]
pub(crate) struct Client {
    /// What `--client` calls it.
    pub(crate) id: &'static str,
    /// Its own name.
    pub(crate) title: &'static str,
    /// The language of its file.
    pub(crate) language: Language,
    /// Where in the file servers are. `*` stands for any member.
    containers: &'static [&'static [&'static str]],
}

use Language::{Json, Toml, Yaml};

/// Most clients keep a table of servers under this name.
const USUAL: &[&[&str]] = &[&["mcpServers"]];

/// Known clients. The first whose containers are in a file is taken for its owner, so the more telling
/// rows come first.
pub(crate) const CLIENTS: &[Client] = &[
    row("claude-code", "Claude Code", Json, &[&["mcpServers"], &["projects", "*", "mcpServers"]]),
    row("claude-desktop", "Claude Desktop", Json, USUAL),
    row("cursor", "Cursor", Json, USUAL),
    row("windsurf", "Windsurf", Json, USUAL),
    row("gemini", "Gemini CLI", Json, USUAL),
    row("antigravity", "Antigravity", Json, USUAL),
    row("cline", "Cline", Json, USUAL),
    row("roo", "Roo Code", Json, USUAL),
    row("kiro", "Kiro", Json, USUAL),
    row("lm-studio", "LM Studio", Json, USUAL),
    row("junie", "Junie", Json, USUAL),
    row("copilot-cli", "Copilot CLI", Json, USUAL),
    row("trae", "Trae", Json, USUAL),
    row("kimi", "Kimi", Json, USUAL),
    row("factory", "Factory", Json, USUAL),
    row("qoder", "Qoder", Json, USUAL),
    row("inspector", "MCP Inspector", Json, USUAL),
    row("vscode", "VS Code", Json, &[&["servers"], &["mcp", "servers"], &["mcp.servers"]]),
    row("copilot-jetbrains", "GitHub Copilot for JetBrains", Json, &[&["servers"]]),
    row("zed", "Zed", Json, &[&["context_servers"]]),
    row("amp", "Amp", Json, &[&["amp.mcpServers"]]),
    row("opencode", "opencode", Json, &[&["mcp"]]),
    row("crush", "Crush", Json, &[&["mcp"]]),
    row("codex", "Codex", Toml, &[&["mcp_servers"]]),
    row("mistral-vibe", "Mistral Vibe", Toml, &[&["mcp_servers"]]),
    row("goose", "Goose", Yaml, &[&["extensions"]]),
    row("continue", "Continue", Yaml, USUAL),
    row(
        "continue-json",
        "Continue, before its YAML file",
        Json,
        &[&["experimental", "modelContextProtocolServers"]],
    ),
];

const fn row(
    id: &'static str,
    title: &'static str,
    language: Language,
    containers: &'static [&'static [&'static str]],
) -> Client {
    Client { id, title, language, containers }
}

/// The client whose file this looks like.
pub(super) fn recognise(language: Language, root: &Node) -> Option<&'static Client> {
    CLIENTS.iter().find(|client| client.language == language && client.has_container(root))
}

impl Client {
    /// The client of that identifier.
    pub(crate) fn named(id: &str) -> Option<&'static Client> {
        CLIENTS.iter().find(|client| client.id == id)
    }

    pub(super) fn has_container(&self, root: &Node) -> bool {
        self.containers.iter().any(|steps| !descend(root, steps, String::new()).is_empty())
    }

    /// Every entry of the file, in its order.
    pub(super) fn entries<'n>(&self, root: &'n Node) -> Vec<Located<'n>> {
        let containers = self.containers.iter().flat_map(|steps| descend(root, steps, String::new()));
        containers.flat_map(|(field, container)| members(&field, container)).collect()
    }
}

/// The nodes at the end of a path, each with its full name.
fn descend<'n>(node: &'n Node, steps: &[&str], field: String) -> Vec<(String, &'n Node)> {
    let Some((step, rest)) = steps.split_first() else { return vec![(field, node)] };
    let matching =
        node.entries().unwrap_or_default().iter().filter(|entry| *step == "*" || entry.key == *step);
    matching
        .flat_map(|entry| {
            let name = crate::config::tree::key(&entry.key);
            let field = if field.is_empty() { name } else { format!("{field}.{name}") };
            descend(&entry.node, rest, field)
        })
        .collect()
}

/// The servers of a container: the members of a table, or the elements of a list that name themselves.
fn members<'n>(field: &str, container: &'n Node) -> Vec<Located<'n>> {
    if let Some(entries) = container.entries() {
        return entries.iter().map(|entry| Located::member(field, entry)).collect();
    }
    let named = |(index, node): (usize, &'n Node)| Located {
        label: node.get("name").and_then(Node::text).unwrap_or_default(),
        field: format!("{field}[{index}]"),
        at: node.at,
        node,
    };
    container.items().unwrap_or_default().iter().enumerate().map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_unique_and_plain() {
        let mut ids: Vec<_> = CLIENTS.iter().map(|client| client.id).collect();
        assert!(ids.iter().all(|id| id.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')));
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), CLIENTS.len());
    }
}
