//! How fast an honest client is served.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{http::Answer, trouble::Trouble};

/// A client that waits for each answer, all on one connection.
pub(crate) struct Caller {
    stream: TcpStream,
    request: Vec<u8>,
}

impl Caller {
    /// A client that sends `request`, which keeps the connection alive, over and over.
    pub(crate) fn new(stream: TcpStream, request: Vec<u8>) -> Self {
        Self { stream, request }
    }

    /// The times `count` calls take, each of which must be answered with 200.
    pub(crate) async fn times(&mut self, count: usize) -> Result<Vec<Duration>, Trouble> {
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            let began = Instant::now();
            let status = self.call().await?;
            if status != 200 {
                return Err(Trouble::other(format!("an honest call was answered with {status}")));
            }
            times.push(began.elapsed());
        }
        Ok(times)
    }

    /// The status of one answer, which has to say how long it is.
    pub(crate) async fn call(&mut self) -> Result<u16, Trouble> {
        self.stream.write_all(&self.request).await.map_err(Trouble::io("sending a call"))?;
        let mut received = Vec::new();
        loop {
            let read =
                self.stream.read_buf(&mut received).await.map_err(Trouble::io("waiting for an answer"))?;
            if let Some(status) = is_complete(&received) {
                return Ok(status);
            }
            if read == 0 {
                return Err(Trouble::other("the connection was closed before the answer"));
            }
        }
    }
}

/// The status, once the body is as long as the head says.
fn is_complete(received: &[u8]) -> Option<u16> {
    let answer = Answer::all(received).pop()?;
    let length = answer.header("content-length")?.parse::<usize>().ok()?;
    (answer.body.len() >= length).then_some(answer.status)
}

/// The value that `share` of all times do not exceed, in milliseconds.
pub(crate) fn percentile(times: &mut [Duration], share: f64) -> f64 {
    times.sort_unstable();
    // Rounded to a place in a list that is far shorter than 2^52.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "see above"
    )]
    let place = ((times.len() as f64 * share).ceil() as usize).saturating_sub(1);
    times.get(place).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_list() {
        let times = |n: u64| (1..=n).rev().map(Duration::from_millis).collect::<Vec<_>>();
        for (n, share, wanted) in [(100, 0.99, 99.0), (100, 0.5, 50.0), (1, 0.99, 1.0), (1000, 0.99, 990.0)] {
            assert!((percentile(&mut times(n), share) - wanted).abs() < 1e-9, "{n} {share}");
        }
        assert!(percentile(&mut [], 0.99).is_nan());
    }
}
