//! What a configuration covers and what not, said once on record so that every decision can name it.

use std::{collections::BTreeMap, sync::Arc};

use portcullis_audit::{MAX_STATEMENT, jcs};
use portcullis_core::{Digest, ServerName};
use portcullis_gateway::{Server, Stated};
use serde::Serialize;

use super::build::dangers;
use crate::config::Config;

/// Of every configuration.
const COVERED: &str = "every message between clients of this gateway and its servers, in both directions";
/// Of every configuration as well.
const EXCLUDED: [&str; 2] = [
    "programs that reach a server, or anything else, without this gateway",
    "what a client does with an answer that was released to it",
];
/// What follows where nothing can be decided or recorded.
const FALLBACK: &str =
    "refuse: without a decision, a policy that evaluates, a record and a server there is no call";

#[derive(Serialize)]
struct Statement<'a> {
    statement: &'static str,
    covered: &'static str,
    servers: Servers<'a>,
    excluded: [&'static str; 2],
    dangers: Vec<String>,
    fallback: &'static str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Servers<'a> {
    Each(Vec<Covered<'a>>),
    /// More than a record holds.
    Digest {
        count: usize,
        digest: Digest,
    },
}

#[derive(Serialize)]
struct Covered<'a> {
    server: &'a ServerName,
    /// Digest of the plan it is contained by; absent where only its messages are covered.
    sandbox: Option<Digest>,
}

/// The statement of a configuration with these servers.
pub(super) fn stated(config: &Config, servers: &BTreeMap<ServerName, Arc<Server>>) -> Stated {
    let each: Vec<_> = servers.values().map(|it| Covered { server: &it.name, sandbox: it.sandbox }).collect();
    let dangers: Vec<_> = dangers(config).collect();
    let digest = Servers::Digest { count: each.len(), digest: Digest::of(&json(&each)) };
    let mut text = statement(Servers::Each(each), dangers.clone());
    if text.len() > MAX_STATEMENT {
        text = statement(digest, dangers);
    }
    if text.len() > MAX_STATEMENT {
        // Hundreds of dangers, each of which has an event of its own.
        text = statement(Servers::Each(Vec::new()), vec!["too many to be stated".to_owned()]);
    }
    Stated { digest: Digest::of(text.as_bytes()), text: text.into() }
}

fn statement(servers: Servers<'_>, dangers: Vec<String>) -> String {
    let statement = Statement {
        statement: "portcullis-boundary/1",
        covered: COVERED,
        servers,
        excluded: EXCLUDED,
        dangers,
        fallback: FALLBACK,
    };
    // In its one spelling, so that whoever has the statement alone can compute the digest.
    let canonical = serde_json::to_value(&statement).ok().and_then(|value| jcs::canonical(&value));
    String::from_utf8_lossy(&canonical.unwrap_or_default()).into_owned()
}

fn json(value: &impl Serialize) -> Vec<u8> {
    // Structs of strings and numbers always serialise.
    serde_json::to_vec(value).unwrap_or_default()
}
