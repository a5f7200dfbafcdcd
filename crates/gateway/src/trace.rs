//! A request's place in a distributed trace: what its client says about it, and what goes on to its server
//! (control LOG-03).

use std::{borrow::Cow, sync::Arc, time::Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use portcullis_core::{
    ControlId, Finding, Refusal, SpanId, Spans, TraceId,
    wire::{
        Document, Patch, Request,
        json::{Kind, write},
        meta::{BAGGAGE, RECEIPT, TRACEPARENT, TRACESTATE, TraceParent, is_tracestate, listed_baggage},
    },
};

use crate::translate::defect;

/// What is known and wanted besides the request.
pub(crate) struct Around<'a> {
    /// The headers it came with.
    pub headers: Option<&'a HeaderMap>,
    /// Whether spans are told, so that servers are to hang theirs under them.
    pub telling: bool,
    /// Keys of baggage that may travel on.
    pub listed: &'a [Arc<str>],
    /// When it arrived, in milliseconds since the Unix epoch.
    pub now_ms: u64,
}

/// Where a request belongs.
#[derive(Default)]
pub(crate) struct Trace {
    /// What the client said.
    parent: Option<TraceParent>,
    /// The gateway's own spans, where they are told.
    pub spans: Option<Arc<Spans>>,
    /// What its server gets to see of it; none when that is what the client wrote.
    pub carried: Option<Arc<Carried>>,
    /// Members of baggage that stay behind.
    dropped: usize,
}

/// Changes to what a request says about its trace.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Carried {
    /// Members of `_meta`; none removes one.
    members: Vec<(&'static str, Option<String>)>,
    /// The same for HTTP.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl Trace {
    /// Reads `_meta`, which belongs to the request; the headers of the HTTP request that brought it are what remains
    /// when it says nothing.
    pub(crate) fn of(request: &Request, around: &Around<'_>) -> Self {
        let said = Said::by(request, around);
        let parent = said.parent();
        let baggage = said.baggage.as_deref().map(|value| listed_baggage(value, around.listed));
        let spans = around.telling.then(|| spans(request, parent, around.now_ms)).flatten();
        let dropped = match &baggage {
            Some(listed) => listed.dropped,
            None => usize::from(said.unreadable_baggage),
        };
        let passed = baggage.and_then(|listed| listed.passed);
        let carried = carried(&said, spans.as_deref(), passed);
        Self { parent, spans, carried: carried.map(Arc::new), dropped }
    }

    /// The trace id.
    pub(crate) fn id(&self) -> Option<Arc<str>> {
        let trace = self.spans.as_ref().map(|spans| spans.trace);
        trace.or(self.parent.map(|parent| TraceId(parent.trace))).map(|trace| trace.to_string().into())
    }

    /// The client's span.
    pub(crate) fn parent(&self) -> Option<Arc<str>> {
        self.parent.map(|parent| SpanId(parent.span).to_string().into())
    }

    /// The gateway's span.
    pub(crate) fn span(&self) -> Option<Arc<str>> {
        self.spans.as_ref().map(|spans| spans.server.to_string().into())
    }

    /// What is worth writing down.
    pub(crate) fn finding(&self) -> Option<Finding> {
        (self.dropped > 0).then(|| Finding {
            control: ControlId::Log03,
            detail: format!("baggage: {} members were not passed on", self.dropped).into(),
        })
    }
}

/// What a request says, not yet believed.
struct Said<'a> {
    traceparent: Option<Cow<'a, str>>,
    tracestate: Option<Cow<'a, str>>,
    baggage: Option<Cow<'a, str>>,
    /// Each of them is in `_meta`, in whatever form.
    in_meta: [bool; 3],
    unreadable_baggage: bool,
    /// A receipt is asked of this gateway, in whatever form.
    receipt: bool,
}

const KEYS: [&str; 3] = [TRACEPARENT, TRACESTATE, BAGGAGE];

impl<'a> Said<'a> {
    fn by(request: &'a Request, around: &Around<'a>) -> Self {
        let node = |key: &str| request.meta().and_then(|meta| meta.get(key));
        let text = |key: &str| node(key).and_then(|node| node.as_str());
        let headers = around.headers.filter(|_| around.telling);
        let header = |key: &str| headers.and_then(|all| all.get(key)?.to_str().ok()).map(Cow::Borrowed);
        let in_meta = KEYS.map(|key| node(key).is_some());
        let [_, _, has_baggage] = in_meta;
        let baggage = if has_baggage { text(BAGGAGE) } else { header(BAGGAGE) };
        let unreadable_baggage = has_baggage && baggage.is_none();
        // A state belongs to its parent: both come from one place.
        let (traceparent, tracestate) = match text(TRACEPARENT) {
            Some(parent) => (Some(parent), text(TRACESTATE)),
            None => (header(TRACEPARENT), header(TRACESTATE)),
        };
        let receipt = node(RECEIPT).is_some();
        Self { traceparent, tracestate, baggage, in_meta, unreadable_baggage, receipt }
    }

    fn parent(&self) -> Option<TraceParent> {
        TraceParent::parse(self.traceparent.as_deref()?)
    }
}

fn spans(request: &Request, parent: Option<TraceParent>, now_ms: u64) -> Option<Arc<Spans>> {
    // All zero is what no id may be, and what a random one is not.
    let (mut trace, mut server, mut client) = ([0; 16], [0; 8], [0; 8]);
    getrandom::fill(&mut server).ok()?;
    getrandom::fill(&mut client).ok()?;
    match parent {
        Some(parent) => trace = parent.trace,
        None => getrandom::fill(&mut trace).ok()?,
    }
    Some(Arc::new(Spans {
        trace: TraceId(trace),
        parent: parent.map(|parent| SpanId(parent.span)),
        server: SpanId(server),
        client: SpanId(client),
        request_id: request.id().to_string().into(),
        received_ms: now_ms,
        received: Instant::now(),
    }))
}

fn carried(said: &Said<'_>, spans: Option<&Spans>, baggage: Option<String>) -> Option<Carried> {
    let mut carried = Carried::default();
    let [_, has_state, has_baggage] = said.in_meta;
    if let Some(spans) = spans {
        let own = TraceParent { trace: spans.trace.0, span: spans.client.0, sampled: true };
        carried.set(TRACEPARENT, own.to_string());
        let state = said.tracestate.as_deref().filter(|state| spans.parent.is_some() && is_tracestate(state));
        match state {
            Some(state) => carried.set(TRACESTATE, state.to_owned()),
            None if has_state => carried.members.push((TRACESTATE, None)),
            None => {}
        }
    }
    match baggage {
        // Unchanged, and nothing else to change: the client's bytes stay what they are.
        Some(passed) if spans.is_none() && said.baggage.as_deref() == Some(passed.as_str()) => {}
        Some(passed) => carried.set(BAGGAGE, passed),
        None if has_baggage => carried.members.push((BAGGAGE, None)),
        None => {}
    }
    if said.receipt {
        carried.members.push((RECEIPT, None));
    }
    Some(carried).filter(|carried| !carried.members.is_empty())
}

impl Carried {
    fn set(&mut self, key: &'static str, value: String) {
        if let Ok(header) = HeaderValue::from_str(&value) {
            self.headers.push((HeaderName::from_static(key), header));
        }
        self.members.push((key, Some(value)));
    }

    /// The request with these changes in its `_meta`.
    ///
    /// # Errors
    /// [`portcullis_core::RefusalKind::Internal`] on a defect.
    pub(crate) fn apply(&self, document: &Document) -> Result<Bytes, Refusal> {
        let mut patch = Patch::new(document);
        let root = document.root();
        let params = root.get("params");
        let meta = params.and_then(|params| params.get("_meta"));
        match (params, meta) {
            (Some(_), Some(meta)) if meta.kind() == Kind::Object => {
                for (key, value) in &self.members {
                    match value {
                        Some(value) => patch.set(meta, key, quoted(value)).map_err(defect)?,
                        None => patch.remove(meta, key).map_err(defect)?,
                    };
                }
            }
            (Some(params), None) if params.kind() == Kind::Object => {
                patch.set(params, "_meta", self.meta()).map_err(defect)?;
            }
            (None, _) => {
                let mut params = b"{\"_meta\":".to_vec();
                params.extend_from_slice(&self.meta());
                params.push(b'}');
                patch.set(root, "params", params).map_err(defect)?;
            }
            // Its server will say what it thinks of such parameters.
            _ => {}
        }
        Ok(patch.apply())
    }

    /// A `_meta` of nothing else.
    fn meta(&self) -> Vec<u8> {
        let mut meta = vec![b'{'];
        for (key, value) in self.members.iter().filter_map(|(key, value)| Some((key, value.as_ref()?))) {
            if meta.len() > 1 {
                meta.push(b',');
            }
            write::push_str(&mut meta, key);
            meta.push(b':');
            write::push_str(&mut meta, value);
        }
        meta.push(b'}');
        meta
    }
}

/// What a client sends besides requests, without baggage that must not travel; none when nothing has to change.
/// `holder` is the member that has the `_meta`.
///
/// # Errors
/// [`portcullis_core::RefusalKind::Internal`] on a defect.
pub(crate) fn without_baggage(
    document: &Document,
    holder: &str,
    listed: &[Arc<str>],
) -> Result<Option<Bytes>, Refusal> {
    let meta = document.root().get(holder).and_then(|holder| holder.get("_meta"));
    let meta = meta.filter(|meta| meta.kind() == Kind::Object);
    let Some((meta, said)) = meta.and_then(|meta| Some((meta, meta.get(BAGGAGE)?))) else { return Ok(None) };
    let text = said.as_str();
    let passed = text.as_deref().and_then(|value| listed_baggage(value, listed).passed);
    if passed.is_some() && passed.as_deref() == text.as_deref() {
        return Ok(None);
    }
    let mut patch = Patch::new(document);
    match passed {
        Some(passed) => patch.set(meta, BAGGAGE, quoted(&passed)).map_err(defect)?,
        None => patch.remove(meta, BAGGAGE).map_err(defect)?,
    };
    Ok(Some(patch.apply()))
}

fn quoted(text: &str) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(text.len().saturating_add(2));
    write::push_str(&mut quoted, text);
    quoted
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

    use portcullis_core::wire::{Message, decode_one};

    use super::*;
    use crate::outbound::GENEROUS;

    const CLIENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

    fn request(params: &str) -> Request {
        let json = format!(r#"{{"jsonrpc":"2.0","id":"a","method":"tools/call"{params}}}"#);
        match decode_one(Bytes::from(json), &GENEROUS).unwrap() {
            Message::Request(request) => request,
            other => panic!("not a request: {other:?}"),
        }
    }

    /// What goes on, with the gateway's own trace and span shown as `T` and `S`.
    fn passed(params: &str, headers: &[(&'static str, &str)], telling: bool) -> (String, usize) {
        let mut map = HeaderMap::new();
        headers.iter().for_each(|(name, value)| drop(map.insert(*name, value.parse().unwrap())));
        let listed = ["allowed".into()];
        let around = Around { headers: Some(&map), telling, listed: &listed, now_ms: 1 };
        let request = request(params);
        let trace = Trace::of(&request, &around);
        let sent = trace
            .carried
            .as_ref()
            .map_or_else(|| request.bytes().clone(), |carried| carried.apply(request.document()).unwrap());
        let mut sent = String::from_utf8(sent.to_vec()).unwrap();
        if let Some(spans) = &trace.spans {
            sent = sent.replace(&spans.client.to_string(), "S");
            if spans.parent.is_none() {
                sent = sent.replace(&spans.trace.to_string(), "T");
            }
        }
        let (_, rest) = sent.split_once(r#""method":"tools/call""#).unwrap();
        (rest.trim_end_matches('}').to_owned(), trace.dropped)
    }

    #[test]
    fn a_request_goes_on_in_its_trace_under_the_gateways_span() {
        let ours = r#""traceparent":"00-0af7651916cd43dd8448eb211c80319c-S-01""#;
        let fresh = r#""traceparent":"00-T-S-01""#;
        let client = format!(r#""traceparent":"{CLIENT}""#);
        for (params, headers, expected) in [
            (String::new(), vec![], format!(r#","params":{{"_meta":{{{fresh}"#)),
            (
                r#","params":{"name":"x"}"#.into(),
                vec![],
                format!(r#","params":{{"name":"x","_meta":{{{fresh}"#),
            ),
            (
                format!(r#","params":{{"_meta":{{{client}}}}}"#),
                vec![],
                format!(r#","params":{{"_meta":{{{ours}"#),
            ),
            (
                format!(r#","params":{{"_meta":{{{client},"tracestate":"a=1","k":1}}}}"#),
                vec![],
                format!(r#","params":{{"_meta":{{{ours},"tracestate":"a=1","k":1"#),
            ),
            // What the transport says counts where the request says nothing, and a state only with its parent.
            (
                r#","params":{}"#.into(),
                vec![("traceparent", CLIENT), ("tracestate", "a=1")],
                format!(r#","params":{{"_meta":{{{ours},"tracestate":"a=1""#),
            ),
            (
                format!(r#","params":{{"_meta":{{{client}}}}}"#),
                vec![
                    ("traceparent", "00-00000000000000000000000000000001-0000000000000001-01"),
                    ("tracestate", "a=1"),
                ],
                format!(r#","params":{{"_meta":{{{ours}"#),
            ),
            (
                r#","params":{"_meta":{"tracestate":"a=1","traceparent":"x"}}"#.into(),
                vec![],
                format!(r#","params":{{"_meta":{{{fresh}"#),
            ),
        ] {
            assert_eq!(passed(&params, &headers, true).0, expected, "{params} {headers:?}");
        }
    }

    #[test]
    fn baggage_travels_when_it_is_listed() {
        let meta = |members: &str| format!(r#","params":{{"_meta":{{{members}}}}}"#);
        let shown = |members: &str| format!(r#","params":{{"_meta":{{{members}"#);
        for (params, expected, dropped) in [
            (meta(r#""baggage":"tenant_id=a,allowed=1,user=b""#), shown(r#""baggage":"allowed=1""#), 2),
            (meta(r#""k":1,"baggage":"user=b""#), shown(r#""k":1"#), 1),
            (meta(r#""baggage":{"user":"b"},"k":1"#), shown(r#""k":1"#), 1),
            (meta(r#""baggage":"allowed=1""#), shown(r#""baggage":"allowed=1""#), 0),
            (meta(r#""k":1,"portcullis/receipt":true"#), shown(r#""k":1"#), 0),
            (
                meta(&format!(r#""traceparent":"{CLIENT}""#)),
                shown(&format!(r#""traceparent":"{CLIENT}""#)),
                0,
            ),
        ] {
            assert_eq!(passed(&params, &[("baggage", "user=b")], false), (expected, dropped), "{params}");
        }
        let (sent, dropped) = passed("", &[("baggage", "user=b,allowed=2")], true);
        assert!(sent.ends_with(r#","baggage":"allowed=2""#) && dropped == 1, "{sent}");
    }

    #[test]
    fn notifications_and_answers_leave_baggage_behind_too() {
        for (message, holder, expected) in [
            (
                r#"{"params":{"_meta":{"baggage":"user=b,allowed=1"}}}"#,
                "params",
                Some(r#"{"params":{"_meta":{"baggage":"allowed=1"}}}"#),
            ),
            (
                r#"{"result":{"_meta":{"baggage":"user=b"},"x":1}}"#,
                "result",
                Some(r#"{"result":{"_meta":{},"x":1}}"#),
            ),
            (r#"{"result":{"_meta":{"baggage":7}}}"#, "result", Some(r#"{"result":{"_meta":{}}}"#)),
            (r#"{"result":{"_meta":{"baggage":"allowed=1"}}}"#, "result", None),
            (r#"{"result":{"_meta":7}}"#, "result", None),
            (r#"{"params":{}}"#, "params", None),
            ("{}", "params", None),
        ] {
            let document = Document::parse(Bytes::from(message), &GENEROUS).unwrap();
            let sent = without_baggage(&document, holder, &["allowed".into()]).unwrap();
            assert_eq!(sent.as_deref(), expected.map(str::as_bytes), "{message}");
        }
    }

    #[test]
    fn what_needs_no_change_is_not_copied() {
        let request =
            request(&format!(r#","params":{{"_meta":{{"traceparent":"{CLIENT}","baggage":"allowed=1"}}}}"#));
        let around = Around { headers: None, telling: false, listed: &["allowed".into()], now_ms: 1 };
        let trace = Trace::of(&request, &around);
        assert!(trace.carried.is_none() && trace.finding().is_none());
        assert_eq!(trace.id().as_deref(), Some("0af7651916cd43dd8448eb211c80319c"));
        assert_eq!((trace.parent().as_deref(), trace.span()), (Some("b7ad6b7169203331"), None));
    }
}
