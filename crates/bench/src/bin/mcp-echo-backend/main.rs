//! Minimal MCP echo server for benchmarks.
//!
//! `mcp-echo-backend --listen 127.0.0.1:9100 [--sse] [--tools 20]`  Streamable HTTP on every path
//! `mcp-echo-backend --stdio [--tools 20]`                          newline-delimited JSON-RPC
//!
//! One thread, no validation beyond parsing the JSON-RPC envelope: it must cost as little as
//! possible, since it shares a core with the load generator. It answers both protocol eras: the
//! stateless 2026-07-28 one (`server/discover`, per-request `_meta`) and the session era
//! (`initialize`, `Mcp-Session-Id`). Tool `echo` (and its numbered siblings) returns a text of
//! `arguments.size` bytes, or `arguments.text` when no size is given. A `GET` and a
//! `subscriptions/listen` get an event stream that stays open and says nothing more.

#![allow(clippy::print_stderr, reason = "a command-line tool talks to its user")]

mod body;
mod http;
mod server;
mod stdio;
mod tools;

use std::rc::Rc;

use server::Server;

struct Options {
    listen: String,
    tools: usize,
    stdio: bool,
    sse: bool,
}

impl Options {
    fn parse(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options =
            Options { listen: "127.0.0.1:9100".to_owned(), tools: 20, stdio: false, sse: false };
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--listen" => options.listen = args.next().ok_or("`--listen` needs an address")?,
                "--tools" => {
                    let count = args.next().and_then(|n| n.parse().ok());
                    options.tools = count.ok_or("`--tools` needs a number")?;
                }
                "--stdio" => options.stdio = true,
                "--sse" => options.sse = true,
                other => return Err(format!("unknown option `{other}`")),
            }
        }
        Ok(options)
    }
}

fn main() -> std::io::Result<()> {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("mcp-echo-backend: {message}");
            std::process::exit(2);
        }
    };
    let server = Rc::new(Server::new(options.tools));
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&rt, async move {
        if options.stdio {
            stdio::serve(&server).await
        } else {
            http::serve(server, &options.listen, options.sse).await
        }
    })
}
