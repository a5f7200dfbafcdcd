//! The program from end to end.
//!
//! | module | what it shows |
//! |---|---|
//! | [`clients`] | every client of the test bed in front of every server, over stdio, Streamable HTTP and HTTP+SSE |
//! | [`bad_http`], [`bad_stdio`] | bad input from a client: the documented error and a record of it |
//! | [`bad_server`] | bad answers from a server: the documented error, and the next call works |
//! | [`death`] | sudden death of gateway, server or client: no orphan, no effect without a record |
//! | [`export`] | records as OCSF, checked against its public schema, and as CEF |
//! | [`log`] | a log that the program wrote, read by two verifiers that agree about every way of tampering |
//! | [`mixed`] | thousands of calls of every kind over kills, a full disk, a disk that is read-only and clocks that jump: records equal what servers received |
//! | [`publish`] | a log in a directory and in an S3-compatible store, verified as others read it |
//! | [`query`] | records are found and followed while they are written, and a call traced after a kill |
//! | [`receipts`] | a client keeps what it needs to find its calls in the log, and nobody else gives that or takes it |
//! | [`replay`] | what a gateway decided, put to other policies: nothing changes, something does, nothing is guessed |
//! | [`canaries`] | arguments, credentials and session ids are not in the record; commitments to them are |
//! | [`egress`] | a real server reaches what is listed, through the egress proxy, and nothing else |
//! | [`stop`] | the kill switch, by every source, across a restart, and timed |
//! | [`streams`] | records reach a real syslog receiver over TLS, a webhook and a file, across ends and restarts |
//! | [`telemetry`] | one trace over a call's hops, foreign baggage left behind, and collectors that fail |
//! | [`sandbox`] | what a real server sees of the machine from its sandbox, and that records name it |
//! | [`upstream_credentials`] | servers are shown the gateway's credential, never the caller's token |
//! | [`witness`] | gateways whose logs witnesses cosign over HTTP, and an older copy of a log found out |
//! | [`variables`] | what of its environment `portcullis run` passes on to its server |
//! | [`admission`] | packages of npm and PyPI admitted, approved, checked and retired, and what is refused on the way |
//! | [`admitted`] | a server out of the store behind `serve`: approved, looked at again at each start, retired |
//! | [`advisories`] | packages compared with advisories, whose ranges agree with those of npm and of Python's own library |
//! | [`learn`] | what real servers need, learnt from a run of each, is enough for them |
//! | [`tiers`] | servers held by container runtimes |
//! | [`reload`] | a new configuration takes over, a bad one does not |
//!
//! The program has to be built (`cargo build -p portcullis -p portcullis-testkit`), the test bed installed
//! (`scripts/testbed`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code: a broken assumption stops the test that relies on it"
)]

mod admission;
mod admitted;
mod advisories;
mod authorization_server;
mod bad_http;
mod bad_server;
mod bad_stdio;
mod behaviour;
mod bundles;
mod canaries;
mod clients;
mod consent;
mod death;
mod drain;
mod egress;
mod export;
mod learn;
mod licences;
mod log;
mod login;
mod message;
mod mixed;
mod odd;
mod pipe;
mod processes;
mod publish;
mod query;
mod raw;
mod receipts;
mod reload;
mod replay;
mod sandbox;
mod signatures;
mod stop;
mod streams;
mod tasks;
mod telemetry;
mod tiers;
mod tokens;
mod until;
mod unusable;
mod updates;
mod uploads;
mod upstream_credentials;
mod variables;
mod way_out;
mod witness;
