//! Event streams against a plain reading of the standard, however the stream is cut.

use bytes::Bytes;
use portcullis_wire::sse::{Event, SseFault, SseParser, encode};

/// The first byte is the limit (0: none), the second the size of the chunks, the rest the stream.
pub fn check(data: &[u8]) {
    let [max, chunk, stream @ ..] = data else { return };
    let max = if *max == 0 { usize::MAX } else { usize::from(*max) };
    let whole = parse(stream, max, stream.len().max(1));
    assert_eq!(parse(stream, max, 1), whole);
    assert_eq!(parse(stream, max, usize::from(*chunk).max(1)), whole);
    if max == usize::MAX {
        assert_eq!(whole, reference(stream));
    }
    for event in whole.into_iter().flatten() {
        assert!(event.data.len() <= max);
        check_round_trip(&event);
    }
}

/// Everything up to the first fault.
fn parse(stream: &[u8], max: usize, chunk: usize) -> Vec<Result<Event, SseFault>> {
    let mut parser = SseParser::new(max);
    let mut events = Vec::new();
    for part in stream.chunks(chunk) {
        parser.push(part);
        while let Some(event) = parser.next() {
            let stop = event.is_err();
            events.push(event);
            if stop {
                assert!(parser.finish().is_err());
                return events;
            }
        }
    }
    events
}

fn check_round_trip(event: &Event) {
    let events = parse(&encode(event), usize::MAX, usize::MAX);
    // Field values never hold a line ending or NUL once parsed; data may hold a lone carriage return
    // only if it was not parsed, so all of it survives.
    let mut expected = event.clone();
    expected.event = event.event.as_ref().map(|name| name.replace('\0', ""));
    if *event == Event::default() {
        assert_eq!(events, []);
    } else {
        assert_eq!(events, [Ok(expected)]);
    }
}

/// The standard's algorithm on a whole stream, one line after the other.
fn reference(stream: &[u8]) -> Vec<Result<Event, SseFault>> {
    let stream = stream.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(stream);
    let mut events = Vec::new();
    let mut event: Option<(Event, Vec<Vec<u8>>)> = None;
    for line in finished_lines(stream) {
        if line.is_empty() {
            if let Some((mut event, data)) = event.take() {
                event.data = Bytes::from(data.join(&b'\n'));
                events.push(Ok(event));
            }
            continue;
        }
        let colon = line.iter().position(|byte| *byte == b':');
        if colon == Some(0) {
            continue;
        }
        let (event, data) = event.get_or_insert_default();
        let (name, value) = match colon {
            Some(at) => (&line[..at], line[at + 1..].strip_prefix(b" ").unwrap_or(&line[at + 1..])),
            None => (&line[..], &b""[..]),
        };
        let text = String::from_utf8(value.to_vec());
        match (name, text) {
            (b"data", _) => data.push(value.to_vec()),
            (b"event", Ok(text)) => event.event = Some(text),
            (b"id", _) if value.contains(&0) => {}
            (b"id", Ok(text)) => event.id = Some(text),
            (b"event" | b"id", Err(_)) => {
                events.push(Err(SseFault::InvalidUtf8));
                return events;
            }
            (b"retry", Ok(text)) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
                event.retry = text.parse().ok();
            }
            _ => {}
        }
    }
    events
}

fn finished_lines(stream: &[u8]) -> Vec<Vec<u8>> {
    let mut lines = vec![Vec::new()];
    let mut bytes = stream.iter().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\r' => {
                bytes.next_if(|next| **next == b'\n');
                lines.push(Vec::new());
            }
            b'\n' => lines.push(Vec::new()),
            other => lines.last_mut().expect("never empty").push(*other),
        }
    }
    lines.pop();
    lines
}
