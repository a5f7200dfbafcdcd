//! S-27: messages and requests that two readers could read differently.
//!
//! The gateway serves 2026-07-28 and nothing older. One tool of the server is forbidden by policy, so a message
//! that names both tools shows which reader decided.

mod messages;
mod sessions;
mod smuggling;

use futures_util::FutureExt;

use super::Scenario;
use crate::{
    attack::{Attack, nothing_more, refuse_all, wanted},
    ground::{FORBIDDEN, Ground, NOTES},
    http::{Answer, Request, exchange},
    message::call,
    place::Place,
    report::{Kind, Report},
    trouble::Trouble,
};

pub(super) const SCENARIO: Scenario = Scenario {
    id: "S-27",
    title: "insecure protocol implementation",
    claim: "duplicate keys, batches, strange ids, encodings and methods, sessions, and smuggled requests are \
            refused before policy; the server saw the twins only; every refusal is on record",
    run: |place, report| run(place, report).boxed(),
};

/// No more than the newest version; heads that do not end are let go of soon.
const SETTINGS: &str =
    "[protocol]\nfloor = \"2026-07-28\"\n\n[limits]\nrequests_per_second = 100000\nheader_read_seconds = 2\n";

async fn run(place: &Place, report: &mut Report) -> Result<(), Trouble> {
    let mut ground = Ground::open(place, |setup| setup.sections(SETTINGS)).await?;
    ground.serve(report, "an honest call", &Ground::honest(), nothing_more).await?;
    let denied = Request::call(NOTES, FORBIDDEN, call(FORBIDDEN, "{}")).bytes();
    let denied = Attack::new("the forbidden tool, asked for plainly", denied, wanted(403, 40301, "denied"));
    let gateway = &ground.gateway;
    refuse_all(gateway, report, [denied], nothing_more).await?;
    refuse_all(gateway, report, messages::attacks(), nothing_more).await?;
    refuse_all(gateway, report, sessions::attacks(), nothing_more).await?;
    refuse_all(gateway, report, [sessions::handshake()], sessions::names_versions).await?;
    refuse_all(gateway, report, sessions::verbs(), allows_post).await?;
    refuse_all(gateway, report, smuggling::attacks(), nothing_more).await?;
    let session = Ground::honest().header("mcp-session-id", "0123456789abcdef");
    ground.serve(report, "a session id is ignored and none is minted", &session, no_session).await?;
    conflicting_lengths(&mut ground, report).await?;
    ground.serve(report, "an honest call after all of it", &Ground::honest(), nothing_more).await?;
    ground.silence(report)
}

fn allows_post(answer: &Answer) -> Option<String> {
    let allowed = answer.header("allow");
    (allowed != Some("POST")).then(|| format!("and `Allow` is {allowed:?}"))
}

fn no_session(answer: &Answer) -> Option<String> {
    answer.header("mcp-session-id").map(|_| "and a session was opened".to_owned())
}

/// A good call in chunks, whose `Content-Length` covers another request behind it: RFC 9112 section 6.3 lets a
/// server read the chunks, and then it must close the connection.
async fn conflicting_lengths(ground: &mut Ground, report: &mut Report) -> Result<(), Trouble> {
    let exchange = exchange(ground.gateway.address(), &smuggling::behind_a_good_call()).await?;
    let statuses: Vec<_> = exchange.answers.iter().map(|answer| answer.status).collect();
    let refused = statuses == [400];
    let passed = exchange.closed && (statuses == [200] || refused);
    ground.expect_served(usize::from(statuses == [200]));
    let wanted = "one answer, 200 or 400, and the connection closed";
    let seen = format!("{statuses:?}, closed: {}", exchange.closed);
    report.check(Kind::Attack, "both lengths, a request behind a good call", wanted, seen, passed);
    Ok(())
}
