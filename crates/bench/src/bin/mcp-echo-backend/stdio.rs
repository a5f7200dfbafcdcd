//! Newline-delimited JSON-RPC on standard input and output.

use std::{collections::VecDeque, io};

use bytes::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt};

use crate::server::{Reply, Server};

pub(crate) async fn serve(server: &Server) -> io::Result<()> {
    let mut lines = tokio::io::BufReader::with_capacity(1 << 16, tokio::io::stdin());
    let mut stdout = tokio::io::stdout();
    let (mut line, mut out) = (Vec::new(), Vec::new());
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        let chunks: VecDeque<Bytes> = match server.handle(&line) {
            Reply::Accepted => continue,
            Reply::Message(chunks) | Reply::NewSession(chunks) => chunks,
            Reply::Stream(first) => [first].into(),
        };
        out.clear();
        chunks.iter().for_each(|chunk| out.extend_from_slice(chunk));
        out.push(b'\n');
        stdout.write_all(&out).await?;
        stdout.flush().await?;
    }
}
