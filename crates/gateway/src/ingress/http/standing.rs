//! Streams that end when their caller's access is taken back.

use std::sync::Arc;

use portcullis_core::BoxFuture;
use portcullis_identity::Authenticated;
use tokio::sync::watch;

use crate::{
    gateway::Gateway,
    outflow::{Delivery, Outflow},
};

/// A stream for a caller. Whenever the configuration changes, the caller is looked at again; once its access is
/// taken back nothing more is said, and dropping the stream cancels the call.
pub(super) struct Standing {
    flow: Option<Box<dyn Outflow>>,
    caller: Authenticated,
    gateway: Arc<Gateway>,
    changes: watch::Receiver<()>,
}

impl Standing {
    pub(super) fn new(flow: Box<dyn Outflow>, caller: Authenticated, gateway: Arc<Gateway>) -> Self {
        let changes = gateway.changes();
        Self { flow: Some(flow), caller, gateway, changes }
    }
}

impl Outflow for Standing {
    fn next(&mut self) -> BoxFuture<'_, Option<Delivery>> {
        Box::pin(async move {
            // What is under way is kept over a change: it may be half done.
            let mut next = self.flow.as_mut()?.next();
            let delivery = loop {
                tokio::select! {
                    biased;
                    Ok(()) = self.changes.changed() => {
                        if self.gateway.still_stands(&self.caller).is_err() {
                            break None;
                        }
                    }
                    delivery = &mut next => break delivery,
                }
            };
            drop(next);
            if self.gateway.still_stands(&self.caller).is_err() {
                self.flow = None;
                return None;
            }
            delivery
        })
    }
}
