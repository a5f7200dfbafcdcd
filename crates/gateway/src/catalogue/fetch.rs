//! Fetching a list from a server, all pages, under limits.

use std::{collections::HashSet, sync::Arc};

use bytes::Bytes;
use portcullis_core::{
    Answer, Consent, Context, Definition, Finding, Link, ListKind, Refusal, RefusalKind, ServerName, Surface,
    UpstreamEvent,
    wire::{Document, Message, Node, header},
};
use portcullis_inspect::Inspector;

use super::{Entry, List, facts};
use crate::outbound;

/// Bounds on what one list may cost.
#[derive(Clone, Copy, Debug)]
pub struct FetchLimits {
    /// Items in all pages together.
    pub items: usize,
    /// Pages.
    pub pages: usize,
    /// How long a list without `ttlMs` stays fresh when its server announces changes, in milliseconds.
    pub announced_ttl_ms: u64,
    /// How long it stays fresh when its server does not announce changes, in milliseconds.
    pub silent_ttl_ms: u64,
    /// Longest `ttlMs` honoured, in milliseconds.
    pub max_ttl_ms: u64,
}

impl Default for FetchLimits {
    fn default() -> Self {
        Self {
            items: 20_000,
            pages: 1_000,
            announced_ttl_ms: 10 * 60 * 1000,
            silent_ttl_ms: 30 * 1000,
            max_ttl_ms: 60 * 60 * 1000,
        }
    }
}

/// Findings in one list that are written down.
const MAX_NOTICED: usize = 64;

/// Who fetches what from where.
pub(crate) struct Fetch<'a> {
    pub server: &'a ServerName,
    pub link: &'a dyn Link,
    pub kind: ListKind,
    pub inspector: &'a Inspector,
    pub limits: &'a FetchLimits,
    pub timing: outbound::Timing,
    pub cx: Context,
}

#[derive(Default)]
struct Pages {
    entries: Vec<Arc<Entry>>,
    refused: Vec<(String, String)>,
    noticed: Vec<Finding>,
    ttl_ms: Option<u64>,
    public: bool,
}

impl Fetch<'_> {
    /// The whole list; empty when the server does not declare the capability.
    pub(crate) async fn run(&self) -> Result<List, Refusal> {
        let facts = facts(self.kind);
        let Some(announces) = self.declared() else { return Ok(List::empty()) };
        let mut pages = Pages { public: true, ..Pages::default() };
        let mut cursor: Option<Bytes> = None;
        let mut seen = HashSet::new();
        for _ in 0..self.limits.pages {
            let page = self.page(facts.method, cursor.as_ref()).await?;
            cursor = self.read(&page, &mut pages)?;
            match &cursor {
                None => return Ok(self.finish(pages, announces)),
                Some(next) if !seen.insert(next.clone()) => {
                    return Err(self.invalid("a page names itself as the next"));
                }
                Some(_) => {}
            }
        }
        Err(self.invalid(&format!("more than {} pages", self.limits.pages)))
    }

    /// Whether the server declares the list, and if so whether it announces changes.
    fn declared(&self) -> Option<bool> {
        let capabilities =
            Document::parse(self.link.info().capabilities.clone(), &self.inspector.limits().response).ok()?;
        let capability = capabilities.root().get(facts(self.kind).capability)?;
        Some(capability.get("listChanged").and_then(|c| c.as_bool()).unwrap_or(false))
    }

    async fn page(&self, method: &'static str, cursor: Option<&Bytes>) -> Result<Document, Refusal> {
        let mut params = Vec::with_capacity(32);
        params.push(b'{');
        if let Some(cursor) = cursor {
            params.extend_from_slice(b"\"cursor\":");
            params.extend_from_slice(cursor);
        }
        params.push(b'}');
        let outbound = outbound::own(self.link, method, &params, self.timing)?;
        let mut exchange =
            self.link.request(outbound).await.map_err(|e| outbound::refusal(self.server, &e))?;
        loop {
            match exchange.next().await.map_err(|e| outbound::refusal(self.server, &e))? {
                UpstreamEvent::Response(body) => return self.inspected(body),
                UpstreamEvent::Notification(_) => {}
                UpstreamEvent::ServerRequest(_) => {
                    return Err(self.invalid("it sent a request during a list"));
                }
            }
        }
    }

    fn inspected(&self, body: Bytes) -> Result<Document, Refusal> {
        let message =
            outbound::decode(body, &self.inspector.limits().response).map_err(|e| self.invalid(&e))?;
        let answer = Answer { server: Some(self.server.clone()), surface: Surface::Definition, message };
        let released = self.inspector.response(answer, None, Consent::Absent, &self.cx)?;
        match released.message() {
            Message::Response(response) if response.result().is_some() => Ok(response.document().clone()),
            Message::Response(response) => {
                let said = response.error().map_or_else(String::new, |e| format!("{} {}", e.code, e.message));
                Err(self.invalid(&format!("it answered with an error: {said}")))
            }
            _ => Err(self.invalid("it answered with something that is not a response")),
        }
    }

    fn read(&self, page: &Document, pages: &mut Pages) -> Result<Option<Bytes>, Refusal> {
        let facts = facts(self.kind);
        let result = page.root().get("result").ok_or_else(|| self.invalid("no `result`"))?;
        let items =
            result.get(facts.member).ok_or_else(|| self.invalid(&format!("no `result.{}`", facts.member)))?;
        for item in items.elements() {
            if pages.entries.len() >= self.limits.items {
                return Err(self.invalid(&format!("more than {} items", self.limits.items)));
            }
            match self.entry(item) {
                Ok((entry, findings)) => {
                    pages.entries.push(Arc::new(entry));
                    let room = MAX_NOTICED.saturating_sub(pages.noticed.len());
                    pages.noticed.extend(findings.into_iter().take(room));
                }
                Err(reason) => pages.refused.push(reason),
            }
        }
        let ttl = result.get("ttlMs").and_then(|t| t.as_u64());
        pages.ttl_ms = match (pages.ttl_ms, ttl) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        pages.public &= result.get("cacheScope").and_then(|s| s.as_str()).is_some_and(|s| s == "public");
        Ok(result.get("nextCursor").filter(|c| !c.is_null()).map(|c| c.to_bytes()))
    }

    fn entry(&self, item: Node<'_>) -> Result<(Entry, Vec<Finding>), (String, String)> {
        let shown = item.get(facts(self.kind).key).and_then(|n| n.as_str()).unwrap_or_default();
        let refused = |reason: String| (shown.chars().take(128).collect::<String>(), reason);
        let limits = &self.inspector.limits().response;
        let definition = Definition::read(self.server.clone(), self.kind, item.to_bytes(), limits)
            .map_err(|e| refused(e.to_string()))?;
        let admitted =
            self.inspector.definition(definition, &self.cx).map_err(|r| refused(r.detail().to_owned()))?;
        let root = admitted.definition().document().root();
        // A client over HTTP has to drop a tool whose annotations break the rules (2026-07-28
        // basic/transports/streamable-http), and this gateway is one.
        let mirrored = match (self.kind, root.get("inputSchema")) {
            (ListKind::Tools, Some(schema)) => {
                header::mirrored_params(schema).map_err(|e| refused(format!("`x-mcp-header`: {e}")))?
            }
            _ => Vec::new(),
        };
        Ok((Entry::new(&admitted, mirrored), admitted.findings().to_vec()))
    }

    fn finish(&self, pages: Pages, announces: bool) -> List {
        let fallback = if announces { self.limits.announced_ttl_ms } else { self.limits.silent_ttl_ms };
        let ttl_ms = pages.ttl_ms.unwrap_or(fallback).min(self.limits.max_ttl_ms);
        let fresh_until = self.cx.now_ms.saturating_add(ttl_ms);
        let ttl_ms = pages.ttl_ms.unwrap_or(0);
        let mut list = List::new(pages.entries, pages.refused, fresh_until, ttl_ms, pages.public);
        list.noticed = pages.noticed;
        list
    }

    fn invalid(&self, what: &str) -> Refusal {
        let server = self.server;
        Refusal::new(RefusalKind::UpstreamInvalid, format!("server `{server}` gave an unusable list"))
            .operator(format!("server `{server}`, {}: {what}", facts(self.kind).method))
    }
}
