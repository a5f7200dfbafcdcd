//! Options that say what something may do, the same for every command that has them.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use portcullis_sandbox::{
    Egress,
    egress::{Limits, Policy},
};

use super::counted;
use crate::{
    config,
    exit::{Exit, Failure},
    printer::Printer,
};

/// What may be read, changed, executed and reached. Everything that is not listed is refused.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Grants {
    #[command(flatten)]
    pub(crate) held: Held,
    /// File or directory that may be read, with everything below, besides the system's libraries and, with `run`, the
    /// server's own package.
    #[arg(long, value_name = "PATH")]
    pub(crate) read: Vec<PathBuf>,
    /// File or directory that may be read and changed, with everything below, besides, with `run`, those the
    /// server's arguments name. Nothing in it can be executed.
    #[arg(long, value_name = "PATH")]
    pub(crate) write: Vec<PathBuf>,
    /// Program that may be executed besides the command and its interpreters.
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) execute: Vec<String>,
    #[command(flatten)]
    pub(crate) reach: Reach,
    /// Let it use the network as you do, inside a sandbox that holds everything else.
    #[arg(long, conflicts_with_all = ["allow", "danger_allow_plain", "danger_allow_address"])]
    pub(crate) danger_host_network: bool,
}

/// What puts the boundaries up.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Held {
    /// What holds it: the kernel's own boundaries, or a container runtime inside of some of them.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) tier: config::Tier,
    /// The runtime of `--tier`, by name or path; of `gvisor` it is `runsc` when absent.
    #[arg(long, value_name = "PROGRAM", requires = "tier")]
    pub(crate) runtime: Option<String>,
}

/// Which hosts may be reached, and how.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Reach {
    /// Host that may be reached over TLS, each attempt on record: `api.example.com`, `*.example.com:8443`. Without a
    /// port it is 443.
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) allow: Vec<String>,
    /// Name server to ask, instead of those in /etc/resolv.conf.
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) name_server: Vec<SocketAddr>,
    /// Most connections that may be asked for in a minute, those that are refused included.
    #[arg(long, value_name = "N", default_value_t = Limits::default().connections_per_minute)]
    pub(crate) connections_per_minute: u32,
    /// Most bytes one connection may send.
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().upload_bytes)]
    pub(crate) upload_bytes: u64,
    /// Most bytes that may be sent under one rule in an hour.
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().upload_bytes_per_hour)]
    pub(crate) upload_bytes_per_hour: u64,
    /// Host that may be reached with anything, unencrypted HTTP included. What is said there can be read and
    /// changed on the way.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) danger_allow_plain: Vec<String>,
    /// Address that may be connected to although it is private, when an allowed host has it.
    #[arg(long, value_name = "IP")]
    pub(crate) danger_allow_address: Vec<IpAddr>,
}

impl Reach {
    /// As part of a plan.
    pub(crate) fn egress(&self) -> Egress {
        Egress {
            hosts: self.allow.iter().cloned().collect(),
            danger_plain_hosts: self.danger_allow_plain.iter().cloned().collect(),
            danger_addresses: self.danger_allow_address.iter().copied().collect(),
            name_servers: self.name_server.clone(),
            connections_per_minute: self.connections_per_minute,
            upload_bytes: self.upload_bytes,
            upload_bytes_per_hour: self.upload_bytes_per_hour,
        }
    }

    /// As rules. Says what is wrong with them, and which of them will never let anything through.
    pub(crate) fn policy(&self, printer: &Printer) -> Result<Policy, Failure> {
        let policy = self.egress().policy().map_err(|faults| {
            faults.iter().for_each(|fault| printer.error(&fault.to_string(), None));
            Failure::new(Exit::Usage, format!("{} cannot be used", counted(faults.len(), "host")))
                .remedy("write `api.example.com`, `api.example.com:8443` or `*.example.com`")
        })?;
        for rule in policy.vain_rules() {
            let remedy = "`--danger-allow-address` allows its address nevertheless";
            printer.warning(&format!("`{rule}` is not a public address and will be refused"), Some(remedy));
        }
        Ok(policy)
    }
}
