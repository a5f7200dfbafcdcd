//! What a definition says to the model that reads it.

use portcullis_core::wire::{Node, json::Kind};

use super::{Report, Tool, rule};
use crate::detect::{Action, ContentPolicy, TextSurface, assess};

/// Words for what no model should be asked for.
const SECRETS: &[&str] = &[
    "api key",
    "api_key",
    "apikey",
    "access token",
    "auth token",
    "bearer token",
    "credential",
    "id_rsa",
    "passphrase",
    "password",
    "private key",
    "secret key",
    "seed phrase",
    "session cookie",
    ".env",
    ".ssh",
    "~/.aws",
];
/// Words that make a mention a request.
const ASKS: &[&str] = &[
    "ask",
    "enter",
    "include",
    "pass",
    "provide",
    "put",
    "read",
    "send",
    "supply",
    "the contents of",
    "your",
];
/// Names of other tools shorter than this are words of any text.
const TELLING: usize = 6;

pub(super) fn look(tool: &Tool, all: &[Tool], report: &mut Report) {
    let mut texts = Vec::new();
    gather(tool.definition.document().root(), String::new(), &mut texts);
    for (pointer, text) in &texts {
        steers(tool, pointer, text, report);
        asks(tool, pointer, text, report);
        mentions(tool, all, pointer, text, report);
    }
}

/// Texts of a definition and where they are: descriptions and titles, however deep, and names.
fn gather(node: Node<'_>, pointer: String, texts: &mut Vec<(String, String)>) {
    match node.kind() {
        Kind::Object => {
            for (name, value) in node.members() {
                gather(value, format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1")), texts);
            }
        }
        Kind::Array => {
            for (at, value) in node.elements().enumerate() {
                gather(value, format!("{pointer}/{at}"), texts);
            }
        }
        Kind::String => texts.extend(node.as_str().map(|text| (pointer, text.into_owned()))),
        Kind::Number | Kind::Bool | Kind::Null => {}
    }
}

fn steers(tool: &Tool, pointer: &str, text: &str, report: &mut Report) {
    let surface =
        if pointer.starts_with("/inputSchema") { TextSurface::Schema } else { TextSurface::ToolDescription };
    let assessment = assess(text, surface);
    if ContentPolicy::default().action(&assessment, surface) >= Action::Label {
        let why = assessment.reasons.first().map_or("it reads like one", |reason| &reason.what);
        report.tool(rule::STEERS, tool, pointer, format!("score {:.2}: {why}", assessment.score));
    }
}

fn asks(tool: &Tool, pointer: &str, text: &str, report: &mut Report) {
    let lower = text.to_lowercase();
    let described = pointer.ends_with("/description");
    let secret = SECRETS.iter().find(|secret| lower.contains(*secret));
    if let Some(secret) = secret.filter(|_| described && ASKS.iter().any(|ask| lower.contains(ask))) {
        report.tool(rule::ASKS, tool, pointer, format!("it speaks of `{secret}`"));
    }
}

fn mentions(tool: &Tool, all: &[Tool], pointer: &str, text: &str, report: &mut Report) {
    if !pointer.ends_with("/description") {
        return;
    }
    let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '-').collect();
    let others = all.iter().filter(|other| other.server() != tool.server());
    let said = |name: &str| name.len() >= TELLING && words.iter().any(|word| word.eq_ignore_ascii_case(name));
    for other in others {
        let own = all.iter().any(|mine| mine.server() == tool.server() && mine.name() == other.name());
        // A name of one word is a word of the language as well.
        let tool_name = other.name().contains(['_', '-']) && !own && said(other.name());
        if tool_name {
            let message = format!("it speaks of `{}` of server `{}`", other.name(), other.server());
            report.tool(rule::MENTIONS, tool, pointer, message);
        } else if other.server().as_str().contains(['_', '-']) && said(other.server().as_str()) {
            report.tool(rule::MENTIONS, tool, pointer, format!("it speaks of server `{}`", other.server()));
        }
    }
}
