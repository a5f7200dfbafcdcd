//! Addresses that are not simply a host on the public internet: the table against server-side request
//! forgery (control TI-06).
//!
//! Sources: the IANA special-purpose address registries for IPv4 and IPv6 (RFC 6890 and its updates), and
//! for cloud platforms their own documentation. A range the registry calls globally reachable is still listed
//! when nothing an MCP server has business with lives there.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// What is special about an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Special {
    purpose: &'static str,
    carried: Option<Ipv4Addr>,
}

impl Special {
    /// What the address is for, for example `loopback`.
    pub fn purpose(&self) -> &'static str {
        self.purpose
    }

    /// The IPv4 address that an IPv6 address carries inside.
    pub fn carried(&self) -> Option<Ipv4Addr> {
        self.carried
    }
}

impl fmt::Display for Special {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.purpose)?;
        self.carried.map_or(Ok(()), |inner| write!(f, ", carrying {inner}"))
    }
}

/// What is special about `address`, or nothing when it is an ordinary public one.
pub fn special_purpose(address: IpAddr) -> Option<Special> {
    match address {
        IpAddr::V4(address) => special_v4(address),
        IpAddr::V6(address) => special_v6(address),
    }
}

/// What a range means for the addresses in it.
enum Meaning {
    /// Ordinary public addresses.
    Public,
    /// Special.
    Special,
    /// Special, and there is an IPv4 address inside worth naming.
    Carries(fn(u128) -> u32),
    /// Whatever the IPv4 address inside is.
    StandsFor(fn(u128) -> u32),
}

struct Range {
    /// The network, at the top of the 128 bits.
    network: u128,
    length: u32,
    purpose: &'static str,
    meaning: Meaning,
}

impl Range {
    fn contains(&self, bits: u128) -> bool {
        let beyond = 128_u32.saturating_sub(self.length);
        (bits ^ self.network).checked_shr(beyond).unwrap_or(0) == 0
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u32, purpose: &'static str) -> Range {
    let network = (u32::from_be_bytes([a, b, c, d]) as u128) << 96;
    Range { network, length, purpose, meaning: Meaning::Special }
}

/// `head` is the first 64 bits of the network.
const fn v6(head: u64, length: u32, purpose: &'static str) -> Range {
    Range { network: (head as u128) << 64, length, purpose, meaning: Meaning::Special }
}

const fn meaning(range: Range, meaning: Meaning) -> Range {
    Range { meaning, ..range }
}

/// The first range that contains an address decides.
const V4: &[Range] = &[
    v4(0, 0, 0, 0, 32, "unspecified"),
    // Reaches this machine on Linux, like the unspecified address itself.
    v4(0, 0, 0, 0, 8, "this network (RFC 791)"),
    v4(10, 0, 0, 0, 8, "private (RFC 1918)"),
    v4(100, 64, 0, 0, 10, "shared by carrier-grade NAT (RFC 6598)"),
    v4(127, 0, 0, 0, 8, "loopback"),
    // AWS, Azure, GCP and others on .169.254; AWS ECS on .170.2, EKS on .170.23.
    v4(169, 254, 169, 254, 32, "link-local, instance metadata"),
    v4(169, 254, 170, 0, 24, "link-local, container credentials"),
    v4(169, 254, 0, 0, 16, "link-local (RFC 3927)"),
    // A public address by its number, answered by the host of every Azure machine.
    v4(168, 63, 129, 16, 32, "Azure platform services"),
    v4(172, 16, 0, 0, 12, "private (RFC 1918)"),
    v4(192, 0, 0, 0, 24, "IETF protocol assignments (RFC 6890)"),
    v4(192, 0, 2, 0, 24, "documentation (RFC 5737)"),
    v4(192, 31, 196, 0, 24, "AS112 (RFC 7535)"),
    v4(192, 52, 193, 0, 24, "automatic multicast tunneling (RFC 7450)"),
    v4(192, 88, 99, 0, 24, "6to4 relay (RFC 7526)"),
    v4(192, 168, 0, 0, 16, "private (RFC 1918)"),
    v4(192, 175, 48, 0, 24, "AS112 (RFC 7534)"),
    v4(198, 18, 0, 0, 15, "benchmarking (RFC 2544)"),
    v4(198, 51, 100, 0, 24, "documentation (RFC 5737)"),
    v4(203, 0, 113, 0, 24, "documentation (RFC 5737)"),
    v4(224, 0, 0, 0, 4, "multicast (RFC 5771)"),
    v4(255, 255, 255, 255, 32, "broadcast"),
    v4(240, 0, 0, 0, 4, "reserved (RFC 1112)"),
];

/// The first range that contains an address decides; the last contains every address.
const V6: &[Range] = &[
    meaning(v6(0x64_ff9b_0000_0000, 96, "NAT64 (RFC 6052)"), Meaning::StandsFor(low)),
    // Which bits hold the IPv4 address is the network operator's choice, so none can be cleared.
    v6(0x64_ff9b_0001_0000, 48, "NAT64 of local use (RFC 8215)"),
    meaning(v6(0x2001_0000_0000_0000, 32, "Teredo (RFC 4380)"), Meaning::Carries(teredo_client)),
    // ORCHID, benchmarking, drone identifiers and whatever else comes to live here.
    v6(0x2001_0000_0000_0000, 23, "IETF protocol assignments (RFC 2928)"),
    v6(0x2001_0db8_0000_0000, 32, "documentation (RFC 3849)"),
    meaning(v6(0x2002_0000_0000_0000, 16, "6to4 (RFC 3056)"), Meaning::Carries(six_to_four)),
    v6(0x2620_004f_8000_0000, 48, "AS112 (RFC 7534)"),
    v6(0x3fff_0000_0000_0000, 20, "documentation (RFC 9637)"),
    meaning(v6(0x2000_0000_0000_0000, 3, "global unicast"), Meaning::Public),
    v6(0xfd00_0ec2_0000_0000, 64, "unique local, instance metadata"),
    v6(0xfc00_0000_0000_0000, 7, "unique local (RFC 4193)"),
    v6(0xfe80_0000_0000_0000, 10, "link-local (RFC 4291)"),
    v6(0xfec0_0000_0000_0000, 10, "site-local (RFC 3879)"),
    v6(0xff00_0000_0000_0000, 8, "multicast (RFC 4291)"),
    v6(0x0100_0000_0000_0000, 32, "discard-only or dummy (RFC 6666, RFC 9780)"),
    v6(0x5f00_0000_0000_0000, 16, "segment routing (RFC 9602)"),
    exactly(Ipv6Addr::UNSPECIFIED, "unspecified"),
    exactly(Ipv6Addr::LOCALHOST, "loopback"),
    carrying(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), "IPv4-mapped (RFC 4291)"),
    carrying(Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, 0, 0), "IPv4-translated (RFC 2765)"),
    carrying(Ipv6Addr::UNSPECIFIED, "IPv4-compatible (RFC 4291)"),
    v6(0, 0, "not global unicast (RFC 4291)"),
];

const fn exactly(address: Ipv6Addr, purpose: &'static str) -> Range {
    Range { network: address.to_bits(), length: 128, purpose, meaning: Meaning::Special }
}

/// A /96 whose last 32 bits are an IPv4 address.
const fn carrying(network: Ipv6Addr, purpose: &'static str) -> Range {
    Range { network: network.to_bits(), length: 96, purpose, meaning: Meaning::Carries(low) }
}

#[allow(clippy::cast_possible_truncation, reason = "the low 32 bits are what is asked for")]
const fn low(bits: u128) -> u32 {
    bits as u32
}

fn six_to_four(bits: u128) -> u32 {
    low(bits >> 80)
}

fn teredo_client(bits: u128) -> u32 {
    !low(bits)
}

fn special_v4(address: Ipv4Addr) -> Option<Special> {
    let bits = u128::from(address.to_bits()) << 96;
    let range = V4.iter().find(|range| range.contains(bits))?;
    Some(Special { purpose: range.purpose, carried: None })
}

fn special_v6(address: Ipv6Addr) -> Option<Special> {
    let bits = address.to_bits();
    let range = V6.iter().find(|range| range.contains(bits))?;
    let purpose = range.purpose;
    match range.meaning {
        Meaning::Public => stands_for(isatap(bits)?),
        Meaning::Special => Some(Special { purpose, carried: None }),
        Meaning::Carries(inner) => Some(Special { purpose, carried: Some(Ipv4Addr::from_bits(inner(bits))) }),
        Meaning::StandsFor(inner) => stands_for(Ipv4Addr::from_bits(inner(bits))),
    }
}

fn stands_for(inner: Ipv4Addr) -> Option<Special> {
    special_v4(inner).map(|special| Special { carried: Some(inner), ..special })
}

/// The IPv4 address of an ISATAP interface identifier (RFC 5214), which may stand behind any prefix.
fn isatap(bits: u128) -> Option<Ipv4Addr> {
    let marker = low(bits >> 32);
    matches!(marker, 0x0000_5efe | 0x0200_5efe).then(|| Ipv4Addr::from_bits(low(bits)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_range_is_told_apart_at_its_edges() {
        for (address, expected) in [
            ("0.0.0.0", "unspecified"),
            ("0.255.255.255", "this network (RFC 791)"),
            ("9.255.255.255", ""),
            ("10.0.0.0", "private (RFC 1918)"),
            ("11.0.0.0", ""),
            ("100.63.255.255", ""),
            ("100.64.0.0", "shared by carrier-grade NAT (RFC 6598)"),
            ("100.100.100.200", "shared by carrier-grade NAT (RFC 6598)"),
            ("100.128.0.0", ""),
            ("127.255.255.254", "loopback"),
            ("128.0.0.0", ""),
            ("168.63.129.16", "Azure platform services"),
            ("169.254.169.254", "link-local, instance metadata"),
            ("169.254.170.2", "link-local, container credentials"),
            ("169.254.0.1", "link-local (RFC 3927)"),
            ("172.15.255.255", ""),
            ("172.16.0.1", "private (RFC 1918)"),
            ("172.31.255.255", "private (RFC 1918)"),
            ("172.32.0.0", ""),
            ("192.0.0.192", "IETF protocol assignments (RFC 6890)"),
            ("192.0.1.0", ""),
            ("192.0.2.10", "documentation (RFC 5737)"),
            ("192.168.0.1", "private (RFC 1918)"),
            ("198.17.255.255", ""),
            ("198.19.255.255", "benchmarking (RFC 2544)"),
            ("198.20.0.0", ""),
            ("223.255.255.255", ""),
            ("224.0.0.1", "multicast (RFC 5771)"),
            ("240.0.0.1", "reserved (RFC 1112)"),
            ("255.255.255.255", "broadcast"),
            ("8.8.8.8", ""),
            ("::", "unspecified"),
            ("::1", "loopback"),
            ("::2", "IPv4-compatible (RFC 4291), carrying 0.0.0.2"),
            ("::127.0.0.1", "IPv4-compatible (RFC 4291), carrying 127.0.0.1"),
            ("::ffff:127.0.0.1", "IPv4-mapped (RFC 4291), carrying 127.0.0.1"),
            ("::ffff:8.8.8.8", "IPv4-mapped (RFC 4291), carrying 8.8.8.8"),
            ("::ffff:0:10.0.0.1", "IPv4-translated (RFC 2765), carrying 10.0.0.1"),
            ("64:ff9b::169.254.169.254", "link-local, instance metadata, carrying 169.254.169.254"),
            ("64:ff9b::8.8.8.8", ""),
            ("64:ff9b::1:8.8.8.8", "not global unicast (RFC 4291)"),
            ("64:ff9b:1::8.8.8.8", "NAT64 of local use (RFC 8215)"),
            ("100::1", "discard-only or dummy (RFC 6666, RFC 9780)"),
            ("2001::5ef5:79fd:38d8:1e7d:f5ff:fffe", "Teredo (RFC 4380), carrying 10.0.0.1"),
            ("2001:20::1", "IETF protocol assignments (RFC 2928)"),
            ("2001:1ff::1", "IETF protocol assignments (RFC 2928)"),
            ("2001:200::1", ""),
            ("2001:db8::1", "documentation (RFC 3849)"),
            ("2001:db9::1", ""),
            ("2002:7f00:1::", "6to4 (RFC 3056), carrying 127.0.0.1"),
            ("2606:4700::1111", ""),
            ("2606:4700::5efe:10.0.0.1", "private (RFC 1918), carrying 10.0.0.1"),
            ("2606:4700::200:5efe:127.0.0.1", "loopback, carrying 127.0.0.1"),
            ("2606:4700::5efe:8.8.8.8", ""),
            ("3fff::1", "documentation (RFC 9637)"),
            ("4000::1", "not global unicast (RFC 4291)"),
            ("5f00::1", "segment routing (RFC 9602)"),
            ("fd00:ec2::254", "unique local, instance metadata"),
            ("fd20:ce::254", "unique local (RFC 4193)"),
            ("fc00::1", "unique local (RFC 4193)"),
            ("fe80::1", "link-local (RFC 4291)"),
            ("febf::1", "link-local (RFC 4291)"),
            ("fec0::1", "site-local (RFC 3879)"),
            ("ff02::1", "multicast (RFC 4291)"),
        ] {
            let seen = address.parse().ok().and_then(special_purpose);
            assert_eq!(seen.map_or_else(String::new, |s| s.to_string()), expected, "{address}");
        }
    }

    fn std_calls_v4_special(it: Ipv4Addr) -> bool {
        it.is_loopback()
            || it.is_private()
            || it.is_link_local()
            || it.is_broadcast()
            || it.is_documentation()
            || it.is_multicast()
            || it.is_unspecified()
    }

    fn std_calls_v6_special(it: Ipv6Addr) -> bool {
        it.is_loopback()
            || it.is_unspecified()
            || it.is_multicast()
            || it.is_unique_local()
            || it.is_unicast_link_local()
            || it.to_ipv4_mapped().is_some()
    }

    /// Addresses near the interesting prefixes as well as anywhere.
    fn v6() -> impl Strategy<Value = Ipv6Addr> {
        let heads = prop::sample::select(vec![
            0_u128,
            0xffff << 32,
            0x64_ff9b << 96,
            0x2001 << 112,
            0x2002 << 112,
            0xfe80 << 112,
            0xfc00 << 112,
            0xff00 << 112,
        ]);
        let near =
            (heads, any::<u64>()).prop_map(|(head, tail)| Ipv6Addr::from_bits(head | u128::from(tail)));
        prop_oneof![near, any::<u128>().prop_map(Ipv6Addr::from_bits)]
    }

    proptest! {
        #[test]
        fn whatever_std_calls_special_is_special(bits in any::<u32>()) {
            let address = Ipv4Addr::from_bits(bits);
            prop_assert!(!std_calls_v4_special(address) || special_purpose(address.into()).is_some());
        }

        #[test]
        fn the_same_for_ipv6(address in v6()) {
            prop_assert!(!std_calls_v6_special(address) || special_purpose(address.into()).is_some());
        }

        #[test]
        fn a_special_address_stays_special_however_it_is_carried(bits in any::<u32>()) {
            let inner = Ipv4Addr::from_bits(bits);
            let special = special_purpose(inner.into()).is_some();
            let low = u128::from(bits);
            for (network, refused_anyway) in [
                (0_u128, true),
                (0xffff << 32, true),
                (0xffff << 48, true),
                (0x64_ff9b << 96, false),
                (0x2606_4700 << 96 | 0x5efe << 32, false),
            ] {
                let outer = Ipv6Addr::from_bits(network | low);
                prop_assert_eq!(special_purpose(outer.into()).is_some(), special || refused_anyway, "{}", outer);
            }
        }
    }
}
