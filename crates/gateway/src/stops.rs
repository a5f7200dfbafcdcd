//! The kill switch: what is stopped, and every call that a stop would end (control LOG-05).
//!
//! Calls are admitted under the same lock under which stops are put in force: a call is refused, or it is known
//! and ended. None slips through between the two.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use portcullis_core::{Caller, ControlId, Refusal, RefusalKind, ServerName, Stop, Target};
use tokio_util::sync::CancellationToken;

/// What is stopped, and the calls under way.
#[derive(Default)]
pub(crate) struct Stops(Mutex<State>);

#[derive(Default)]
struct State {
    stops: Arc<[Stop]>,
    /// The gateway ends: nothing is admitted any more.
    over: bool,
    calls: HashMap<u64, Under>,
    next: u64,
}

/// A call under way as the table of them sees it.
struct Under {
    caller: Caller,
    target: Target,
    halt: Halt,
    ended: CancellationToken,
}

/// A call's place in the table; given up when the last holder of it is gone.
pub(crate) struct Admission {
    stops: Arc<Stops>,
    number: u64,
    halt: Halt,
    ended: CancellationToken,
}

/// Fires when a call is stopped.
#[derive(Clone, Default)]
pub(crate) struct Halt {
    token: CancellationToken,
    why: Arc<Mutex<Option<Refusal>>>,
}

/// What a change of the stops led to.
#[derive(Default)]
pub(crate) struct Changed {
    /// New stops, each with what resolves when a call under it has ended.
    pub(crate) begun: Vec<(Stop, Vec<CancellationToken>)>,
    pub(crate) lifted: Vec<Stop>,
}

impl Stops {
    /// Refuses a caller who is stopped, before anything is done for them.
    ///
    /// # Errors
    /// [`RefusalKind::Stopped`].
    pub(crate) fn check_caller(&self, caller: &Caller) -> Result<(), Refusal> {
        self.first(|stop| stop.subject.covers_caller(caller))
    }

    /// Refuses to reach a server that is stopped.
    ///
    /// # Errors
    /// [`RefusalKind::Stopped`].
    pub(crate) fn check_server(&self, server: &ServerName) -> Result<(), Refusal> {
        self.first(|stop| stop.subject.covers_server(server))
    }

    fn first(&self, covers: impl Fn(&Stop) -> bool) -> Result<(), Refusal> {
        let stops = self.in_force();
        stops.iter().find(|stop| covers(stop)).map_or(Ok(()), |stop| Err(refusal(stop)))
    }

    /// A place for a call, unless it is stopped.
    ///
    /// # Errors
    /// [`RefusalKind::Stopped`], or [`RefusalKind::Draining`] when the gateway ends.
    pub(crate) fn admit(
        self: &Arc<Self>,
        caller: &Caller,
        target: &Target,
    ) -> Result<Arc<Admission>, Refusal> {
        let mut state = self.0.lock();
        if let Some(stop) = state.stops.iter().find(|stop| stop.subject.covers(caller, target)) {
            return Err(refusal(stop));
        }
        if state.over {
            return Err(ending());
        }
        let number = state.next;
        state.next = number.wrapping_add(1);
        let (halt, ended) = (Halt::default(), CancellationToken::new());
        let under = Under {
            caller: caller.clone(),
            target: target.clone(),
            halt: halt.clone(),
            ended: ended.clone(),
        };
        state.calls.insert(number, under);
        Ok(Arc::new(Admission { stops: self.clone(), number, halt, ended }))
    }

    /// Puts these stops in force in place of those that were, and ends the calls that fall under them.
    pub(crate) fn put(&self, stops: Vec<Stop>) -> Changed {
        let mut state = self.0.lock();
        let before = std::mem::replace(&mut state.stops, stops.into());
        let same = |a: &Stop, b: &Stop| a.subject == b.subject && a.source == b.source;
        let lifted = before.iter().filter(|old| !state.stops.iter().any(|new| same(old, new)));
        let mut changed = Changed { begun: Vec::new(), lifted: lifted.cloned().collect() };
        for stop in state.stops.iter().filter(|new| !before.iter().any(|old| same(old, new))) {
            let under = state.calls.values().filter(|call| stop.subject.covers(&call.caller, &call.target));
            let ended = under.map(|call| call.end(refusal(stop))).collect();
            changed.begun.push((stop.clone(), ended));
        }
        changed
    }

    /// Lets go of every call and admits none from now on; what is returned resolves when each has ended.
    pub(crate) fn let_go(&self) -> Vec<CancellationToken> {
        let mut state = self.0.lock();
        state.over = true;
        state.calls.values().map(|call| call.end(ending())).collect()
    }

    pub(crate) fn in_force(&self) -> Arc<[Stop]> {
        self.0.lock().stops.clone()
    }
}

impl Under {
    fn end(&self, why: Refusal) -> CancellationToken {
        self.halt.why.lock().get_or_insert(why);
        self.halt.token.cancel();
        self.ended.clone()
    }
}

impl Admission {
    pub(crate) fn halt(&self) -> Halt {
        self.halt.clone()
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.stops.0.lock().calls.remove(&self.number);
        self.ended.cancel();
    }
}

impl Halt {
    /// Resolves with the refusal that ends the call, when it is stopped or the gateway ends.
    pub(crate) async fn fired(&self) -> Refusal {
        self.token.cancelled().await;
        self.why.lock().clone().unwrap_or_else(ending)
    }

    pub(crate) fn has_fired(&self) -> bool {
        self.token.is_cancelled()
    }
}

fn refusal(stop: &Stop) -> Refusal {
    Refusal::new(RefusalKind::Stopped, stop.public()).by(ControlId::Log05).operator(stop.to_string())
}

fn ending() -> Refusal {
    Refusal::new(RefusalKind::Draining, "the gateway ends, and the call had not")
        .operator("the gateway ended before the call did (`gateway.drain_seconds`)")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "test code")]
    use futures_util::FutureExt as _;
    use portcullis_core::{AuthMethod, Item, Principal, PrincipalKind, StopSource};

    use super::*;

    fn caller(id: &str) -> Caller {
        let principal = Principal { kind: PrincipalKind::Dev, id: id.into() };
        Caller { principal, actor: None, tenant: None, method: AuthMethod::StaticDev, grant: None }
    }

    fn tool(server: &str) -> Target {
        Target { server: Some(server.parse().unwrap()), item: Item::Tool("t".into()), definition: None }
    }

    fn stop(subject: &str, source: StopSource) -> Stop {
        Stop { subject: subject.parse().unwrap(), source, reason: "leak".into(), requested_ms: 1 }
    }

    #[test]
    fn a_stop_refuses_new_calls_and_ends_those_under_way() {
        let stops = Arc::new(Stops::default());
        let a = stops.admit(&caller("alice"), &tool("a")).unwrap();
        let b = stops.admit(&caller("alice"), &tool("b")).unwrap();
        let changed = stops.put(vec![stop("server:a", StopSource::Command)]);
        assert_eq!((changed.begun.len(), changed.begun[0].1.len(), changed.lifted.len()), (1, 1, 0));
        let refusal = a.halt().fired().now_or_never().unwrap();
        assert_eq!(
            (refusal.kind(), refusal.detail()),
            (RefusalKind::Stopped, "`server:a` is stopped (command): leak")
        );
        assert!(!b.halt().has_fired());
        assert!(!changed.begun[0].1[0].is_cancelled(), "it has not ended yet");
        drop(a);
        assert!(changed.begun[0].1[0].is_cancelled());
        assert!(stops.admit(&caller("alice"), &tool("a")).is_err());
        assert!(stops.admit(&caller("alice"), &tool("b")).is_ok());
        assert!(stops.check_server(&"a".parse().unwrap()).is_err());
        assert!(stops.check_caller(&caller("alice")).is_ok());
    }

    #[test]
    fn a_gateway_that_ends_lets_go_of_every_call_and_admits_none() {
        let stops = Arc::new(Stops::default());
        let a = stops.admit(&caller("alice"), &tool("a")).unwrap();
        let ended = stops.let_go();
        assert_eq!(a.halt().fired().now_or_never().unwrap().kind(), RefusalKind::Draining);
        let late = stops.admit(&caller("alice"), &tool("a")).map(drop).unwrap_err();
        assert_eq!(late.kind(), RefusalKind::Draining);
        assert!(!ended[0].is_cancelled());
        drop(a);
        assert!(ended[0].is_cancelled());
    }

    #[test]
    fn every_source_has_to_resume() {
        let stops = Arc::new(Stops::default());
        let (command, file) = (stop("all", StopSource::Command), stop("all", StopSource::File));
        assert_eq!(stops.put(vec![command, file.clone()]).begun.len(), 2);
        let changed = stops.put(vec![file.clone()]);
        assert_eq!((changed.begun.len(), changed.lifted.len()), (0, 1));
        assert!(stops.check_caller(&caller("alice")).is_err());
        assert_eq!(stops.put(Vec::new()).lifted, [file]);
        assert!(stops.check_caller(&caller("alice")).is_ok());
    }
}
