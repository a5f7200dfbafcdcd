//! What an operator has stopped (control LOG-05).

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{Caller, Item, Principal, ServerName, Target};

/// Longest name of a principal, a tenant or a tool that can be stopped, in bytes.
const MAX_NAME: usize = 1_024;

/// What is stopped. Written `all`, `server:NAME`, `tool:SERVER__TOOL`, `principal:KIND:ID` or `tenant:NAME`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StopSubject {
    /// Everything.
    All,
    /// A server: all calls to it and its links.
    Server(ServerName),
    /// A tool, by its server and the name that gives it.
    Tool(ServerName, Arc<str>),
    /// An identity, whether it calls itself or acts for another.
    Principal(Principal),
    /// A tenant.
    Tenant(Arc<str>),
}

/// Why a text names nothing that can be stopped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is nothing that can be stopped: write `all`, `server:NAME`, `tool:SERVER__TOOL`, `principal:KIND:ID` or `tenant:NAME`, for instance `principal:oauth:corp:alice`"
)]
pub struct StopFault(String);

/// Where a stop comes from. All of them hold at once: what one source has stopped another cannot resume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopSource {
    /// `portcullis stop`.
    Command,
    /// A file that somebody put into the directory.
    File,
    /// The operator's endpoint.
    Api,
    /// A signal to the process.
    Signal,
    /// A rule about behaviour, which an operator allowed to stop.
    Behaviour,
    /// The gateway, because it cannot tell what was stopped.
    FailSafe,
}

impl StopSource {
    /// Its name in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::File => "file",
            Self::Api => "api",
            Self::Signal => "signal",
            Self::Behaviour => "behaviour",
            Self::FailSafe => "fail-safe",
        }
    }

    /// Who stopped it, for whoever is refused.
    const fn whose(self) -> &'static str {
        match self {
            Self::Command | Self::File | Self::Api | Self::Signal => "by the operator",
            Self::Behaviour => "by a rule about behaviour",
            Self::FailSafe => "because the gateway cannot read what was stopped",
        }
    }
}

/// One thing that is stopped.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Stop {
    /// What.
    pub subject: StopSubject,
    /// By which source.
    pub source: StopSource,
    /// Why, in the operator's words.
    pub reason: Arc<str>,
    /// When it was asked for, in milliseconds since the Unix epoch by the clock of whoever asked.
    pub requested_ms: u64,
}

impl Stop {
    /// What whoever is refused may read.
    pub fn public(&self) -> String {
        let (subject, whose) = (&self.subject, self.source.whose());
        format!("`{subject}` is stopped {whose}; try again when the operator has resumed it")
    }
}

impl StopSubject {
    /// Whether a call of `caller` to `target` falls under it.
    pub fn covers(&self, caller: &Caller, target: &Target) -> bool {
        match self {
            Self::Server(name) => target.server.as_ref() == Some(name),
            Self::Tool(server, tool) => {
                target.server.as_ref() == Some(server)
                    && matches!(&target.item, Item::Tool(name) if name == tool)
            }
            _ => self.covers_caller(caller),
        }
    }

    /// Whether everything `caller` does falls under it.
    pub fn covers_caller(&self, caller: &Caller) -> bool {
        match self {
            Self::All => true,
            Self::Principal(who) => caller.principal == *who || caller.actor.as_ref() == Some(who),
            Self::Tenant(name) => caller.tenant.as_ref() == Some(name),
            Self::Server(_) | Self::Tool(..) => false,
        }
    }

    /// Whether everything `server` does falls under it.
    pub fn covers_server(&self, server: &ServerName) -> bool {
        matches!(self, Self::All) || matches!(self, Self::Server(name) if name == server)
    }
}

impl FromStr for StopSubject {
    type Err = StopFault;

    fn from_str(text: &str) -> Result<Self, StopFault> {
        let fault = || StopFault(text.chars().take(80).collect());
        if text == "all" {
            return Ok(Self::All);
        }
        let (kind, name) = text.split_once(':').ok_or_else(fault)?;
        if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
            return Err(fault());
        }
        let server = |name: &str| name.parse::<ServerName>().map_err(|_| fault());
        match kind {
            "server" => server(name).map(Self::Server),
            "tool" => {
                let (of, tool) =
                    name.split_once("__").filter(|(_, tool)| !tool.is_empty()).ok_or_else(fault)?;
                Ok(Self::Tool(server(of)?, tool.into()))
            }
            "principal" => name.parse().map(Self::Principal).map_err(|_| fault()),
            "tenant" => Ok(Self::Tenant(name.into())),
            _ => Err(fault()),
        }
    }
}

impl fmt::Display for StopSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Server(name) => write!(f, "server:{name}"),
            Self::Tool(server, tool) => write!(f, "tool:{server}__{tool}"),
            Self::Principal(id) => write!(f, "principal:{id}"),
            Self::Tenant(name) => write!(f, "tenant:{name}"),
        }
    }
}

impl Serialize for StopSubject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StopSubject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is stopped ({})", self.subject, self.source.as_str())?;
        if self.reason.is_empty() { Ok(()) } else { write!(f, ": {}", self.reason) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use super::*;
    use crate::{AuthMethod, Principal, PrincipalKind};

    fn caller(actor: Option<&str>, tenant: Option<&str>) -> Caller {
        let principal = |id: &str| Principal { kind: PrincipalKind::Dev, id: id.into() };
        Caller {
            principal: principal("alice"),
            actor: actor.map(principal),
            tenant: tenant.map(Arc::from),
            method: AuthMethod::StaticDev,
            grant: None,
        }
    }

    #[test]
    fn a_subject_covers_what_it_names_and_nothing_else() {
        let plain = caller(None, None);
        let (agent, acme) = (caller(Some("agent"), None), caller(None, Some("acme")));
        for (subject, caller, server, tool, covered) in [
            ("all", &plain, None, "t", true),
            ("server:a", &plain, Some("a"), "t", true),
            ("server:a", &plain, Some("b"), "t", false),
            ("server:a", &plain, None, "t", false),
            ("tool:a__t", &plain, Some("a"), "t", true),
            ("tool:a__t", &plain, Some("a"), "u", false),
            ("tool:a__t", &plain, Some("b"), "t", false),
            ("tool:a__t__u", &plain, Some("a"), "t__u", true),
            ("principal:dev:alice", &plain, Some("a"), "t", true),
            ("principal:local-user:alice", &plain, Some("a"), "t", false),
            ("principal:dev:agent", &agent, Some("a"), "t", true),
            ("principal:dev:agent", &plain, Some("a"), "t", false),
            ("tenant:acme", &acme, Some("a"), "t", true),
            ("tenant:acme", &plain, Some("a"), "t", false),
        ] {
            let subject: StopSubject = subject.parse().unwrap();
            let server = server.map(|name: &str| name.parse().unwrap());
            let target = Target { server, item: Item::Tool(tool.into()), definition: None };
            assert_eq!(subject.covers(caller, &target), covered, "{subject} {target:?}");
            assert_eq!(subject.to_string().parse(), Ok(subject));
        }
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for bad in [
            "",
            "al",
            "server:",
            "server:A",
            "tool:a",
            "tool:a__",
            "tool:__t",
            "user:x",
            "principal:",
            "principal:alice",
            "principal:corp:alice",
            "principal:oauth:alice",
            "principal:oauth:corp:",
            "tenant:a\nb",
        ] {
            assert!(bad.parse::<StopSubject>().is_err(), "{bad}");
        }
    }
}
