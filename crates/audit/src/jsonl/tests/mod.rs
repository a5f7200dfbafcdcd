//! The log over a disk whose every operation can be held or made to fail.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

mod disk;
mod durability;
mod failure;

use std::{sync::Arc, time::Duration};

use portcullis_core::FakeClock;

use super::{Fsync, Health, JsonLines, JsonLinesOptions};
use disk::{FakeDisk, Platter};

/// Long enough never to pass in a test.
const NEVER: Duration = Duration::from_secs(3_600);

fn options(fsync: Fsync) -> JsonLinesOptions {
    JsonLinesOptions {
        fsync,
        rotate_bytes: None,
        first_retry: Duration::from_millis(1),
        last_retry: Duration::from_millis(1),
        look_every: NEVER,
        ..JsonLinesOptions::new("fake.jsonl")
    }
}

/// A log over a fake disk, and what that disk holds.
fn log(options: JsonLinesOptions) -> (JsonLines, Platter) {
    let platter = Platter::default();
    let disk = FakeDisk(platter.clone());
    let clock: Arc<dyn portcullis_core::Clock> = Arc::new(FakeClock::at(0));
    let markers = Arc::new(super::Markers::new(clock.clone(), None));
    let log = JsonLines::start(disk, 0, None, options, (clock, markers)).unwrap();
    (log, platter)
}

async fn wait_until_failing(log: &JsonLines) {
    log.health().wait_for(|health| matches!(health, Health::Failing { .. })).await.unwrap();
}

async fn wait_until_working(log: &JsonLines) {
    log.health().wait_for(|health| *health == Health::Working).await.unwrap();
}

fn line(name: &str) -> Vec<u8> {
    format!(r#"{{"v":1,"id":"{name}","type":"event"}}"#).into_bytes()
}
