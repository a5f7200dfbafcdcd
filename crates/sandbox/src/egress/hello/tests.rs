#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]

use std::sync::Arc;

use proptest::prelude::*;
use rustls::{ClientConfig, ClientConnection, RootCertStore, crypto::aws_lc_rs};

use super::*;

/// What rustls sends first, with post-quantum key shares.
fn real(name: &str) -> Vec<u8> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let mut connection =
        ClientConnection::new(Arc::new(config), name.to_owned().try_into().unwrap()).unwrap();
    let mut bytes = Vec::new();
    connection.write_tls(&mut bytes).unwrap();
    bytes
}

/// A ClientHello with these extensions, in one record.
fn made(extensions: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([0, 0, 2, 0x13, 0x01, 1, 0]);
    let extensions: Vec<u8> = extensions
        .iter()
        .flat_map(|(kind, content)| [&kind.to_be_bytes()[..], &sized(content)].concat())
        .collect();
    body.extend(sized(&extensions));
    record(&message(&body))
}

fn message(body: &[u8]) -> Vec<u8> {
    [&[CLIENT_HELLO], &u32::try_from(body.len()).unwrap().to_be_bytes()[1..], body].concat()
}

fn record(content: &[u8]) -> Vec<u8> {
    [&[HANDSHAKE, 3, 1][..], &sized(content)].concat()
}

fn sized(content: &[u8]) -> Vec<u8> {
    [&u16::try_from(content.len()).unwrap().to_be_bytes()[..], content].concat()
}

fn sni(names: &[&str]) -> (u16, Vec<u8>) {
    let list: Vec<u8> = names.iter().flat_map(|name| [&[0][..], &sized(name.as_bytes())].concat()).collect();
    (SERVER_NAME, sized(&list))
}

fn seen(bytes: &[u8]) -> String {
    match ClientHello::read(bytes) {
        Ok(None) => "more".to_owned(),
        Ok(Some(ClientHello { server_name: None })) => "nobody".to_owned(),
        Ok(Some(ClientHello { server_name: Some(name) })) => name.to_string(),
        Err(fault) => format!("{fault:?}"),
    }
}

#[test]
fn names_are_found_and_what_is_odd_is_refused() {
    let long = "a".repeat(300);
    for (what, bytes, expected) in [
        ("rustls", real("api.example.com"), "api.example.com"),
        ("rustls to an address", real("192.0.2.1"), "nobody"),
        ("one name", made(&[sni(&["API.example.com"])]), "api.example.com"),
        ("no extensions", made(&[]), "nobody"),
        ("an unknown extension", made(&[(0x1234, vec![1]), sni(&["a.example"])]), "a.example"),
        ("two names", made(&[sni(&["a.example", "b.example"])]), "Malformed"),
        ("no name in the list", made(&[(SERVER_NAME, vec![0, 0])]), "Malformed"),
        ("two lists", made(&[sni(&["a.example"]), sni(&["b.example"])]), "Malformed"),
        ("another kind of name", made(&[(SERVER_NAME, vec![0, 4, 1, 0, 1, b'a'])]), "Malformed"),
        ("an empty name", made(&[sni(&[""])]), "BadName"),
        ("an address as name", made(&[sni(&["127.0.0.1"])]), "BadName"),
        ("a number as name", made(&[sni(&["2130706433"])]), "BadName"),
        ("a zero byte in it", made(&[sni(&["a.example\0.evil.test"])]), "BadName"),
        ("not ASCII", made(&[sni(&["bücher.example"])]), "BadName"),
        ("too long a name", made(&[sni(&[&long])]), "BadName"),
        ("ECH", made(&[sni(&["a.example"]), (0xfe0d, vec![0; 8])]), "Encrypted"),
        ("HTTP", b"GET / HTTP/1.1\r\n".to_vec(), "NotTls"),
        ("SSH", b"SSH-2.0-x\r\n".to_vec(), "NotTls"),
        ("an SSL 2 hello", vec![0x80, 0x2e, 1, 3, 1], "NotTls"),
        ("an alert", vec![21, 3, 3, 0, 2, 1, 0], "NotTls"),
        ("another handshake message", record(&[2, 0, 0, 1, 0]), "NotTls"),
        ("an empty record", record(&[]), "Malformed"),
        ("too long a record", vec![22, 3, 1, 0xff, 0xff], "Malformed"),
        ("too long a message", vec![22, 3, 1, 1, 0, 1, 0xff, 0xff, 0xff], "TooLong"),
        (
            "bytes after the extensions",
            record(&message(&[&[3; 34][..], &[0, 0, 2, 1, 1, 1, 0, 0, 0, 9]].concat())),
            "Malformed",
        ),
        ("half a suite", record(&message(&[&[3; 34][..], &[0, 0, 3, 1, 1, 1, 1, 0]].concat())), "Malformed"),
        ("nothing", Vec::new(), "more"),
        ("half a header", vec![22, 3], "more"),
    ] {
        assert_eq!(seen(&bytes), expected, "{what}");
    }
}

#[test]
fn whatever_follows_is_left_alone() {
    let followed = [made(&[sni(&["a.example"])]), vec![23, 3, 3, 0, 1, 0]].concat();
    assert_eq!(seen(&followed), "a.example");
}

proptest! {
    #[test]
    fn cut_short_it_is_never_judged(cut in 0.0_f64..1.0) {
        let whole = real("api.example.com");
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a position in the bytes")]
        let at = (whole.len() as f64 * cut) as usize;
        prop_assert_eq!(seen(&whole[..at]), "more");
    }

    #[test]
    fn in_any_records_it_says_the_same(sizes in prop::collection::vec(1_usize..400, 1..20)) {
        let whole = made(&[(0x1234, vec![7; 900]), sni(&["api.example.com"])]);
        let mut content = &whole[RECORD_HEADER..];
        let mut bytes = Vec::new();
        for size in sizes.iter().cycle() {
            if content.is_empty() {
                break;
            }
            let (now, later) = content.split_at(content.len().min(*size));
            bytes.extend(record(now));
            content = later;
        }
        prop_assert_eq!(seen(&bytes), "api.example.com");
    }

    #[test]
    fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..400), at in 0_usize..400) {
        let _ = ClientHello::read(&bytes);
        let mut bent = made(&[sni(&["api.example.com"])]);
        if let Some(byte) = bent.get_mut(at) {
            *byte ^= bytes.first().copied().unwrap_or(1);
        }
        let _ = ClientHello::read(&bent);
    }
}
