//! Names resolved by asking name servers directly.

use std::net::{IpAddr, SocketAddr};

use hickory_resolver::{
    Resolver, ResolverBuilder, TokioResolver,
    config::{LookupIpStrategy, NameServerConfig, ResolverConfig},
    net::runtime::TokioRuntimeProvider,
    proto::rr::Name,
};
use portcullis_core::{BoxFuture, DomainName};

use super::{LookupFault, Resolve};

/// Answers kept, at most as long as they say.
const CACHE: u64 = 256;

/// A resolver that asks the name servers of this machine, or those it is given.
#[derive(Debug)]
pub struct Dns(TokioResolver);

impl Dns {
    /// Asks the name servers of `/etc/resolv.conf`, after looking into `/etc/hosts`.
    ///
    /// # Errors
    /// What is wrong with either file.
    pub fn of_system() -> Result<Self, String> {
        Self::build(TokioResolver::builder_tokio().map_err(|error| format!("/etc/resolv.conf: {error}"))?)
    }

    /// Asks these name servers, over UDP and, when an answer does not fit, over TCP.
    ///
    /// # Errors
    /// When no resolver can be made of them.
    pub fn asking(servers: &[SocketAddr]) -> Result<Self, String> {
        let servers = servers.iter().map(|server| {
            let mut named = NameServerConfig::udp_and_tcp(server.ip());
            named.connections.iter_mut().for_each(|connection| connection.port = server.port());
            named
        });
        let config = ResolverConfig::from_name_servers(servers.collect());
        Self::build(Resolver::builder_with_config(config, TokioRuntimeProvider::default()))
    }

    fn build(mut builder: ResolverBuilder<TokioRuntimeProvider>) -> Result<Self, String> {
        let options = builder.options_mut();
        // Both families are always asked, so that an answer cannot be good in one and bad in the other.
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.cache_size = CACHE;
        builder.build().map(Self).map_err(|error| error.to_string())
    }
}

impl Resolve for Dns {
    fn lookup<'a>(&'a self, name: &'a DomainName) -> BoxFuture<'a, Result<Vec<IpAddr>, LookupFault>> {
        Box::pin(async move {
            let none = |error: String| LookupFault::NoAddress(error);
            let mut absolute = Name::from_ascii(name.as_str()).map_err(|error| none(error.to_string()))?;
            // Otherwise the machine's search domains would be tried.
            absolute.set_fqdn(true);
            let found = self.0.lookup_ip(absolute).await.map_err(|error| none(error.to_string()))?;
            Ok(found.iter().collect())
        })
    }
}
