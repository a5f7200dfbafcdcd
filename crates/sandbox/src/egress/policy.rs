//! What a server may speak to.

use std::{net::IpAddr, sync::Arc};

use portcullis_core::{Authority, special_purpose};

use super::{
    Denial, RuleFault, Way,
    rule::{Rule, Transport},
};

/// The allow-list of one server. What no rule names is refused; an empty one refuses everything.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    rules: Vec<Rule>,
    excepted: Vec<IpAddr>,
}

/// That a rule names a destination. The addresses behind it are yet to be checked.
#[derive(Debug)]
pub(super) struct Permit {
    /// The rule, as written.
    pub(super) rule: Arc<str>,
    /// Whether what is spoken has to be TLS to the host that was asked for.
    pub(super) tls: bool,
}

impl Policy {
    /// Reads the rules.
    ///
    /// `hosts` may be reached with TLS, `danger_plain_hosts` with anything: what is said there can be read and
    /// changed on the way, and its true destination is not checked. `danger_private_addresses` are connected to
    /// although they are not public, when a rule leads to them.
    ///
    /// # Errors
    /// Every rule that cannot be used.
    pub fn new(
        hosts: &[String],
        danger_plain_hosts: &[String],
        danger_private_addresses: &[IpAddr],
    ) -> Result<Self, Vec<RuleFault>> {
        let tls = hosts.iter().map(|text| Rule::parse(text, Transport::Tls));
        let plain = danger_plain_hosts.iter().map(|text| Rule::parse(text, Transport::Plain));
        let (mut rules, mut faults) = (Vec::new(), Vec::new());
        for rule in tls.chain(plain) {
            match rule {
                Ok(rule) => rules.push(rule),
                Err(fault) => faults.push(fault),
            }
        }
        if faults.is_empty() {
            Ok(Self { rules, excepted: danger_private_addresses.to_vec() })
        } else {
            Err(faults)
        }
    }

    /// Rules that can never let anything through, because the address they name is special and not excepted.
    pub fn vain_rules(&self) -> impl Iterator<Item = &str> {
        let vain = |rule: &&Rule| rule.address().is_some_and(|address| self.check(&[address]).is_err());
        self.rules.iter().filter(vain).map(|rule| &**rule.text())
    }

    /// The rule that allows `to`. One that asks for TLS is preferred.
    pub(super) fn permit(&self, to: &Authority, way: Way) -> Result<Permit, Denial> {
        let named: Vec<&Rule> = self.rules.iter().filter(|rule| rule.names(to)).collect();
        let with = |transport| named.iter().find(|rule| rule.transport() == transport);
        let rule = match way {
            Way::Http => with(Transport::Plain),
            _ => with(Transport::Tls).or_else(|| with(Transport::Plain)),
        };
        match rule {
            Some(rule) => Ok(Permit { rule: rule.text().clone(), tls: rule.transport() == Transport::Tls }),
            None if named.is_empty() => Err(Denial::NotListed),
            None => Err(Denial::Plain),
        }
    }

    /// Whether every address may be connected to. One bad address spoils an answer: which of them a connection
    /// ends at must not matter.
    pub(super) fn check(&self, addresses: &[IpAddr]) -> Result<(), Denial> {
        let bad = addresses.iter().filter(|address| !self.excepted.contains(address));
        match bad.filter_map(|address| special_purpose(*address).map(|special| (*address, special))).next() {
            Some((address, special)) => Err(Denial::Address { address, special }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(hosts: &[&str], plain: &[&str], private: &[&str]) -> Result<Policy, String> {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let private: Vec<IpAddr> = private.iter().filter_map(|text| text.parse().ok()).collect();
        Policy::new(&owned(hosts), &owned(plain), &private)
            .map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    }

    #[test]
    fn what_is_not_named_is_refused() {
        let hosts = [
            "api.example.com",
            "*.example.org:8443",
            "bücher.example:443",
            "203.0.113.7:443",
            "both.example",
        ];
        let policy = policy(&hosts, &["old.example:80", "both.example:443"], &[]).unwrap_or_default();
        for (asked, way, expected) in [
            ("api.example.com:443", Way::Connect, "api.example.com, tls"),
            ("API.example.com.:443", Way::Connect, "api.example.com, tls"),
            ("api.example.com:443", Way::Http, "the destination is allowed with TLS only"),
            ("api.example.com:80", Way::Http, "no rule allows it"),
            ("api.example.com:8443", Way::Connect, "no rule allows it"),
            ("x.api.example.com:443", Way::Connect, "no rule allows it"),
            ("api.example.com.evil.test:443", Way::Connect, "no rule allows it"),
            ("a.example.org:8443", Way::Connect, "*.example.org:8443, tls"),
            ("b.a.example.org:8443", Way::Connect, "*.example.org:8443, tls"),
            ("example.org:8443", Way::Connect, "no rule allows it"),
            ("badexample.org:8443", Way::Connect, "no rule allows it"),
            ("xn--bcher-kva.example:443", Way::Connect, "bücher.example:443, tls"),
            ("203.0.113.7:443", Way::Connect, "203.0.113.7:443, tls"),
            ("203.0.113.8:443", Way::Connect, "no rule allows it"),
            ("[::ffff:203.0.113.7]:443", Way::Connect, "no rule allows it"),
            ("old.example:80", Way::Http, "old.example:80, plain"),
            ("old.example:80", Way::Connect, "old.example:80, plain"),
            ("both.example:443", Way::Connect, "both.example, tls"),
            ("both.example:443", Way::Http, "both.example:443, plain"),
        ] {
            let seen =
                Authority::parse(asked, None).map_err(Denial::from).and_then(|to| policy.permit(&to, way));
            let seen = match seen {
                Ok(permit) => format!("{}, {}", permit.rule, if permit.tls { "tls" } else { "plain" }),
                Err(denial) => denial.to_string(),
            };
            assert_eq!(seen, expected, "{asked} {way:?}");
        }
    }

    #[test]
    fn an_empty_list_allows_nothing() {
        let to = Authority::parse("api.example.com:443", None);
        let denied =
            to.map(|to| matches!(Policy::default().permit(&to, Way::Connect), Err(Denial::NotListed)));
        assert_eq!(denied, Ok(true));
    }

    #[test]
    fn rules_that_mean_too_much_or_nothing_are_faults() {
        for (rule, problem) in [
            ("https://api.example.com", "`https://api.example.com` is a URL; write its host and port"),
            ("*", "`*` has a `*` that is not the whole first label"),
            ("*.com", "`*.com` allows a whole top-level domain"),
            ("a.*.com", "`a.*.com` has a `*` that is not the whole first label"),
            ("*.*.example.com", "`*.*.example.com` has a `*` that is not the whole first label"),
            (
                "*.10.0.0.1",
                "`*.10.0.0.1` is not `host:port`: the host is an IP address (10.0.0.1), not a name",
            ),
            (
                "0x7f.1:80",
                "`0x7f.1:80` is not `host:port`: the host is an IP address (127.0.0.1), not a name",
            ),
            ("a.example:0", "`a.example:0` is not `host:port`: the port is not a number from 1 to 65535"),
            ("a.example:*", "`a.example:*` has a `*` that is not the whole first label"),
            ("u@a.example", "`u@a.example` is not `host:port`: there is user information before the host"),
            ("", "`` is not `host:port`: there is no host"),
        ] {
            assert_eq!(policy(&[rule], &[], &[]).map(|_| ()), Err(problem.to_owned()), "{rule}");
        }
    }

    #[test]
    fn one_bad_address_spoils_an_answer_and_exceptions_are_exact() {
        let policy = policy(&["10.0.0.5:443", "10.0.0.6:443"], &[], &["10.0.0.5"]).unwrap_or_default();
        for (addresses, expected) in [
            (&["93.184.216.34", "2606:2800::1"][..], "fine"),
            (&["93.184.216.34", "127.0.0.1"], "127.0.0.1 is loopback"),
            (&["10.0.0.5"], "fine"),
            (&["10.0.0.5", "10.0.0.6"], "10.0.0.6 is private (RFC 1918)"),
            (&["::ffff:10.0.0.5"], "::ffff:10.0.0.5 is IPv4-mapped (RFC 4291), carrying 10.0.0.5"),
            (&["64:ff9b::a00:5"], "64:ff9b::a00:5 is private (RFC 1918), carrying 10.0.0.5"),
        ] {
            let addresses: Vec<IpAddr> = addresses.iter().filter_map(|text| text.parse().ok()).collect();
            let seen =
                policy.check(&addresses).map_or_else(|denial| denial.to_string(), |()| "fine".to_owned());
            assert_eq!(seen, expected, "{addresses:?}");
        }
        assert_eq!(policy.vain_rules().collect::<Vec<_>>(), ["10.0.0.6:443"]);
    }
}
