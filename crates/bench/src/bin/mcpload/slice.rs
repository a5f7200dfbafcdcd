//! One slice: all connections drive one target for a while.

use std::{
    cell::RefCell,
    io,
    rc::Rc,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use tokio::{
    task::{JoinSet, spawn_local},
    time::error::Elapsed,
};

use crate::{
    figures::Figures,
    mcp::Client,
    options::{Mode, RunOptions, Target},
    pace::{Schedule, Timer},
    proc::{self, Usage},
};

const LONGEST_NS: u64 = 120_000_000_000;
const GIVE_UP_AFTER: u32 = 100;

struct Tally {
    latency: Histogram<u64>,
    lateness: Histogram<u64>,
    errors: u64,
    first_failure: Option<String>,
}

impl Tally {
    fn new() -> Result<Tally, String> {
        let histogram = || Histogram::new_with_bounds(1, LONGEST_NS, 3).map_err(|e| e.to_string());
        Ok(Tally { latency: histogram()?, lateness: histogram()?, errors: 0, first_failure: None })
    }
}

/// What the connections of one slice share.
struct Slice {
    schedule: Option<RefCell<Schedule>>,
    measure_from: Instant,
    until: Instant,
    timeout: Duration,
    tally: RefCell<Tally>,
}

/// CPU and memory of the target and of this process, before and after.
struct Meter {
    seconds: f64,
    target: Option<(Usage, Usage)>,
    own: (Usage, Usage),
}

pub(crate) async fn run(options: &RunOptions, target: &Target) -> Result<Figures, String> {
    let clients = connect(options, target).await?;
    let start = Instant::now();
    let measure_from = start + Duration::from_secs_f64(options.warmup_s);
    let slice = Rc::new(Slice {
        schedule: (options.mode == Mode::Open)
            .then(|| RefCell::new(Schedule::new(start, options.rate, options.arrivals))),
        measure_from,
        until: measure_from + Duration::from_secs_f64(options.duration_s),
        timeout: Duration::from_millis(options.timeout_ms),
        tally: RefCell::new(Tally::new()?),
    });
    let workers: Vec<_> =
        clients.into_iter().map(|client| spawn_local(worker(slice.clone(), client))).collect();
    let meter = slice.meter(target).await;
    let mut leaving = Vec::new();
    for worker in workers {
        leaving.extend(worker.await.map_err(|e| e.to_string())?);
    }
    for client in leaving {
        client.close().await;
    }
    let tally = slice.tally.borrow();
    if let Some(failure) = &tally.first_failure {
        eprintln!("mcpload: {}: first failure: {failure}", target.name);
    }
    Ok(figures(options, &tally, &meter, slice.schedule.is_some()))
}

async fn connect(options: &RunOptions, target: &Target) -> Result<Vec<Client>, String> {
    let mut connecting = JoinSet::new();
    for _ in 0..options.conns {
        let (target, work) = (target.clone(), options.work.clone());
        connecting.spawn_local(async move { Client::connect(&target, &work).await });
    }
    let mut clients = Vec::with_capacity(options.conns);
    while let Some(client) = connecting.join_next().await {
        clients.push(client.map_err(|e| e.to_string())??);
    }
    Ok(clients)
}

impl Slice {
    async fn meter(&self, target: &Target) -> Meter {
        let own = std::process::id();
        let read = || (target.pid.map(proc::usage), proc::usage(own));
        tokio::time::sleep_until(self.measure_from.into()).await;
        let (began, before) = (Instant::now(), read());
        tokio::time::sleep_until(self.until.into()).await;
        let after = read();
        Meter {
            seconds: began.elapsed().as_secs_f64(),
            target: before.0.zip(after.0),
            own: (before.1, after.1),
        }
    }

    /// Waits for the next request's turn. Its start, and how late the timer was.
    async fn turn(&self, timer: Option<&Timer>) -> Option<(Instant, Option<Duration>)> {
        let Some((schedule, timer)) = self.schedule.as_ref().zip(timer) else {
            return Some((Instant::now(), None));
        };
        let due = schedule.borrow_mut().take();
        if due >= self.until {
            return None;
        }
        // A connection that is free waits for the due time, and a late wake-up is the timer's
        // doing. One that was busy then starts late because the server was slow, and its wait
        // counts.
        if Instant::now() >= due {
            return Some((due, None));
        }
        timer.sleep_until(due).await.ok()?;
        let now = Instant::now();
        Some((now, Some(now - due)))
    }

    /// Closed loop counts what ended in the window, so that the rate is exact; open loop what was
    /// due in it, so that the slowest requests are not left out.
    fn counts(&self, start: Instant, end: Instant) -> bool {
        let at = if self.schedule.is_some() { start } else { end };
        at >= self.measure_from && at < self.until
    }
}

/// Drives one connection through a slice. A connection that cannot be had again gives up.
async fn worker(slice: Rc<Slice>, mut client: Client) -> Option<Client> {
    let timer = match &slice.schedule {
        Some(_) => Some(Timer::new().ok()?),
        None => None,
    };
    let mut failures_in_a_row = 0;
    loop {
        let Some((start, late)) = slice.turn(timer.as_ref()).await else {
            return Some(client);
        };
        if Instant::now() >= slice.until {
            return Some(client);
        }
        let outcome = tokio::time::timeout(slice.timeout, client.call()).await;
        let end = Instant::now();
        let counts = slice.counts(start, end);
        let mut tally = slice.tally.borrow_mut();
        let Some(problem) = problem(outcome) else {
            failures_in_a_row = 0;
            if counts {
                tally.latency.saturating_record((end - start).as_nanos() as u64);
                if let Some(late) = late {
                    tally.lateness.saturating_record(late.as_nanos() as u64);
                }
            }
            continue;
        };
        tally.errors += u64::from(counts);
        tally.first_failure.get_or_insert(problem);
        failures_in_a_row += 1;
        if failures_in_a_row > GIVE_UP_AFTER {
            return None;
        }
    }
}

fn problem(outcome: Result<io::Result<bool>, Elapsed>) -> Option<String> {
    match outcome {
        Ok(Ok(true)) => None,
        Ok(Ok(false)) => Some("unexpected answer".to_owned()),
        Ok(Err(e)) => Some(e.to_string()),
        Err(_) => Some("timeout".to_owned()),
    }
}

fn figures(options: &RunOptions, tally: &Tally, meter: &Meter, paced: bool) -> Figures {
    let us = |h: &Histogram<u64>, q: f64| h.value_at_quantile(q) as f64 / 1000.0;
    let done = tally.latency.len();
    let spent = |(before, after): (Usage, Usage)| after.cpu_us.saturating_sub(before.cpu_us) as f64;
    let percent = |cpu_us: f64| cpu_us / meter.seconds / 10_000.0;
    let cpu_us = meter.target.map(spent);
    Figures {
        rps: done as f64 / options.duration_s,
        errors: tally.errors,
        mean_us: tally.latency.mean() / 1000.0,
        p50_us: us(&tally.latency, 0.5),
        p90_us: us(&tally.latency, 0.9),
        p99_us: us(&tally.latency, 0.99),
        p999_us: us(&tally.latency, 0.999),
        max_us: tally.latency.max() as f64 / 1000.0,
        cpu_us_per_req: cpu_us.map(|cpu_us| cpu_us / done.max(1) as f64),
        cpu_percent: cpu_us.map(percent),
        rss_mb: meter.target.map(|(_, after)| after.rss_mb),
        loadgen_cpu_percent: percent(spent(meter.own)),
        pacing_late_p99_us: paced.then(|| us(&tally.lateness, 0.99)),
    }
}
