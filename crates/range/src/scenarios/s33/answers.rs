//! Servers that answer too much.

use std::time::{Duration, Instant};

use portcullis_testkit::gateway::{Gateway, Record};

use super::watch::Watch;
use crate::{
    attack::{last, number},
    hostile_http::HostileHttp,
    http::{Answer, Request, exchange},
    message::{META, call, request, text_of},
    place::Place,
    report::{Kind, Report},
    trouble::Trouble,
};

const LIMITS: &str = "[limits]\nrequests_per_second = 100000\n";
/// Two seconds of silence end a call, four in any case.
const IMPATIENT: &str = "request_seconds = 2\ntotal_seconds = 4";
/// How long any of these calls may take, and a server's own end of it.
const SOON: Duration = Duration::from_secs(20);
/// The default of `limits.response_bytes`.
const RESPONSE: usize = 8 << 20;

/// A tool of a server, its arguments, and what becomes of the call: HTTP status, JSON-RPC code, outcome on record.
type Row = (&'static str, &'static str, String, (u16, i64, &'static str));

fn rows() -> Vec<Row> {
    let none = || "{}".to_owned();
    let bytes = |bytes: usize| format!("{{\"bytes\":{bytes}}}");
    vec![
        ("pipe", "large", bytes(RESPONSE), (502, 50201, "withheld")),
        ("pipe", "large", bytes(12 * RESPONSE), (502, 50201, "withheld")),
        ("pipe", "endless", none(), (502, 50201, "withheld")),
        ("web", "large-body", none(), (502, 50201, "withheld")),
        ("web", "endless-body", none(), (502, 50201, "withheld")),
        ("web", "endless-line", none(), (502, 50201, "withheld")),
        ("web", "endless-event", none(), (502, 50201, "withheld")),
        ("web", "endless-fields", none(), (504, 50201, "unknown")),
        ("web", "endless-comments", none(), (504, 50201, "unknown")),
        ("web", "endless-noise", none(), (502, 50201, "withheld")),
        ("web", "endless-progress", none(), (200, 50201, "unknown")),
        ("web", "silent-stream", none(), (504, 50201, "unknown")),
        ("web", "packed", none(), (502, 50201, "withheld")),
    ]
}

pub(super) async fn run(place: &Place, report: &mut Report) -> Result<(), Trouble> {
    let home = tempfile::tempdir().map_err(Trouble::io("making a directory"))?;
    let web = HostileHttp::start().await?;
    let pipe = place.hostile(&[&home.path().join("findings").to_string_lossy()]);
    let setup = place.setup().sections(LIMITS).stdio("pipe", &pipe);
    let gateway = setup.http("web", &web.url()).with(IMPATIENT).start().await?;
    honest(&gateway, report, "before").await?;
    let watch = Watch::begin(&gateway)?;
    for row in rows() {
        attack(&gateway, report, row).await?;
        let left = web.under_way(SOON).await;
        report.state("endless answers that somebody still listens to", 0, left);
        calm(&gateway, report, ("web", "calm", "{}", "calm"), "the same server's next answer").await?;
    }
    honest(&gateway, report, "after too large answers").await?;
    watch.end(report, "too large answers").await
}

async fn attack(gateway: &Gateway, report: &mut Report, row: Row) -> Result<(), Trouble> {
    let (server, tool, arguments, wanted) = row;
    let (before, began) = (last(gateway)?, Instant::now());
    let answer = ask(gateway, server, tool, &arguments).await?;
    let took = began.elapsed();
    let ours = |it: &Record| number(it) > before && it.allows("tools/call", server, tool);
    let decision = gateway.wait_for("the decision", SOON, ours).await?;
    let its = |it: &Record| it.text("decision") == decision.text("id");
    let outcome = gateway.wait_for("the outcome", SOON, its).await?.text("outcome").to_owned();
    let (status, code, recorded) = wanted;
    // Once a silent call has become an event stream, its status has been sent.
    let streams = answer.header("content-type").is_some_and(|it| it.starts_with("text/event-stream"));
    let wanted = (if streams { 200 } else { status }, code, recorded);
    let seen = (answer.status, answer.code(), &*outcome);
    let passed = seen == wanted && took < SOON;
    let name = format!("{server}: {tool} {arguments}");
    report.check(
        Kind::Attack,
        name,
        format!("{wanted:?} within {SOON:?}"),
        format!("{seen:?} after {took:.1?}"),
        passed,
    );
    Ok(())
}

/// An answer just below the limit from either server.
async fn honest(gateway: &Gateway, report: &mut Report, when: &str) -> Result<(), Trouble> {
    let large = "x".repeat(RESPONSE - 4_096);
    let arguments = format!("{{\"bytes\":{}}}", large.len());
    // A server that was cut off a moment ago may have to wait for its next start.
    let end = Instant::now() + SOON;
    while ask(gateway, "pipe", "echo", r#"{"text":""}"#).await?.status == 502 && Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    calm(
        gateway,
        report,
        ("pipe", "large", &arguments, &large),
        &format!("an answer below the limit, {when}"),
    )
    .await?;
    calm(gateway, report, ("web", "calm", "{}", "calm"), &format!("an honest answer, {when}")).await
}

async fn calm(
    gateway: &Gateway,
    report: &mut Report,
    (server, tool, arguments, says): (&str, &str, &str, &str),
    name: &str,
) -> Result<(), Trouble> {
    let answer = ask(gateway, server, tool, arguments).await?;
    let passed = answer.status == 200 && text_of(&answer.json()) == says;
    let seen = format!("{}, {} bytes", answer.status, answer.body.len());
    report.check(Kind::Twin, name, format!("200 and {} bytes of text", says.len()), seen, passed);
    Ok(())
}

async fn ask(gateway: &Gateway, server: &str, tool: &str, arguments: &str) -> Result<Answer, Trouble> {
    let mut body = call(tool, arguments);
    if tool == "endless-progress" {
        let meta = META.replacen('{', "{\"progressToken\":\"p\",", 1);
        body = request("1", "tools/call", &format!(r#"{{"name":"{tool}","arguments":{arguments},{meta}}}"#));
    }
    let request = Request::call(&format!("/mcp/{server}"), tool, body);
    Ok(exchange(gateway.address(), &request.bytes()).await?.first())
}
