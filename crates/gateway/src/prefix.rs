//! Names on the aggregate endpoint: `<server>__<name>`.
//!
//! A [`ServerName`] contains no `__` and does not end in `_`, so the first `__` is always the separator
//! and no server can choose a tool name that reads as another server's (threat 5, confusion).

use portcullis_core::ServerName;

/// Separates server and name. Within the alphabet that clients accept for tool names.
pub(crate) const SEPARATOR: &str = "__";

/// The name shown on the aggregate endpoint.
pub(crate) fn join(server: &ServerName, name: &str) -> String {
    format!("{server}{SEPARATOR}{name}")
}

/// Server part and name part of a name on the aggregate endpoint.
pub(crate) fn split(shown: &str) -> Option<(&str, &str)> {
    shown.split_once(SEPARATOR).filter(|(server, name)| !server.is_empty() && !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splitting_undoes_joining_whatever_the_server_calls_its_tool() {
        let mut checked = 0;
        for server in ["a", "git-hub", "x_1"] {
            for tool in ["t", "__t", "_t", "a__b", "t__", "_"] {
                let Ok(server) = server.parse::<ServerName>() else { continue };
                let shown = join(&server, tool);
                assert_eq!(split(&shown), Some((server.as_str(), tool)), "{shown}");
                checked += 1;
            }
        }
        assert_eq!(checked, 18, "every name was one");
        for not_shown in ["", "t", "__t", "a__"] {
            assert_eq!(split(not_shown), None, "{not_shown}");
        }
    }
}
