//! The least HTTP/1.1 client that a load generator needs: one keep-alive connection, requests
//! written from a ready buffer, answers with a length, chunked, or ended by close.

mod framing;

use std::io;

use framing::{Chunk, Framing, Head, next_chunk, parse_head};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

pub(crate) struct Url {
    pub(crate) authority: String,
    pub(crate) path: String,
}

impl Url {
    pub(crate) fn parse(url: &str) -> Result<Url, String> {
        let rest = url.strip_prefix("http://").ok_or_else(|| format!("`{url}`: only http:// urls"))?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let authority =
            if authority.contains(':') { authority.to_owned() } else { format!("{authority}:80") };
        Ok(Url { authority, path: format!("/{path}") })
    }
}

pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) session: Option<String>,
    pub(crate) body: &'a [u8],
}

pub(crate) struct Conn {
    stream: TcpStream,
    buf: Vec<u8>,
    body: Vec<u8>,
    /// Bytes of `buf` that the answer handed out last occupies.
    consumed: usize,
    pub(crate) usable: bool,
}

impl Conn {
    pub(crate) async fn open(authority: &str) -> io::Result<Conn> {
        let stream = TcpStream::connect(authority).await?;
        stream.set_nodelay(true)?;
        let buf = Vec::with_capacity(1 << 16);
        Ok(Conn { stream, buf, body: Vec::new(), consumed: 0, usable: true })
    }

    /// Sends one request and waits for its whole answer.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> io::Result<Answer<'_>> {
        let head = self.send(request).await?;
        match head.framing {
            Framing::Length(n) => self.read_length(head.len + n).await?,
            Framing::Chunked => self.read_chunks(head.len).await?,
            Framing::UntilClose => {
                while self.stream.read_buf(&mut self.buf).await? > 0 {}
                self.consumed = self.buf.len();
            }
        }
        self.usable = !head.close && head.framing != Framing::UntilClose;
        let body = match head.framing {
            Framing::Chunked => &self.body[..],
            _ => &self.buf[head.len..self.consumed],
        };
        Ok(Answer { status: head.status, session: head.session, body })
    }

    /// Sends a request whose answer is an event stream, and waits for its head and, when asked
    /// to, its first event. Returns the status; anything but a stream is an error.
    pub(crate) async fn open_stream(&mut self, request: &[u8], first_event: bool) -> io::Result<u16> {
        let head = self.send(request).await?;
        if head.status == 200 && !head.event_stream {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "not an event stream"));
        }
        while head.status == 200 && first_event && self.buf.len() == head.len {
            self.fill().await?;
        }
        Ok(head.status)
    }

    /// Has the peer left the connection open, as far as is known here?
    pub(crate) fn is_open(&self) -> bool {
        let mut sink = [0; 4096];
        loop {
            match self.stream.try_read(&mut sink) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(e) => return e.kind() == io::ErrorKind::WouldBlock,
            }
        }
    }

    /// Writes a request and reads the head of its answer.
    async fn send(&mut self, request: &[u8]) -> io::Result<Head> {
        self.buf.drain(..self.consumed);
        self.consumed = 0;
        // Until the answer is complete, a failure or a cancellation leaves the stream unusable.
        self.usable = false;
        self.stream.write_all(request).await?;
        loop {
            match parse_head(&self.buf)? {
                Some(head) if head.status >= 200 => return Ok(head),
                Some(interim) => drop(self.buf.drain(..interim.len)),
                None => self.fill().await?,
            }
        }
    }

    async fn read_length(&mut self, end: usize) -> io::Result<()> {
        if self.buf.capacity() < end {
            self.buf.reserve(end - self.buf.len());
        }
        while self.buf.len() < end {
            self.fill().await?;
        }
        self.consumed = end;
        Ok(())
    }

    async fn read_chunks(&mut self, mut at: usize) -> io::Result<()> {
        self.body.clear();
        loop {
            match next_chunk(&self.buf[at..])? {
                Chunk::Partial => self.fill().await?,
                Chunk::Data { start, len, total } => {
                    self.body.extend_from_slice(&self.buf[at + start..at + start + len]);
                    at += total;
                }
                Chunk::End { total } => {
                    self.consumed = at + total;
                    return Ok(());
                }
            }
        }
    }

    async fn fill(&mut self) -> io::Result<()> {
        if self.buf.capacity() - self.buf.len() < 1 << 14 {
            self.buf.reserve(1 << 16);
        }
        match self.stream.read_buf(&mut self.buf).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;

    /// Serves canned bytes to one connection: the second part once the first has been read.
    async fn canned(bytes: &'static [u8], split: usize) -> Conn {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            let (mut s, _) = listener.accept().await.unwrap();
            s.set_nodelay(true).unwrap();
            let mut sink = [0; 64];
            let _ = s.read(&mut sink).await;
            s.write_all(&bytes[..split]).await.unwrap();
            tokio::task::yield_now().await;
            s.write_all(&bytes[split..]).await.unwrap();
        });
        Conn::open(&addr).await.unwrap()
    }

    #[tokio::test]
    async fn length_chunked_and_close() {
        let length = b"HTTP/1.1 200 OK\r\nMcp-Session-Id: s1\r\nContent-Length: 5\r\n\r\nhello";
        let chunked =
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
        let close = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello";
        for (bytes, keeps) in [(&length[..], true), (chunked, true), (close, false)] {
            for split in [10, bytes.len() - 8, bytes.len() - 3] {
                let mut conn = canned(bytes, split).await;
                let answer = conn.exchange(b"x").await.unwrap();
                assert_eq!((answer.status, answer.body), (200, &b"hello"[..]));
                assert_eq!(answer.session.is_some(), bytes == length);
                assert_eq!(conn.usable, keeps);
            }
        }
    }

    #[tokio::test]
    async fn only_an_event_stream_is_a_stream() {
        let stream = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: hi\n\n";
        let json = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{}";
        let refused = b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n";
        for (bytes, expected) in [(&stream[..], Some(200)), (json, None), (refused, Some(405))] {
            let mut conn = canned(bytes, 10).await;
            assert_eq!(conn.open_stream(b"x", true).await.ok(), expected);
        }
    }

    #[test]
    fn urls() {
        let url = Url::parse("http://127.0.0.1:9/a/b?c").unwrap();
        assert_eq!((url.authority.as_str(), url.path.as_str()), ("127.0.0.1:9", "/a/b?c"));
        assert_eq!(Url::parse("http://h").unwrap().path, "/");
        assert!(Url::parse("https://h").is_err());
    }
}
