//! Which variables of our own environment are meant for the server behind `portcullis run`.
//!
//! A client's settings have an `env` block for each server, and the client starts us with what is in it. Nothing
//! marks those variables, and everything else in our environment may be a credential of somebody else. Clients on
//! the official SDKs start servers with a handful of well-known variables and the block: then whatever is not
//! well known is the block. Other clients hand down all they have, which shows by their own variables in our
//! environment; then nothing is passed on that was not named.

use std::{collections::BTreeMap, ffi::OsString, fs, os::unix::ffi::OsStringExt as _, path::Path};

/// Variables that say nothing about how the client starts programs: those that the SDKs hand down (MCP
/// TypeScript and Python SDKs, `getDefaultEnvironment`), and those that shells and the launcher add or pass.
const WELL_KNOWN: &[&str] = &[
    "HOME", "LANG", "LOGNAME", "OLDPWD", "PATH", "PWD", "SHELL", "SHLVL", "TERM", "TMPDIR", "TZ", "USER", "_",
];
const WELL_KNOWN_PREFIX: &str = "LC_";

/// An environment, by name.
pub(crate) type Environment = BTreeMap<OsString, OsString>;

/// What the client's way of starting us says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Meant {
    /// It starts servers with a clean environment, so these were set for this one.
    ForServer(Vec<String>),
    /// It hands down its own environment, or nothing is known about that. These it has added to it.
    Unclear(Vec<String>),
}

/// Reads our environment and that of the program that started us.
pub(crate) fn of_this_process() -> Meant {
    let parent = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
    let clients = fs::read(Path::new("/proc").join(parent.to_string()).join("environ"));
    #[allow(
        clippy::disallowed_methods,
        reason = "which variables are there is the question; values stay here"
    )]
    let ours = std::env::vars_os();
    meant(&ours.collect(), clients.ok().map(|text| parse(&text)).as_ref())
}

fn parse(text: &[u8]) -> Environment {
    let pair = |line: &[u8]| {
        let at = line.iter().position(|byte| *byte == b'=')?;
        let (name, value) = line.split_at_checked(at)?;
        let value = value.strip_prefix(b"=")?;
        Some((OsString::from_vec(name.to_vec()), OsString::from_vec(value.to_vec())))
    };
    text.split(|byte| *byte == 0).filter_map(pair).collect()
}

fn meant(ours: &Environment, clients: Option<&Environment>) -> Meant {
    let special = ours.iter().filter(|(name, _)| !is_well_known(name));
    let Some(clients) = clients else { return Meant::Unclear(Vec::new()) };
    let (handed_down, added): (Vec<_>, Vec<_>) =
        special.partition(|(name, value)| clients.get(*name) == Some(*value));
    // A name that is no text can be in no client's settings.
    let names = added.into_iter().filter_map(|(name, _)| name.to_str().map(str::to_owned)).collect();
    if handed_down.is_empty() { Meant::ForServer(names) } else { Meant::Unclear(names) }
}

fn is_well_known(name: &OsString) -> bool {
    name.to_str().is_some_and(|name| WELL_KNOWN.contains(&name) || name.starts_with(WELL_KNOWN_PREFIX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ours: &str, clients: Option<&str>, expected: &Meant) {
        let read = |text: &str| parse(text.replace(' ', "\0").as_bytes());
        assert_eq!(&meant(&read(ours), clients.map(read).as_ref()), expected, "{ours} from {clients:?}");
    }

    #[test]
    fn the_block_is_told_from_what_was_handed_down() {
        let for_server = |names: &[&str]| Meant::ForServer(names.iter().map(|it| (*it).to_owned()).collect());
        let unclear = |names: &[&str]| Meant::Unclear(names.iter().map(|it| (*it).to_owned()).collect());
        let rich = Some("HOME=/h PATH=/b AWS_SECRET_ACCESS_KEY=s DISPLAY=:0 EMPTY=");
        for (ours, clients, expected) in [
            // Clean: the block and nothing else of the client's own.
            ("HOME=/h PATH=/b API_KEY=k", rich, for_server(&["API_KEY"])),
            ("HOME=/h PATH=/b LC_ALL=C SHLVL=1", rich, for_server(&[])),
            ("PATH=/b AWS_SECRET_ACCESS_KEY=other", rich, for_server(&["AWS_SECRET_ACCESS_KEY"])),
            ("HOME=/h API_KEY=a=b", Some("HOME=/h"), for_server(&["API_KEY"])),
            // Handed down: one variable of the client's own is enough to know.
            ("HOME=/h DISPLAY=:0 API_KEY=k", rich, unclear(&["API_KEY"])),
            ("EMPTY= API_KEY=k", rich, unclear(&["API_KEY"])),
            ("HOME=/h PATH=/b AWS_SECRET_ACCESS_KEY=s DISPLAY=:0", rich, unclear(&[])),
            ("HOME=/h API_KEY=k", None, unclear(&[])),
        ] {
            check(ours, clients, &expected);
        }
    }

    #[test]
    fn this_process_has_an_environment() {
        // Whoever runs the tests hands down what he has; no variable of his may count as meant for a server.
        assert!(!matches!(of_this_process(), Meant::ForServer(names) if names.contains(&"CARGO".to_owned())));
    }
}
