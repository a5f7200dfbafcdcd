//! A pair of pipes.

use bytes::Bytes;
use portcullis_gateway::ingress::stdio::{StdioOptions, serve};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};

use super::{Card, Post};
use crate::house::{House, settled};

/// Room in each pipe. More than any test leaves unread.
const PIPE: usize = 1 << 20;

pub(super) struct Stdio {
    input: Option<DuplexStream>,
}

impl Stdio {
    /// None when the gateway does not serve another pair of pipes.
    pub(super) async fn open(house: &House, card: &Card, post: Post) -> Option<Self> {
        let (input, theirs_in) = tokio::io::duplex(PIPE);
        let (theirs_out, output) = tokio::io::duplex(PIPE);
        let options = StdioOptions { endpoint: card.endpoint.clone(), line_bytes: 1 << 20 };
        let gateway = house.gateway.clone();
        let served = tokio::spawn(async move { serve(&gateway, options, theirs_in, theirs_out).await });
        settled().await;
        if served.is_finished() {
            return None;
        }
        tokio::spawn(async move {
            let mut lines = BufReader::new(output).lines();
            while let Some(line) = lines.next_line().await.unwrap() {
                post.deliver(None, line.as_bytes());
            }
        });
        Some(Self { input: Some(input) })
    }

    pub(super) async fn send(&mut self, body: &Bytes) {
        let input = self.input.as_mut().expect("the client is still there");
        input.write_all(&[body, b"\n".as_slice()].concat()).await.unwrap();
    }

    pub(super) fn hang_up(&mut self) {
        self.input = None;
    }
}
