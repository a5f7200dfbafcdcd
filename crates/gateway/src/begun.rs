//! A call whose first delivery decides how it is answered: as one message, or as a stream.

use std::time::Duration;

use portcullis_core::BoxFuture;
use tokio::time::timeout;

use crate::outflow::{Delivery, Outflow, Reply};

/// How long a client over HTTP waits for one message before it gets a stream instead. A stream can show with
/// comments that the call is alive, and a client that loses it can ask for the rest; on a silent connection
/// neither side can tell a long call from a lost one.
pub(crate) const SILENCE: Duration = Duration::from_secs(2);

/// The first delivery of a flow and the rest; none when it ended without a word.
pub(crate) type Coming<F> = BoxFuture<'static, Option<(Delivery, F)>>;

/// Answers with one message if that comes within `patience`, with a stream otherwise.
pub(crate) async fn reply<F: Outflow + 'static>(mut coming: Coming<F>, patience: Option<Duration>) -> Reply {
    let begun = match patience {
        Some(patience) => timeout(patience, &mut coming).await.map_err(|_still_silent| coming),
        None => Ok(coming.await),
    };
    match begun {
        Ok(None) => Reply::Accepted,
        Ok(Some((Delivery::Final(answered), _))) => Reply::Message(answered),
        Ok(Some((first, rest))) => begin(first, rest),
        Err(coming) => Reply::Stream(Box::new(Begun::Coming(coming))),
    }
}

/// A stream that begins with `first`.
pub(crate) fn begin<F: Outflow + 'static>(first: Delivery, rest: F) -> Reply {
    Reply::Stream(Box::new(Begun::Here(Some(first), rest)))
}

enum Begun<F> {
    Coming(Coming<F>),
    Here(Option<Delivery>, F),
    Over,
}

impl<F: Outflow + 'static> Begun<F> {
    async fn advance(&mut self) -> Option<Delivery> {
        if let Self::Coming(coming) = self {
            *self = coming.await.map_or(Self::Over, |(first, rest)| Self::Here(Some(first), rest));
        }
        match self {
            Self::Here(first, rest) => match first.take() {
                Some(first) => Some(first),
                None => rest.next().await,
            },
            Self::Coming(_) | Self::Over => None,
        }
    }
}

impl<F: Outflow + 'static> Outflow for Begun<F> {
    fn next(&mut self) -> BoxFuture<'_, Option<Delivery>> {
        Box::pin(self.advance())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use bytes::Bytes;
    use tokio::time::sleep;

    use super::*;
    use crate::outflow::Answered;

    struct Script(VecDeque<Delivery>);

    impl Outflow for Script {
        fn next(&mut self) -> BoxFuture<'_, Option<Delivery>> {
            Box::pin(std::future::ready(self.0.pop_front()))
        }
    }

    fn event(text: &'static str) -> Delivery {
        Delivery::Event(Bytes::from_static(text.as_bytes()))
    }

    fn last(text: &'static str) -> Delivery {
        Delivery::Final(Answered { status: 200, body: Bytes::from_static(text.as_bytes()) })
    }

    /// How a flow that begins after some seconds is answered, and everything that is said.
    async fn check(
        after: u64,
        script: &[Delivery],
        patience: Option<Duration>,
    ) -> (&'static str, Vec<Delivery>) {
        let mut script = Script(script.iter().cloned().collect());
        let coming: Coming<Script> = Box::pin(async move {
            sleep(Duration::from_secs(after)).await;
            let first = script.next().await?;
            Some((first, script))
        });
        match reply(coming, patience).await {
            Reply::Message(answered) => ("message", vec![Delivery::Final(answered)]),
            Reply::Stream(mut flow) => {
                let mut all = Vec::new();
                while let Some(delivery) = flow.next().await {
                    all.push(delivery);
                }
                ("stream", all)
            }
            _ => ("nothing", Vec::new()),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn silence_becomes_a_stream_and_nothing_is_lost() {
        let (alone, more) = (vec![last("x")], vec![event("a"), event("b"), last("x")]);
        let table = [
            (1, &alone, Some(SILENCE), "message"),
            (3, &alone, Some(SILENCE), "stream"),
            (3, &alone, None, "message"),
            (1, &more, Some(SILENCE), "stream"),
            (3, &more, Some(SILENCE), "stream"),
            (3, &more, None, "stream"),
        ];
        for (after, script, patience, how) in table {
            assert_eq!(check(after, script, patience).await, (how, script.clone()), "{after} {patience:?}");
        }
        assert_eq!(check(1, &[], Some(SILENCE)).await.0, "nothing");
        assert_eq!(check(3, &[], Some(SILENCE)).await, ("stream", Vec::new()));
    }
}
