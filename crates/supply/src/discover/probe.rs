//! Asking a socket whether an MCP server is behind it, without leaving anything behind at it.

use std::{
    collections::VecDeque,
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    path::Path,
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use super::listening::Where;

/// How a server that was found speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// Streamable HTTP, or the HTTP of MCP 2026-07-28.
    Http,
    /// HTTP+SSE (MCP 2024-11-05).
    Sse,
    /// One JSON-RPC message a line, as over standard input and output.
    Lines,
}

impl Speaks {
    /// In one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Sse => "sse",
            Self::Lines => "lines",
        }
    }
}

/// A server's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How it speaks.
    pub speaks: Speaks,
    /// The path it answers on; empty without HTTP.
    pub path: &'static str,
    /// What it said that only a server of MCP says.
    pub evidence: &'static str,
}

/// How hard sockets are asked.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Sockets asked at the same time.
    pub at_once: usize,
    /// Time between the beginnings of two attempts.
    pub apart: Duration,
    /// Time one connection may take.
    pub patience: Duration,
}

impl Default for Pace {
    /// For sockets of this machine.
    fn default() -> Self {
        Self { at_once: 16, apart: Duration::from_millis(2), patience: Duration::from_millis(400) }
    }
}

/// The most that is read of an answer.
const MAX_ANSWER: usize = 16 * 1024;

/// Ports of services that speak first, take any bytes for commands, or print them (IANA service names).
const NEVER: &[u16] = &[
    21, 22, 23, 25, 53, 110, 111, 135, 139, 143, 389, 445, 465, 515, 587, 631, 636, 873, 993, 995, 1433,
    1521, 1883, 2049, 3306, 3389, 5222, 5432, 5672, 5900, 6000, 6379, 9042, 9092, 9100, 11211, 27017,
];

/// Parts of the paths of sockets whose services are known, and are not MCP.
const NEVER_PATHS: &[&str] = &[
    "/.X11-unix/",
    "/.ICE-unix/",
    "/dbus",
    "/bus",
    "agent",
    "gnupg",
    "/systemd/",
    "/.s.PGSQL",
    "mysql",
    "docker",
    "containerd",
    "pipewire",
    "pulse",
    "wayland",
    "/udev/",
    "/nscd/",
    "cups",
    "acpid",
    "snapd",
];

/// Whether a socket may be asked at all.
fn may_be_asked(at: &Where) -> bool {
    match at {
        Where::Tcp(address) => !NEVER.contains(&address.port()),
        Where::Unix(path) => {
            let text = path.to_string_lossy();
            !NEVER_PATHS.iter().any(|part| text.contains(part))
        }
    }
}

/// Asks many sockets; an answer stands at the place of its socket.
pub fn ask_all(places: &[Where], pace: Pace) -> Vec<Option<Answer>> {
    let answers = Mutex::new(vec![None; places.len()]);
    let waiting: Mutex<VecDeque<usize>> = Mutex::new((0..places.len()).collect());
    let gate = Mutex::new(Instant::now());
    thread::scope(|scope| {
        for _ in 0..pace.at_once.min(places.len()) {
            scope.spawn(|| {
                while let Some(index) = locked(&waiting).pop_front() {
                    let Some(place) = places.get(index) else { continue };
                    let answer = ask(place, pace.patience, &|| wait_for_turn(&gate, pace.apart));
                    if let Some(slot) = locked(&answers).get_mut(index) {
                        *slot = answer;
                    }
                }
            });
        }
    });
    answers.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Takes the next turn, and waits until it has come.
fn wait_for_turn(gate: &Mutex<Instant>, apart: Duration) {
    let turn = {
        let mut next = locked(gate);
        let turn = (*next).max(Instant::now());
        *next = turn + apart;
        turn
    };
    // The pace itself is what is waited for.
    while let Some(left) = turn.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        thread::park_timeout(left);
    }
}

/// Asks one socket. `turn` is called before each connection.
pub fn ask(at: &Where, patience: Duration, turn: &dyn Fn()) -> Option<Answer> {
    if !may_be_asked(at) {
        return None;
    }
    let say = |request: &str| {
        turn();
        exchange(at, request.as_bytes(), patience).ok()
    };
    let host = host(at);
    let first = say(&discover("/mcp", &host))?;
    if !first.starts_with(b"HTTP/1.") {
        return matches!(at, Where::Unix(_)).then(|| say(INITIALIZE)).flatten().and_then(|said| lines(&said));
    }
    http("/mcp", &first)
        .or_else(|| sse("/sse", &say(&open_stream("/sse", &host))?))
        .or_else(|| http("/", &say(&discover("/", &host))?))
}

fn host(at: &Where) -> String {
    match at {
        Where::Tcp(address) => reachable(*address).to_string(),
        Where::Unix(_) => "localhost".to_owned(),
    }
}

/// `server/discover` (MCP 2026-07-28): it changes nothing, opens no session, and an older server refuses it.
fn discover(path: &str, host: &str) -> String {
    let body = "{\"jsonrpc\":\"2.0\",\"id\":\"portcullis-discover\",\"method\":\"server/discover\",\"params\":{\"_meta\":\
                {\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\",\
                \"io.modelcontextprotocol/clientCapabilities\":{}}}}";
    format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: portcullis-discover\r\nConnection: close\r\n\
         Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n\
         MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: server/discover\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn open_stream(path: &str, host: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: portcullis-discover\r\nConnection: close\r\n\
         Accept: text/event-stream\r\n\r\n"
    )
}

/// Without HTTP, what a connection brings about ends with it.
const INITIALIZE: &str = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2025-06-18\",\
                          \"capabilities\":{},\"clientInfo\":{\"name\":\"portcullis-discover\",\"version\":\"1\"}}}\n";

/// Every address stands for this machine's own.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

fn exchange(at: &Where, request: &[u8], patience: Duration) -> io::Result<Vec<u8>> {
    match at {
        Where::Tcp(address) => {
            let stream = TcpStream::connect_timeout(&reachable(*address), patience)?;
            stream.set_read_timeout(Some(patience))?;
            stream.set_write_timeout(Some(patience))?;
            converse(stream, request, patience)
        }
        Where::Unix(path) => {
            let stream = connect(path)?;
            stream.set_read_timeout(Some(patience))?;
            stream.set_write_timeout(Some(patience))?;
            converse(stream, request, patience)
        }
    }
}

/// Connecting to a Unix socket waits for room in its queue, however long that takes; one whose queue is full is not
/// waited for.
fn connect(path: &Path) -> io::Result<UnixStream> {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// Says one thing and hears what comes: until the other side ends, it says enough, or patience does.
fn converse(mut stream: impl Read + Write, request: &[u8], patience: Duration) -> io::Result<Vec<u8>> {
    stream.write_all(request)?;
    let until = Instant::now() + patience;
    let (mut heard, mut buffer) = (Vec::new(), [0_u8; 4096]);
    while heard.len() < MAX_ANSWER && Instant::now() < until && !is_enough(&heard) {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(count) => heard.extend_from_slice(buffer.get(..count).unwrap_or_default()),
        }
    }
    Ok(heard)
}

fn is_enough(heard: &[u8]) -> bool {
    http("", heard).is_some() || sse("", heard).is_some() || lines(heard).is_some()
}

/// Status, `Content-Type`, `WWW-Authenticate`, and what has come of the body.
fn parts(heard: &[u8]) -> Option<(u16, String, String, String)> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = response.parse(heard).ok()? else { return None };
    let status = response.code?;
    let header = |name: &str| {
        let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.map(|header| String::from_utf8_lossy(header.value).to_ascii_lowercase()).unwrap_or_default()
    };
    let body = String::from_utf8_lossy(heard.get(length..)?).into_owned();
    Some((status, header("content-type"), header("www-authenticate"), body))
}

fn http(path: &'static str, heard: &[u8]) -> Option<Answer> {
    let (status, kind, challenge, body) = parts(heard)?;
    let json = kind.starts_with("application/json") || kind.starts_with("text/event-stream");
    let evidence = if status == 401 && challenge.contains("resource_metadata") {
        "it asks for a token as MCP servers do (RFC 9728)"
    } else if json && body.contains("\"jsonrpc\"") && body.contains("\"supportedVersions\"") {
        "it answers `server/discover`"
    } else if json && body.contains("\"jsonrpc\"") && speaks_of_mcp(&body, path) {
        "it refuses `server/discover` in the words of an older MCP server"
    } else {
        return None;
    };
    Some(Answer { speaks: Speaks::Http, path, evidence })
}

/// On `/mcp` a JSON-RPC error is enough; elsewhere it has to be one that MCP servers alone give.
fn speaks_of_mcp(body: &str, path: &str) -> bool {
    let lower = body.to_ascii_lowercase();
    let own_words = ["session", "initializ", "-32020", "-32021", "-32022", "protocolversion", "mcp"];
    lower.contains("\"error\"") && (path == "/mcp" || own_words.iter().any(|word| lower.contains(word)))
}

/// The first event of HTTP+SSE says where to post to.
fn sse(path: &'static str, heard: &[u8]) -> Option<Answer> {
    let (status, kind, _, body) = parts(heard)?;
    let endpoint = status == 200 && kind.starts_with("text/event-stream") && body.contains("event: endpoint");
    endpoint.then_some(Answer {
        speaks: Speaks::Sse,
        path,
        evidence: "it opens a stream with an `endpoint` event",
    })
}

fn lines(heard: &[u8]) -> Option<Answer> {
    let line = heard.split(|byte| *byte == b'\n').next()?;
    let answer: serde_json::Value = serde_json::from_slice(line).ok()?;
    let result = answer.get("result")?;
    (answer.get("jsonrpc").is_some() && result.get("protocolVersion").is_some()).then_some(Answer {
        speaks: Speaks::Lines,
        path: "",
        evidence: "it answers `initialize`",
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]
    use std::{net::TcpListener, os::unix::net::UnixListener};

    use super::*;

    const OLD: &str = "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n\r\n{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32000,\"message\":\"Bad Request: No valid session ID provided\"},\"id\":null}";
    const NEW: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: {\"jsonrpc\":\"2.0\",\"id\":\"x\",\"result\":{\"supportedVersions\":[\"2026-07-28\"]}}\n\n";
    const SSE: &str =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nevent: endpoint\ndata: /messages?s=1\n\n";
    const TOKEN: &str =
        "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer resource_metadata=\"https://x/\"\r\n\r\n";
    const PAGE: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>jsonrpc error session</html>";
    const OTHER: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32601,\"message\":\"the method does not exist\"}}";
    const NONE: &str = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    const LINE: &str = "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"protocolVersion\":\"2025-06-18\",\"capabilities\":{}}}\n";

    /// A socket that gives each path's answer and then ends the connection; the requests it got.
    fn serve(mut accept: impl FnMut() -> Option<Box<dyn Stream>>, answers: &[(&str, &str)]) -> Vec<String> {
        let mut asked = Vec::new();
        while let Some(mut stream) = accept() {
            let mut buffer = [0; 4096];
            let count = stream.read(&mut buffer).unwrap_or(0);
            let request = String::from_utf8_lossy(&buffer[..count]).into_owned();
            if request == "end" {
                break;
            }
            let start = request.split(" HTTP").next().unwrap().to_owned();
            let answer =
                answers.iter().find(|(path, _)| start.starts_with(path)).map_or(NONE, |(_, answer)| answer);
            let _ = stream.write_all(answer.as_bytes());
            asked.push(start);
        }
        asked
    }

    trait Stream: Read + Write {}
    impl<T: Read + Write> Stream for T {}

    fn check(answers: &'static [(&str, &str)], expected: Option<(Speaks, &str)>, asked: &[&str]) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            serve(|| listener.accept().ok().map(|(stream, _)| Box::new(stream) as Box<dyn Stream>), answers)
        });
        let answer = ask(&Where::Tcp(address), Duration::from_secs(5), &|| {});
        TcpStream::connect(address).unwrap().write_all(b"end").unwrap();
        assert_eq!(server.join().unwrap(), asked, "{answers:?}");
        assert_eq!(answer.map(|it| (it.speaks, it.path)), expected, "{answers:?}");
    }

    #[test]
    fn servers_are_told_by_their_answers() {
        const ALL: &[&str] = &["POST /mcp", "GET /sse", "POST /"];
        check(&[("POST /mcp", OLD)], Some((Speaks::Http, "/mcp")), &ALL[..1]);
        check(&[("POST /mcp", NEW)], Some((Speaks::Http, "/mcp")), &ALL[..1]);
        check(&[("POST /mcp", TOKEN)], Some((Speaks::Http, "/mcp")), &ALL[..1]);
        check(&[("POST /mcp", OTHER)], Some((Speaks::Http, "/mcp")), &ALL[..1]);
        check(&[("GET /sse", SSE)], Some((Speaks::Sse, "/sse")), &ALL[..2]);
        check(&[("POST /mcp", NONE), ("POST /", OLD)], Some((Speaks::Http, "/")), ALL);
    }

    #[test]
    fn what_is_no_server_is_left_alone() {
        const ALL: &[&str] = &["POST /mcp", "GET /sse", "POST /"];
        check(&[], None, ALL);
        check(&[("POST", PAGE), ("GET", PAGE)], None, ALL);
        check(&[("POST /mcp", NONE), ("POST /", OTHER)], None, ALL);
        // What is no HTTP is asked once.
        check(&[("POST /mcp", "SSH-2.0-OpenSSH\r\n")], None, &ALL[..1]);
        assert_eq!(
            ask(&Where::Tcp("127.0.0.1:22".parse().unwrap()), Duration::ZERO, &|| panic!("asked")),
            None
        );
        let bus = Where::Unix("/run/dbus/system_bus_socket".into());
        assert_eq!(ask(&bus, Duration::ZERO, &|| panic!("asked")), None);
    }

    #[test]
    fn unix_sockets_may_speak_in_lines() {
        let directory = std::env::temp_dir().join(format!("portcullis-probe-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join("s.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let server = thread::spawn(move || {
            let answers = [("POST", "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32700}}\n"), ("{", LINE)];
            serve(|| listener.accept().ok().map(|(stream, _)| Box::new(stream) as Box<dyn Stream>), &answers)
        });
        let found = ask_all(&[Where::Unix(path.clone())], Pace::default());
        UnixStream::connect(&path).unwrap().write_all(b"end").unwrap();
        assert_eq!(server.join().unwrap().len(), 2);
        assert_eq!(found.first().unwrap().as_ref().unwrap().speaks, Speaks::Lines);
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    fn turns_are_apart() {
        let gate = Mutex::new(Instant::now());
        let began = Instant::now();
        (0..5).for_each(|_| wait_for_turn(&gate, Duration::from_millis(5)));
        assert!(began.elapsed() >= Duration::from_millis(20));
    }
}
