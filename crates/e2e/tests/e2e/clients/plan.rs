//! What a client is asked to do, and what it has to see.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How much a client does at each server.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Breadth {
    /// Lists, a call, reads and prompts at every server.
    Full,
    /// The call at every server; the rest at one of them.
    Brief,
}

/// One server as a client reaches it, and what to do there. Serialised, it is an element of the plan.
#[derive(Clone, Serialize)]
pub(super) struct Target {
    pub(super) name: String,
    pub(super) transport: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) command: Option<String>,
    pub(super) args: Vec<String>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) calls: Vec<Item>,
    pub(super) reads: Vec<String>,
    pub(super) prompts: Vec<Item>,
    /// Whether to ask for the tools at all.
    pub(super) list: bool,
    #[serde(skip)]
    pub(super) wanted: Wanted,
    /// The log of the gateway in between, when that is the target's own.
    #[serde(skip)]
    pub(super) log: Option<std::path::PathBuf>,
}

/// A tool or prompt by name, with arguments.
#[derive(Clone, Serialize)]
pub(super) struct Item {
    pub(super) name: String,
    pub(super) arguments: Value,
}

/// What has to come back.
#[derive(Clone, Default)]
pub(super) struct Wanted {
    /// Names of all tools, in order.
    pub(super) tools: Vec<String>,
    /// A part of the text of each call's result.
    pub(super) calls: Vec<String>,
    /// A part of the text of each resource.
    pub(super) reads: Vec<String>,
    /// A part of the text of each prompt.
    pub(super) got: Vec<String>,
}

/// What a client reports of one target.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Seen {
    pub(super) target: String,
    /// The version it ended up with; not every client tells.
    pub(super) version: Option<String>,
    pub(super) tools: Vec<String>,
    pub(super) calls: Vec<Called>,
    pub(super) resources: Vec<String>,
    pub(super) reads: Vec<String>,
    pub(super) prompts: Vec<String>,
    pub(super) got: Vec<String>,
    pub(super) error: Option<String>,
}

/// The result of a call.
#[derive(Debug, Deserialize)]
pub(super) struct Called {
    pub(super) text: String,
    pub(super) failed: bool,
}

/// A server of the house: what it offers, and what to ask it.
pub(super) struct Upstream {
    pub(super) name: &'static str,
    /// Every tool it lists to a client without capabilities, less those the house's policy hides.
    pub(super) tools: &'static [&'static str],
    /// Tool, arguments, part of the text that comes back. `DIR` stands for the house's directory.
    pub(super) call: (&'static str, &'static str, &'static str),
    /// Resource and part of its text.
    pub(super) read: Option<(&'static str, &'static str)>,
    /// Prompt, arguments, part of its text.
    pub(super) prompt: Option<(&'static str, &'static str, &'static str)>,
}

const EVERYTHING: Upstream = Upstream {
    name: "everything",
    tools: &[
        "echo",
        "get-annotated-message",
        "get-env",
        "get-resource-links",
        "get-resource-reference",
        "get-structured-content",
        "get-sum",
        "get-tiny-image",
        "gzip-file-as-resource",
        "simulate-research-query",
        "toggle-simulated-logging",
        "toggle-subscriber-updates",
        "trigger-long-running-operation",
    ],
    call: ("get-sum", r#"{"a":2,"b":40}"#, "42"),
    read: Some(("demo://resource/static/document/features.md", "Features")),
    prompt: Some(("args-prompt", r#"{"city":"Oslo"}"#, "Oslo")),
};

/// What stands behind the gateway. The first five can be started over stdio.
pub(super) const UPSTREAMS: &[Upstream] = &[
    EVERYTHING,
    Upstream {
        name: "filesystem",
        tools: &[
            "create_directory",
            "directory_tree",
            "edit_file",
            "get_file_info",
            "list_allowed_directories",
            "list_directory",
            "list_directory_with_sizes",
            "move_file",
            "read_file",
            "read_media_file",
            "read_multiple_files",
            "read_text_file",
            "search_files",
            "write_file",
        ],
        call: ("read_text_file", r#"{"path":"DIR/files/hello.txt"}"#, "hello from a file"),
        read: None,
        prompt: None,
    },
    Upstream {
        name: "git",
        tools: &[
            "git_add",
            "git_branch",
            "git_checkout",
            "git_commit",
            "git_create_branch",
            "git_diff",
            "git_diff_staged",
            "git_diff_unstaged",
            "git_log",
            "git_show",
            "git_status",
        ],
        call: ("git_log", r#"{"repo_path":"DIR/repository"}"#, "the first commit"),
        read: None,
        prompt: None,
    },
    Upstream {
        name: "memory",
        tools: &[
            "add_observations",
            "create_entities",
            "create_relations",
            "open_nodes",
            "read_graph",
            "search_nodes",
        ],
        call: ("search_nodes", r#"{"query":"Lovelace"}"#, "wrote the first program"),
        read: None,
        prompt: None,
    },
    Upstream {
        name: "time",
        tools: &["convert_time", "get_current_time"],
        call: (
            "convert_time",
            r#"{"source_timezone":"UTC","time":"12:00","target_timezone":"Asia/Tokyo"}"#,
            "21:00:00+09:00",
        ),
        read: None,
        prompt: None,
    },
    Upstream { name: "everything-http", ..EVERYTHING },
    Upstream { name: "everything-sse", ..EVERYTHING },
];

/// Hides what the servers could destroy: one policy for the house, seen by every client.
pub(super) const POLICY: &str = r#"
@id("allow-all")
permit (principal, action, resource);

@id("nothing-is-destroyed")
forbid (principal, action == Mcp::Action::"tools/call", resource) when { resource in [
  Mcp::Tool::"git/git_reset",
  Mcp::Tool::"memory/delete_entities",
  Mcp::Tool::"memory/delete_observations",
  Mcp::Tool::"memory/delete_relations"
] };
"#;

impl Target {
    /// What to do at one server, in its own names.
    pub(super) fn at(upstream: &Upstream, directory: &str, breadth: Breadth) -> Self {
        let mut target = Self::empty(upstream.name);
        target.add_call(upstream, directory, "");
        let whole = breadth == Breadth::Full;
        if whole || upstream.name == EVERYTHING.name {
            target.list_tools(&[upstream], "");
            if let Some((uri, text)) = upstream.read {
                target.reads.push(uri.to_owned());
                target.wanted.reads.push(text.to_owned());
            }
            target.add_prompt(upstream, "");
        }
        target
    }

    /// What to do in front of several servers at once. Their resources are left out: two servers of the same
    /// kind offer the same, which the aggregate refuses to choose between.
    pub(super) fn before(name: &str, upstreams: &[&Upstream], directory: &str, breadth: Breadth) -> Self {
        let mut target = Self::empty(name);
        target.list_tools(upstreams, "__");
        let called = if breadth == Breadth::Full { upstreams.len() } else { 1 };
        for upstream in upstreams.iter().take(called) {
            target.add_call(upstream, directory, "__");
            target.add_prompt(upstream, "__");
        }
        target
    }

    /// Reached over Streamable HTTP or HTTP+SSE.
    pub(super) fn over(mut self, transport: &'static str, url: String) -> Self {
        self.name = format!("{} over {transport}", self.name);
        self.transport = transport;
        self.url = Some(url);
        self
    }

    fn empty(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            transport: "http",
            url: None,
            command: None,
            args: Vec::new(),
            env: BTreeMap::new(),
            calls: Vec::new(),
            reads: Vec::new(),
            prompts: Vec::new(),
            list: false,
            wanted: Wanted::default(),
            log: None,
        }
    }

    fn list_tools(&mut self, upstreams: &[&Upstream], separator: &str) {
        self.list = true;
        for upstream in upstreams {
            let names = upstream.tools.iter().map(|tool| shown(upstream, separator, tool));
            self.wanted.tools.extend(names);
        }
    }

    fn add_call(&mut self, upstream: &Upstream, directory: &str, separator: &str) {
        let (tool, arguments, text) = upstream.call;
        self.calls.push(item(shown(upstream, separator, tool), &arguments.replace("DIR", directory)));
        self.wanted.calls.push(text.to_owned());
    }

    fn add_prompt(&mut self, upstream: &Upstream, separator: &str) {
        if let Some((prompt, arguments, text)) = upstream.prompt {
            self.prompts.push(item(shown(upstream, separator, prompt), arguments));
            self.wanted.got.push(text.to_owned());
        }
    }

    /// What differs between what was seen and what was wanted.
    pub(super) fn compare(&self, seen: &Seen, version: &str) -> Vec<String> {
        if let Some(error) = &seen.error {
            return vec![error.clone()];
        }
        let mut wrong = Vec::new();
        if seen.version.as_deref().is_some_and(|seen| seen != version) {
            wrong.push(format!("version {:?}, not {version}", seen.version));
        }
        if self.list {
            self.compare_tools(&seen.tools, &mut wrong);
        }
        let failed =
            seen.calls.iter().filter(|call| call.failed).map(|call| format!("failed: {}", call.text));
        wrong.extend(failed);
        let texts: Vec<_> = seen.calls.iter().map(|call| call.text.clone()).collect();
        contain("call", &texts, &self.wanted.calls, &mut wrong);
        contain("resource", &seen.reads, &self.wanted.reads, &mut wrong);
        contain("prompt", &seen.got, &self.wanted.got, &mut wrong);
        for (what, listed, asked) in [
            ("resource", &seen.resources, self.reads.iter().collect::<Vec<_>>()),
            ("prompt", &seen.prompts, self.prompts.iter().map(|it| &it.name).collect()),
        ] {
            // Not every client lists.
            wrong.extend(
                asked
                    .iter()
                    .filter(|it| !listed.is_empty() && !listed.contains(it))
                    .map(|it| format!("{what} `{it}` not in {listed:?}")),
            );
        }
        wrong
    }

    fn compare_tools(&self, seen: &[String], wrong: &mut Vec<String>) {
        let mut seen = seen.to_vec();
        // Offered to clients that declare roots; the inspector does.
        seen.retain(|tool| !tool.ends_with("get-roots-list"));
        let mut wanted = self.wanted.tools.clone();
        seen.sort();
        wanted.sort();
        if seen != wanted {
            wrong.push(format!("tools {seen:?}, not {wanted:?}"));
        }
    }
}

fn contain(what: &str, seen: &[String], wanted: &[String], wrong: &mut Vec<String>) {
    if seen.len() != wanted.len() {
        wrong.push(format!("{} of {} {what}s: {seen:?}", seen.len(), wanted.len()));
        return;
    }
    let pairs = seen.iter().zip(wanted).filter(|(seen, wanted)| !seen.contains(*wanted));
    wrong.extend(pairs.map(|(seen, wanted)| format!("{what} `{seen}` without `{wanted}`")));
}

fn shown(upstream: &Upstream, separator: &str, name: &str) -> String {
    if separator.is_empty() { name.to_owned() } else { format!("{}{separator}{name}", upstream.name) }
}

fn item(name: String, arguments: &str) -> Item {
    Item { name, arguments: serde_json::from_str(arguments).unwrap_or_else(|_| json!({})) }
}
