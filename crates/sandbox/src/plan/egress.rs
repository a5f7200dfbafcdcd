//! What a server may reach.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
};

use serde::{Deserialize, Serialize};

use crate::egress::{Dns, Limits, Policy, RuleFault};

/// Hosts a server may reach through its gate ([`crate::egress`]), and how much it may send there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Egress {
    /// Hosts it may speak TLS to: `host`, `host:port`, `*.suffix`. Without a port it is 443.
    pub hosts: BTreeSet<String>,
    /// Hosts with which anything may be spoken, unencrypted HTTP included.
    pub danger_plain_hosts: BTreeSet<String>,
    /// Addresses that are connected to although they are not public, when a host has them.
    pub danger_addresses: BTreeSet<IpAddr>,
    /// Name servers to ask instead of the machine's.
    pub name_servers: Vec<SocketAddr>,
    /// Connections it may ask for in a minute, those that are refused included.
    pub connections_per_minute: u32,
    /// Most bytes one connection may send.
    pub upload_bytes: u64,
    /// Most bytes that may be sent under one rule in an hour.
    pub upload_bytes_per_hour: u64,
}

impl Default for Egress {
    fn default() -> Self {
        let Limits { connections_per_minute, upload_bytes, upload_bytes_per_hour, .. } = Limits::default();
        Self {
            hosts: BTreeSet::new(),
            danger_plain_hosts: BTreeSet::new(),
            danger_addresses: BTreeSet::new(),
            name_servers: Vec::new(),
            connections_per_minute,
            upload_bytes,
            upload_bytes_per_hour,
        }
    }
}

impl Egress {
    /// Whether nothing can be reached at all.
    pub fn is_closed(&self) -> bool {
        self.hosts.is_empty() && self.danger_plain_hosts.is_empty()
    }

    /// Whether it is weaker than it could be.
    pub fn has_danger(&self) -> bool {
        !self.danger_plain_hosts.is_empty() || !self.danger_addresses.is_empty()
    }

    /// The same as rules.
    ///
    /// # Errors
    /// Every host that cannot be one.
    pub fn policy(&self) -> Result<Policy, Vec<RuleFault>> {
        let owned = |hosts: &BTreeSet<String>| hosts.iter().cloned().collect::<Vec<_>>();
        let addresses: Vec<IpAddr> = self.danger_addresses.iter().copied().collect();
        Policy::new(&owned(&self.hosts), &owned(&self.danger_plain_hosts), &addresses)
    }

    /// What resolves the names.
    ///
    /// # Errors
    /// When no name server is known.
    pub fn resolver(&self) -> Result<Dns, String> {
        match self.name_servers.as_slice() {
            [] => Dns::of_system(),
            servers => Dns::asking(servers),
        }
    }

    /// The same as limits.
    pub fn limits(&self) -> Limits {
        Limits {
            connections_per_minute: self.connections_per_minute,
            upload_bytes: self.upload_bytes,
            upload_bytes_per_hour: self.upload_bytes_per_hour,
            ..Limits::default()
        }
    }
}
