//! `[stream.NAME]`: records sent on as they are written.

use std::path::PathBuf;

use portcullis_core::{Authority, ServerName};

use super::{
    Parameter,
    kind::{Choice, FilePath, Flag, Maybe, Parsed, Whole, clip},
    net::{self, HttpUrl},
    parameter_kind::HEADERS,
    problem::{Fault, Severity},
    setting::{Section as _, Table, Walk, settings},
    tree::{Entry, key},
};

/// What records are sent as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamFormat {
    /// As they are.
    Jsonl,
    /// Open Cybersecurity Schema Framework.
    Ocsf,
    /// Common Event Format.
    Cef,
}

settings! {
    /// Sends every record on as it is written, to one of a syslog receiver, a webhook or a file. The log is its queue: a
    /// stream goes on where it ended, across restarts and rotations. `NAME` is 1 to 64 of `a-z`, `0-9`, `-` and `_`.
    pub(crate) struct StreamSection {
        /// Host and port of a syslog receiver: RFC 5424 messages over TLS (RFC 5425; the usual port is 6514).
        Restart syslog: Option<Authority> = Maybe(AUTHORITY);
        /// URL that records are sent to with POST, a batch of lines each (`application/x-ndjson`), signed as Standard
        /// Webhooks says.
        Restart webhook: Option<HttpUrl> = Maybe(net::URL);
        /// File that records are appended to.
        Restart file: Option<PathBuf> = Maybe(FilePath);
        /// What each record becomes.
        Restart format: StreamFormat = Choice { words: &[
            ("jsonl", StreamFormat::Jsonl, "the record as it is"),
            ("ocsf", StreamFormat::Ocsf, "an OCSF 1.8 event in JSON"),
            ("cef", StreamFormat::Cef, "a line of the Common Event Format"),
        ] }, default r#""jsonl""#;
        /// Secret that signs what goes to the webhook, in a file only its owner can read: `whsec_` and 24 to 64 bytes in
        /// base64.
        Restart key_file: Option<PathBuf> = Maybe(FilePath);
        /// HTTP headers sent with every request to the webhook.
        Restart headers: Vec<(String, Parameter)> = HEADERS;
        /// Certificate authorities, in PEM, that may vouch for the receiver besides the system's.
        Restart ca_file: Option<PathBuf> = Maybe(FilePath);
        /// Most bytes of records sent at once.
        Restart batch_bytes: u64 = Whole::<u64>::new("bytes", 1024, 131_072), default "65536";
        /// Refuses calls while more records than this wait to be sent; 0 never does.
        Restart refuse_behind_bytes: u64 = Whole::<u64>::new("bytes", 0, 1 << 40), default "0";
        /// Sends to a receiver on another machine without encryption, and syslog without TLS anywhere.
        Restart danger_allow_plaintext: bool = Flag, default "false";
    }
}

const AUTHORITY: Parsed<Authority> =
    Parsed { phrase: "a host and port", example: "siem.example.com:6514", parse: parse_authority };

fn parse_authority(text: &str) -> Result<Authority, String> {
    Authority::parse(text, Some(6514)).map_err(|fault| fault.to_string())
}

/// A configured stream.
#[derive(Clone, Debug)]
pub struct Stream {
    /// Its name.
    pub name: ServerName,
    /// Where records go.
    pub to: Destination,
    /// As what.
    pub format: StreamFormat,
    /// Authorities trusted besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Most bytes of records at once.
    pub batch_bytes: u64,
    /// Waiting bytes from which calls are refused.
    pub refuse_behind: Option<u64>,
}

/// Where records go.
#[derive(Clone, Debug)]
pub enum Destination {
    /// A syslog receiver.
    Syslog {
        /// Its host and port.
        host: Authority,
        /// Without TLS.
        plain: bool,
    },
    /// A URL.
    Webhook {
        /// The URL.
        url: HttpUrl,
        /// The secret that signs.
        key_file: PathBuf,
        /// Headers of every request.
        headers: Vec<(String, Parameter)>,
    },
    /// A file.
    File(PathBuf),
}

/// Reads every `[stream.NAME]` table.
pub(super) fn read_all(walk: &mut Walk<'_>, root: &Table<'_>) -> Vec<Stream> {
    let Some(entry) = root.entry("stream") else { return Vec::new() };
    let Some(streams) = walk.table("stream", entry) else { return Vec::new() };
    streams.entries.iter().filter_map(|entry| read_one(walk, entry)).collect()
}

fn read_one(walk: &mut Walk<'_>, entry: &Entry) -> Option<Stream> {
    let field = format!("stream.{}", key(&clip(&entry.key)));
    let name = entry.key.parse::<ServerName>().map_err(|error| {
        walk.fault(&field, Fault::new(entry.at, error.to_string(), "rename the stream"));
    });
    let table = walk.table(&field, entry)?;
    let section = StreamSection::read(walk, &table)?;
    let refuse_behind = Some(section.refuse_behind_bytes).filter(|bytes| *bytes > 0);
    let (format, ca_file, batch_bytes) = (section.format, section.ca_file.clone(), section.batch_bytes);
    let to = destination(walk, &table, section)?;
    Some(Stream { name: name.ok()?, to, format, ca_file, batch_bytes, refuse_behind })
}

fn destination(walk: &mut Walk<'_>, table: &Table<'_>, section: StreamSection) -> Option<Destination> {
    let plain = section.danger_allow_plaintext;
    match (section.syslog, section.webhook, section.file) {
        (Some(host), None, None) => {
            refuse_strays(walk, table, &["key_file", "headers"], "webhook");
            Some(Destination::Syslog { host, plain })
        }
        (None, Some(url), None) => {
            if !url.is_https() && !url.is_loopback() && !plain {
                let what = format!("`{url}` would be sent records without encryption");
                let remedy = "use https; `danger_allow_plaintext = true` allows it nevertheless";
                walk.conflict(&format!("{}.webhook", table.name), Severity::Error, what, remedy);
            }
            let Some(key_file) = section.key_file else {
                let what = "a webhook cannot tell unsigned records from made-up ones";
                let remedy = "name a file with the shared secret in `key_file`";
                walk.conflict(&format!("{}.webhook", table.name), Severity::Error, what, remedy);
                return None;
            };
            Some(Destination::Webhook { url, key_file, headers: section.headers })
        }
        (None, None, Some(file)) => {
            refuse_strays(walk, table, &["key_file", "headers"], "webhook");
            Some(Destination::File(file))
        }
        _ => {
            let what = "a stream goes to exactly one place";
            walk.fault(&table.name, Fault::new(table.at, what, "set one of `syslog`, `webhook` and `file`"));
            None
        }
    }
}

fn refuse_strays(walk: &mut Walk<'_>, table: &Table<'_>, strays: &[&str], need: &str) {
    for entry in strays.iter().filter_map(|name| table.entry(name)) {
        let what = format!("this has a meaning only together with `{need}`");
        walk.fault(&format!("{}.{}", table.name, entry.key), Fault::new(entry.at, what, "remove it"));
    }
}
