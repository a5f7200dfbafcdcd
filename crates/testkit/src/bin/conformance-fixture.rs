//! The conformance fixture as a program: `conformance-fixture --http 127.0.0.1:0` or `--stdio`.

use std::{
    io::{self, Write},
    net::SocketAddr,
    path::PathBuf,
};

use clap::Parser;
use portcullis_testkit::{
    fixture::{
        http::{Framing, Listening},
        stdio,
    },
    journal::Writer,
};

/// An MCP server with everything the official conformance suite asks a server for, in both protocol eras.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Serve Streamable HTTP here, at /mcp; port 0 takes a free port. Prints `listening on URL` when ready.
    #[arg(long, value_name = "ADDRESS:PORT", required_unless_present = "stdio", conflicts_with = "stdio")]
    http: Option<SocketAddr>,
    /// Serve one client on standard input and output.
    #[arg(long)]
    stdio: bool,
    /// Append one JSON line to FILE for each message received, before it is handled.
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// Answer modern requests with a JSON body where one suffices, instead of an event stream.
    #[arg(long, requires = "http")]
    json: bool,
    /// End when standard input closes, so that the program never outlives what started it.
    #[arg(long, requires = "http")]
    exit_with_stdin: bool,
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let journal = arguments.journal.as_deref().map(Writer::open).transpose()?;
    let Some(address) = arguments.http else {
        return stdio::serve(tokio::io::stdin(), tokio::io::stdout(), journal).await;
    };
    let framing = if arguments.json { Framing::Json } else { Framing::Events };
    let fixture = Listening::bind(address, framing, journal).await?;
    let mut output = io::stdout().lock();
    writeln!(output, "listening on {}", fixture.url()?)?;
    output.flush()?;
    drop(output);
    if !arguments.exit_with_stdin {
        return fixture.serve().await;
    }
    let (mut input, mut nowhere) = (tokio::io::stdin(), tokio::io::sink());
    tokio::select! {
        served = fixture.serve() => served,
        read = tokio::io::copy(&mut input, &mut nowhere) => read.map(drop),
    }
}
