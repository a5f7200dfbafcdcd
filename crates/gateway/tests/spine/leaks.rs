//! Nothing outlives its gateway.

use std::sync::Arc;

use tokio::time::{Duration, sleep};

use crate::{client::Network, house::House};

/// How long the last tasks may take to end, in the runtime's time. Longer than any timeout of a test.
const PATIENCE: Duration = Duration::from_secs(400);

const STEP: Duration = Duration::from_millis(10);

/// Closes the gateway and checks that sessions, held calls, links, requests and tasks are gone with it.
pub(crate) async fn check_nothing_left(house: House, network: Network, tasks: usize, place: &str) {
    house.gateway.close().await;
    assert_eq!(house.gateway.sessions.len(), 0, "{place}: sessions");
    assert_eq!(house.gateway.parked_calls(), 0, "{place}: held calls");
    let servers = house.all_servers();
    for server in &servers {
        assert_eq!(server.open_links(), 0, "{place}: links of `{}`", server.name());
    }
    drop(network);
    let House { gateway, .. } = house;
    let alive = Arc::downgrade(&gateway);
    drop(gateway);
    let waiting = || {
        let now = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        alive.strong_count() > 0 || now > tasks
    };
    let mut waited = Duration::ZERO;
    while waiting() && waited < PATIENCE {
        sleep(STEP).await;
        waited += STEP;
    }
    let now = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    assert_eq!(alive.strong_count(), 0, "{place}: the gateway is still held");
    assert_eq!(now, tasks, "{place}: tasks still run");
    let under_way: Vec<_> = servers.iter().map(|server| server.under_way()).filter(|n| *n > 0).collect();
    assert_eq!(under_way, [0; 0], "{place}: requests under way at servers");
}
