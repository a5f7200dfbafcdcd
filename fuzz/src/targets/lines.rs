//! Lines: the framer gives the same lines however the stream is cut.

use bytes::Bytes;
use portcullis_wire::stdio::{LineFault, LineFramer, push_line};

/// The first byte is the limit, the second the size of the chunks, the rest the stream.
pub fn check(data: &[u8]) {
    let [max, chunk, stream @ ..] = data else { return };
    let max = usize::from(*max);
    let expected = lines(stream, max);
    for size in [1, usize::from(*chunk).max(1), stream.len().max(1)] {
        let mut framer = LineFramer::new(max);
        let mut got = Vec::new();
        for part in stream.chunks(size) {
            framer.push(part);
            got.extend(std::iter::from_fn(|| framer.next()));
        }
        assert_eq!(got, expected);
        assert!(framer.finish().is_ok() || !stream.ends_with(b"\n"));
    }
    for line in expected.into_iter().flatten() {
        let mut out = Vec::new();
        push_line(&mut out, &line);
        assert_eq!(out.iter().filter(|byte| **byte == b'\n').count(), 1);
    }
}

fn lines(stream: &[u8], max: usize) -> Vec<Result<Bytes, LineFault>> {
    let mut lines: Vec<&[u8]> = stream.split(|byte| *byte == b'\n').collect();
    let unfinished = lines.pop().unwrap_or_default();
    let mut all: Vec<_> = lines
        .into_iter()
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|line| !line.is_empty())
        .map(|line| if line.len() > max { Err(LineFault::TooLong) } else { Ok(Bytes::copy_from_slice(line)) })
        .collect();
    // Reported as soon as it is certain.
    if unfinished.len() > max + 1 {
        all.push(Err(LineFault::TooLong));
    }
    all
}
