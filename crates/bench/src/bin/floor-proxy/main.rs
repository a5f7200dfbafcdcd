//! Floors: what the same path costs with nothing, or next to nothing, done on it.
//!
//! `floor-proxy MODE LISTEN UPSTREAM`, one thread, MODE one of
//! * `tcp`      bytes relayed between two sockets, HTTP not looked at
//! * `raw`      HTTP/1.1 framed by hand (httparse), one upstream connection per client
//!   connection; the request's JSON-RPC envelope parsed and checked, the response relayed
//! * `http`     hyper server + pooled hyper client, bodies streamed
//! * `inspect`  as `http`, but the request body is collected, its JSON-RPC envelope parsed and
//!   checked against a tool list; the response is streamed
//! * `inspect2` as `inspect`, and the response is collected and its envelope parsed too

#![allow(clippy::print_stderr, reason = "a command-line tool talks to its user")]
#![allow(
    clippy::indexing_slicing,
    reason = "a measuring tool, which may panic; offsets come from its own parser"
)]

mod envelope;
mod proxy;
mod raw;

use std::{io, rc::Rc};

use envelope::Allowed;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use proxy::{Depth, Proxy};
use tokio::net::{TcpListener, TcpStream};

#[derive(Clone, Copy)]
enum Mode {
    Tcp,
    Raw,
    Http(Depth),
}

impl Mode {
    fn parse(name: &str) -> Option<Mode> {
        Some(match name {
            "tcp" => Mode::Tcp,
            "raw" => Mode::Raw,
            "http" => Mode::Http(Depth::Stream),
            "inspect" => Mode::Http(Depth::Request),
            "inspect2" => Mode::Http(Depth::RequestAndResponse),
            _ => return None,
        })
    }
}

async fn run(mode: Mode, listen: &str, upstream: String) -> io::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    let depth = if let Mode::Http(depth) = mode { depth } else { Depth::Stream };
    let allowed = Rc::new(Allowed::echo_tools());
    let proxy = Rc::new(Proxy::new(upstream.clone(), depth, allowed.clone()));
    loop {
        let (down, _) = listener.accept().await?;
        down.set_nodelay(true)?;
        let (proxy, allowed, upstream) = (proxy.clone(), allowed.clone(), upstream.clone());
        tokio::task::spawn_local(async move {
            // A connection that breaks concerns only its two ends, which notice by themselves.
            let _ = match mode {
                Mode::Tcp => relay_bytes(down, &upstream).await,
                Mode::Raw => raw::relay(down, &upstream, &allowed).await,
                Mode::Http(_) => {
                    let service = service_fn(|req| proxy.forward(req));
                    let served = http1::Builder::new().serve_connection(TokioIo::new(down), service).await;
                    served.map_err(io::Error::other)
                }
            };
        });
    }
}

async fn relay_bytes(mut down: TcpStream, upstream: &str) -> io::Result<()> {
    let mut up = TcpStream::connect(upstream).await?;
    up.set_nodelay(true)?;
    tokio::io::copy_bidirectional(&mut down, &mut up).await.map(drop)
}

fn main() -> io::Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let parsed = match args.as_slice() {
        [mode, listen, upstream] => Mode::parse(mode).map(|mode| (mode, listen, upstream)),
        _ => None,
    };
    let Some((mode, listen, upstream)) = parsed else {
        eprintln!("usage: floor-proxy tcp|raw|http|inspect|inspect2 LISTEN UPSTREAM");
        std::process::exit(2);
    };
    let rt = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&rt, run(mode, listen, upstream.clone()))
}
