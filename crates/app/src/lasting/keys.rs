//! The keys that handles are sealed with. A new one takes the place of the first each day; the one before opens what it
//! sealed for another day.

use std::{
    io,
    path::{Path, PathBuf},
};

use parking_lot::Mutex;
use portcullis_core::Secret;
use portcullis_gateway::HandleKeys;
use zeroize::Zeroizing;

use crate::{
    config::{SecretError, read_private},
    files::{self, Access, Existing},
};

/// How long a key is sealed with, in milliseconds.
const LASTING_MS: u64 = 24 * 60 * 60 * 1000;
/// Keys that open.
const MOST: usize = 2;

/// Keys in a file: a line each, newest first, with the time it was made and its bytes in hexadecimal.
pub(super) struct KeyFile {
    path: PathBuf,
    keys: Mutex<Vec<(u64, Secret)>>,
}

impl KeyFile {
    pub(super) fn open(path: &Path, now_ms: u64) -> Result<Self, String> {
        let keys = match read_private(path) {
            Ok(text) => {
                parse(&text).ok_or_else(|| format!("`{}` does not hold keys; remove it", path.display()))?
            }
            Err(SecretError::Unreadable { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
                Vec::new()
            }
            Err(error) => return Err(format!("{error}; {}", error.remedy())),
        };
        let file = Self { path: path.to_owned(), keys: Mutex::new(keys) };
        file.keys(now_ms).map_err(|error| error.to_string())?;
        Ok(file)
    }

    fn write(&self, keys: &[(u64, Secret)]) -> io::Result<()> {
        let mut text = Zeroizing::new(Vec::new());
        for (made_ms, key) in keys {
            text.extend_from_slice(format!("{made_ms} ").as_bytes());
            let hex = |byte: &u8| format!("{byte:02x}").into_bytes();
            key.expose().iter().for_each(|byte| text.extend_from_slice(&Zeroizing::new(hex(byte))));
            text.push(b'\n');
        }
        files::write(&self.path, &text, Access::Private, Existing::Replace)
            .map_err(|failure| io::Error::other(failure.to_line()))
    }
}

impl HandleKeys for KeyFile {
    fn keys(&self, now_ms: u64) -> io::Result<Vec<Secret>> {
        let mut keys = self.keys.lock();
        let is_over = keys.first().is_none_or(|(made_ms, _)| now_ms >= made_ms.saturating_add(LASTING_MS));
        if is_over {
            let mut bytes = vec![0; 32];
            getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
            let mut next = vec![(now_ms, Secret::new(bytes))];
            next.extend(keys.iter().take(MOST - 1).cloned());
            match self.write(&next) {
                Ok(()) => *keys = next,
                // The old key goes on for as long as there is no place for a new one.
                Err(error) if keys.is_empty() => return Err(error),
                Err(_) => {}
            }
        }
        Ok(keys.iter().map(|(_, key)| key.clone()).collect())
    }
}

fn parse(text: &Secret) -> Option<Vec<(u64, Secret)>> {
    let text = std::str::from_utf8(text.expose()).ok()?;
    text.lines()
        .take(MOST)
        .map(|line| {
            let (made_ms, hex) = line.split_once(' ')?;
            let (pairs, []) = hex.as_bytes().as_chunks::<2>() else { return None };
            let nibble = |digit: u8| char::from(digit).to_digit(16).and_then(|it| u8::try_from(it).ok());
            let bytes: Option<Vec<u8>> =
                pairs.iter().map(|[high, low]| Some(nibble(*high)? << 4 | nibble(*low)?)).collect();
            Some((made_ms.parse().ok()?, Secret::new(bytes.filter(|it| it.len() == 32)?)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]
    use super::*;

    #[test]
    fn a_key_seals_for_a_day_and_opens_for_another() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("handles.key");
        let at = |day: u64| {
            let file = KeyFile::open(&path, day * LASTING_MS).unwrap();
            file.keys(day * LASTING_MS).unwrap().iter().map(|it| it.expose().to_vec()).collect::<Vec<_>>()
        };
        let (first, same, second, third) = (at(1), at(1), at(2), at(3));
        assert_eq!((first.len(), &first), (1, &same));
        assert_eq!((second.len(), &second[1]), (2, &first[0]));
        assert_ne!(second[0], first[0]);
        assert_eq!((third.len(), &third[1]), (2, &second[0]));
        std::fs::write(&path, "1 abc\n").unwrap();
        assert!(KeyFile::open(&path, 1).is_err(), "what is no key is not made up for");
    }
}
