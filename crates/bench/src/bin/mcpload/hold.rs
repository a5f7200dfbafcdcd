//! Memory of a gateway while many connections or event streams are open.

use std::time::Duration;

use serde::Serialize;

use crate::{
    mcp::{Client, Stream},
    options::{HoldOptions, Kind, Target, Work},
    proc::{self, Memory},
};

#[derive(Serialize)]
pub(crate) struct Report {
    target: Target,
    kind: Kind,
    held: usize,
    /// Before the first connection.
    before: Memory,
    /// While all are open.
    during: Memory,
    /// Growth of the resident set, per connection or stream.
    kb_each: f64,
}

pub(crate) async fn run(options: &HoldOptions) -> Result<Report, String> {
    let pid = options.target.pid.ok_or("no pid to measure")?;
    let before = proc::memory(pid);
    let held = open(options).await?;
    tokio::time::sleep(Duration::from_millis(options.settle_ms)).await;
    let during = proc::memory(pid);
    let alive = count_alive(held).await;
    if alive < options.conns {
        return Err(format!("only {alive} of {} were still open at the end", options.conns));
    }
    let kb_each = (during.rss_mb - before.rss_mb) * 1024.0 / options.conns as f64;
    Ok(Report { target: options.target.clone(), kind: options.kind, held: alive, before, during, kb_each })
}

enum Held {
    Connection(Box<Client>),
    Stream(Stream),
}

async fn open(options: &HoldOptions) -> Result<Vec<Held>, String> {
    let mut held = Vec::with_capacity(options.conns);
    for n in 0..options.conns {
        let problem = |e: String| format!("{} {n}: {e}", options.target.name);
        let mut client = Client::connect(&options.target, &Work::small_call()).await.map_err(problem)?;
        held.push(match options.kind {
            Kind::Streams => Held::Stream(client.open_stream().await.map_err(problem)?),
            Kind::Connections => {
                client.prove().await.map_err(problem)?;
                Held::Connection(Box::new(client))
            }
        });
    }
    Ok(held)
}

/// A target that sheds quiet connections would look frugal: each must still be of use.
async fn count_alive(held: Vec<Held>) -> usize {
    let mut alive = 0;
    for one in held {
        alive += usize::from(match one {
            Held::Connection(mut client) => client.prove().await.is_ok(),
            Held::Stream(stream) => stream.is_open(),
        });
    }
    alive
}
