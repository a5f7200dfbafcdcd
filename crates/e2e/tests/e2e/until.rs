//! Waiting for a condition.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::raw::SOON;

/// How often a waiting test looks again.
pub(crate) const POLL: Duration = Duration::from_millis(10);

/// Waits until `holds`; `wanted` says in words what is waited for.
pub(crate) async fn until(wanted: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + SOON;
    while !holds() {
        assert!(Instant::now() < end, "no {wanted} within {SOON:?}");
        sleep(POLL).await;
    }
}
