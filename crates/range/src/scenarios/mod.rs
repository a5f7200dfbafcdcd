//! The scenarios.

mod s01;
mod s02;
mod s03;
mod s04;
mod s05;
mod s06;
mod s07;
mod s08;
mod s10;
mod s11;
mod s12;
mod s15;
mod s16;
mod s17;
mod s18;
mod s19;
mod s20;
mod s21;
mod s22;
mod s23;
mod s24;
mod s25;
mod s26;
mod s27;
mod s28;
mod s29;
mod s30;
mod s31;
mod s32;
mod s33;
mod s34;

use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::time::timeout;

use crate::{place::Place, report::Report, trouble::Trouble};

/// No scenario takes longer, however busy the machine is.
const DEADLINE: Duration = Duration::from_secs(600);

type Run = for<'a> fn(&'a Place, &'a mut Report) -> BoxFuture<'a, Result<(), Trouble>>;

/// A threat that is carried out.
pub struct Scenario {
    /// Its number in the catalogue of threats, for example `S-27`.
    pub id: &'static str,
    title: &'static str,
    /// What holds when it passes.
    claim: &'static str,
    run: Run,
}

/// All of them.
pub const SCENARIOS: &[Scenario] = &[
    s01::SCENARIO,
    s02::SCENARIO,
    s03::SCENARIO,
    s04::SCENARIO,
    s05::SCENARIO,
    s06::SCENARIO,
    s07::SCENARIO,
    s08::SCENARIO,
    s10::SCENARIO,
    s11::SCENARIO,
    s12::SCENARIO,
    s15::SCENARIO,
    s16::SCENARIO,
    s17::SCENARIO,
    s18::SCENARIO,
    s19::SCENARIO,
    s20::SCENARIO,
    s21::SCENARIO,
    s22::SCENARIO,
    s23::SCENARIO,
    s24::SCENARIO,
    s25::SCENARIO,
    s26::SCENARIO,
    s27::SCENARIO,
    s28::SCENARIO,
    s29::SCENARIO,
    s30::SCENARIO,
    s31::SCENARIO,
    s32::SCENARIO,
    s33::SCENARIO,
    s34::SCENARIO,
];

impl Scenario {
    /// Carries it out.
    pub async fn run(&self, place: &Place) -> Report {
        let began = Instant::now();
        let mut report = Report::new(self.id, self.title, self.claim);
        let trouble = match timeout(DEADLINE, (self.run)(place, &mut report)).await {
            Ok(Ok(())) => None,
            Ok(Err(trouble)) => Some(trouble.to_string()),
            Err(_) => Some(format!("it did not end within {DEADLINE:?}")),
        };
        report.conclude(trouble, began.elapsed().as_secs_f64());
        report
    }
}
