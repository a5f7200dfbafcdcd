//! Accepting connections, a bounded number at a time.

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use tokio::{sync::Semaphore, task::JoinSet};

use super::listener::{Listener, Stream};

/// How long to wait when the system will not give out another connection.
const BREATH: Duration = Duration::from_millis(50);

/// Serves each connection of `listener`, `limit` at a time, until `stop` resolves; further ones wait to be
/// accepted. Connections that are open then are ended.
pub(super) async fn each<F, S>(listener: &Listener, limit: usize, stop: impl Future<Output = ()>, serve: F)
where
    F: Fn(Box<dyn Stream>) -> S,
    S: Future<Output = ()> + Send + 'static,
{
    let slots = Arc::new(Semaphore::new(limit.max(1)));
    let mut connections = JoinSet::new();
    let mut stop = pin!(stop);
    loop {
        let next = async {
            // The semaphore is never closed.
            let slot = slots.clone().acquire_owned().await.ok();
            (slot, listener.accept().await)
        };
        tokio::select! {
            () = &mut stop => return,
            Some(_ended) = connections.join_next() => {}
            (slot, accepted) = next => match accepted {
                Ok(accepted) => {
                    let served = serve(accepted);
                    connections.spawn(async move {
                        served.await;
                        drop(slot);
                    });
                }
                Err(_) => tokio::time::sleep(BREATH).await,
            },
        }
    }
}
