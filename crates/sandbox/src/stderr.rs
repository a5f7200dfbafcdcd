//! A server's standard error: hostile text of any length at any speed.

use std::time::Instant;

use portcullis_core::StderrLine;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    sync::mpsc::{self, error::TrySendError},
};

use crate::limits::Bucket;

/// Longest line delivered, in bytes as written; the rest of a longer one is left out.
const LINE_BYTES: usize = 4096;
/// Lines delivered per second, and at once.
const LINES: (u32, u32) = (50, 200);
/// Bytes read per second, and at once. A server that writes faster waits for its pipe.
const BYTES: (u32, u32) = (4 << 20, 1 << 20);
/// Lines waiting for a slow receiver.
pub(crate) const QUEUE: usize = 256;

/// Reads until end of file, delivering what the limits allow.
pub(crate) async fn forward(mut pipe: impl AsyncRead + Unpin, lines: mpsc::Sender<StderrLine>) {
    let mut bytes = Bucket::new(BYTES.0, BYTES.1, Instant::now());
    let mut delivery = Delivery::new(lines, Instant::now());
    let mut chunk = vec![0; 16 << 10];
    while let Ok(read @ 1..) = pipe.read(&mut chunk).await {
        delivery.take(chunk.get(..read).unwrap_or_default(), Instant::now());
        let pause = bytes.take(u32::try_from(read).unwrap_or(u32::MAX), Instant::now());
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
    }
    delivery.finish(Instant::now());
}

/// Splits bytes into lines and delivers or counts them.
struct Delivery {
    lines: mpsc::Sender<StderrLine>,
    budget: Bucket,
    line: Vec<u8>,
    left_out: usize,
    skipped: u64,
}

impl Delivery {
    fn new(lines: mpsc::Sender<StderrLine>, now: Instant) -> Self {
        Self { lines, budget: Bucket::new(LINES.0, LINES.1, now), line: Vec::new(), left_out: 0, skipped: 0 }
    }

    fn take(&mut self, chunk: &[u8], now: Instant) {
        for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
            let (text, ended) = piece.strip_suffix(b"\n").map_or((piece, false), |text| (text, true));
            let kept = text.len().min(LINE_BYTES - self.line.len());
            self.line.extend(text.iter().take(kept));
            self.left_out += text.len() - kept;
            if ended {
                self.deliver(now);
            }
        }
    }

    fn finish(&mut self, now: Instant) {
        if !self.line.is_empty() {
            self.deliver(now);
        }
    }

    fn deliver(&mut self, now: Instant) {
        if self.budget.try_take(1, now) {
            let mut text = printable(&self.line);
            if self.left_out > 0 {
                text.push_str(&format!(" … {} more bytes", self.left_out));
            }
            match self.lines.try_send(StderrLine { text, skipped: self.skipped }) {
                Ok(()) => self.skipped = 0,
                Err(TrySendError::Full(_) | TrySendError::Closed(_)) => self.skipped += 1,
            }
        } else {
            self.skipped += 1;
        }
        self.line.clear();
        self.left_out = 0;
    }
}

/// The line with everything escaped that could change how a terminal or a log shows other text.
fn printable(line: &[u8]) -> String {
    let mut text = String::with_capacity(line.len());
    for chunk in line.utf8_chunks() {
        for character in chunk.valid().chars() {
            if is_deceptive(character) {
                text.extend(character.escape_unicode());
            } else {
                text.push(character);
            }
        }
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02x}")));
    }
    text
}

/// Controls other than tab, and the characters that reorder, hide or break text (Unicode Bidi_Control,
/// zero-width, line and paragraph separators, tag characters).
fn is_deceptive(character: char) -> bool {
    (character.is_control() && character != '\t')
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivered(chunks: &[&[u8]]) -> Vec<StderrLine> {
        let (sender, mut receiver) = mpsc::channel(QUEUE);
        let now = Instant::now();
        let mut delivery = Delivery::new(sender, now);
        chunks.iter().for_each(|chunk| delivery.take(chunk, now));
        delivery.finish(now);
        drop(delivery);
        std::iter::from_fn(|| receiver.try_recv().ok()).collect()
    }

    #[test]
    fn lines_are_escaped_and_bounded() {
        let long = [b'x'; LINE_BYTES + 10];
        let cases: &[(&[&[u8]], &str)] = &[
            (&[b"plain\n"], "plain"),
            (&[b"in ", b"pieces", b"\n"], "in pieces"),
            (&[b"no end"], "no end"),
            (&[b"\x1b[2Jtab\there\r\n"], "\\u{1b}[2Jtab\there\\u{d}"),
            (&["a\u{202e}b\u{e0041}".as_bytes()], "a\\u{202e}b\\u{e0041}"),
            (&[b"bad \xff\xc3 utf-8 \xc3\xa9"], "bad \\xff\\xc3 utf-8 é"),
        ];
        for (chunks, text) in cases {
            assert_eq!(delivered(chunks), [StderrLine { text: (*text).into(), skipped: 0 }]);
        }
        let lines = delivered(&[&long, b"\n"]);
        assert_eq!(lines.first().map(|l| l.text.ends_with("x … 10 more bytes")), Some(true));
    }

    #[test]
    fn a_flood_is_counted_not_kept() {
        let flood = b"y\n".repeat(100_000);
        let lines = delivered(&[&flood]);
        assert_eq!(lines.len(), LINES.1 as usize);
    }

    #[test]
    fn the_next_line_says_how_many_are_missing() {
        let (sender, mut receiver) = mpsc::channel(QUEUE);
        let now = Instant::now();
        let mut delivery = Delivery::new(sender, now);
        delivery.take(&b"y\n".repeat(1_000), now);
        while receiver.try_recv().is_ok() {}
        delivery.take(b"after\n", now + std::time::Duration::from_secs(1));
        let after = receiver.try_recv().ok();
        assert_eq!(after, Some(StderrLine { text: "after".into(), skipped: 1_000 - u64::from(LINES.1) }));
    }
}
