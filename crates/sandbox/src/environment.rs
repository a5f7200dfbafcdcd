//! What a server may see of the gateway's environment.

use std::ffi::{OsStr, OsString};

use portcullis_core::{Boundary, Secret};

/// Passed through when set. Everything else in the gateway's environment may be a credential.
const PASSED: &[&str] = &["PATH", "HOME", "LANG", "TZ", "TMPDIR", "USER"];

/// Passed through to a server in a sandbox, which has a home and a place for temporary files of its own.
const PASSED_INSIDE: &[&str] = &["PATH", "LANG", "TZ"];

/// Also passed through: the locale categories.
const PASSED_PREFIX: &[u8] = b"LC_";

/// What a server within this boundary is passed.
pub(crate) fn passed(boundary: &Boundary) -> &'static [&'static str] {
    match boundary {
        Boundary::DangerNone => PASSED,
        Boundary::Plan(_) | Boundary::Unsettled(_) => PASSED_INSIDE,
    }
}

/// The environment of a server: the few variables passed through, then the configured ones, which win.
pub(crate) fn environment(
    ours: impl IntoIterator<Item = (OsString, OsString)>,
    configured: &[(String, Secret)],
    passed: &[&str],
) -> Vec<(Vec<u8>, Secret)> {
    let configured = configured.iter().map(|(name, value)| (name.clone().into_bytes(), value.clone()));
    let mut variables: Vec<_> = ours
        .into_iter()
        .filter(|(name, _)| is_passed(name, passed))
        .map(|(name, value)| (name.into_encoded_bytes(), Secret::new(value.into_encoded_bytes())))
        .filter(|(name, _)| !configured.clone().any(|(other, _)| other == *name))
        .collect();
    variables.extend(configured);
    variables
}

fn is_passed(name: &OsStr, passed: &[&str]) -> bool {
    passed.iter().any(|passed| name == *passed) || name.as_encoded_bytes().starts_with(PASSED_PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_and_configured_variables_pass() {
        let ours =
            ["PATH=/bin", "AWS_SECRET_ACCESS_KEY=x", "LC_ALL=C", "LCX=y", "LD_PRELOAD=z", "HOME=/root"]
                .iter()
                .filter_map(|pair| pair.split_once('='))
                .map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let configured = [
            ("TOKEN".to_owned(), Secret::new(b"t".to_vec())),
            ("HOME".to_owned(), Secret::new(b"/srv".to_vec())),
        ];
        let seen: Vec<String> = environment(ours, &configured, PASSED)
            .iter()
            .map(|(name, value)| {
                format!("{}={}", String::from_utf8_lossy(name), String::from_utf8_lossy(value.expose()))
            })
            .collect();
        assert_eq!(seen, ["PATH=/bin", "LC_ALL=C", "TOKEN=t", "HOME=/srv"]);
    }
}
