//! Requests that are too large, too deep or packed.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Duration, timeout},
};

use super::watch::Watch;
use crate::{
    attack::{Attack, Wanted, nothing_more, refuse_all, wanted},
    bomb,
    ground::{ALLOWED, Ground, NOTES},
    http::{Answer, Request, connect},
    message::{META, call, request},
    place::Place,
    report::{Kind, Report},
    trouble::Trouble,
};

/// The default of `limits.body_bytes`.
const BODY: usize = 1 << 20;
/// The default of `limits.json_depth`, and the containers around what is nested below `_meta`.
const DEPTH: usize = 64;
const AROUND: usize = 3;
/// Bytes that may be on their way before the refusal is noticed: the buffers of both sockets.
const ON_THE_WAY: usize = 16 << 20;
const PATIENCE: Duration = Duration::from_secs(30);

const TOO_LARGE: Wanted = wanted(413, -32600, "too-large");
const MALFORMED: Wanted = wanted(400, -32700, "malformed");
/// What the HTTP parser refuses by itself, without a body.
const HEAD_TOO_LARGE: Wanted = wanted(431, 0, "too-large");

pub(super) async fn run(place: &Place, report: &mut Report) -> Result<(), Trouble> {
    let limits = "[limits]\nrequests_per_second = 100000\n";
    let mut ground = Ground::open(place, |setup| setup.sections(limits)).await?;
    ground.serve(report, "an honest call", &Ground::honest(), nothing_more).await?;
    let watch = Watch::begin(&ground.gateway)?;
    ground.serve(report, "a body as large as the limit", &honest(padded(BODY)), nothing_more).await?;
    ground.serve(report, "nesting as deep as the limit", &honest(nested(DEPTH)), nothing_more).await?;
    refuse_all(&ground.gateway, report, attacks(), nothing_more).await?;
    for framing in
        [format!("content-length: {}\r\n", 1000 * BODY), "transfer-encoding: chunked\r\n".to_owned()]
    {
        thousandfold(ground.gateway.address(), &framing, report).await?;
    }
    watch.end(report, "large and deep requests").await?;
    ground
        .serve(report, "an honest call after large and deep requests", &Ground::honest(), nothing_more)
        .await?;
    ground.silence(report)
}

fn honest(body: impl Into<Vec<u8>>) -> Request {
    Request::call(NOTES, ALLOWED, body)
}

/// An honest call with blanks behind it.
fn padded(length: usize) -> Vec<u8> {
    let mut body = call(ALLOWED, "{}").into_bytes();
    body.resize(length, b' ');
    body
}

/// An honest call with something below `_meta`.
fn with(something: &str) -> String {
    let meta = META.replacen('{', &format!("{{\"test.range/x\":{something},"), 1);
    request("1", "tools/call", &format!(r#"{{"name":"{ALLOWED}","arguments":{{}},{meta}}}"#))
}

/// An honest call whose containers are nested `depth` deep in all.
fn nested(depth: usize) -> String {
    let inner = depth - AROUND;
    with(&format!("{}{}", "[".repeat(inner), "]".repeat(inner)))
}

fn attacks() -> Vec<Attack> {
    let keys = |count: usize| (0..count).map(|n| format!("\"k{n}\":0")).collect::<Vec<_>>().join(",");
    let packed = |coding: &str, body: Vec<u8>| honest(body).header("content-encoding", coding);
    let headers = (0..200).fold(Ground::honest(), |request, n| request.and(&format!("x-{n}"), "y"));
    let rows = [
        ("a body larger than the limit", honest(padded(BODY + 1)), TOO_LARGE),
        ("a body a hundred times the limit", honest(padded(100 * BODY)), TOO_LARGE),
        ("nesting deeper than the limit", honest(nested(DEPTH + 1)), MALFORMED),
        ("nesting a thousand times the limit", honest(nested(1000 * DEPTH)), MALFORMED),
        ("half a megabyte of open brackets", honest("[".repeat(BODY / 2)), MALFORMED),
        ("objects in objects", honest(with(&"{\"a\":".repeat(1000 * DEPTH))), MALFORMED),
        ("more elements than the limit", honest(with(&format!("[{}0]", "0,".repeat(100_000)))), MALFORMED),
        ("more values than the limit", honest(with(&format!("[{}0]", "[0,0],".repeat(90_000)))), MALFORMED),
        (
            "80000 keys, the last of them twice",
            honest(with(&format!("{{{},\"k79999\":1}}", keys(80_000)))),
            MALFORMED,
        ),
        ("a number of half a megabyte", honest(with(&"9".repeat(BODY / 2))), MALFORMED),
        ("a bomb", packed("gzip", bomb::gzip(BODY - 100)), MALFORMED),
        ("a bomb in a bomb", packed("gzip, gzip", bomb::gzip(BODY - 100)), MALFORMED),
        ("a bomb larger than the limit", packed("gzip", bomb::gzip(2 * BODY)), TOO_LARGE),
        ("a head larger than the limit", Ground::honest().header("x", &"y".repeat(64 << 10)), HEAD_TOO_LARGE),
        ("more headers than anybody needs", headers, HEAD_TOO_LARGE),
    ];
    rows.into_iter().map(|(name, request, wanted)| Attack::new(name, request.bytes(), wanted)).collect()
}

/// A thousand times the limit, sent as long as somebody takes it.
async fn thousandfold(to: SocketAddr, framing: &str, report: &mut Report) -> Result<(), Trouble> {
    let (mut reader, mut writer) = connect(to, None).await?.into_split();
    let chunked = framing.contains("chunked");
    let head = Request::call(NOTES, ALLOWED, "").header("connection", "keep-alive").head(framing);
    let sending = async move {
        let piece =
            if chunked { format!("10000\r\n{}\r\n", " ".repeat(0x10000)) } else { " ".repeat(0x10000) };
        let mut sent = 0;
        let mut taken = writer.write_all(&head).await;
        while taken.is_ok() && sent < 1000 * BODY {
            taken = writer.write_all(piece.as_bytes()).await;
            sent += 0x10000;
        }
        // The half is kept open until the answer was read, so that the end of sending is not the reason for it.
        (sent, writer)
    };
    let sending = tokio::spawn(sending);
    let mut received = Vec::new();
    let ended = timeout(PATIENCE, reader.read_to_end(&mut received)).await.is_ok();
    let sent = timeout(PATIENCE, sending).await.ok().and_then(Result::ok).map(|(sent, _)| sent);
    let status = Answer::all(&received).first().map_or(0, |answer| answer.status);
    let seen = format!("{status}, closed: {ended}, {sent:?} bytes sent");
    let passed = status == 413 && ended && sent.is_some_and(|sent| sent <= ON_THE_WAY);
    let how = if chunked { "in chunks" } else { "announced" };
    let wanted = format!("413, closed, at most {ON_THE_WAY} bytes sent");
    report.check(Kind::Attack, format!("a body a thousand times the limit, {how}"), wanted, seen, passed);
    Ok(())
}
