//! S-23: messages and packages that are not what they are taken for.

mod messages;
mod registry;

use futures_util::FutureExt;

use super::Scenario;
use crate::{place::Place, report::Report, trouble::Trouble};

pub(super) const SCENARIO: Scenario = Scenario {
    id: "S-23",
    title: "insufficient integrity checks",
    claim: "answers to calls that nobody made, second answers and questions without a reason reach no client and change no \
            other call; a package whose bytes are not those that were announced or signed is not admitted, and a server \
            put in the place of an approved one is not started",
    run: |place, report| run(place, report).boxed(),
};

async fn run(place: &Place, report: &mut Report) -> Result<(), Trouble> {
    messages::run(place, report).await?;
    registry::run(place, report).await
}
