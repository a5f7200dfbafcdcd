//! S-30: web pages of other origins, and names that others make resolve to this machine.

use futures_util::FutureExt;

use super::Scenario;
use crate::{
    attack::{Attack, Wanted, nothing_more, refuse_all, wanted},
    ground::{Ground, NOTES},
    http::{Answer, Request, exchange},
    place::Place,
    report::{Kind, Report},
    trouble::Trouble,
};

pub(super) const SCENARIO: Scenario = Scenario {
    id: "S-30",
    title: "CORS and origin bypass",
    claim: "every origin but the exact one gets 403 and no cross-origin header, preflights included; foreign hosts \
            are refused; the exact origin works, without credentials; every refusal is on record",
    run: |place, report| run(place, report).boxed(),
};

const ORIGIN: &str = "https://app.test";
const BAD_ORIGIN: Wanted = wanted(403, 40301, "bad-origin");
const BAD_HOST: Wanted = wanted(403, 40301, "bad-host");
/// Whatever lets a page read or send across origins.
const GRANTS: [&str; 5] = [
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-private-network",
];

/// Values of `Origin` that a careless comparison takes for the allowed one.
const ORIGINS: &[&str] = &[
    "https://evil.test",
    "https://app.test.evil.test",
    "https://evilapp.test",
    "https://sub.app.test",
    "https://app.test.",
    "https://app.test:443",
    "https://app.test:8443",
    "https://app.test/",
    "https://app.test@evil.test",
    "https://app.test%2eevil.test",
    "https://evil.test/https://app.test",
    "https://app.test https://evil.test",
    "https://app.test,https://evil.test",
    "https://APP.test",
    "HTTPS://app.test",
    "https://app\u{2024}test",
    "http://app.test",
    "//app.test",
    "app.test",
    "null",
    "NULL",
    "*",
    "",
    "file://",
    "chrome-extension://abcdefghijklmnop",
    "http://localhost",
    "http://127.0.0.1",
    "http://127.0.0.1:1",
    "https://127.0.0.1",
];

/// Values of `Host` with which a page of `evil.test` or a proxy could reach this machine.
const HOSTS: &[&str] = &[
    "evil.test",
    "evil.test:8930",
    "127.0.0.1.evil.test",
    "localhost.evil.test",
    "evil.test#127.0.0.1",
    "127.0.0.1@evil.test",
    "127.0.0.1:80@evil.test",
    "127.0.0.1:80:80",
    "127.0.0.1, evil.test",
    "0.0.0.0",
    "127.1",
    "2130706433",
    "0x7f000001",
    "[::ffff:127.0.0.1]",
    "app.test",
    "localhost.",
    "",
];

async fn run(place: &Place, report: &mut Report) -> Result<(), Trouble> {
    let settings = format!("allowed_origins = [\"{ORIGIN}\"]");
    let limits = "[limits]\nrequests_per_second = 100000\n";
    let mut ground = Ground::open(place, |setup| setup.gateway(&settings).sections(limits)).await?;
    ground.serve(report, "no page, so no origin", &Ground::honest(), grants_nothing).await?;
    let own = ground.gateway.address().to_string();
    refuse_all(&ground.gateway, report, origins(&own), grants_nothing).await?;
    refuse_all(&ground.gateway, report, hosts(), nothing_more).await?;
    preflight(&ground, report).await?;
    let allowed = Ground::honest().header("origin", ORIGIN);
    ground.serve(report, "the allowed origin", &allowed, grants_exactly).await?;
    let named = Ground::honest().header("host", &own);
    ground.serve(report, "the gateway by its address", &named, nothing_more).await?;
    let own = named.header("origin", &format!("http://{own}"));
    ground.serve(report, "the gateway's own origin", &own, grants_nothing).await?;
    let named = Ground::honest().header("host", "localhost");
    ground.serve(report, "the gateway by its name", &named, nothing_more).await?;
    ground.silence(report)
}

/// `host` is the gateway as a browser names it: an origin on another port of the machine is another origin.
fn origins(host: &str) -> Vec<Attack> {
    let honest = |origin: &str| Ground::honest().header("origin", origin);
    let stream = |origin: &str| {
        Request::new("GET", "/sse/notes").header("accept", "text/event-stream").header("origin", origin)
    };
    let simple = |(name, request): (String, Request)| {
        Attack::new(name, request.header("host", host).bytes(), BAD_ORIGIN)
    };
    let calls = ORIGINS.iter().map(|origin| (format!("a call from `{origin}`"), honest(origin)));
    let asked = ORIGINS.iter().map(|origin| (format!("a preflight from `{origin}`"), preflight_from(origin)));
    let others = [
        ("a stream of events from elsewhere".to_owned(), stream("https://evil.test")),
        ("our own origin, but encrypted".to_owned(), honest(&format!("https://{host}"))),
        ("two origins, the allowed first".to_owned(), honest(ORIGIN).and("origin", "https://evil.test")),
        ("two origins, the allowed last".to_owned(), honest("https://evil.test").and("origin", ORIGIN)),
        ("the allowed origin twice".to_owned(), honest(ORIGIN).and("origin", ORIGIN)),
        ("a private network asked for".to_owned(), {
            preflight_from("https://evil.test").header("access-control-request-private-network", "true")
        }),
    ];
    calls.chain(asked).chain(others).map(simple).collect()
}

fn hosts() -> Vec<Attack> {
    let honest = Ground::honest;
    let named = HOSTS.iter().map(|host| (format!("host `{host}`"), honest().header("host", host)));
    let others = [
        (
            "a page of the rebound name",
            honest().header("host", "evil.test").header("origin", "http://evil.test"),
        ),
        ("two hosts, ours first", honest().and("host", "evil.test")),
        ("two hosts, ours last", honest().header("host", "evil.test").and("host", "127.0.0.1")),
        ("no host", honest().without("host")),
        ("another host in the request line", honest().line("POST http://evil.test/mcp/notes HTTP/1.1")),
        (
            "another user in the request line",
            honest().line("POST http://127.0.0.1@evil.test/mcp/notes HTTP/1.1"),
        ),
        ("a host for a proxy", honest().header("host", "evil.test").header("x-forwarded-host", "127.0.0.1")),
    ];
    let others = others.into_iter().map(|(name, request)| (name.to_owned(), request));
    named.chain(others).map(|(name, request)| Attack::new(name, request.bytes(), BAD_HOST)).collect()
}

/// What a browser asks before it sends JSON across origins.
fn preflight_from(origin: &str) -> Request {
    Request::new("OPTIONS", NOTES)
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type, mcp-protocol-version, x-anything")
}

/// The allowed origin may ask, and learns no more than it needs.
async fn preflight(ground: &Ground, report: &mut Report) -> Result<(), Trouble> {
    let answer = exchange(ground.gateway.address(), &preflight_from(ORIGIN).bytes()).await?.first();
    let headers = answer.header("access-control-allow-headers").unwrap_or_default();
    let objection = grants_exactly(&answer).or_else(|| {
        let wild = headers.contains('*') || headers.contains("x-anything");
        (wild || !headers.contains("mcp-protocol-version")).then(|| format!("and it grants `{headers}`"))
    });
    let passed = answer.status == 204 && objection.is_none();
    let seen = format!("{} {}", answer.status, objection.unwrap_or_default());
    report.check(
        Kind::Twin,
        "a preflight from the allowed origin",
        "204, this origin, these headers",
        seen,
        passed,
    );
    Ok(())
}

fn grants_nothing(answer: &Answer) -> Option<String> {
    let granted: Vec<_> = GRANTS.iter().filter(|name| answer.header(name).is_some()).collect();
    let varies = answer.header("vary").is_some_and(|vary| vary.to_lowercase().contains("origin"));
    match (granted.is_empty(), varies) {
        (true, true) => None,
        (false, _) => Some(format!("and it has {granted:?}")),
        (_, false) => Some("and a cache may give it to another origin".to_owned()),
    }
}

fn grants_exactly(answer: &Answer) -> Option<String> {
    let wanted = (Some(ORIGIN), None, Some("Origin"));
    let of = |name| answer.header(name);
    let seen = (of("access-control-allow-origin"), of("access-control-allow-credentials"), of("vary"));
    (seen != wanted).then(|| format!("and origin, credentials and vary are {seen:?}"))
}
