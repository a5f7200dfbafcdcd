//! RFC 5424 messages over TLS (RFC 5425).
//!
//! Syslog has no acknowledgement. When a connection breaks, the batch before the one that failed is sent again too, for
//! nobody can tell whether the receiver read it; the record's id tells one from two.

use std::{sync::Arc, time::Duration};

use portcullis_audit::stream::{Batch, Position, Receiver};
use portcullis_core::{Authority, BoxFuture};
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::lines::{Line, Lines};

/// Longest a connection or a batch may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Facility 13, log audit (RFC 5424 section 6.2.1), with severity informational and warning.
const INFORMATIONAL: u8 = 13 * 8 + 6;
const WARNING: u8 = 13 * 8 + 4;

trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

/// One syslog receiver.
pub(super) struct Syslog {
    host: Authority,
    tls: Option<TlsConnector>,
    node: String,
    lines: Lines,
    connection: Option<Box<dyn Wire>>,
    /// What the connection, or the one before it, took last.
    last: Vec<u8>,
}

impl Syslog {
    pub(super) fn new(
        host: Authority,
        tls: Option<Arc<rustls::ClientConfig>>,
        node: String,
        lines: Lines,
    ) -> Self {
        Self { host, tls: tls.map(TlsConnector::from), node, lines, connection: None, last: Vec::new() }
    }

    async fn send(&mut self, batch: &Batch) -> Result<u64, String> {
        let messages: Vec<u8> =
            self.lines.of(batch).iter().flat_map(|line| framed(&message(line, &self.node))).collect();
        let (host, tls, last) = (&self.host, self.tls.as_ref(), &self.last);
        let late = |_| format!("`{host}` takes nothing within {} s", PATIENCE.as_secs());
        let kept = match self.connection.take() {
            Some(connection) => still_open(connection).await,
            None => None,
        };
        let mut connection = match kept {
            Some(connection) => connection,
            None => {
                let mut fresh = timeout(PATIENCE, connect(host, tls)).await.map_err(late)??;
                let again = fresh.write_all(last);
                timeout(PATIENCE, again).await.map_err(late)?.map_err(|error| broken(host, &error))?;
                fresh
            }
        };
        let sending = async {
            connection.write_all(&messages).await?;
            connection.flush().await
        };
        timeout(PATIENCE, sending).await.map_err(late)?.map_err(|error| broken(host, &error))?;
        self.connection = Some(connection);
        self.last = messages;
        Ok(0)
    }
}

async fn connect(host: &Authority, tls: Option<&TlsConnector>) -> Result<Box<dyn Wire>, String> {
    let name = host.host.to_string();
    let bare = name.trim_start_matches('[').trim_end_matches(']').to_owned();
    let stream = TcpStream::connect((bare.as_str(), host.port)).await;
    let stream = stream.map_err(|error| broken(host, &error))?;
    let Some(tls) = tls else { return Ok(Box::new(stream)) };
    let name = ServerName::try_from(bare).map_err(|error| error.to_string())?;
    Ok(Box::new(tls.connect(name, stream).await.map_err(|error| broken(host, &error))?))
}

fn broken(host: &Authority, error: &std::io::Error) -> String {
    format!("`{host}`: {error}")
}

impl Receiver for Syslog {
    fn take<'r>(&'r mut self, batch: &'r Batch, _: &'r Position) -> BoxFuture<'r, Result<u64, String>> {
        Box::pin(self.send(batch))
    }
}

/// A receiver says nothing, so that all there can be to read is the end.
async fn still_open(mut connection: Box<dyn Wire>) -> Option<Box<dyn Wire>> {
    let mut byte = [0; 1];
    let ended = matches!(timeout(Duration::ZERO, connection.read(&mut byte)).await, Ok(Ok(0) | Err(_)));
    (!ended).then_some(connection)
}

/// `<PRI>1 TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA MSG`.
fn message(line: &Line, node: &str) -> String {
    let priority = if line.refusal { WARNING } else { INFORMATIONAL };
    let time = line.time.as_deref().unwrap_or("-");
    format!("<{priority}>1 {time} {node} portcullis {} {} - {}", std::process::id(), line.kind, line.text)
}

/// RFC 5425 section 4.3: the length in octets, a blank, the message.
fn framed(message: &str) -> Vec<u8> {
    format!("{} {message}", message.len()).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_as_the_rfcs_say() {
        let line = |refusal| Line {
            text: r#"{"id":"a"}"#.to_owned(),
            time: Some("2026-11-29T17:04:55.022Z".to_owned()),
            kind: "decision".to_owned(),
            refusal,
        };
        let pid = std::process::id();
        for (refusal, priority) in [(true, 108), (false, 110)] {
            let wanted = format!(
                "<{priority}>1 2026-11-29T17:04:55.022Z node portcullis {pid} decision - {{\"id\":\"a\"}}"
            );
            assert_eq!(message(&line(refusal), "node"), wanted);
        }
        assert_eq!(framed("ab ü"), "5 ab ü".as_bytes());
    }
}
