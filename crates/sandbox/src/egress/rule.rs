//! One line of an allow-list.

use std::{net::IpAddr, sync::Arc};

use portcullis_core::{Authority, AuthorityFault, DomainName, Host, HostFault};

/// The port of a rule that names none.
const HTTPS: u16 = 443;

/// A destination that is allowed: `host`, `host:port`, `*.suffix` or `*.suffix:port`. Without a port it is 443.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    text: Arc<str>,
    hosts: Hosts,
    port: u16,
    transport: Transport,
}

#[derive(Clone, Debug)]
enum Hosts {
    Exactly(Host),
    Below(DomainName),
}

/// What may be spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    /// TLS to the host of the rule, checked.
    Tls,
    /// Anything, unseen.
    Plain,
}

/// Why a rule cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{rule}` {problem}")]
pub struct RuleFault {
    rule: String,
    problem: String,
}

impl RuleFault {
    /// What is wrong, to be read after the rule.
    pub fn problem(&self) -> &str {
        &self.problem
    }
}

impl Rule {
    pub(super) fn parse(text: &str, transport: Transport) -> Result<Self, RuleFault> {
        let fault = |problem: String| RuleFault { rule: text.chars().take(80).collect(), problem };
        let readable = |error: AuthorityFault| fault(format!("is not `host:port`: {error}"));
        let (wild, rest) = text.strip_prefix("*.").map_or((false, text), |rest| (true, rest));
        if text.contains("://") || text.contains('/') {
            return Err(fault("is a URL; write its host and port".to_owned()));
        }
        if rest.contains('*') {
            return Err(fault("has a `*` that is not the whole first label".to_owned()));
        }
        let Authority { host, port } = Authority::parse(rest, Some(HTTPS)).map_err(readable)?;
        let hosts = match (wild, host) {
            (false, host) => Hosts::Exactly(host),
            (true, Host::Name(parent)) if parent.as_str().contains('.') => Hosts::Below(parent),
            (true, Host::Name(_)) => return Err(fault("allows a whole top-level domain".to_owned())),
            (true, Host::Address(address)) => {
                return Err(readable(HostFault::Address { means: Some(address) }.into()));
            }
        };
        Ok(Self { text: text.into(), hosts, port, transport })
    }

    pub(super) fn text(&self) -> &Arc<str> {
        &self.text
    }

    pub(super) fn transport(&self) -> Transport {
        self.transport
    }

    /// The address the rule names, when it names one.
    pub(super) fn address(&self) -> Option<IpAddr> {
        match self.hosts {
            Hosts::Exactly(Host::Address(address)) => Some(address),
            _ => None,
        }
    }

    pub(super) fn names(&self, to: &Authority) -> bool {
        let host = match (&self.hosts, &to.host) {
            (Hosts::Exactly(exactly), host) => exactly == host,
            (Hosts::Below(parent), Host::Name(name)) => name.is_below(parent),
            (Hosts::Below(_), Host::Address(_)) => false,
        };
        host && self.port == to.port
    }
}
