//! Clients that take their time on purpose.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use futures_util::future::{join_all, try_join_all};
use portcullis_testkit::gateway::Gateway;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use super::watch::Watch;
use crate::{
    attack::{nothing_more, refusals_of},
    ground::{ALLOWED, Ground, NOTES},
    http::{Answer, Request, connect, has_closed},
    message::call,
    pace::{Caller, percentile},
    place::Place,
    report::{Kind, Report},
    trouble::Trouble,
};

/// Slow clients at a time, from ten addresses, so that the limit for one address does not send them away.
const SLOW: usize = 500;
const ADDRESSES: usize = 10;
/// More than the default of `limits.connections_per_ip` from one address.
const ONE_ADDRESS: usize = 300;
const PER_ADDRESS: usize = 256;
/// Heads and bodies have this long.
const SETTINGS: &str =
    "[limits]\nrequests_per_second = 100000\nheader_read_seconds = 3\nbody_read_seconds = 3\n";
/// How long a slow client may last: the limit, and time to notice.
const LET_GO: Duration = Duration::from_secs(15);
const DRIP: Duration = Duration::from_secs(1);
/// The time an honest client's calls take is measured in turns, with and without the attack, so that whatever
/// else the machine does falls on both.
const ROUNDS: usize = 5;
const CALLS: usize = 120;
/// How much slower the slowest hundredth may become.
const FACTOR: f64 = 2.0;
/// The share of calls that are not slower.
const SHARE: f64 = 0.99;

pub(super) async fn run(place: &Place, report: &mut Report) -> Result<(), Trouble> {
    let open = || Ground::open(place, |setup| setup.sections(SETTINGS));
    let mut ground = open().await?;
    ground.serve(report, "an honest call before the slow ones", &Ground::honest(), nothing_more).await?;
    let watch = Watch::begin(&ground.gateway)?;
    let served = pace(&ground.gateway, report).await?;
    ground.expect_served(served);
    crowded_address(&mut ground, report).await?;
    watch.end(report, "slow clients").await?;
    ground.serve(report, "an honest call after the slow ones", &Ground::honest(), nothing_more).await?;
    ground.silence(report)?;
    // Another gateway, on whose record there is nothing of the slow clients before.
    let_go(&open().await?.gateway, report).await
}

/// The ways to be slow: where the request stops arriving.
fn ways() -> [Vec<u8>; 5] {
    let unsent = Ground::honest().head("content-length: 1\r\n");
    let head = Request::call(NOTES, ALLOWED, "").head("content-length: 100000\r\n");
    let chunked = Request::call(NOTES, ALLOWED, "").head("transfer-encoding: chunked\r\n");
    let half = |bytes: &[u8]| bytes.split_at(bytes.len() / 2).0.to_vec();
    [
        Vec::new(),
        b"PRI * HTTP/2".to_vec(),
        half(&unsent),
        [head, half(call(ALLOWED, "{}").as_bytes())].concat(),
        [chunked, b"1\r\n{\r\n".to_vec()].concat(),
    ]
}

fn address(number: usize) -> IpAddr {
    // The first is the honest client's.
    let last = u8::try_from(number % ADDRESSES).unwrap_or_default() + 2;
    IpAddr::V4(Ipv4Addr::new(127, 0, 0, last))
}

/// Slow clients at work until the value is dropped. One that is let go comes back.
struct Attackers(Vec<JoinHandle<()>>);

impl Attackers {
    async fn begin(to: SocketAddr) -> Result<Self, Trouble> {
        let streams = try_join_all((0..SLOW).map(|number| connect(to, Some(address(number))))).await?;
        let ways = ways();
        let drip = |(number, stream): (usize, TcpStream)| {
            let start = ways.get(number % ways.len()).cloned().unwrap_or_default();
            tokio::spawn(async move {
                let mut stream = Some(stream);
                loop {
                    if let Some(stream) = stream.take() {
                        drip(stream, &start).await;
                    }
                    stream = connect(to, Some(address(number))).await.ok();
                    sleep(DRIP).await;
                }
            })
        };
        Ok(Self(streams.into_iter().enumerate().map(drip).collect()))
    }
}

impl Drop for Attackers {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

/// Sends the start and then a byte at a time, for as long as somebody takes it; nothing where there is no start.
async fn drip(mut stream: TcpStream, start: &[u8]) {
    if stream.write_all(start).await.is_err() {
        return;
    }
    let mut answer = [0; 1024];
    loop {
        tokio::select! {
            read = stream.read(&mut answer) => if matches!(read, Ok(0) | Err(_)) { return },
            () = sleep(DRIP) => if !start.is_empty() && stream.write_all(b"x").await.is_err() { return },
        }
    }
}

/// An honest client is served about as fast as before. Returns how many of its calls were served.
async fn pace(gateway: &Gateway, report: &mut Report) -> Result<usize, Trouble> {
    let mut calls = 0;
    // What else a busy machine does may fall on one side; hardly twice.
    for last in [false, true] {
        let (mut quiet, mut busy) = measure(gateway).await?;
        calls += quiet.len() + busy.len();
        let (before, during) = (percentile(&mut quiet, SHARE), percentile(&mut busy, SHARE));
        let holds = during <= before * FACTOR;
        if holds || last {
            report.measure("median call of an honest client", percentile(&mut quiet, 0.5), "ms");
            report.measure(format!("the same with {SLOW} slow clients"), percentile(&mut busy, 0.5), "ms");
            report.measure("99th percentile of its calls", before, "ms");
            report.measure(format!("the same with {SLOW} slow clients"), during, "ms");
            let wanted = format!("99th percentile at most {FACTOR} times {before:.1} ms");
            report.check(
                Kind::Attack,
                format!("{SLOW} slow clients"),
                wanted,
                format!("{during:.1} ms"),
                holds,
            );
            break;
        }
    }
    Ok(calls)
}

/// The times of calls without and with the attack, in turns.
async fn measure(gateway: &Gateway) -> Result<(Vec<Duration>, Vec<Duration>), Trouble> {
    let to = gateway.address();
    let request = Ground::honest().header("connection", "keep-alive").bytes();
    let honest = || async { Ok::<_, Trouble>(Caller::new(connect(to, None).await?, request.clone())) };
    let (mut quiet, mut busy) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        quiet.extend(honest().await?.times(CALLS).await?);
        let attackers = Attackers::begin(to).await?;
        // From the first second on all of them are at it.
        sleep(DRIP).await;
        busy.extend(honest().await?.times(CALLS).await?);
        drop(attackers);
    }
    Ok((quiet, busy))
}

/// Every slow client is let go in time, the ones with a request are told so, and all but the silent are on record.
async fn let_go(gateway: &Gateway, report: &mut Report) -> Result<(), Trouble> {
    let streams =
        try_join_all((0..SLOW).map(|number| connect(gateway.address(), Some(address(number))))).await?;
    let ways = ways();
    let silent = SLOW / ways.len();
    let ended = streams.into_iter().enumerate().map(|(number, mut stream)| {
        let start = ways.get(number % ways.len()).cloned().unwrap_or_default();
        async move {
            let _let_go = stream.write_all(&start).await;
            let mut received = Vec::new();
            let ended = timeout(LET_GO, stream.read_to_end(&mut received)).await.is_ok();
            ended.then(|| Answer::all(&received).first().map_or(0, |answer| answer.status))
        }
    });
    let ended = join_all(ended).await;
    let told = ended.iter().filter(|status| **status == Some(408)).count();
    let gone = ended.iter().flatten().count();
    let recorded = refusals_of(gateway, "timeout", SLOW - silent).await?;
    let seen = (gone, told, recorded);
    let wanted = (SLOW, 2 * silent, SLOW - silent);
    let name = format!("{SLOW} clients that stop half-way: let go, told, on record");
    report.check(Kind::Attack, name, format!("{wanted:?}"), format!("{seen:?}"), seen == wanted);
    Ok(())
}

/// One address gets so many connections and no more; others are not concerned.
async fn crowded_address(ground: &mut Ground, report: &mut Report) -> Result<(), Trouble> {
    let before = turned_away(&ground.gateway).await?;
    // An address of its own: those of the slow clients may still have connections that are about to end.
    let crowded = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 100));
    let connect = || connect(ground.gateway.address(), Some(crowded));
    let streams = try_join_all((0..ONE_ADDRESS).map(|_| connect())).await?;
    let wanted = ONE_ADDRESS - PER_ADDRESS;
    let end = Instant::now() + LET_GO;
    let count = async || {
        let seen = turned_away(&ground.gateway).await? - before;
        Ok::<_, Trouble>((seen, streams.iter().filter(|stream| has_closed(stream)).count()))
    };
    let (mut seen, mut closed) = count().await?;
    while (seen < wanted || closed < wanted) && Instant::now() < end {
        sleep(Duration::from_millis(20)).await;
        (seen, closed) = count().await?;
    }
    ground.serve(report, "an honest call from another address", &Ground::honest(), nothing_more).await?;
    let passed = seen == wanted && closed >= wanted;
    let name = format!("{ONE_ADDRESS} connections from one address");
    let seen = format!("{seen} counted, {closed} closed");
    report.check(Kind::Attack, name, format!("{wanted} counted as turned away, and closed"), seen, passed);
    Ok(())
}

/// Connections that were too many.
async fn turned_away(gateway: &Gateway) -> Result<usize, Trouble> {
    let (_, metrics) = gateway.admin("/metrics").await.map_err(Trouble::io("asking for metrics"))?;
    let count = metrics
        .lines()
        .find_map(|line| line.strip_prefix("portcullis_connections_refused_total ")?.parse().ok());
    count.ok_or_else(|| Trouble::other("no count of connections turned away"))
}
