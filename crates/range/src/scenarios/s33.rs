//! S-33: too much of everything.

mod answers;
mod crowd;
mod patterns;
mod sizes;
mod slow;
mod watch;

use futures_util::FutureExt;

use super::Scenario;
use crate::{place::Place, report::Report, trouble::Trouble};

pub(super) const SCENARIO: Scenario = Scenario {
    id: "S-33",
    title: "payload limit and denial of service",
    claim: "what is larger, deeper, longer, slower or more than the limits is refused or cut off and on record; an \
            honest client is served meanwhile about as fast as before; memory stays below its cap, descriptors \
            are given back",
    run: |place, report| run(place, report).boxed(),
};

async fn run(place: &Place, report: &mut Report) -> Result<(), Trouble> {
    sizes::run(place, report).await?;
    answers::run(place, report).await?;
    patterns::run(place, report).await?;
    crowd::run(place, report).await?;
    slow::run(place, report).await?;
    report.not_covered(
        "ten thousand tasks at once",
        "tasks of the gateway's own; they are the servers', so requests and sessions were crowded instead",
    );
    Ok(())
}
