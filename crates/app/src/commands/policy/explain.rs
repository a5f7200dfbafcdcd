//! `portcullis policy explain`

use std::path::PathBuf;

use portcullis_policy::{Answer, Considered, Explanation, Matched};
use serde::Serialize;

use super::test::named;
use crate::{
    cases::{Asked, object, read_call, text, words},
    config::tree::{Entry, Language, Value},
    exit::{Exit, Failure, Outcome},
    policies::Meant,
    printer::Printer,
};

/// Say why a call is allowed or refused: what each policy that could apply does.
///
/// The call is a case of a file, or described by options, which are the members of a case. Ends with status 1 when the
/// call is not allowed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    meant: Meant,
    /// File with the case.
    #[arg(long, value_name = "FILE", requires = "case")]
    cases: Option<PathBuf>,
    /// Name of the case.
    #[arg(long, value_name = "NAME", requires = "cases", conflicts_with_all = ["principal", "item"])]
    case: Option<String>,
    /// Who asks, as policies write it: `oauth:corp:alice`, `dev:alice`, `local-user:uid:1000`.
    #[arg(long, value_name = "KIND:ID")]
    principal: Option<String>,
    /// The agent that acts for the principal.
    #[arg(long, value_name = "KIND:ID")]
    actor: Option<String>,
    /// Tenant of the principal.
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// Scope of the access token.
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// Issuer of the access token.
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Client of the access token.
    #[arg(long, value_name = "CLIENT_ID")]
    client: Option<String>,
    /// What the access token grants in detail (RFC 9396).
    #[arg(long, value_name = "JSON")]
    authorization_details: Option<String>,
    /// The server's settings want a token that covers the call in detail.
    #[arg(long)]
    needs_detail: bool,
    /// The caller has proved to have the key of its token.
    #[arg(long)]
    proof_of_possession: bool,
    /// Tool that is called.
    #[arg(long, value_name = "SERVER/NAME", group = "item")]
    tool: Option<String>,
    /// Prompt that is got.
    #[arg(long, value_name = "SERVER/NAME", group = "item")]
    prompt: Option<String>,
    /// Resource that is read.
    #[arg(long, value_name = "SERVER/URI", group = "item")]
    resource: Option<String>,
    /// Task that is looked at.
    #[arg(long, value_name = "SERVER/ID", group = "item")]
    task: Option<String>,
    /// List that is asked for: `git/tools`, `*/prompts`.
    #[arg(long, value_name = "SERVER/LIST", group = "item")]
    list: Option<String>,
    /// Server that is asked as a whole, or `*`.
    #[arg(long, value_name = "SERVER", group = "item")]
    server: Option<String>,
    /// MCP method, where it is not the usual one of the item.
    #[arg(long, value_name = "METHOD")]
    method: Option<String>,
    /// Arguments of the call.
    #[arg(long, value_name = "JSON")]
    arguments: Option<String>,
    /// Label of the conversation: `untrusted:SERVER`, `private:SERVER`.
    #[arg(long = "label", value_name = "CLASS:SERVER")]
    labels: Vec<String>,
    /// What the item does: `untrusted`, `private`, `outward`, `irrevocable`.
    #[arg(long, value_name = "DEED")]
    conduct: Vec<String>,
    /// A person approved this very call.
    #[arg(long)]
    approved: bool,
    /// Write the result as JSON.
    #[arg(long)]
    json: bool,
}

/// The result for programs.
#[derive(Serialize)]
struct Explained<'e> {
    question: &'e str,
    decision: &'static str,
    policies: Vec<&'e str>,
    detail: &'e str,
    considered: Vec<Row<'e>>,
    policies_in_all: usize,
}

#[derive(Serialize)]
struct Row<'e> {
    policy: &'e str,
    place: &'e str,
    effect: &'static str,
    matched: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<&'e str>,
    determines: bool,
}

pub(crate) fn run(args: &Args, printer: &Printer) -> Outcome {
    let asked = match (&args.cases, &args.case) {
        (Some(file), Some(name)) => named(file, name, printer)?.asked,
        _ => args.asked(printer)?,
    };
    let authoriser = args.meant.load(printer)?;
    let explanation = authoriser.explain(&asked.call, &asked.flow, &asked.cx);
    if args.json {
        printer.json(&explained(&explanation));
    } else {
        printer.line(&explanation.to_string());
    }
    Ok(if explanation.judgement.answer == Answer::Allow { Exit::Fine } else { Exit::Findings })
}

impl Args {
    fn asked(&self, printer: &Printer) -> Result<Asked, Failure> {
        let texts = [
            ("principal", &self.principal),
            ("actor", &self.actor),
            ("tenant", &self.tenant),
            ("issuer", &self.issuer),
            ("client", &self.client),
            ("authorization_details", &self.authorization_details),
            ("tool", &self.tool),
            ("prompt", &self.prompt),
            ("resource", &self.resource),
            ("task", &self.task),
            ("list", &self.list),
            ("server", &self.server),
            ("method", &self.method),
        ];
        let said = texts.into_iter().filter_map(|(name, value)| Some(text(name, value.as_deref()?)));
        let lists = [("scopes", &self.scopes), ("labels", &self.labels), ("conduct", &self.conduct)];
        let lists = lists.into_iter().filter(|(_, list)| !list.is_empty());
        let flags = [
            ("needs_detail", self.needs_detail),
            ("proof_of_possession", self.proof_of_possession),
            ("approved", self.approved),
        ];
        let mut entries: Vec<Entry> = said.collect();
        entries.extend(lists.map(|(name, list)| words(name, list)));
        entries.extend(flags.into_iter().map(|(name, flag)| object(name, Value::Bool(flag))));
        if let Some(arguments) = &self.arguments {
            let (node, faults) = Language::Json.parse(arguments);
            if let Some(fault) = faults.first() {
                return Err(Failure::new(Exit::Usage, format!("`--arguments`: {}", fault.what)));
            }
            entries.push(object("arguments", node.value));
        }
        read_call(entries).map_err(|faults| {
            faults.iter().for_each(|fault| printer.error(fault, None));
            Failure::new(Exit::Usage, "it is not clear which call is meant")
                .remedy("give `--principal` and `--tool` or another item, or `--cases` and `--case`")
        })
    }
}

fn explained(explanation: &Explanation) -> Explained<'_> {
    let Explanation { question, judgement, considered, policies } = explanation;
    Explained {
        question,
        decision: judgement.answer.as_str(),
        policies: judgement.policies.iter().map(|policy| &**policy).collect(),
        detail: &judgement.detail,
        considered: considered.iter().map(Row::of).collect(),
        policies_in_all: *policies,
    }
}

impl<'e> Row<'e> {
    fn of(considered: &'e Considered) -> Self {
        let (matched, fault) = match &considered.matched {
            Matched::Yes => (Some(true), None),
            Matched::No => (Some(false), None),
            Matched::Failed(error) => (None, Some(error.as_str())),
        };
        Self {
            policy: &considered.policy,
            place: &considered.place,
            effect: if considered.forbids { "forbid" } else { "permit" },
            matched,
            fault,
            determines: considered.determines,
        }
    }
}
