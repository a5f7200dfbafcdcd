//! Names an operator gives to things.

use std::{fmt, str::FromStr, sync::Arc};

use serde::Serialize;

/// The configured name of an upstream MCP server: 1 to 64 of `a-z`, `0-9`, `-` and `_`, starting with a
/// letter or digit.
///
/// The alphabet excludes the separator of prefixed tool names and every character that two people could
/// read differently, so a name on an approval page means one server only (threat 5, confusion).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ServerName(Arc<str>);

/// Why a name is not a [`ServerName`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "server name `{name}` is not allowed: use 1 to 64 of a-z, 0-9, `-` and `_` without a double `_`, starting with a letter or digit"
)]
pub struct NameError {
    name: String,
}

impl ServerName {
    /// The name as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ServerName {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        let starts_well = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if starts_well
            && name.len() <= 64
            && name.bytes().all(allowed)
            && !name.contains("__")
            && !name.ends_with('_')
        {
            Ok(Self(name.into()))
        } else {
            Err(NameError { name: name.chars().take(80).collect() })
        }
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        for good in ["a", "everything", "mcp-git_2", "0x"] {
            assert!(good.parse::<ServerName>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "A", "a__b", "a_", "nоtes", "a b", "a/b", &"x".repeat(65)] {
            assert!(bad.parse::<ServerName>().is_err(), "{bad}");
        }
    }
}
