//! Whoever runs the gateway and its servers: reloads, restarts, crashes, a full disk.

use std::sync::Arc;

use serde_json::json;
use tokio::time::{Duration, sleep};

use super::{rng::Rng, world::World};

/// Permits everything but one tool.
pub(crate) const POLICY: &str = r#"@id("all") permit (principal, action, resource);
    @id("denied") forbid (principal, action == Mcp::Action::"tools/call", resource) when { resource.name == "denied" };"#;
/// Permits reading.
const STRICT: &str = r#"@id("read") permit (principal, action in Mcp::Action::"read", resource);"#;

#[derive(Clone, Copy, Debug)]
enum Deed {
    Reload,
    Tighten,
    Replace,
    Break,
    Down,
    Announce,
    Slow,
    FullDisk,
    SlowDisk,
    Sweep,
}

const DEEDS: [(u64, Deed); 10] = [
    (10, Deed::Reload),
    (5, Deed::Tighten),
    (7, Deed::Replace),
    (8, Deed::Break),
    (6, Deed::Down),
    (30, Deed::Announce),
    (8, Deed::Slow),
    (8, Deed::FullDisk),
    (8, Deed::SlowDisk),
    (20, Deed::Sweep),
];

/// Does a number of things, some time apart, and leaves everything as it should be.
pub(crate) async fn operate(world: Arc<World>, mut rng: Rng, names: Vec<String>, deeds: u64) {
    let house = &world.house;
    for _ in 0..deeds {
        sleep(Duration::from_millis(rng.between(50, 900))).await;
        let server = house.server(rng.pick(&names).as_str());
        let deed = rng.weighted(&DEEDS);
        world.count(&format!("{deed:?}"));
        world.trace("operator", format!("{deed:?} {}", server.name()));
        match deed {
            Deed::Reload => house.reload(Some(POLICY), &[]),
            Deed::Tighten => {
                house.reload(Some(STRICT), &[]);
                sleep(Duration::from_millis(rng.between(50, 500))).await;
                house.reload(Some(POLICY), &[]);
            }
            Deed::Replace => house.reload(Some(POLICY), &[server.name()]),
            Deed::Break => server.break_links(),
            Deed::Down => {
                server.set_down(true);
                server.break_links();
                sleep(Duration::from_millis(rng.between(50, 1_500))).await;
                server.set_down(false);
            }
            Deed::Announce => {
                let message = match rng.between(0, 4) {
                    0 => json!({"method": "notifications/tools/list_changed"}),
                    1 => json!({"method": "notifications/resources/list_changed", "params": {}}),
                    2 => {
                        json!({"method": "notifications/message", "params": {"level": "error", "data": "x"}})
                    }
                    _ => json!({"method": "notifications/resources/updated",
                        "params": {"uri": format!("mem://{}/watch", server.name())}}),
                };
                let mut message = message;
                message["jsonrpc"] = json!("2.0");
                server.announce(&message);
            }
            Deed::Slow => server.set_slow(Duration::from_millis(rng.between(0, 800))),
            Deed::SlowDisk => {
                house.sink.stall();
                sleep(Duration::from_millis(rng.between(20, 600))).await;
                house.sink.release();
            }
            Deed::FullDisk => {
                house.sink.fail("no room");
                sleep(Duration::from_millis(rng.between(20, 400))).await;
                house.sink.recover();
            }
            Deed::Sweep => house.gateway.sweep(),
        }
    }
}
