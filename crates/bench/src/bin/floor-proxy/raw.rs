//! The `raw` floor: no HTTP library, just message boundaries.

use std::io;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::envelope::{Allowed, Verdict};

const REFUSED: &[u8] = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
const MAX_HEAD: usize = 64 * 1024;
const MAX_HEADERS: usize = 64;

#[derive(Clone, Copy)]
enum Body {
    Length(usize),
    Chunked,
}

struct Head {
    len: usize,
    body: Body,
}

/// One side of the relay and what was read from it but not yet passed on.
struct Peer {
    stream: TcpStream,
    buf: Vec<u8>,
}

pub(crate) async fn relay(down: TcpStream, upstream: &str, allowed: &Allowed) -> io::Result<()> {
    let up = TcpStream::connect(upstream).await?;
    up.set_nodelay(true)?;
    let mut down = Peer { stream: down, buf: Vec::with_capacity(1 << 14) };
    let mut up = Peer { stream: up, buf: Vec::with_capacity(1 << 16) };
    while let Some(head) = down.read_head(request_head).await? {
        let Body::Length(n) = head.body else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let end = head.len + n;
        down.fill_to(end).await?;
        if n > 0 && !matches!(allowed.judge(&down.buf[head.len..end]), Verdict::Forward) {
            down.stream.write_all(REFUSED).await?;
            down.buf.drain(..end);
            continue;
        }
        up.stream.write_all(&down.buf[..end]).await?;
        down.buf.drain(..end);

        let head = up.read_head(response_head).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        match head.body {
            Body::Length(n) => relay_length(&mut up, &mut down.stream, head.len + n).await?,
            Body::Chunked => relay_chunked(&mut up, &mut down.stream, head.len).await?,
        }
    }
    Ok(())
}

async fn relay_length(from: &mut Peer, to: &mut TcpStream, mut left: usize) -> io::Result<()> {
    loop {
        let ready = from.buf.len().min(left);
        to.write_all(&from.buf[..ready]).await?;
        from.buf.drain(..ready);
        left -= ready;
        if left == 0 {
            return Ok(());
        }
        from.fill().await?;
    }
}

async fn relay_chunked(from: &mut Peer, to: &mut TcpStream, mut at: usize) -> io::Result<()> {
    loop {
        match httparse::parse_chunk_size(&from.buf[at..]) {
            Ok(httparse::Status::Complete((start, len))) => {
                at += start + len as usize + 2;
                from.fill_to(at).await?;
                if len == 0 {
                    break;
                }
            }
            Ok(httparse::Status::Partial) => from.fill().await?,
            Err(_) => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
    to.write_all(&from.buf[..at]).await?;
    from.buf.drain(..at);
    Ok(())
}

impl Peer {
    async fn fill(&mut self) -> io::Result<()> {
        self.buf.reserve(1 << 14);
        match self.stream.read_buf(&mut self.buf).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }

    async fn fill_to(&mut self, len: usize) -> io::Result<()> {
        while self.buf.len() < len {
            self.fill().await?;
        }
        Ok(())
    }

    /// `None`: closed between messages.
    async fn read_head(&mut self, parse: fn(&[u8]) -> io::Result<Option<Head>>) -> io::Result<Option<Head>> {
        loop {
            if let Some(head) = parse(&self.buf)? {
                return Ok(Some(head));
            }
            if self.buf.len() > MAX_HEAD {
                return Err(io::ErrorKind::InvalidData.into());
            }
            match self.fill().await {
                Err(e) if e.kind() == io::ErrorKind::UnexpectedEof && self.buf.is_empty() => {
                    return Ok(None);
                }
                other => other?,
            }
        }
    }
}

fn request_head(buf: &[u8]) -> io::Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut req = httparse::Request::new(&mut headers);
    let parsed = req.parse(buf);
    head(parsed, req.headers)
}

fn response_head(buf: &[u8]) -> io::Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut resp = httparse::Response::new(&mut headers);
    let parsed = resp.parse(buf);
    head(parsed, resp.headers)
}

fn head(parsed: httparse::Result<usize>, headers: &[httparse::Header]) -> io::Result<Option<Head>> {
    let len = match parsed {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(io::ErrorKind::InvalidData.into()),
    };
    let mut body = Body::Length(0);
    for h in headers {
        if h.name.eq_ignore_ascii_case("content-length") {
            let n = std::str::from_utf8(h.value).ok().and_then(|v| v.trim().parse().ok());
            body = Body::Length(n.ok_or(io::ErrorKind::InvalidData)?);
        } else if h.name.eq_ignore_ascii_case("transfer-encoding") {
            body = Body::Chunked;
            break;
        }
    }
    Ok(Some(Head { len, body }))
}
