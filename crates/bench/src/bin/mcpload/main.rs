//! Load generator for MCP servers and gateways.
//!
//! Single-threaded on purpose, so that it can be pinned to one core (`taskset`) away from the
//! gateway under test. `mcpload` without arguments prints the usage.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool talks to its user")]
#![allow(
    clippy::indexing_slicing,
    reason = "a measuring tool, which may panic; offsets come from its own parser"
)]

mod check;
mod cli;
mod coldstart;
mod figures;
mod hold;
mod http;
mod mcp;
mod options;
mod pace;
mod proc;
mod report;
mod request;
mod run;
mod slice;

use options::Command;

const USAGE: &str = "\
mcpload run   [options] --target SPEC [--target SPEC]...   measure; with several targets, interleaved
mcpload check --target SPEC...                             one handshake, tools/list and call each
mcpload hold  [--kind connections|streams] [--conns N] [--settle-ms N] --target SPEC
                                                           memory of pid before and while N are open
mcpload coldstart [--repeat N] [--settle-ms N] [--cpu N] --target SPEC -- COMMAND ARGS...
                                                           from exec to the first tools/list; idle memory

SPEC is 'key=value;...' with keys
  url     http://127.0.0.1:PORT/PATH (required)          name    label in the report
  proto   2026-07-28 (stateless, default) or an earlier  tool    tool to call (default: echo)
          version (session handshake per connection)     header  'Name: value', repeatable
  pid     root process whose tree's CPU and memory are charged to this target

Options of run
  --mode closed|open      closed: each connection sends as soon as it got its answer (default)
                          open: requests start on a schedule, whatever the server does
  --rate R                open: requests per second over all connections
  --arrivals poisson|uniform   open: spacing of the schedule (default: poisson)
  --conns N               connections (default 32)
  --duration S, --warmup S     per slice, seconds (default 5 and 1)
  --rounds N              every target gets one slice per round, order rotating (default 3)
  --method M              tools/call (default), tools/list or ping
  --arg-size N            bytes of text argument sent (default 0: none)
  --result-size N         bytes of text asked for in the result (default 100)
  --timeout-ms N          a request slower than this is an error (default 10000)
  --label TEXT            copied to the report
Results: JSON on standard output, a table on standard error. The first target is the baseline.
Memory is that of the process tree: rss counts shared pages in full, pss in proportion.";

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let Err(message) = cli::parse(&args).and_then(execute) {
        eprintln!("mcpload: {message}");
        std::process::exit(1);
    }
}

fn execute(command: Command) -> Result<(), String> {
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    let local = tokio::task::LocalSet::new();
    match command {
        Command::Run(options) => {
            let report = local.block_on(&rt, run::run(&options))?;
            report::table(&report);
            report::json(&report)
        }
        Command::Check(targets) => local.block_on(&rt, check::run(&targets)),
        Command::Hold(options) => report::json(&local.block_on(&rt, hold::run(&options))?),
        Command::ColdStart(options) => report::json(&local.block_on(&rt, coldstart::run(&options))?),
    }
}
