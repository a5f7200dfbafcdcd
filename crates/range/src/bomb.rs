//! A small body that grows a thousandfold when it is unpacked.

/// Writes bits, the first into the lowest place (RFC 1951 section 3.1.1).
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    last: u8,
    filled: u32,
}

impl Bits {
    /// The lowest `count` bits of `value`, lowest first.
    fn push(&mut self, value: u32, count: u32) {
        for place in 0..count {
            self.last |= u8::from(value >> place & 1 == 1) << self.filled;
            self.filled += 1;
            if self.filled == 8 {
                self.bytes.push(std::mem::take(&mut self.last));
                self.filled = 0;
            }
        }
    }

    /// A Huffman code, which is written from its highest bit.
    fn code(&mut self, code: u32, length: u32) {
        self.push(code.reverse_bits() >> (32 - length), length);
    }
}

/// A gzip stream of about `bytes` bytes (RFC 1952) that unpacks to about 158 times as much: a NUL, then
/// references to the 258 before.
pub(crate) fn gzip(bytes: usize) -> Vec<u8> {
    let mut bits = Bits { bytes: vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255], ..Bits::default() };
    // One last block with fixed codes (RFC 1951 section 3.2.6), and the literal 0.
    bits.push(0b011, 3);
    bits.code(0b0011_0000, 8);
    while bits.bytes.len() < bytes {
        // Length 258 at distance 1.
        bits.code(0b1100_0101, 8);
        bits.code(0, 5);
    }
    bits.code(0, 7);
    bits.push(0, 7);
    // Checksum and length: nobody gets as far as them.
    bits.bytes.extend([0; 8]);
    bits.bytes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use std::{
        io::Write,
        process::{Command, Stdio},
    };

    #[test]
    fn it_unpacks_to_far_more() {
        let mut gunzip = Command::new("gzip")
            .args(["--decompress", "--stdout"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        gunzip.stdin.take().unwrap().write_all(&super::gzip(10_000)).unwrap();
        // It complains of the checksum after it has written everything.
        assert!(gunzip.wait_with_output().unwrap().stdout.len() > 1_500_000);
    }
}
