//! The protocol versions of MCP.

use std::fmt;
use std::str::FromStr;

/// A published protocol version, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// `2024-11-05`: HTTP+SSE with two endpoints.
    V2024_11_05,
    /// `2025-03-26`: Streamable HTTP, batches.
    V2025_03_26,
    /// `2025-06-18`: version header, elicitation.
    V2025_06_18,
    /// `2025-11-25`: the last version with a handshake; experimental tasks.
    V2025_11_25,
    /// `2026-07-28`: no sessions; every request carries its own context.
    V2026_07_28,
}

/// The two families of versions: with and without a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Era {
    /// `initialize` and sessions, up to 2025-11-25.
    Legacy,
    /// Context in every request's `_meta`, from 2026-07-28.
    Modern,
}

/// A version string this build does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown protocol version")]
pub struct UnknownVersion;

impl Version {
    /// Every version, oldest first.
    pub const ALL: [Self; 5] =
        [Self::V2024_11_05, Self::V2025_03_26, Self::V2025_06_18, Self::V2025_11_25, Self::V2026_07_28];
    /// The newest version.
    pub const LATEST: Self = Self::V2026_07_28;
    /// The newest version that begins with `initialize`. No later one may be offered there.
    pub const LATEST_LEGACY: Self = Self::V2025_11_25;
    /// What a Streamable HTTP server assumes of a legacy request without a version header
    /// (2025-11-25 basic/transports).
    pub const ASSUMED_WITHOUT_HEADER: Self = Self::V2025_03_26;

    /// The version as written on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// Which family the version belongs to.
    pub const fn era(self) -> Era {
        match self {
            Self::V2026_07_28 => Era::Modern,
            _ => Era::Legacy,
        }
    }

    /// Whether a peer may send several messages in one JSON array. 2025-03-26 says so; 2024-11-05 is
    /// plain JSON-RPC 2.0, which has batches; later versions removed them.
    pub const fn allows_batch(self) -> bool {
        matches!(self, Self::V2024_11_05 | Self::V2025_03_26)
    }

    /// Whether a connection has state that starts with `initialize`.
    pub const fn has_sessions(self) -> bool {
        matches!(self.era(), Era::Legacy)
    }

    /// Whether each HTTP request after `initialize` names the version in `MCP-Protocol-Version`.
    pub const fn has_version_header(self) -> bool {
        !matches!(self, Self::V2024_11_05 | Self::V2025_03_26)
    }
}

impl FromStr for Version {
    type Err = UnknownVersion;

    fn from_str(text: &str) -> Result<Self, UnknownVersion> {
        Self::ALL.into_iter().find(|version| version.as_str() == text).ok_or(UnknownVersion)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
