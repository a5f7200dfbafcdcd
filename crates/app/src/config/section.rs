//! Every section of the configuration but the servers, declared setting by setting.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use portcullis_audit::note::{Algorithm, VerifierKey};
use portcullis_inspect::pins::Trust;
use portcullis_wire::Version;

use super::{
    issuer::SCOPE,
    kind::{Choice, FilePath, Flag, List, Maybe, Parsed, Seconds, Whole},
    net::{self, HostName, HttpUrl, Origin},
    setting::settings,
};

const KIB: i64 = 1024;
const MIB: i64 = 1024 * KIB;
const GIB: i64 = 1024 * MIB;

settings! {
    /// Where the gateway listens and which web pages and host names it answers to.
    pub struct Gateway {
        /// Address of the MCP endpoint. An address other machines can reach needs TLS and an authentication
        /// mode that identifies its callers.
        Restart listen: SocketAddr = net::ADDRESS, default r#""127.0.0.1:8930""#;
        /// How clients reach the gateway when that differs from `listen`, for example behind a load balancer: scheme, host
        /// and port. Its host is accepted in the `Host` header, and access tokens have to be for a URL that starts with it.
        Restart public_url: Option<HttpUrl> = Maybe(net::URL);
        /// Further values of the `Host` header that are accepted. The address listened on, and `localhost` when
        /// that is a loopback address, always are. Any other host is refused (DNS rebinding).
        Live allowed_hosts: Vec<HostName> = List(net::HOST);
        /// Values of the `Origin` header that are accepted. Requests without the header do not come from a web
        /// page and are not affected; any origin not listed is refused.
        Live allowed_origins: Vec<Origin> = List(net::ORIGIN);
        /// How long a stopping gateway waits for calls that are under way. Until then it can be watched, and calls can be
        /// stopped; what is still under way after it is told so, and recorded as `abandoned`.
        Restart drain_seconds: Duration = Seconds { least: 0, most: 3600 }, default "20";
        /// Listens on an address that other machines can reach without TLS or without telling callers apart.
        /// `loopback-user` and `dev` still refuse callers from other machines.
        Restart danger_allow_insecure_bind: bool = Flag, default "false";
    }
}

settings! {
    /// Encryption of the MCP endpoint. Give both files or neither; they are read again when they change.
    pub(crate) struct TlsSection {
        /// Certificate chain, leaf first, in PEM.
        Restart cert: Option<PathBuf> = Maybe(FilePath);
        /// Private key in PEM, in a file only its owner can read.
        Restart key: Option<PathBuf> = Maybe(FilePath);
        /// Certificate authorities, in PEM, that vouch for certificates of clients. A client may then show one, and an
        /// access token that is bound to a certificate (RFC 8705) is good with that certificate only.
        Restart client_ca: Option<PathBuf> = Maybe(FilePath);
        /// Ends the handshake of a client that has no certificate of `client_ca`.
        Restart require_client_certificate: bool = Flag, default "false";
    }
}

settings! {
    /// The operator's own endpoint: `/metrics`, `/healthz` and `/readyz`, in plain HTTP.
    pub struct Admin {
        /// Address of the endpoint; without it there is none.
        Restart listen: Option<SocketAddr> = Maybe(net::ADDRESS);
        /// Serves metrics and health on an address that other machines can reach. They name servers and tools
        /// and need no credential.
        Restart danger_allow_insecure_bind: bool = Flag, default "false";
    }
}

/// What `auth.mode` can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuthMode {
    LoopbackUser,
    Dev,
    Oauth,
}

settings! {
    /// Who the callers are.
    pub(crate) struct AuthSection {
        /// `loopback-user`: whoever connects over the loopback interface is the user the gateway runs as.
        /// `dev`: whoever does is `danger_dev_principal`. `oauth`: whoever has an access token of one of the `[issuer.NAME]`
        /// for the endpoint is its subject, from wherever.
        Restart mode: AuthMode = Choice { words: &[
            ("loopback-user", AuthMode::LoopbackUser, "loopback callers are the gateway's own user"),
            ("dev", AuthMode::Dev, "they are the principal `danger_dev_principal`"),
            ("oauth", AuthMode::Oauth, "access tokens tell"),
        ] }, default r#""loopback-user""#;
        /// Scopes that every access token needs. Further ones are a matter of policy, which sees them as `context.scopes`.
        Live required_scopes: Vec<String> = List(SCOPE);
        /// Whether each DPoP proof needs a nonce that the gateway gave out in the last four minutes, so that none can be
        /// made in advance. Every client has to ask twice then, the first time.
        Live dpop_nonce: bool = Flag, default "false";
        /// List of what was taken back before its time: principals, clients and tokens, one JSON object a line.
        /// `portcullis revoke` adds to it, and a change takes effect at once. It does not have to exist.
        Live revocations: PathBuf = FilePath, default r#""~/.local/state/portcullis/revoked.jsonl""#;
        /// JWK Set with public keys of clients, P-256 or Ed25519, in a file that is read again when it changes. With it, every
        /// request over HTTP has to be signed with one of them (RFC 9421), its whole body included; see
        /// `docs/authentication.md`.
        Live signature_keys: Option<PathBuf> = Maybe(FilePath);
        /// Takes every loopback caller for this principal, whoever it is. For development; needs `mode = "dev"`.
        Restart danger_dev_principal: Option<String> = Maybe(PRINCIPAL);
    }
}

pub(super) const PUBLIC_KEY: Parsed<VerifierKey> = Parsed {
    phrase: "a public key as `portcullis audit key show` prints it",
    example: "example.com/pins+fc9e5f93+AddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea",
    parse: parse_key,
};

fn parse_key(text: &str) -> Result<VerifierKey, String> {
    text.parse().map_err(|fault: portcullis_audit::note::KeyFault| fault.to_string())
}

/// A witness and where it is.
#[derive(Clone, Debug)]
pub(crate) struct WitnessAt {
    pub(crate) key: VerifierKey,
    pub(crate) url: HttpUrl,
}

const WITNESS: Parsed<WitnessAt> = Parsed {
    phrase: "a public key as `portcullis audit key show` prints it, a blank, and a URL",
    example: "example.org/witness+fc9e5f93+BIddamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea https://witness.example.org/",
    parse: parse_witness,
};

fn parse_witness(text: &str) -> Result<WitnessAt, String> {
    let (key, url) = text.split_once(' ').ok_or("is not a key, a blank and a URL")?;
    let key: VerifierKey =
        key.parse().map_err(|fault: portcullis_audit::note::KeyFault| fault.to_string())?;
    if key.algorithm() == Algorithm::Ed25519 {
        return Err(
            "has the key of a log: `portcullis audit key new --witness` makes those of witnesses".to_owned()
        );
    }
    Ok(WitnessAt { key, url: HttpUrl::parse(url)? })
}

pub(super) const PRINCIPAL: Parsed<String> =
    Parsed { phrase: "a name", example: "alice", parse: parse_principal };

fn parse_principal(text: &str) -> Result<String, String> {
    let plain =
        !text.is_empty() && text.len() <= 128 && text.chars().all(|c| c.is_ascii_graphic() && c != '"');
    if plain {
        Ok(text.to_owned())
    } else {
        Err("is not 1 to 128 printable ASCII characters without blanks".to_owned())
    }
}

settings! {
    /// How much of everything. Whatever is larger, deeper, slower or more is refused.
    pub struct Limits {
        /// Largest request body.
        Live body_bytes: usize = Whole::<usize>::new("bytes", KIB, 64 * MIB), default "1048576";
        /// Largest single message taken from a server.
        Live response_bytes: usize = Whole::<usize>::new("bytes", KIB, 256 * MIB), default "8388608";
        /// Largest head of an HTTP request.
        Restart header_bytes: usize = Whole::<usize>::new("bytes", 8 * KIB, MIB), default "32768";
        /// Deepest nesting of a JSON document.
        Live json_depth: u16 = Whole::<u16>::new("levels", 8, 512), default "64";
        /// Longest string or name in a JSON document.
        Live json_string_bytes: usize = Whole::<usize>::new("bytes", 256, 256 * MIB), default "4194304";
        /// Most members of one JSON object or elements of one array.
        Live json_members: u32 = Whole::<u32>::new("members", 16, 10_000_000), default "100000";
        /// Most values in a JSON document.
        Live json_nodes: u32 = Whole::<u32>::new("values", 64, 10_000_000), default "250000";
        /// Longest wait for a server's first, and for each further, message in answer to a request.
        Live request_seconds: Duration = Seconds { least: 1, most: 3600 }, default "60";
        /// Longest a request may take as a whole, whatever progress is reported.
        Live total_seconds: Duration = Seconds { least: 1, most: 86_400 }, default "600";
        /// Longest a connection or session may be idle.
        Live idle_seconds: Duration = Seconds { least: 1, most: 86_400 }, default "300";
        /// Longest wait for the head of a request.
        Restart header_read_seconds: Duration = Seconds { least: 1, most: 300 }, default "10";
        /// Longest wait for the body of a request.
        Live body_read_seconds: Duration = Seconds { least: 1, most: 3600 }, default "30";
        /// Most connections at a time. What comes beyond is turned away, with status 503 over plain HTTP and without a word
        /// over TLS, whose handshake would cost more than it saves; what is turned away is on record, counted by address.
        Restart connections: usize = Whole::<usize>::new("connections", 1, 1_000_000), default "1024";
        /// Most connections at a time from one address. As for `connections`, with status 429.
        Restart connections_per_ip: usize = Whole::<usize>::new("connections", 1, 1_000_000), default "256";
        /// Most requests under way at a time.
        Live concurrent_requests: usize = Whole::<usize>::new("requests", 1, 1_000_000), default "512";
        /// Most requests of one principal in a second, on average; twice as many may come at once.
        Live requests_per_second: u32 = Whole::<u32>::new("requests", 1, 1_000_000), default "100";
        /// Most sessions at a time (protocol versions before 2026-07-28).
        Live sessions: usize = Whole::<usize>::new("sessions", 1, 1_000_000), default "1024";
        /// Most sessions of one principal at a time.
        Live sessions_per_principal: usize = Whole::<usize>::new("sessions", 1, 1_000_000), default "64";
        /// Most event streams open at a time.
        Live streams: usize = Whole::<usize>::new("streams", 1, 1_000_000), default "1024";
        /// Most tools, prompts or resources taken from one server.
        Live list_items: usize = Whole::<usize>::new("items", 1, 1_000_000), default "10000";
    }
}

/// When records are forced to disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fsync {
    /// Before the call they describe proceeds.
    Always,
    /// Together, this often.
    Interval(Duration),
    /// When the system likes (`danger_fsync_never`).
    Never,
}

const FSYNC: Parsed<Fsync> = Parsed {
    phrase: "`\"always\"`, or an interval in milliseconds",
    example: "interval:200",
    parse: parse_fsync,
};

fn parse_fsync(text: &str) -> Result<Fsync, String> {
    if text == "always" {
        return Ok(Fsync::Always);
    }
    let (_, digits) =
        text.split_once("interval:").filter(|(before, _)| before.is_empty()).ok_or("is not known here")?;
    match digits.parse::<u64>() {
        Ok(milliseconds @ 1..=60_000) => Ok(Fsync::Interval(Duration::from_millis(milliseconds))),
        _ => Err("is not between 1 and 60000 milliseconds".to_owned()),
    }
}

settings! {
    /// Where records of every decision and outcome go.
    pub(crate) struct AuditSection {
        /// File the records are appended to, one JSON object a line.
        Restart file: PathBuf = FilePath, default r#""~/.local/state/portcullis/audit.jsonl""#;
        /// When records are forced to disk: `always`, before the call they describe proceeds, or
        /// `interval:<milliseconds>`, together, which can lose the last of them with the machine's power.
        Restart fsync: Fsync = FSYNC, default r#""always""#;
        /// Never forces records to disk. A crash of the machine loses the last of them. Excludes `fsync`.
        Restart danger_fsync_never: bool = Flag, default "false";
        /// Another file, best on another disk, that takes records for `danger_spare_minutes` while `file` cannot be written, so
        /// that calls go on. No transparency log covers them. Without it, calls are refused at once.
        Restart danger_spare_file: Option<PathBuf> = Maybe(FilePath);
        /// Longest time `danger_spare_file` is used before calls are refused all the same.
        Restart danger_spare_minutes: u32 = Whole::<u32>::new("minutes", 1, 1440), default "15";
        /// Size at which a new file is begun and the old one is kept under another name; 0 never does.
        Restart rotate_bytes: u64 = Whole::<u64>::new("bytes", 0, 1024 * GIB), default "268435456";
        /// Directory of the transparency log: the records once more, as a Merkle tree with signed checkpoints (C2SP
        /// tlog-tiles), which `portcullis audit verify` checks with nothing but a public key. Without it there are
        /// only the lines of `file`.
        Restart log: Option<PathBuf> = Maybe(FilePath);
        /// Private keys that sign the checkpoints, made by `portcullis audit key new`, in a file only its owner can
        /// read. It is read again when it changes. Without it, the file beside `log` with `.key` added.
        Restart log_key: Option<PathBuf> = Maybe(FilePath);
        /// Shortest time between two checkpoints. Records after the last one are in the lines and not yet in the
        /// tree.
        Restart checkpoint_seconds: Duration = Seconds { least: 1, most: 3600 }, default "1";
        /// Witnesses that every checkpoint is brought to (C2SP tlog-witness), each as its public key, a blank, and the URL
        /// below which it takes `add-checkpoint`. What they cosign becomes part of the checkpoint. No call waits for them.
        Restart witnesses: Vec<WitnessAt> = List(WITNESS);
        /// Key of the commitments that records hold in place of requests and session ids, in a file only its owner can
        /// read. Made when it is not there.
        Restart commitment_key: PathBuf = FilePath, default r#""~/.local/state/portcullis/commitment.key""#;
        /// Whether an answer is withheld when the record of its outcome cannot be written.
        Live withhold_on_failed_outcome: bool = Flag, default "true";
    }
}

settings! {
    /// What the definitions of servers were when they were trusted. One that is not that any more is held back until
    /// an operator decides with `portcullis pins`.
    pub(crate) struct PinsSection {
        /// Directory of the pins, one file a server; without it, `pins` beside `audit.file`. Gateways may share it.
        Restart directory: Option<PathBuf> = Maybe(FilePath);
        /// What is trusted without an operator's word. Resources come and go with the data they stand for: their
        /// definitions are always trusted on first use.
        Restart trust: Trust = Choice { words: &[
            ("first-use", Trust::FirstUse, "whatever is first seen under a name"),
            ("first-list", Trust::FirstList, "what a server offers first; what it adds later is held back"),
            ("approved", Trust::Approved, "nothing"),
            ("signed", Trust::Signed, "what is in a signed list, and nothing else, whatever an operator says"),
        ] }, default r#""first-use""#;
        /// Public keys whose signed lists are believed: what is in a list beside the pins, made by `portcullis pins sign`,
        /// is trusted at every level.
        Restart keys: Vec<VerifierKey> = List(PUBLIC_KEY);
    }
}

settings! {
    /// The kill switch: `portcullis stop` and `portcullis resume`.
    pub struct StopSwitch {
        /// Directory that says what is stopped. Besides what the commands, the operator's endpoint and signals write
        /// there, a file of one's own stops what its name says: `all`, `server:NAME`, `tool:SERVER__TOOL`,
        /// `principal:KIND:ID` or `tenant:NAME`. Whoever can write it can stop and resume.
        Restart directory: PathBuf = FilePath, default r#""~/.local/state/portcullis/stop""#;
    }
}

settings! {
    /// Who may do what.
    pub struct Policy {
        /// Cedar policy files. What no policy allows is refused, and so is everything when a file is unreadable.
        Live files: Vec<PathBuf> = List(FilePath), default r#"["policy.cedar"]"#;
    }
}

settings! {
    /// The JSON Schemas that tools give of their arguments and results. Arguments always have to fit.
    pub struct Schemas {
        /// Accepts arguments that a tool's schema does not declare. Without it they are refused where a schema lists
        /// `properties` and does not say itself what happens to others (`additionalProperties`, `patternProperties`,
        /// `unevaluatedProperties`, `propertyNames`).
        Live danger_accept_undeclared: bool = Flag, default "false";
        /// Passes results on that do not fit the tool's own output schema, or have no structured content where there is
        /// one. Without it they are withheld, also when it is a redaction or a fence that made them so.
        Live danger_accept_misfits: bool = Flag, default "false";
    }
}

settings! {
    /// Which versions of the Model Context Protocol are served.
    pub struct Protocol {
        /// Oldest version served. `"2026-07-28"` refuses every client that needs a handshake.
        Live floor: Version = Choice { words: VERSIONS }, default r#""2024-11-05""#;
    }
}

const VERSIONS: &[(&str, Version, &str)] = &[
    ("2024-11-05", Version::V2024_11_05, "HTTP+SSE with two endpoints"),
    ("2025-03-26", Version::V2025_03_26, "Streamable HTTP"),
    ("2025-06-18", Version::V2025_06_18, "version header"),
    ("2025-11-25", Version::V2025_11_25, "the last version with a handshake"),
    ("2026-07-28", Version::V2026_07_28, "no handshake, no sessions"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_of_the_wire_can_be_the_floor() {
        let words: Vec<_> = VERSIONS.iter().map(|(word, version, _)| (*word, *version)).collect();
        let known: Vec<_> = Version::ALL.iter().map(|version| (version.as_str(), *version)).collect();
        assert_eq!(words, known);
    }

    #[test]
    fn fsync() {
        assert_eq!(parse_fsync("always"), Ok(Fsync::Always));
        assert_eq!(parse_fsync("interval:250"), Ok(Fsync::Interval(Duration::from_millis(250))));
        for bad in ["never", "interval:", "interval:0", "interval:60001", "interval:1s", "xinterval:5", ""] {
            assert!(parse_fsync(bad).is_err(), "{bad}");
        }
    }
}
