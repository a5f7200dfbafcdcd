//! Statements of publishers and others about whether an advisory concerns a package (VEX), in OpenVEX
//! (<https://github.com/openvex/spec>, 0.0.1 and 0.2.0) and CycloneDX (1.4 and newer, `vulnerabilities`).
//!
//! A statement counts when its author is listed, and for a time. It can only take an advisory down to a finding. Of several
//! about the same the newest decides, and the worse of two of the same time.

use std::path::Path;

use jiff::{Timestamp, ToSpan as _, civil::Date, tz::TimeZone};
use portcullis_core::wire::json::Limits;
use serde_json::Value;

use super::{Part, record::Record};
use crate::{document, purl::Purl};

/// Largest document, in bytes.
const MAX_DOCUMENT: usize = 16 << 20;
const LIMITS: Limits = Limits {
    max_bytes: MAX_DOCUMENT,
    max_depth: 32,
    max_string: 1 << 20,
    max_members: 100_000,
    max_nodes: 1_000_000,
};
/// Longest text that is kept, in characters.
const MAX_TEXT: usize = 120;

/// Statements of authors who are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vex {
    statements: Vec<Statement>,
    /// Authors who are not listed, whose statements count for nothing.
    unheard: Vec<String>,
}

/// Why statements cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{place} is no VEX document that can be used: {reason}")]
pub struct VexFault {
    place: String,
    reason: String,
}

/// What a statement says, the worse last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Status {
    Fixed,
    NotAffected,
    UnderInvestigation,
    Affected,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Statement {
    /// Identifiers of the advisory.
    names: Vec<String>,
    products: Vec<Product>,
    status: Status,
    author: String,
    at: Timestamp,
    /// First and last day on which it counts.
    from: Date,
    until: Date,
    reason: String,
}

/// A package, or packages inside of one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Product {
    whole: Purl,
    inside: Vec<Purl>,
}

/// A statement that takes an advisory down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dismissal {
    pub(super) author: String,
    pub(super) until: String,
    pub(super) reason: String,
}

impl Vex {
    /// Reads documents. `authors` are those who count, as they write themselves; a statement counts for `days` from when it
    /// was made or last looked at.
    pub fn read<'f>(
        files: impl IntoIterator<Item = &'f Path>,
        authors: &[String],
        days: u64,
    ) -> Result<Self, VexFault> {
        let mut vex = Self::default();
        for file in files {
            let fault = |reason| VexFault { place: file.display().to_string(), reason };
            let bytes = document::bounded(file, MAX_DOCUMENT).map_err(fault)?;
            vex.add(&bytes, authors, days).map_err(fault)?;
        }
        Ok(vex)
    }

    /// Adds the statements of one document.
    ///
    /// # Errors
    /// What is wrong with it, in words. Nothing of it counts then.
    pub fn add(&mut self, bytes: &[u8], authors: &[String], days: u64) -> Result<(), String> {
        let document = document::strict(bytes, &LIMITS)?;
        let statements = match (text(&document, "@context"), text(&document, "bomFormat")) {
            (Some(context), _) if context.starts_with("https://openvex.dev/ns") => openvex(&document, days)?,
            (_, Some("CycloneDX")) => cyclonedx(&document, days)?,
            _ => return Err("it is neither OpenVEX nor CycloneDX".to_owned()),
        };
        for statement in statements {
            if authors.contains(&statement.author) {
                self.statements.push(statement);
            } else if !self.unheard.contains(&statement.author) {
                self.unheard.push(statement.author);
            }
        }
        Ok(())
    }

    /// Authors whose statements count for nothing because they are not listed.
    pub fn unheard(&self) -> &[String] {
        &self.unheard
    }

    /// Statements that counted and do not any more, in words.
    pub fn expired(&self, today: &str) -> Vec<String> {
        let Ok(today) = today.parse::<Date>() else { return Vec::new() };
        let dismissing = |it: &&Statement| it.status <= Status::NotAffected && today > it.until;
        let words = |it: &Statement| {
            let names = it.names.first().map_or("", String::as_str);
            format!("the statement of {} about {names} counted until {}", it.author, it.until)
        };
        self.statements.iter().filter(dismissing).map(words).collect()
    }

    /// What takes an advisory about a part down today, if anything does. `own` is the package of the server itself.
    pub(super) fn dismisses(
        &self,
        record: &Record,
        part: &Part,
        own: Option<&Part>,
        today: &str,
    ) -> Option<Dismissal> {
        let about = |it: &&Statement| {
            let named = |name: &String| *name == record.id || record.aliases.contains(name);
            it.names.iter().any(named)
                && it.products.iter().any(|product| product.holds(it.status, part, own))
        };
        let decisive = self.statements.iter().filter(about).max_by_key(|it| (it.at, it.status))?;
        let today: Date = today.parse().ok()?;
        let counts =
            decisive.status <= Status::NotAffected && (decisive.from..=decisive.until).contains(&today);
        counts.then(|| Dismissal {
            author: decisive.author.clone(),
            until: decisive.until.to_string(),
            reason: decisive.reason.clone(),
        })
    }
}

impl Product {
    /// Whether a statement is about this part of the server. One about packages inside of a product is about that product
    /// alone: what another one does with them is another matter.
    fn holds(&self, status: Status, part: &Part, own: Option<&Part>) -> bool {
        let means = |purl: &Purl, part: &Part| purl.means(part.ecosystem, &part.name, &part.version);
        // That something is fixed is true of a version, not of all.
        let said = |purl: &Purl| status != Status::Fixed || purl.version.is_some();
        if self.inside.is_empty() {
            return said(&self.whole) && means(&self.whole, part);
        }
        own.is_some_and(|own| means(&self.whole, own))
            && self.inside.iter().any(|purl| said(purl) && means(purl, part))
    }
}

fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name).and_then(Value::as_str)
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// When a statement was made; the days on which it counts follow.
fn days(at: &str, days: u64) -> Result<(Timestamp, Date, Date), String> {
    let at: Timestamp = at.parse().map_err(|_| format!("`{}` is no time", document::line(at, MAX_TEXT)))?;
    let from = at.to_zoned(TimeZone::UTC).date();
    let span = i64::try_from(days).unwrap_or(i64::MAX).min(100_000).days();
    let until = from.checked_add(span).unwrap_or(Date::MAX);
    Ok((at, from, until))
}

fn openvex(document: &Value, for_days: u64) -> Result<Vec<Statement>, String> {
    let author = text(document, "author").ok_or("it has no author")?;
    let of_document = text(document, "last_updated").or_else(|| text(document, "timestamp"));
    let mut statements = Vec::new();
    for entry in list(document, "statements") {
        let own = text(entry, "last_updated").or_else(|| text(entry, "timestamp"));
        let at = own.or(of_document).ok_or("a statement has no time")?;
        let (at, from, until) = days(at, for_days)?;
        let status = match text(entry, "status") {
            Some("not_affected") => Status::NotAffected,
            Some("affected") => Status::Affected,
            Some("fixed") => Status::Fixed,
            Some("under_investigation") => Status::UnderInvestigation,
            _ => return Err("a statement has no status that is known".to_owned()),
        };
        let reason = text(entry, "justification").or_else(|| text(entry, "impact_statement"));
        if status == Status::NotAffected && reason.is_none() {
            return Err("a statement says `not_affected` and not why".to_owned());
        }
        statements.push(Statement {
            names: vulnerability(entry.get("vulnerability").ok_or("a statement is about no vulnerability")?),
            products: list(entry, "products").iter().filter_map(product).collect(),
            status,
            author: document::line(author, MAX_TEXT),
            at,
            from,
            until,
            reason: document::line(reason.unwrap_or("fixed"), MAX_TEXT),
        });
    }
    Ok(statements)
}

/// Names of a vulnerability: a text in OpenVEX 0.0.1, an object since.
fn vulnerability(value: &Value) -> Vec<String> {
    let aliases = list(value, "aliases").iter().filter_map(Value::as_str);
    let own = value.as_str().into_iter().chain(text(value, "name"));
    own.chain(aliases).map(str::to_owned).collect()
}

/// None for what is named by something else than a package URL: nobody here knows what that is.
fn product(value: &Value) -> Option<Product> {
    let inside = list(value, "subcomponents");
    let product = Product { whole: named(value)?, inside: inside.iter().filter_map(named).collect() };
    // Subcomponents that cannot be read are no reason to take the whole for what is meant.
    (inside.is_empty() || !product.inside.is_empty()).then_some(product)
}

fn named(value: &Value) -> Option<Purl> {
    let of_identifiers = value.pointer("/identifiers/purl").and_then(Value::as_str);
    let own = value.as_str().or_else(|| text(value, "@id"));
    of_identifiers.and_then(Purl::read).or_else(|| own.and_then(Purl::read))
}

fn cyclonedx(document: &Value, for_days: u64) -> Result<Vec<Statement>, String> {
    let metadata = document.get("metadata").unwrap_or(&Value::Null);
    let author = list(metadata, "authors").iter().find_map(|it| text(it, "name"));
    let organisations = ["manufacturer", "manufacture", "supplier"].into_iter();
    let author =
        author.or_else(|| organisations.filter_map(|it| metadata.get(it)).find_map(|it| text(it, "name")));
    let author = author.ok_or("it has no author")?;
    let mut statements = Vec::new();
    for entry in list(document, "vulnerabilities") {
        let Some(analysis) = entry.get("analysis") else { continue };
        let status = match text(analysis, "state") {
            Some("not_affected" | "false_positive") => Status::NotAffected,
            Some("resolved" | "resolved_with_pedigree") => Status::Fixed,
            Some("in_triage") => Status::UnderInvestigation,
            Some("exploitable") => Status::Affected,
            _ => return Err("an analysis has no state that is known".to_owned()),
        };
        let reason = text(analysis, "justification").or_else(|| text(analysis, "detail"));
        if status == Status::NotAffected && reason.is_none() {
            return Err("an analysis says `not_affected` and not why".to_owned());
        }
        let own = text(analysis, "lastUpdated").or_else(|| text(analysis, "firstIssued"));
        let at = own.or_else(|| text(metadata, "timestamp")).ok_or("an analysis has no time")?;
        let (at, from, until) = days(at, for_days)?;
        let references = list(entry, "references").iter().filter_map(|it| text(it, "id"));
        let affected = list(entry, "affects").iter().filter_map(|it| text(it, "ref"));
        // Which versions of a component are meant can be said in many ways; in its package URL it is said once.
        let whole = |name: &str| component(document, name).filter(|it| it.version.is_some());
        let product = |name: &str| Some(Product { whole: whole(name)?, inside: Vec::new() });
        statements.push(Statement {
            names: text(entry, "id").into_iter().chain(references).map(str::to_owned).collect(),
            products: affected.filter_map(product).collect(),
            status,
            author: document::line(author, MAX_TEXT),
            at,
            from,
            until,
            reason: document::line(reason.unwrap_or("resolved"), MAX_TEXT),
        });
    }
    Ok(statements)
}

/// The package that a reference stands for: of a component in the document, or in its own words.
fn component(document: &Value, name: &str) -> Option<Purl> {
    let own = document.pointer("/metadata/component").into_iter();
    let mut all = own.chain(list(document, "components"));
    let found = all.find(|it| text(it, "bom-ref") == Some(name)).and_then(|it| text(it, "purl"));
    Purl::read(found.unwrap_or(name))
}
