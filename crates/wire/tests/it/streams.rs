//! Event streams and lines.

use std::time::{Duration, Instant};

use bytes::Bytes;
use portcullis_wire::sse::{self, Event, SseFault, SseParser};
use portcullis_wire::stdio::{LineFault, LineFramer, push_line};

fn events(stream: &str) -> Vec<Result<Event, SseFault>> {
    let mut parser = SseParser::new(1_000);
    parser.push(stream.as_bytes());
    std::iter::from_fn(|| parser.next().filter(|event| event.is_ok() || parser.finish().is_ok())).collect()
}

fn event(id: Option<&str>, name: Option<&str>, data: &str, retry: Option<u64>) -> Event {
    Event {
        id: id.map(str::to_owned),
        event: name.map(str::to_owned),
        data: Bytes::copy_from_slice(data.as_bytes()),
        retry,
    }
}

#[test]
fn blocks_become_events() {
    let cases: &[(&str, &[Event])] = &[
        ("data: a\n\n", &[event(None, None, "a", None)]),
        ("data:a\ndata: b\ndata\ndata:  c\n\n", &[event(None, None, "a\nb\n\n c", None)]),
        ("\u{feff}event: x\rid: 1\r\ndata: {}\r\n\r\n", &[event(Some("1"), Some("x"), "{}", None)]),
        (
            "id: 0\ndata:\n\nretry: 3000\n\n",
            &[event(Some("0"), None, "", None), event(None, None, "", Some(3000))],
        ),
        (": comment\n\n:\n\ndata: a\n: inside\ndata: b\n\n", &[event(None, None, "a\nb", None)]),
        ("id: a\u{0}b\nretry: 12x\nretry: \nother: y\n\n", &[event(None, None, "", None)]),
        ("retry: 99999999999999999999\nid\n\n", &[event(Some(""), None, "", None)]),
        (
            "data: 1\rdata: 2\r\rdata: 3\n\r\n",
            &[event(None, None, "1\n2", None), event(None, None, "3", None)],
        ),
        (" data: x\nDATA: x\n\n", &[event(None, None, "", None)]),
        ("data: cut off", &[]),
        ("data: cut off\n", &[]),
    ];
    for (stream, expected) in cases {
        let expected: Vec<_> = expected.iter().cloned().map(Ok).collect();
        assert_eq!(events(stream), expected, "{stream:?}");
    }
}

#[test]
fn long_events_stop_the_stream() {
    for (stream, fine) in [
        ("data: 12\n\n", true),
        ("data: 123\n\n", false),
        ("data:1\ndata:2\n\n", false),
        ("data: 1234567", false),
        (":23456789\n\n", true),
        (":2345678901\n\n", false),
    ] {
        let mut parser = SseParser::new(9);
        parser.push(stream.as_bytes());
        let first = parser.next();
        assert_eq!(first != Some(Err(SseFault::TooLong)), fine, "{stream:?}");
        if !fine {
            parser.push(b"data: 1\n\n");
            assert_eq!(parser.next(), Some(Err(SseFault::TooLong)));
            assert_eq!(parser.finish(), Err(SseFault::TooLong));
        }
    }
    let mut parser = SseParser::new(100);
    parser.push(b"event: \xff\n\n");
    assert_eq!(parser.next(), Some(Err(SseFault::InvalidUtf8)));
    let mut parser = SseParser::new(100);
    parser.push(b"data: 1\n");
    assert_eq!((parser.next(), parser.finish()), (None, Err(SseFault::Truncated)));
    assert_eq!(SseParser::new(100).finish(), Ok(()));
}

#[test]
fn events_are_written() {
    for (event, text) in [
        (event(None, None, "{}", None), "data: {}\n\n"),
        (event(Some("7"), Some("message"), "a\nb", None), "id: 7\nevent: message\ndata: a\ndata: b\n\n"),
        (event(None, None, "", Some(500)), "retry: 500\n\n"),
        (event(Some("0"), None, "", Some(1)), "id: 0\nretry: 1\ndata: \n\n"),
        (
            event(Some("a\r\ndata: x\0"), Some("b\nc"), "1\r\n2\r3", None),
            "id: adata: x\nevent: bc\ndata: 1\ndata: 2\ndata: 3\n\n",
        ),
    ] {
        assert_eq!(std::str::from_utf8(&sse::encode(&event)).unwrap(), text);
    }
    assert_eq!(events(std::str::from_utf8(&sse::comment()).unwrap()), []);
}

/// A megabyte byte by byte. Anything quadratic takes minutes.
#[test]
fn single_bytes_are_not_slow() {
    let start = Instant::now();
    let mut parser = SseParser::new(2_000_000);
    let mut framer = LineFramer::new(2_000_000);
    for _ in 0..1_000_000 {
        parser.push(b"x");
        framer.push(b"x");
        assert!(parser.next().is_none() && framer.next().is_none());
    }
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[test]
fn lines_are_framed() {
    let mut framer = LineFramer::new(4);
    framer.push(b"ab\r\n\r\n\nabcd\r\nabcde\nabcdef");
    framer.push(b"ghijk");
    framer.push(b"\nx\ry\n");
    let lines: Vec<_> = std::iter::from_fn(|| framer.next()).collect();
    let expected = [Ok("ab"), Ok("abcd"), Err(LineFault::TooLong), Err(LineFault::TooLong), Ok("x\ry")];
    assert_eq!(lines, expected.map(|line| line.map(Bytes::from)));
    assert_eq!(framer.finish(), Ok(()));
    framer.push(b"abc");
    assert_eq!(framer.finish(), Err(LineFault::Unterminated));
    assert_eq!(framer.finish(), Ok(()));
    let mut out = Vec::new();
    push_line(&mut out, b"{\r\n\"a\": 1}");
    assert_eq!(out, b"{  \"a\": 1}\n");
}

/// An endless line is not kept.
#[test]
fn over_long_lines_are_not_buffered() {
    let mut framer = LineFramer::new(1_000);
    for _ in 0..10_000 {
        framer.push(&[b'x'; 10_000]);
    }
    framer.push(b"\nok\n");
    assert_eq!(framer.next(), Some(Err(LineFault::TooLong)));
    assert_eq!(framer.next(), Some(Ok(Bytes::from("ok"))));
    assert_eq!(framer.next(), None);
}
