//! A registry that speaks like npm's and like a Python index, and serves what a test puts into it, true or not.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use aws_lc_rs::digest::{SHA256, SHA512, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

/// A running registry; it ends with the value.
pub struct Registry {
    address: String,
    shelf: Arc<Mutex<Shelf>>,
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shelf {
    /// Media type and body by path.
    files: BTreeMap<String, (&'static str, Vec<u8>)>,
    /// Documents of npm packages by name.
    packages: BTreeMap<String, Value>,
    /// Links of Python packages by name.
    links: BTreeMap<String, String>,
    asked: Vec<String>,
}

impl Registry {
    /// An empty one on a free port.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it has an address").to_string();
        let (shelf, ended) = (Arc::new(Mutex::new(Shelf::default())), Arc::new(AtomicBool::new(false)));
        let (shared, end) = (Arc::clone(&shelf), Arc::clone(&ended));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if end.load(Ordering::SeqCst) {
                    return;
                }
                if let Ok(stream) = stream {
                    let shelf = Arc::clone(&shared);
                    std::thread::spawn(move || serve(stream, &shelf));
                }
            }
        });
        Self { address, shelf, ended, thread: Some(thread) }
    }

    /// Address for npm.
    #[must_use]
    pub fn npm(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Address for pip.
    #[must_use]
    pub fn pypi(&self) -> String {
        format!("http://{}/simple/", self.address)
    }

    /// Paths that were asked for.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        self.shelf.lock().expect("nobody failed with it").asked.clone()
    }

    /// Publishes an npm package: `manifest` is what the registry tells about the version, `tarball` what it serves, and
    /// `announced` the bytes whose digest it tells.
    pub fn publish_npm(&self, manifest: &Value, tarball: &[u8], announced: &[u8]) {
        let name = manifest["name"].as_str().expect("it has a name").to_owned();
        let version = manifest["version"].as_str().expect("it has a version").to_owned();
        let path = format!("/{name}/-/{}-{version}.tgz", name.rsplit('/').next().expect("not empty"));
        let mut told = manifest.clone();
        told["dist"] = json!({
            "tarball": format!("http://{}{path}", self.address),
            "integrity": format!("sha512-{}", STANDARD.encode(digest(&SHA512, announced))),
        });
        let mut shelf = self.shelf.lock().expect("nobody failed with it");
        shelf.files.insert(path, ("application/octet-stream", tarball.to_vec()));
        let package =
            shelf.packages.entry(name.clone()).or_insert_with(|| json!({"name": name, "versions": {}}));
        package["versions"][version.as_str()] = told;
        package["dist-tags"] = json!({ "latest": version });
    }

    /// Publishes a wheel of a Python package: `wheel` is what is served, `announced` the bytes whose digest is told.
    pub fn publish_wheel(&self, package: &str, file: &str, wheel: &[u8], announced: &[u8]) {
        let hash = sha256(announced);
        let mut shelf = self.shelf.lock().expect("nobody failed with it");
        shelf.files.insert(format!("/files/{file}"), ("application/octet-stream", wheel.to_vec()));
        let link = format!("<a href=\"/files/{file}#sha256={hash}\">{file}</a>\n");
        shelf.links.entry(package.to_owned()).or_default().push_str(&link);
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for the next connection.
        let _ = TcpStream::connect(&self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(mut stream: TcpStream, shelf: &Mutex<Shelf>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a socket can be cloned"));
    let mut first = String::new();
    if reader.read_line(&mut first).is_err() {
        return;
    }
    // The head ends with an empty line; none of the clients sends a body.
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
        line.clear();
    }
    let path = first.split_whitespace().nth(1).unwrap_or_default().replace("%2f", "/").replace("%2F", "/");
    let answer = answer(&path, &mut shelf.lock().expect("nobody failed with it"));
    let (status, kind, body) = match answer {
        Some((kind, body)) => ("200 OK", kind, body),
        None => ("404 Not Found", "application/json", b"{}".to_vec()),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
}

fn answer(path: &str, shelf: &mut Shelf) -> Option<(&'static str, Vec<u8>)> {
    shelf.asked.push(path.to_owned());
    if let Some((kind, body)) = shelf.files.get(path) {
        return Some((kind, body.clone()));
    }
    if let Some(name) = path.strip_prefix("/simple/") {
        let links = shelf.links.get(name.trim_end_matches('/'))?;
        let page = format!("<!DOCTYPE html><html><body>\n{links}</body></html>");
        return Some(("text/html", page.into_bytes()));
    }
    let package = shelf.packages.get(path.trim_start_matches('/'))?;
    Some(("application/json", package.to_string().into_bytes()))
}

/// SHA-256 in hexadecimal digits.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A package as npm packs it: a manifest and files.
#[must_use]
pub fn tarball(manifest: &Value, files: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    let manifest = manifest.to_string();
    for (path, content) in files.iter().copied().chain([("package.json", manifest.as_str())]) {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder
            .append_data(&mut header, format!("package/{path}"), content.as_bytes())
            .expect("it is in memory");
    }
    builder.into_inner().and_then(GzEncoder::finish).expect("it is in memory")
}
