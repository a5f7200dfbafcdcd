//! Where an HTTP/1.1 answer begins and ends.

use std::io;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Framing {
    Length(usize),
    Chunked,
    UntilClose,
}

#[derive(Debug)]
pub(super) struct Head {
    pub(super) len: usize,
    pub(super) status: u16,
    pub(super) framing: Framing,
    pub(super) close: bool,
    pub(super) event_stream: bool,
    pub(super) session: Option<String>,
}

pub(super) enum Chunk {
    Partial,
    Data { start: usize, len: usize, total: usize },
    End { total: usize },
}

/// `None`: more bytes are needed.
pub(super) fn parse_head(buf: &[u8]) -> io::Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut resp = httparse::Response::new(&mut headers);
    let len = match resp.parse(buf) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(e) => return Err(bad(&e.to_string())),
    };
    let status = resp.code.ok_or_else(|| bad("no status"))?;
    let bodiless = status < 200 || status == 204 || status == 304;
    let mut head = Head {
        len,
        status,
        framing: if bodiless { Framing::Length(0) } else { Framing::UntilClose },
        close: resp.version == Some(0),
        event_stream: false,
        session: None,
    };
    for h in resp.headers.iter() {
        head.note(h)?;
    }
    Ok(Some(head))
}

impl Head {
    fn note(&mut self, header: &httparse::Header) -> io::Result<()> {
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        if is("content-length") {
            let text = std::str::from_utf8(header.value).ok();
            let n = text.and_then(|v| v.trim().parse().ok()).ok_or_else(|| bad("content-length"))?;
            if self.framing != Framing::Chunked {
                self.framing = Framing::Length(n);
            }
        } else if is("transfer-encoding") {
            self.framing = Framing::Chunked;
        } else if is("connection") {
            self.close |= header.value.eq_ignore_ascii_case(b"close");
        } else if is("content-type") {
            self.event_stream = header.value.starts_with(b"text/event-stream");
        } else if is("mcp-session-id") {
            self.session = String::from_utf8(header.value.to_vec()).ok();
        }
        Ok(())
    }
}

pub(super) fn next_chunk(buf: &[u8]) -> io::Result<Chunk> {
    let (start, len) = match httparse::parse_chunk_size(buf) {
        Ok(httparse::Status::Complete((start, len))) => (start, len as usize),
        Ok(httparse::Status::Partial) => return Ok(Chunk::Partial),
        Err(_) => return Err(bad("chunk size")),
    };
    if len > 0 {
        let total = start + len + 2;
        return Ok(if buf.len() < total { Chunk::Partial } else { Chunk::Data { start, len, total } });
    }
    // The last chunk: trailers, if any, up to an empty line.
    let mut trailers = [httparse::EMPTY_HEADER; 16];
    match httparse::parse_headers(&buf[start..], &mut trailers) {
        Ok(httparse::Status::Complete((n, _))) => Ok(Chunk::End { total: start + n }),
        Ok(httparse::Status::Partial) => Ok(Chunk::Partial),
        Err(_) => Err(bad("trailers")),
    }
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}
