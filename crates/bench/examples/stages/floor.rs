//! The yardstick: an envelope parsed as `floor-proxy inspect2` does it.

use std::hint::black_box;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{Stage, samples};

pub(crate) const STAGES: &[Stage] = &[
    Stage { name: "floor-request-100", prepare: || request(100) },
    Stage { name: "floor-request-10k", prepare: || request(10_240) },
    Stage { name: "floor-answer-100", prepare: || answer(100) },
    Stage { name: "floor-answer-10k", prepare: || answer(10_240) },
    Stage { name: "floor-answer-1m", prepare: || answer(1 << 20) },
];

#[derive(Deserialize)]
#[expect(dead_code, reason = "only that it parses matters")]
struct Request<'a> {
    #[serde(borrow)]
    method: Option<&'a str>,
    #[serde(borrow)]
    params: Option<Params<'a>>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only that it parses matters")]
struct Params<'a> {
    #[serde(borrow)]
    name: Option<&'a str>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only that it parses matters")]
struct Answer<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
}

fn request(size: usize) -> Box<dyn FnMut()> {
    let message = samples::call(size);
    Box::new(move || assert!(serde_json::from_slice::<Request>(black_box(&message)).is_ok()))
}

fn answer(size: usize) -> Box<dyn FnMut()> {
    let message = samples::answer(size);
    Box::new(move || assert!(serde_json::from_slice::<Answer>(black_box(&message)).is_ok()))
}
