//! Lists shown to a client: what its servers offer, less what policy would never let it use.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use portcullis_audit::EventKind;
use portcullis_core::{
    Context, Item, LinkProfile, ListKind, Refusal, ServerName,
    wire::{Era, Version},
};

use super::{describe::is_modern, page::Cursors};
use crate::{
    catalogue::{Entry, Fetch, List, facts},
    client::Client,
    gateway::Gateway,
    prefix,
    resolve::{Resolved, profile},
    snapshot::{Server, Snapshot},
    translate::{answer::quoted, definition},
    views::narrowed,
};

/// One server's list on its way to a client.
struct Part {
    server: ServerName,
    list: Arc<List>,
}

/// A page of what a client may see.
struct Page<'p> {
    /// The name on the aggregate endpoint, and the entry.
    shown: Vec<(Option<String>, &'p Entry)>,
    /// Where the next page begins, counted over all entries of all lists.
    next: Option<usize>,
    /// Whether something was left out on the way.
    hidden: bool,
}

impl Gateway {
    pub(super) async fn show_list(
        self: &Arc<Self>,
        snapshot: &Arc<Snapshot>,
        resolved: &Resolved,
        now_ms: u64,
    ) -> Result<Vec<u8>, Refusal> {
        let call = &resolved.call;
        let kind = match call.target.item {
            Item::List(kind) => kind,
            _ => ListKind::Tools,
        };
        let parts = self.parts(snapshot, resolved, kind, now_ms).await?;
        let cursors = || Cursors::of(&self.seals, resolved, parts.iter().map(|part| &part.list.digest));
        let start = match call.request.params().and_then(|p| p.get("cursor")) {
            Some(cursor) => cursors()?.read(&cursor.as_str().unwrap_or_default())?,
            None => 0,
        };
        let page = self.page(snapshot, resolved, kind, &parts, start);
        let next = page.next.map(|offset| cursors()?.write(offset)).transpose()?;
        let whole = start == 0 && next.is_none() && !page.hidden;
        let caching = Caching::of(&parts, whole, call.endpoint.is_some(), now_ms);
        Ok(write(kind, &page.shown, next, &resolved.client, caching))
    }

    /// The lists of the endpoint's servers. On the aggregate a server that cannot be asked is left out.
    async fn parts(
        self: &Arc<Self>,
        snapshot: &Arc<Snapshot>,
        resolved: &Resolved,
        kind: ListKind,
        now_ms: u64,
    ) -> Result<Vec<Part>, Refusal> {
        let endpoint = resolved.call.endpoint.as_ref();
        let profile = profile(&resolved.call.caller, &resolved.client);
        let servers = snapshot.behind(endpoint);
        let lists = futures_util::future::join_all(
            servers.iter().map(|s| self.list(snapshot, s, kind, &profile, now_ms)),
        );
        let mut parts = Vec::with_capacity(servers.len());
        for (server, list) in servers.iter().zip(lists.await) {
            match list {
                Ok(list) => parts.push(Part { server: server.name.clone(), list }),
                Err(refusal) if endpoint.is_some() => return Err(refusal),
                Err(refusal) => self.note_left_out(&server.name, &refusal),
            }
        }
        Ok(parts)
    }

    /// What of the lists is shown from an offset on. What comes after the page is looked at only as far as it
    /// takes to know where the next one begins: deciding over thousands of entries takes its time.
    fn page<'p>(
        &self,
        snapshot: &Snapshot,
        resolved: &Resolved,
        kind: ListKind,
        parts: &'p [Part],
        start: usize,
    ) -> Page<'p> {
        let aggregate = resolved.call.endpoint.is_none();
        let cx = Context { now_ms: self.clock.now_ms() };
        let mut page = Page { shown: Vec::new(), next: None, hidden: false };
        let all = parts.iter().flat_map(|part| part.list.entries.iter().map(move |entry| (part, entry)));
        for (offset, (part, entry)) in all.enumerate().skip(start) {
            let item = match kind {
                ListKind::Tools => Item::Tool(entry.name.clone()),
                ListKind::Prompts => Item::Prompt(entry.name.clone()),
                ListKind::Resources | ListKind::Templates => Item::Resource(entry.name.clone()),
            };
            let permitted = snapshot.authoriser.visible((&resolved.call).into(), &part.server, &item, &cx);
            if !permitted || aggregate && kind == ListKind::Resources && offered_twice(parts, &entry.name) {
                page.hidden = true;
                continue;
            }
            if page.shown.len() == snapshot.settings.page_items {
                page.next = Some(offset);
                break;
            }
            let named = matches!(kind, ListKind::Tools | ListKind::Prompts);
            let renamed = (aggregate && named).then(|| prefix::join(&part.server, &entry.name));
            page.shown.push((renamed, entry.as_ref()));
        }
        page
    }

    /// One server's list, fetched if what is held may not be shown any more.
    pub(crate) async fn list(
        self: &Arc<Self>,
        snapshot: &Snapshot,
        server: &Arc<Server>,
        kind: ListKind,
        profile: &LinkProfile,
        now_ms: u64,
    ) -> Result<Arc<List>, Refusal> {
        let catalogue = server.catalogues.of(profile);
        let slot = catalogue.slot(kind);
        if let Some(list) = slot.fresh(now_ms) {
            return Ok(list);
        }
        let changed = AtomicBool::new(false);
        let refreshed = slot.refresh(now_ms, || async {
            let link = self.connect(server, profile).await?;
            let fetch = Fetch {
                server: &server.name,
                link: link.as_ref(),
                kind,
                inspector: &snapshot.inspector,
                limits: &snapshot.settings.lists,
                timing: server.timing,
                cx: portcullis_core::Context { now_ms },
            };
            let list = fetch.run().await?;
            self.note_list(&server.name, kind, &list);
            let list = self.pinned_list(snapshot, &server.name, kind, list).await?;
            let list = match kind {
                ListKind::Tools => {
                    narrowed(list, &server.name, &server.views, &snapshot.inspector, &fetch.cx)
                }
                _ => list,
            };
            let differs = slot.held().is_some_and(|before| before.digest != list.digest);
            changed.store(differs, Ordering::Relaxed);
            Ok(list)
        });
        let list = refreshed.await?;
        // Only now: whoever calls because of it must be judged by the new list.
        if changed.load(Ordering::Relaxed) {
            self.announce(server, &[kind]);
        }
        Ok(list)
    }

    /// Fetches a list that has expired while nobody waits for it.
    pub(crate) fn refresh_meanwhile(
        self: &Arc<Self>,
        server: &Arc<Server>,
        kind: ListKind,
        profile: LinkProfile,
    ) {
        let Some(turn) = server.catalogues.of(&profile).slot(kind).turn() else { return };
        let (gateway, server) = (self.clone(), server.clone());
        tokio::spawn(async move {
            let _turn = turn;
            let (snapshot, now_ms) = (gateway.snapshot(), gateway.clock.now_ms());
            if let Err(refusal) = gateway.list(&snapshot, &server, kind, &profile, now_ms).await {
                gateway.note(EventKind::Degraded, &server.name, format!("{kind:?}: {}", refusal.detail()));
            }
        });
    }
}

/// A resource that two servers offer under one URI is shown by neither on the aggregate: the client could
/// not say whose it wants.
fn offered_twice(parts: &[Part], uri: &str) -> bool {
    parts.iter().filter(|p| p.list.get(uri).is_some()).nth(1).is_some()
}

/// Cache directions for a 2026-07-28 client (server/utilities/caching).
struct Caching {
    ttl_ms: u64,
    public: bool,
}

impl Caching {
    /// Never fresher than the least fresh part; shared only when it is all that one server offers, on one page,
    /// and the server allowed it.
    fn of(parts: &[Part], whole: bool, one_server: bool, now_ms: u64) -> Self {
        let left = |p: &Part| p.list.ttl_ms.min(p.list.fresh_until_ms.saturating_sub(now_ms));
        Self {
            ttl_ms: parts.iter().map(left).min().unwrap_or(0),
            public: one_server && whole && parts.iter().all(|p| p.list.public),
        }
    }
}

fn write(
    kind: ListKind,
    page: &[(Option<String>, &Entry)],
    next: Option<String>,
    client: &Client,
    caching: Caching,
) -> Vec<u8> {
    let size: usize = page.iter().map(|(_, entry)| entry.raw.len().saturating_add(80)).sum();
    let mut out = Vec::with_capacity(size.saturating_add(160));
    out.extend_from_slice(b"{\"");
    out.extend_from_slice(facts(kind).member.as_bytes());
    out.extend_from_slice(b"\":[");
    for (at, (renamed, entry)) in page.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        push_entry(&mut out, kind, renamed.as_deref(), entry, client.version);
    }
    out.push(b']');
    if let Some(next) = next {
        out.extend_from_slice(b",\"nextCursor\":");
        out.extend_from_slice(&quoted(&next));
    }
    if is_modern(client.version) {
        let scope = if caching.public { "public" } else { "private" };
        let tail = format!(r#","resultType":"complete","ttlMs":{},"cacheScope":"{scope}""#, caching.ttl_ms);
        out.extend_from_slice(tail.as_bytes());
    }
    out.push(b'}');
    out
}

fn push_entry(out: &mut Vec<u8>, kind: ListKind, renamed: Option<&str>, entry: &Entry, version: Version) {
    let raw = match (kind, version.era()) {
        (ListKind::Tools, Era::Legacy) => definition::tool(&entry.raw, version),
        _ => std::borrow::Cow::Borrowed(entry.raw.as_ref()),
    };
    let Some(name) = renamed else { return out.extend_from_slice(&raw) };
    let renamed = crate::outbound::set_member(&raw.into_owned().into(), &["name"], &quoted(name));
    out.extend_from_slice(renamed.as_deref().unwrap_or(b"null"));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use bytes::Bytes;
    use portcullis_core::{Conduct, Digest};

    use super::*;

    fn entry(name: &str) -> Arc<Entry> {
        let raw = Bytes::from(format!(r#"{{"name":"{name}","outputSchema":{{"type":"array"}}}}"#));
        let digest = Digest::of(&raw);
        Arc::new(Entry {
            name: name.into(),
            raw,
            digest,
            schema: None,
            output_schema: None,
            mirrored: Arc::from([]),
            conduct: Conduct::default(),
            narrow: None,
        })
    }

    /// A server's list: its names, how long it stays fresh, the `ttlMs` it gave and whether it may be shared.
    fn part(server: &str, names: &[&str], fresh_until_ms: u64, ttl_ms: u64, public: bool) -> Part {
        let entries = names.iter().map(|name| entry(name)).collect();
        let list = List::new(entries, Vec::new(), fresh_until_ms, ttl_ms, public);
        Part { server: server.parse().unwrap(), list: Arc::new(list) }
    }

    fn caching(parts: &[Part], whole: bool, one_server: bool) -> (u64, bool) {
        let caching = Caching::of(parts, whole, one_server, 1_000);
        (caching.ttl_ms, caching.public)
    }

    #[test]
    fn what_a_client_may_keep_is_never_more_than_any_server_allowed() {
        let long = || part("a", &["x"], 61_000, 60_000, true);
        let short = || part("b", &["y"], 6_000, 5_000, false);
        assert_eq!(caching(&[long()], true, true), (60_000, true));
        assert_eq!(caching(&[long(), short()], true, false), (5_000, false));
        // Some of the time is over; all of it is; the server gave none.
        assert_eq!(caching(&[part("a", &[], 3_000, 60_000, true)], true, true), (2_000, true));
        assert_eq!(caching(&[part("a", &[], 500, 60_000, true)], true, true), (0, true));
        assert_eq!(caching(&[part("a", &[], 61_000, 0, true)], true, true), (0, true));
        assert_eq!(caching(&[], true, true), (0, true));
    }

    #[test]
    fn only_one_servers_whole_list_may_be_shared() {
        for (whole, one_server, public) in
            [(true, true, true), (false, true, false), (true, false, false), (false, false, false)]
        {
            let parts = [part("a", &["x"], 2_000, 1_000, true)];
            assert_eq!(caching(&parts, whole, one_server).1, public, "{whole} {one_server}");
        }
    }

    #[test]
    fn what_two_servers_offer_is_found() {
        let parts = [part("a", &["x", "y"], 0, 0, true), part("b", &["y"], 0, 0, true)];
        assert!(offered_twice(&parts, "y"));
        assert!(!offered_twice(&parts, "x"));
        assert!(!offered_twice(&parts, "z"));
    }

    #[test]
    fn an_entry_is_shown_under_the_name_and_in_the_form_its_client_knows() {
        let entry = entry("x");
        let whole = String::from_utf8_lossy(&entry.raw).into_owned();
        for (kind, renamed, version, expected) in [
            (ListKind::Tools, None, Version::V2026_07_28, whole.clone()),
            (ListKind::Prompts, None, Version::V2025_11_25, whole.clone()),
            (ListKind::Tools, None, Version::V2025_11_25, r#"{"name":"x"}"#.to_owned()),
            (ListKind::Tools, Some("a__x"), Version::V2025_06_18, r#"{"name":"a__x"}"#.to_owned()),
            (ListKind::Tools, Some("a__x"), Version::V2026_07_28, whole.replace(r#""x""#, r#""a__x""#)),
        ] {
            let mut out = Vec::new();
            push_entry(&mut out, kind, renamed, &entry, version);
            assert_eq!(String::from_utf8_lossy(&out), expected, "{renamed:?} {version}");
        }
    }
}
