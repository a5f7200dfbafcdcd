//! MCP over Streamable HTTP: the session handshake, calls, and answer checks.

use std::io;

use memchr::memmem;

use crate::{
    http::{Conn, Url},
    options::{Target, Work},
    request::{FIRST_ID, Requests, Template},
};

/// One client: a connection and, before 2026-07-28, its session.
pub(crate) struct Client {
    requests: Requests,
    conn: Conn,
    template: Template,
    /// An answer to `template` is never shorter than this.
    min_body: usize,
    next_id: u32,
}

/// An event stream that the server has agreed to.
pub(crate) struct Stream(Conn);

impl Stream {
    pub(crate) fn is_open(&self) -> bool {
        self.0.is_open()
    }
}

impl Client {
    /// Connects and, in a session era, shakes hands.
    pub(crate) async fn connect(target: &Target, work: &Work) -> Result<Client, String> {
        let url = Url::parse(&target.url)?;
        let conn = Conn::open(&url.authority).await.map_err(|e| format!("{}: {e}", target.url))?;
        let mut client = Client {
            requests: Requests { target: target.clone(), url, session: None },
            conn,
            template: Template::default(),
            min_body: if work.method == "tools/call" { work.result_size } else { 0 },
            next_id: FIRST_ID,
        };
        if !client.requests.stateless() {
            client.handshake().await?;
        }
        client.template = client.requests.of(&work.method, work);
        Ok(client)
    }

    async fn handshake(&mut self) -> Result<(), String> {
        let mut request = self.requests.initialize();
        let answer =
            self.conn.exchange(request.stamp(FIRST_ID)).await.map_err(|e| format!("initialize: {e}"))?;
        if answer.status != 200 || memmem::find(answer.body, b"\"result\"").is_none() {
            return Err(format!("initialize: {} {}", answer.status, excerpt(answer.body)));
        }
        self.requests.session = answer.session;
        let problem = |e: io::Error| format!("notifications/initialized: {e}");
        self.reconnect_if_needed().await.map_err(problem)?;
        self.conn.exchange(&self.requests.initialized()).await.map_err(problem)?;
        Ok(())
    }

    /// Sends the measured request once. `Ok(false)`: an answer came, but not the right one.
    pub(crate) async fn call(&mut self) -> io::Result<bool> {
        self.reconnect_if_needed().await?;
        self.next_id += 1;
        let request = self.template.stamp(self.next_id);
        let answer = self.conn.exchange(request).await?;
        Ok(answer.status == 200 && is_answer(answer.body, self.template.id(), self.min_body))
    }

    /// Sends the measured request once, on the connection as it is; a wrong answer is an error
    /// that shows it.
    pub(crate) async fn prove(&mut self) -> Result<(), String> {
        self.next_id += 1;
        let request = self.template.stamp(self.next_id);
        let answer = self.conn.exchange(request).await.map_err(|e| e.to_string())?;
        if answer.status == 200 && is_answer(answer.body, self.template.id(), self.min_body) {
            return Ok(());
        }
        Err(format!("unexpected answer: {} {}", answer.status, excerpt(answer.body)))
    }

    /// Sends any request and returns status and body, for `check`.
    pub(crate) async fn ask(&mut self, method: &str, work: &Work) -> Result<(u16, String), String> {
        let problem = |e: io::Error| format!("{method}: {e}");
        self.reconnect_if_needed().await.map_err(problem)?;
        let mut request = self.requests.of(method, work);
        self.next_id += 1;
        let answer = self.conn.exchange(request.stamp(self.next_id)).await.map_err(problem)?;
        Ok((answer.status, excerpt(answer.body)))
    }

    /// Turns the connection into an event stream.
    pub(crate) async fn open_stream(mut self) -> Result<Stream, String> {
        self.reconnect_if_needed().await.map_err(|e| e.to_string())?;
        // A `GET` may stay silent; `subscriptions/listen` is acknowledged first.
        let first_event = self.requests.stateless();
        let status = self
            .conn
            .open_stream(&self.requests.stream(), first_event)
            .await
            .map_err(|e| format!("stream: {e}"))?;
        if status == 200 { Ok(Stream(self.conn)) } else { Err(format!("stream: status {status}")) }
    }

    /// Ends the session, if there is one.
    pub(crate) async fn close(mut self) {
        if self.requests.session.is_some() && self.conn.usable {
            // The connection ends here in any case.
            let _ = self.conn.exchange(&self.requests.end_of_session()).await;
        }
    }

    async fn reconnect_if_needed(&mut self) -> io::Result<()> {
        if !self.conn.usable {
            self.conn = Conn::open(&self.requests.url.authority).await?;
        }
        Ok(())
    }
}

/// Is this the successful answer to the request with this id? Looks at both ends of the body
/// only: key order differs between servers, and results may be large.
fn is_answer(body: &[u8], id: &[u8], min_len: usize) -> bool {
    const END: usize = 2048;
    let head = &body[..body.len().min(END)];
    let tail = &body[body.len().saturating_sub(END)..];
    let has = |needle: &[u8]| memmem::find(head, needle).is_some() || memmem::find(tail, needle).is_some();
    body.len() >= min_len
        && has(id)
        && has(b"\"result\"")
        && !has(b"\"isError\":true")
        && !has(b"\"isError\": true")
}

fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(600)]);
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let ok = r#"{"jsonrpc":"2.0","id":100000001,"result":{"content":[],"isError":false}}"#;
        let failed = r#"{"id":100000001,"result":{"isError": true}}"#;
        let error = r#"{"id":100000001,"error":{"code":1}}"#;
        for (body, id, min_len, expected) in [
            (ok, "100000001", 10, true),
            (ok, "100000002", 10, false),
            (ok, "100000001", 1000, false),
            (failed, "100000001", 0, false),
            (error, "100000001", 0, false),
        ] {
            assert_eq!(is_answer(body.as_bytes(), id.as_bytes(), min_len), expected, "{body} {id} {min_len}");
        }
    }
}
