//! What is asked of the proxy that it must not do.

/// Names and where they lead. The collector is on 127.0.0.2, which nobody may connect to.
pub(super) const ZONE: &[(&str, &[&[&str]])] = &[
    ("listed.test", &[&["127.0.0.1"]]),
    ("rebind.test", &[&["127.0.0.1"], &["127.0.0.2"]]),
    ("inside.test", &[&["127.0.0.2"]]),
    ("mixed.test", &[&["127.0.0.1", "127.0.0.2"]]),
    ("family.test", &[&["127.0.0.1", "::1"]]),
    ("mapped.test", &[&["::ffff:127.0.0.2"]]),
    ("nat64.test", &[&["64:ff9b::127.0.0.2"]]),
    ("metadata.test", &[&["169.254.169.254"]]),
    ("unique.test", &[&["fd00:ec2::254"]]),
    ("unlisted.test", &[&["127.0.0.2"]]),
];

/// Names whose rules lead to the collector, if only their addresses were not looked at.
const INSIDE: [&str; 7] =
    ["inside.test", "mixed.test", "family.test", "mapped.test", "nat64.test", "metadata.test", "unique.test"];

/// Spellings of 127.0.0.2 that some reader understands.
const SPELLINGS: [&str; 9] = [
    "2130706434",
    "0x7f000002",
    "0x7f.0.0.2",
    "0177.0.0.2",
    "017700000002",
    "127.2",
    "127.0.2",
    "127.0.0.2.",
    "127.0.0.02",
];

/// One request, and the refusal it gets.
pub(super) struct Attempt {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
    pub(super) status: u16,
    pub(super) control: &'static str,
    pub(super) destination: String,
}

/// The rules in force, with the options that say them.
pub(super) fn rules(listed: u16, collector: u16) -> Vec<(&'static str, String)> {
    let plain =
        ["listed.test", "rebind.test"].map(|name| ("--danger-allow-plain", format!("{name}:{listed}")));
    let inside = INSIDE.map(|name| ("--danger-allow-plain", format!("{name}:{collector}")));
    let tls = [("--allow", format!("tls.test:{listed}")), ("--allow", "*.wild.test".to_owned())];
    plain.into_iter().chain(inside).chain(tls).collect()
}

pub(super) fn all(listed: u16, collector: u16) -> Vec<Attempt> {
    let names = INSIDE.map(|name| connect(&format!("{name}:{collector}"), "TI-06"));
    let spelled = SPELLINGS.map(|spelling| connect(&format!("{spelling}:{collector}"), "TI-06"));
    let others = [
        connect(&format!("127.0.0.2:{collector}"), "NET-02"),
        connect(&format!("[::ffff:127.0.0.2]:{collector}"), "NET-02"),
        connect("192.0.2.10:9999", "NET-02"),
        connect("169.254.169.254:80", "NET-02"),
        connect(&format!("unlisted.test:{collector}"), "NET-02"),
        connect(&format!("listed.test:{collector}"), "NET-02"),
        connect("listed.test:22", "NET-02"),
        connect("wild.test:443", "NET-02"),
        connect(&format!("listed.test@127.0.0.2:{collector}"), "TI-06"),
        connect("Y2FuYXJ5.canary.unlisted.test:443", "NET-02"),
        forward(&format!("127.0.0.2:{collector}"), "http", "NET-02"),
        forward(&format!("inside.test:{collector}"), "http", "TI-06"),
        forward(&format!("listed.test:{listed}"), "https", "TI-06"),
        forward(&format!("listed.test:{listed}"), "gopher", "TI-06"),
        forward(&format!("listed.test:{listed}"), "ftp", "TI-06"),
        forward(&format!("tls.test:{listed}"), "http", "TI-06"),
    ];
    names.into_iter().chain(spelled).chain(others).chain(odd(listed, collector)).collect()
}

/// Requests that two readers could take for different ones.
fn odd(listed: u16, collector: u16) -> Vec<Attempt> {
    let to = format!("listed.test:{listed}");
    let odd = |name: &str, request: String| Attempt {
        name: name.to_owned(),
        bytes: request.into_bytes(),
        status: 400,
        control: "NET-05",
        destination: to.clone(),
    };
    vec![
        odd(
            "a Host that says otherwise",
            format!("GET http://{to}/ HTTP/1.1\r\nHost: 127.0.0.2:{collector}\r\n\r\n"),
        ),
        odd(
            "a tunnel whose Host says otherwise",
            format!("CONNECT {to} HTTP/1.1\r\nHost: inside.test:{collector}\r\n\r\n"),
        ),
        odd(
            "two Hosts",
            format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\nHost: inside.test:{collector}\r\n\r\n"),
        ),
        odd(
            "a tunnel with a body",
            format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\nContent-Length: 3\r\n\r\nGET"),
        ),
    ]
}

fn connect(to: &str, control: &'static str) -> Attempt {
    Attempt {
        name: format!("CONNECT {to}"),
        bytes: format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n\r\n").into_bytes(),
        status: 403,
        control,
        destination: to.to_owned(),
    }
}

fn forward(to: &str, scheme: &str, control: &'static str) -> Attempt {
    Attempt {
        name: format!("GET {scheme}://{to}/"),
        bytes: format!("GET {scheme}://{to}/ HTTP/1.1\r\nHost: {to}\r\n\r\n").into_bytes(),
        status: 403,
        control,
        // Where the scheme decides, it is part of what is on record.
        destination: if scheme == "http" { to.to_owned() } else { format!("{scheme}://{to}") },
    }
}
