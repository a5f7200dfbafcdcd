//! S-29: requests that a victim's browser sends for somebody else's page.

use futures_util::FutureExt;
use serde_json::Value;
use tokio::fs;

use super::Scenario;
use crate::{
    attack::{Attack, Wanted, last, nothing_more, number, refuse_all, wanted},
    ground::{ALLOWED, Ground, NOTES, SAYS},
    http::{Answer, Request, exchange},
    message::{LEGACY, call, initialize, legacy_call, text_of},
    place::Place,
    report::{Kind, Report},
    trouble::Trouble,
};

pub(super) const SCENARIO: Scenario = Scenario {
    id: "S-29",
    title: "CSRF protection missing",
    claim: "forms and foreign pages get 415 or 403 from the endpoint and nothing from the operator's listener; a \
            cookie is nobody's identity and no session; nothing changed; every refusal of the endpoint is on record",
    run: |place, report| run(place, report).boxed(),
};

const EVIL: &str = "https://evil.test";
const BAD_ORIGIN: Wanted = wanted(403, 40301, "bad-origin");
const MEDIA_TYPE: Wanted = wanted(415, -32600, "media-type");
const NOBODY: Wanted = wanted(401, 40301, "unauthenticated");

/// Media types a form or a script can send across origins without asking first (Fetch, "CORS-safelisted
/// request-header"), and what a careless reader takes for JSON.
const TYPES: &[&str] = &[
    "text/plain",
    "text/plain;charset=UTF-8",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/plain; application/json",
    "text/plain;x=application/json",
    "application/json-patch+json",
    "application/jsonx",
    "text/json",
    "application/",
    "",
];

async fn run(place: &Place, report: &mut Report) -> Result<(), Trouble> {
    let limits = "[limits]\nrequests_per_second = 100000\n";
    let mut ground = Ground::open(place, |setup| setup.sections(limits)).await?;
    ground.serve(report, "an honest call", &Ground::honest(), no_cookie).await?;
    let victim = Victim::open(&ground).await?;
    let before = Standing::of(&ground).await?;
    refuse_all(&ground.gateway, report, simple(), no_cookie).await?;
    refuse_all(&ground.gateway, report, sessions(&victim.session), no_cookie).await?;
    refuse_all(&ground.gateway, report, cookies(&victim.session), no_cookie).await?;
    operator(&ground, report).await?;
    before.is_still(&ground, report).await?;
    victim.is_still_served(&mut ground, report).await?;
    identity(&mut ground, report).await?;
    ground.silence(report)?;
    report.not_covered(
        "consent without a token, in a frame, and its cookie",
        "a consent page; this build has none",
    );
    report.not_covered(
        "forged approvals, and a record of forms that the operator's listener refuses",
        "approvals over the network, which this build has not, and records of that listener's refusals",
    );
    Ok(())
}

/// Posts that need no permission of the victim's browser, with the victim's cookies.
fn simple() -> Vec<Attack> {
    let post = |kind: &str| Ground::honest().header("content-type", kind).header("cookie", "user=admin");
    let named = TYPES.iter().map(|kind| (format!("a post of `{kind}`"), post(kind), MEDIA_TYPE));
    let from_evil = TYPES.iter().map(|kind| {
        (format!("a post of `{kind}` from a foreign page"), post(kind).header("origin", EVIL), BAD_ORIGIN)
    });
    let form = format!("{{\"a\":\"&message={}", call(ALLOWED, "{}"));
    let others = [
        ("a post without a type", Ground::honest().without("content-type"), MEDIA_TYPE),
        ("JSON from a foreign page", Ground::honest().header("origin", EVIL), BAD_ORIGIN),
        ("JSON from a sandboxed frame", Ground::honest().header("origin", "null"), BAD_ORIGIN),
        (
            "a form that spells JSON",
            Request::call(NOTES, ALLOWED, form).header("content-type", "text/plain").header("origin", EVIL),
            BAD_ORIGIN,
        ),
        (
            "an image of the endpoint",
            Request::new("GET", "/mcp/notes?message=%7B%7D").header("sec-fetch-site", "cross-site"),
            wanted(405, -32600, "http-method"),
        ),
    ];
    let others = others.into_iter().map(|(name, request, wanted)| (name.to_owned(), request, wanted));
    let all = named.chain(from_evil).chain(others);
    all.map(|(name, request, wanted)| Attack::new(name, request.bytes(), wanted)).collect()
}

/// Attempts on a session that is open.
fn sessions(session: &str) -> Vec<Attack> {
    let in_session = |request: Request| request.header("mcp-session-id", session).header("origin", EVIL);
    let rows = [
        ("a foreign page ends the session", in_session(Request::new("DELETE", NOTES))),
        ("a foreign page calls in the session", in_session(Request::post(NOTES, legacy_call(ALLOWED)))),
        (
            "a foreign page reads the session's stream",
            in_session(Request::new("GET", NOTES).header("accept", "text/event-stream")),
        ),
        ("a foreign page opens a session", Request::post(NOTES, initialize()).header("origin", EVIL)),
        (
            "a foreign page posts to an HTTP+SSE connection",
            Request::post(&format!("/message/notes?sessionId={session}"), legacy_call(ALLOWED))
                .header("origin", EVIL),
        ),
    ];
    rows.into_iter().map(|(name, request)| Attack::new(name, request.bytes(), BAD_ORIGIN)).collect()
}

/// Cookies where a session or an identity belongs.
fn cookies(session: &str) -> Vec<Attack> {
    let call = || Request::post(NOTES, legacy_call(ALLOWED)).header("mcp-protocol-version", LEGACY);
    // The gateway takes loopback peers for its user unless somebody else's request was passed on to it, which is
    // how a caller without an identity can be had on one machine.
    let stranger = || Ground::honest().header("x-forwarded-for", "192.0.2.1");
    let rows = [
        (
            "the session's id as a cookie",
            call().header("cookie", &format!("Mcp-Session-Id={session}; mcp-session-id={session}")),
            wanted(400, -32600, "invalid-request"),
        ),
        ("a stranger with a cookie", stranger().header("cookie", "session=admin; token=secret"), NOBODY),
        (
            "a stranger with a session as a cookie",
            stranger().header("cookie", &format!("session={session}")),
            NOBODY,
        ),
        (
            "a stranger with a token in the query",
            Request::call("/mcp/notes?access_token=secret", ALLOWED, crate::message::call(ALLOWED, "{}")),
            NOBODY,
        ),
    ];
    rows.into_iter().map(|(name, request, wanted)| Attack::new(name, request.bytes(), wanted)).collect()
}

fn no_cookie(answer: &Answer) -> Option<String> {
    answer.header("set-cookie").map(|_| "and a cookie was set".to_owned())
}

/// A page and forms at the operator's listener, which has no identity but its address.
async fn operator(ground: &Ground, report: &mut Report) -> Result<(), Trouble> {
    let to = ground.gateway.admin_address();
    let form = |path: &str| Request::post(path, "action=stop").header("content-type", "text/plain");
    let mut rows = Vec::new();
    for path in ["/", "/metrics", "/healthz", "/readyz", "/approve", "/stop", "/reload"] {
        rows.push((format!("a form to {path} from a foreign page"), form(path).header("origin", EVIL), 403));
        // What can be changed there needs the operator's token.
        let refused = if path == "/stop" { 401 } else { 405 };
        rows.push((format!("a form to {path}"), form(path), refused));
    }
    rows.push(("a foreign page reads".into(), Request::new("GET", "/metrics").header("origin", EVIL), 403));
    rows.push((
        "a sandboxed frame reads".into(),
        Request::new("GET", "/metrics").header("origin", "null"),
        403,
    ));
    rows.push((
        "a rebound name reads".into(),
        Request::new("GET", "/metrics").header("host", "evil.test"),
        403,
    ));
    for (name, request, status) in rows {
        let answer = exchange(to, &request.bytes()).await?.first();
        let leaks =
            answer.body.contains("portcullis_") || answer.header("access-control-allow-origin").is_some();
        let seen = format!("{}, tells something: {leaks}", answer.status);
        let wanted = format!("{status}, tells something: false");
        let passed = seen == wanted;
        report.check(Kind::Attack, format!("operator: {name}"), wanted, seen, passed);
    }
    let (status, metrics) =
        ground.gateway.admin("/metrics").await.map_err(Trouble::io("asking for metrics"))?;
    let passed = status == 200 && metrics.contains("portcullis_requests_total");
    report.check(Kind::Twin, "operator: an honest scrape", "200 with metrics", status.to_string(), passed);
    Ok(())
}

/// A client with a session.
struct Victim {
    session: String,
}

impl Victim {
    async fn open(ground: &Ground) -> Result<Self, Trouble> {
        let opened =
            exchange(ground.gateway.address(), &Request::post(NOTES, initialize()).bytes()).await?.first();
        let session = opened.header("mcp-session-id").map(str::to_owned);
        Ok(Self { session: session.ok_or_else(|| Trouble::other(format!("no session: {opened:?}")))? })
    }

    async fn is_still_served(&self, ground: &mut Ground, report: &mut Report) -> Result<(), Trouble> {
        let call = Request::post(NOTES, legacy_call(ALLOWED)).header("mcp-session-id", &self.session);
        let answer = exchange(ground.gateway.address(), &call.bytes()).await?.first();
        let passed = answer.status == 200 && text_of(&answer.json()) == SAYS;
        ground.expect_served(1);
        let seen = format!("{} {}", answer.status, answer.body);
        report.check(Kind::Twin, "the session goes on", "200 and the server's answer", seen, passed);
        Ok(())
    }
}

/// What an attack could have changed.
#[derive(Debug, PartialEq)]
struct Standing {
    config: Vec<u8>,
    policy: Vec<u8>,
    sessions: Option<String>,
    reloads: Option<String>,
}

impl Standing {
    async fn of(ground: &Ground) -> Result<Self, Trouble> {
        let file =
            |path| async move { fs::read(&path).await.map_err(Trouble::io(format!("reading {path:?}"))) };
        let (_, metrics) =
            ground.gateway.admin("/metrics").await.map_err(Trouble::io("asking for metrics"))?;
        let gauge = |name: &str| metrics.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        Ok(Self {
            config: file(ground.gateway.config()).await?,
            policy: file(ground.gateway.policy()).await?,
            sessions: gauge("portcullis_sessions "),
            reloads: gauge("portcullis_reloads_total "),
        })
    }

    async fn is_still(&self, ground: &Ground, report: &mut Report) -> Result<(), Trouble> {
        let now = Self::of(ground).await?;
        report.state("configuration, policy, sessions and reloads are as before", true, *self == now);
        report.state("one session is counted", Some("1"), now.sessions.as_deref());
        Ok(())
    }
}

/// The caller on record is the same with and without a cookie.
async fn identity(ground: &mut Ground, report: &mut Report) -> Result<(), Trouble> {
    let mut callers = Vec::new();
    for (name, request) in [
        ("a call without a cookie", Ground::honest()),
        ("a call with a cookie", Ground::honest().header("cookie", "user=admin; principal=root")),
    ] {
        let before = last(&ground.gateway)?;
        ground.serve(report, name, &request, nothing_more).await?;
        let records = ground.gateway.records()?;
        let call = records.iter().find(|it| number(it) > before && it.allows("tools/call", "notes", ALLOWED));
        callers.push(call.and_then(|it| it.value().get("caller")).map(Value::to_string));
    }
    report.state("a cookie makes no other caller", callers.first().cloned(), callers.last().cloned());
    report.state("the caller is on record", true, callers.iter().all(Option::is_some));
    Ok(())
}
