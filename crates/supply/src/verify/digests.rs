//! Digests of an artefact, and digests that are expected.

use std::{
    fmt,
    io::{self, Read},
    str::FromStr,
};

use aws_lc_rs::digest::{Context, SHA256, SHA512};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Serialize, Serializer};

/// Both digests of an artefact, taken in one reading.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Digests {
    /// SHA-256, as lower-case hexadecimal digits.
    pub sha256: String,
    /// SHA-512, as lower-case hexadecimal digits.
    pub sha512: String,
    /// Length in bytes.
    pub bytes: u64,
}

impl Digests {
    /// Reads to the end, in constant memory.
    pub fn of(mut reader: impl Read) -> io::Result<Self> {
        let (mut sha256, mut sha512) = (Context::new(&SHA256), Context::new(&SHA512));
        let mut buffer = vec![0; 64 * 1024];
        let mut bytes = 0;
        loop {
            let read = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let chunk = buffer.get(..read).unwrap_or_default();
            sha256.update(chunk);
            sha512.update(chunk);
            bytes += read as u64;
        }
        Ok(Self { sha256: hex(sha256.finish().as_ref()), sha512: hex(sha512.finish().as_ref()), bytes })
    }
}

/// A digest an artefact must have: `sha256:HEX`, `sha512:HEX`, or as npm writes it, `sha512-BASE64`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    algorithm: Algorithm,
    hex: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Sha256,
    Sha512,
}

impl Algorithm {
    const ALL: [(Self, &'static str, usize); 2] =
        [(Self::Sha256, "sha256", 32), (Self::Sha512, "sha512", 64)];
}

impl Pin {
    /// Whether the artefact has it.
    pub fn holds(&self, digests: &Digests) -> bool {
        let found = match self.algorithm {
            Algorithm::Sha256 => &digests.sha256,
            Algorithm::Sha512 => &digests.sha512,
        };
        *found == self.hex
    }
}

/// Why a text is not a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a digest is written `sha256:HEX`, `sha512:HEX` or `sha512-BASE64`; weaker ones are not taken")]
pub struct PinFault;

impl FromStr for Pin {
    type Err = PinFault;

    fn from_str(text: &str) -> Result<Self, PinFault> {
        Algorithm::ALL
            .into_iter()
            .find_map(|(algorithm, name, length)| {
                let rest = text.strip_prefix(name)?;
                let bytes = match rest.strip_prefix(':') {
                    Some(digits) => unhex(digits)?,
                    None => STANDARD.decode(rest.strip_prefix('-')?).ok()?,
                };
                (bytes.len() == length).then(|| Self { algorithm, hex: hex(&bytes) })
            })
            .ok_or(PinFault)
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.algorithm {
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha512 => "sha512",
        };
        write!(f, "{name}:{}", self.hex)
    }
}

impl Serialize for Pin {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from(if half < 10 { b'0' + half } else { b'a' + half - 10 });
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The bytes of hexadecimal digits of either case.
pub(crate) fn unhex(digits: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let byte = |[high, low]: &[u8; 2]| Some(value(*high)? << 4 | value(*low)?);
    rest.is_empty().then(|| pairs.iter().map(byte).collect()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_no_bytes_in_every_way_it_is_written() -> io::Result<()> {
        let digests = Digests::of(io::empty())?;
        let base64 =
            "z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==";
        for text in [
            // FIPS 180-4.
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".to_owned(),
            "sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855".to_owned(),
            "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".to_owned(),
            format!("sha512-{base64}"),
            format!("sha512:{}", digests.sha512),
        ] {
            assert_eq!(text.parse::<Pin>().map(|pin| pin.holds(&digests)), Ok(true), "{text}");
        }
        for bad in
            ["", "sha256:", "sha256:e3b0", "sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709", "sha512-AAAA"]
        {
            assert_eq!(bad.parse::<Pin>(), Err(PinFault), "{bad}");
        }
        Ok(())
    }
}
