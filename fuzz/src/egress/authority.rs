//! Hosts and ports: what is read has one form, and reading that form gives it back.

use std::net::{IpAddr, Ipv4Addr};

use portcullis_core::{Authority, Host};

pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for default in [None, Some(443)] {
        let Ok(read) = Authority::parse(text, default) else { continue };
        assert!(read.port > 0);
        assert_eq!(Authority::parse(&read.to_string(), None).as_ref(), Ok(&read), "{text:?}");
        if let Host::Name(name) = &read.host {
            assert!(name.as_str().parse::<IpAddr>().is_err(), "{text:?}");
            assert!(name.as_str().len() <= 253 && !name.as_str().contains(['%', ':', '@', '/', '*']));
            // What no reader of addresses takes for one: its last label is no number.
            let last = name.as_str().rsplit('.').next().unwrap_or_default();
            let number = |digits: &str, hexadecimal: bool| {
                digits.bytes().all(|b| if hexadecimal { b.is_ascii_hexdigit() } else { b.is_ascii_digit() })
            };
            assert!(
                !number(last, false) && !last.strip_prefix("0x").is_some_and(|it| number(it, true)),
                "{text:?}"
            );
        }
    }
    // The other way round: whatever the standard library takes for an address is one here.
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        assert_eq!(Host::parse(text), Ok(Host::Address(address.into())));
    }
}
