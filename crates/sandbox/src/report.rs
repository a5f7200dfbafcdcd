//! What the supervisor tells the gateway: lines of text on the control socket.

use std::os::fd::AsFd;

use portcullis_core::Exit;

use crate::{denied::DeniedCall, seen::Sighting, selftest::Probed};

/// One line from the supervisor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    /// The program has been executed as this process.
    Started(u32),
    /// It could not be; nothing is running.
    Failed(String),
    /// A boundary could not be put up; nothing is running.
    Unmet {
        /// Its name, without spaces.
        boundary: String,
        /// Why not.
        reason: String,
    },
    /// What came of one attempt of a self-test.
    Probed(Probed),
    /// System calls that were refused.
    Denied(DeniedCall),
    /// A file that was used.
    Seen(Sighting),
    /// The server has ended and so has all it started.
    Ended(Exit),
}

/// Ask the server to end.
pub(crate) const TERMINATE: u8 = b'T';
/// End the server now.
pub(crate) const KILL: u8 = b'K';

impl Report {
    pub(crate) fn to_line(&self) -> String {
        match self {
            Self::Started(pid) => format!("started {pid}\n"),
            Self::Failed(reason) => format!("failed {}\n", reason.replace('\n', " ")),
            Self::Unmet { boundary, reason } => {
                format!("unmet {boundary} {}\n", reason.replace('\n', " "))
            }
            // Strings only: this cannot fail, and what cannot be read ends the test.
            Self::Probed(probed) => format!("probed {}\n", serde_json::to_string(probed).unwrap_or_default()),
            Self::Denied(denied) => format!("denied {}\n", serde_json::to_string(denied).unwrap_or_default()),
            Self::Seen(seen) => format!("seen {}\n", serde_json::to_string(seen).unwrap_or_default()),
            Self::Ended(Exit::Code(code)) => format!("code {code}\n"),
            Self::Ended(Exit::Signal(signal)) => format!("signal {signal}\n"),
            Self::Ended(Exit::OutOfMemory) => "memory \n".to_owned(),
            Self::Ended(Exit::Unknown) => "unknown \n".to_owned(),
        }
    }

    /// The next one from a socket; `None` when nobody is there who could tell, or what is told cannot be understood.
    pub(crate) fn read(from: impl AsFd) -> Option<Self> {
        let (mut line, mut byte) = (Vec::new(), [0]);
        loop {
            match rustix::io::read(&from, &mut byte) {
                Ok(1) if byte == *b"\n" => return Self::parse(&String::from_utf8_lossy(&line)),
                Ok(1) => line.extend(byte),
                Err(rustix::io::Errno::INTR) => {}
                _ => return None,
            }
        }
    }

    pub(crate) fn parse(line: &str) -> Option<Self> {
        let (word, rest) = line.split_once(' ')?;
        Some(match word {
            "started" => Self::Started(rest.parse().ok()?),
            "failed" => Self::Failed(rest.to_owned()),
            "unmet" => {
                let (boundary, reason) = rest.split_once(' ')?;
                Self::Unmet { boundary: boundary.to_owned(), reason: reason.to_owned() }
            }
            "probed" => Self::Probed(serde_json::from_str(rest).ok()?),
            "denied" => Self::Denied(serde_json::from_str(rest).ok()?),
            "seen" => Self::Seen(serde_json::from_str(rest).ok()?),
            "code" => Self::Ended(Exit::Code(rest.parse().ok()?)),
            "signal" => Self::Ended(Exit::Signal(rest.parse().ok()?)),
            "memory" => Self::Ended(Exit::OutOfMemory),
            "unknown" => Self::Ended(Exit::Unknown),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_read_as_written() {
        let reports = [
            Report::Started(7),
            Report::Failed("no such file".into()),
            Report::Unmet { boundary: "landlock".into(), reason: "not in this kernel".into() },
            Report::Denied(DeniedCall { call: "ptrace".into(), program: "/a b\n".into(), count: 3 }),
            Report::Ended(Exit::Code(3)),
            Report::Ended(Exit::Signal(9)),
            Report::Ended(Exit::OutOfMemory),
            Report::Ended(Exit::Unknown),
        ];
        for report in reports {
            assert_eq!(Report::parse(report.to_line().trim_end_matches('\n')), Some(report));
        }
        assert_eq!(Report::parse("code x"), None);
    }
}
