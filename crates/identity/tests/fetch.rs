//! Fetching over real sockets: what is reached, and what is not.
#![allow(clippy::unwrap_used, reason = "test code")]

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use http::Uri;
use portcullis_identity::{Fetch as _, HttpFetch};

/// Answers everything alike and counts who came.
fn server(answer: impl Into<Vec<u8>>) -> (SocketAddr, Arc<AtomicUsize>) {
    let (listener, answer) = (TcpListener::bind("127.0.0.1:0").unwrap(), answer.into());
    let (address, count) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&count);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            seen.fetch_add(1, Ordering::SeqCst);
            let mut head = [0; 2_048];
            let _ = stream.read(&mut head);
            let _ = stream.write_all(&answer);
        }
    });
    (address, count)
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

async fn get(url: &str, home: &str) -> Result<(u16, String), String> {
    let (url, home): (Uri, Uri) = (url.parse().unwrap(), home.parse().unwrap());
    let fetched = HttpFetch::new(None).unwrap().get(&url, &home).await.map_err(|fault| fault.to_string())?;
    Ok((fetched.status, String::from_utf8(fetched.body.to_vec()).unwrap()))
}

#[tokio::test]
async fn the_issuers_own_host_may_be_anywhere_and_no_other() {
    let (address, seen) = server(ok("{}"));
    let port = address.port();
    let home = format!("http://{address}");
    assert_eq!(get(&format!("{home}/keys"), &home).await, Ok((200, "{}".to_owned())));
    let before = seen.load(Ordering::SeqCst);
    for (url, why) in [
        (format!("https://{address}/keys"), "not a public address"),
        (format!("https://127.0.0.1:{}/keys", port ^ 1), "not a public address"),
        (format!("https://localhost:{port}/keys"), "not a public address"),
        (format!("https://[::1]:{port}/keys"), "not a public address"),
        (format!("https://[::ffff:127.0.0.1]:{port}/keys"), "not a public address"),
        (format!("https://2130706433:{port}/keys"), "the host is an IP address"),
        (format!("https://0x7f000001:{port}/keys"), "the host is an IP address"),
        ("https://169.254.169.254/latest/meta-data".to_owned(), "not a public address"),
        ("https://10.0.0.1/".to_owned(), "not a public address"),
        ("https://[fd00::1]/".to_owned(), "not a public address"),
        ("https://0.0.0.0/".to_owned(), "not a public address"),
        (format!("http://localhost:{port}/keys"), "it is not https"),
        ("http://example.com/keys".to_owned(), "it is not https"),
        ("ftp://example.com/keys".to_owned(), "it is not https"),
    ] {
        let fault = get(&url, &home).await.unwrap_err();
        assert!(fault.contains(why), "{url}: {fault}");
    }
    assert_eq!(seen.load(Ordering::SeqCst), before, "nothing was connected to");
}

#[tokio::test]
async fn answers_are_bounded_and_redirects_are_answers() {
    let (elsewhere, visited) = server(ok("{}"));
    let redirect =
        format!("HTTP/1.1 302 Found\r\nlocation: http://{elsewhere}/\r\ncontent-length: 0\r\n\r\n");
    for (answer, expected) in [
        (redirect, Ok((302, String::new()))),
        (ok(&" ".repeat(256 * 1024)), Ok((200, " ".repeat(256 * 1024)))),
        (ok(&" ".repeat(256 * 1024 + 1)), Err("larger than 262144 bytes")),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort".to_owned(), Err("")),
        ("nonsense".to_owned(), Err("")),
    ] {
        let (address, _) = server(answer);
        let home = format!("http://{address}");
        match (get(&home, &home).await, expected) {
            (Ok(found), Ok(expected)) => assert!(found == expected),
            (Err(fault), Err(part)) => assert!(fault.contains(part), "{fault}"),
            (found, expected) => assert!(found.is_ok() == expected.is_ok(), "{found:?}"),
        }
    }
    assert_eq!(visited.load(Ordering::SeqCst), 0);
}
