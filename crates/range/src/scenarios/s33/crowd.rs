//! More requests and sessions than there may be.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use futures_util::future::{join_all, try_join_all};
use portcullis_testkit::gateway::{Gateway, Record};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use super::watch::Watch;
use crate::{
    attack::{Attack, nothing_more, refusals_of, refuse_all, wanted},
    ground::SOON,
    http::{Answer, Request, connect, exchange},
    message::{call, initialize, text_of},
    pace::Caller,
    place::Place,
    report::{Kind, Report},
    trouble::Trouble,
};

/// Calls at a time, and sessions of one caller.
const CALLS: usize = 64;
const SESSIONS: usize = 16;
/// Connections that call at once.
const CROWD: usize = 200;
/// Requests as fast as they go, over this many connections.
const RUSH: usize = 10_000;
const LANES: usize = 20;
/// The default of `limits.requests_per_second`; twice as many may come at once.
const RATE: f64 = 100.0;
const PATH: &str = "/mcp/hostile";

pub(super) async fn run(place: &Place, report: &mut Report) -> Result<(), Trouble> {
    let home = tempfile::tempdir().map_err(Trouble::io("making a directory"))?;
    let hostile = place.hostile(&[&home.path().join("findings").to_string_lossy()]);
    let start = |limits: String| {
        let setup = place.setup().sections(&format!("[limits]\n{limits}")).stdio("hostile", &hostile);
        async move { setup.start().await }
    };
    let wide = format!(
        "requests_per_second = 100000\nconcurrent_requests = {CALLS}\nsessions_per_principal = {SESSIONS}\n"
    );
    let gateway = start(wide).await?;
    honest(&gateway, report, "an honest call before the crowd").await?;
    let watch = Watch::begin(&gateway)?;
    at_once(&gateway, report).await?;
    watch.end(report, "a crowd").await?;
    honest(&gateway, report, "an honest call after the crowd").await?;
    sessions(&gateway, report).await?;
    drop(gateway);
    let gateway = start(String::new()).await?;
    honest(&gateway, report, "an honest call before the rush").await?;
    let watch = Watch::begin(&gateway)?;
    rush(&gateway, report).await?;
    watch.end(report, "a rush").await?;
    honest(&gateway, report, "an honest call after the rush").await
}

fn echo() -> Request {
    Request::call(PATH, "echo", call("echo", r#"{"text":"hello"}"#))
}

/// An ordinary call; a caller who was too fast a moment ago waits as long as it takes to be on time.
async fn honest(gateway: &Gateway, report: &mut Report, name: &str) -> Result<(), Trouble> {
    let end = Instant::now() + SOON;
    let mut answer = exchange(gateway.address(), &echo().bytes()).await?.first();
    while answer.status == 429 && Instant::now() < end {
        sleep(Duration::from_millis(100)).await;
        answer = exchange(gateway.address(), &echo().bytes()).await?.first();
    }
    let passed = answer.status == 200 && text_of(&answer.json()) == "hello";
    report.check(Kind::Twin, name, "200 `hello`", format!("{} {}", answer.status, answer.body), passed);
    Ok(())
}

/// Calls that are never answered: so many wait, the rest is told to come back.
async fn at_once(gateway: &Gateway, report: &mut Report) -> Result<(), Trouble> {
    let never = Request::call(PATH, "never", call("never", "{}")).bytes();
    let mut crowd = try_join_all((0..CROWD).map(|_| connect(gateway.address(), None))).await?;
    for stream in &mut crowd {
        stream.write_all(&never).await.map_err(Trouble::io("calling with the crowd"))?;
    }
    let held = |it: &Record| it.allows("tools/call", "hostile", "never");
    let end = Instant::now() + SOON;
    let counts = || -> Result<(usize, usize), Trouble> {
        let records = gateway.records()?;
        let refused = records.iter().filter(|it| it.refused() == "too-many").count();
        Ok((records.iter().filter(|it| held(it)).count(), refused))
    };
    let wanted = (CALLS, CROWD - CALLS);
    let mut seen = counts()?;
    while seen != wanted && Instant::now() < end {
        sleep(Duration::from_millis(50)).await;
        seen = counts()?;
    }
    let turned_away = join_all(crowd.iter_mut().map(status_now)).await;
    let told = turned_away.iter().filter(|status| **status == 429).count();
    let seen = (seen.0, seen.1, told);
    let wanted = (wanted.0, wanted.1, CROWD - CALLS);
    let passed = seen == wanted;
    let name = format!("{CROWD} calls at once, held, refused on record, and told so");
    report.check(Kind::Attack, name, format!("{wanted:?}"), format!("{seen:?}"), passed);
    drop(crowd);
    gone(gateway, report).await
}

/// The status of an answer that is there, or 0.
async fn status_now(stream: &mut TcpStream) -> u16 {
    let mut received = Vec::new();
    let _still_waiting = timeout(Duration::from_millis(500), stream.read_to_end(&mut received)).await;
    Answer::all(&received).first().map_or(0, |answer| answer.status)
}

/// Calls whose clients went away are cancelled.
async fn gone(gateway: &Gateway, report: &mut Report) -> Result<(), Trouble> {
    let end = Instant::now() + SOON;
    loop {
        let cancelled = gateway.records()?.iter().filter(|it| it.text("outcome") == "cancelled").count();
        if cancelled == CALLS || Instant::now() >= end {
            report.state("calls cancelled when their clients went away", CALLS, cancelled);
            return Ok(());
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// One session more than a caller may have.
async fn sessions(gateway: &Gateway, report: &mut Report) -> Result<(), Trouble> {
    let open = Request::post(PATH, initialize()).bytes();
    let mut ids = Vec::new();
    for _ in 0..SESSIONS {
        let opened = exchange(gateway.address(), &open).await?.first();
        ids.extend(opened.header("mcp-session-id").map(str::to_owned));
    }
    report.state("sessions opened", SESSIONS, ids.len());
    let more = Attack::new("one session more", open.clone(), wanted(429, 42901, "allowed, withheld"));
    refuse_all(gateway, report, [more], nothing_more).await?;
    let first = ids.first().map(String::as_str).unwrap_or_default();
    let end = Request::new("DELETE", PATH).header("mcp-session-id", first);
    exchange(gateway.address(), &end.bytes()).await?;
    let again = exchange(gateway.address(), &open).await?.first();
    report.check(
        Kind::Twin,
        "a session in place of one that ended",
        "200",
        again.status.to_string(),
        again.status == 200,
    );
    Ok(())
}

/// Requests as fast as they go: so many a second are served, the rest is told, and all are accounted for.
async fn rush(gateway: &Gateway, report: &mut Report) -> Result<(), Trouble> {
    let began = Instant::now();
    let lanes = try_join_all((0..LANES).map(|_| lane(gateway.address(), RUSH / LANES))).await?;
    let seconds = began.elapsed().as_secs_f64();
    let statuses: Vec<u16> = lanes.into_iter().flatten().collect();
    let count = |status: u16| statuses.iter().filter(|it| **it == status).count();
    let (served, refused) = (count(200), count(429));
    let most = (2.0 + seconds) * RATE + 1.0;
    #[allow(clippy::cast_precision_loss, reason = "ten thousand at most")]
    let passed = served + refused == RUSH && served as f64 <= most && served > 0;
    let wanted = format!("{RUSH} answers, 200 for at most {most:.0}, 429 for the rest");
    let seen = format!("200 for {served}, 429 for {refused}, after {seconds:.1} s");
    report.check(Kind::Attack, format!("{RUSH} requests as fast as they go"), wanted, seen, passed);
    let recorded = refusals_of(gateway, "too-many", refused).await?;
    report.state("of them on record, one by one or counted", refused, recorded);
    Ok(())
}

/// The statuses of `count` requests, one after the other. The gateway may close a connection whose request it did
/// not read to its end; then the request is sent again on another.
async fn lane(to: SocketAddr, count: usize) -> Result<Vec<u16>, Trouble> {
    let request = echo().header("connection", "keep-alive").bytes();
    let mut statuses = Vec::with_capacity(count);
    while statuses.len() < count {
        let mut caller = Caller::new(connect(to, None).await?, request.clone());
        while statuses.len() < count
            && let Ok(status) = caller.call().await
        {
            statuses.push(status);
        }
    }
    Ok(statuses)
}
