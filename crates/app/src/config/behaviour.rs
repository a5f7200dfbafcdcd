//! `[behaviour]`: which behaviour is out of the ordinary, and what is done about it.

use portcullis_audit::behaviour::{QuietHours, Rule, Thresholds};

use super::{
    kind::{Choice, Flag, List, Maybe, Parsed, Whole},
    problem::Severity,
    setting::{Walk, settings},
};

const TIMES: Whole<u32> = Whole::<u32>::new("times", 0, 1_000_000);

settings! {
    /// What callers and servers do that they should not do, or never did before, by the records of it. Each finding is
    /// an `alert` on record. 0 switches a rule off. See `docs/behaviour.md`.
    pub(crate) struct BehaviourSection {
        /// Whether the gateway watches its own records. `portcullis audit alerts` looks at them at any time.
        Restart watch: bool = Flag, default "true";
        /// Refusals of one caller within a minute (`refusals`).
        Restart refusals: u32 = TIMES, default "20";
        /// Requests of one caller whose headers and body disagree, within ten minutes (`header-mismatches`).
        Restart header_mismatches: u32 = TIMES, default "3";
        /// States and handles of one caller that were not given to it, or not as it brings them, within ten minutes
        /// (`seal-failures`).
        Restart seal_failures: u32 = TIMES, default "3";
        /// Requests of nobody known from one address within a minute (`unauthenticated`).
        Restart unauthenticated: u32 = TIMES, default "30";
        /// Connections of one sandboxed server that were refused within a minute (`egress-refusals`).
        Restart egress_refusals: u32 = TIMES, default "5";
        /// System calls of one sandboxed server that were refused within a minute (`denied-calls`).
        Restart denied_calls: u32 = TIMES, default "20";
        /// Attempts of one sandboxed server at the metadata service of a cloud within a minute (`metadata-service`).
        Restart metadata_service: u32 = TIMES, default "1";
        /// Answers of one server that were withheld within ten minutes (`withheld`).
        Restart withheld: u32 = TIMES, default "5";
        /// Calls of a caller, and connections of a server, after which a tool or a destination is new that was not among
        /// them (`new-tool`, `new-destination`).
        Restart new_after: u32 = TIMES, default "200";
        /// Calls of one caller within a minute, as a multiple of its busiest minute before and never less than 60
        /// (`call-rate`).
        Restart rate_factor: u32 = TIMES, default "10";
        /// Size of a result, as a multiple of what its tool usually returns and never less than 1 MiB (`result-size`).
        Restart size_factor: u32 = TIMES, default "20";
        /// Hours of the day, in UTC, in which no call should come (`quiet-hours`).
        Restart quiet_hours: Option<QuietHours> = Maybe(HOURS);
        /// Days with calls of a caller after which a call at an hour of the day, in UTC, is objected to that is not within an
        /// hour of any before (`off-hours`).
        Restart off_hours_after: u32 = TIMES, default "10";
        /// Rules that stop whom they are about, as `portcullis stop` would; `portcullis resume` takes it back. Somebody who
        /// can make a caller's requests be refused can then have that caller stopped.
        Restart stop_on: Vec<Rule> = List(RULE);
    }
}

const HOURS: Parsed<QuietHours> =
    Parsed { phrase: "two hours of the day", example: "22-6", parse: parse_hours };

fn parse_hours(text: &str) -> Result<QuietHours, String> {
    QuietHours::parse(text).ok_or_else(|| "is not two different hours from 0 to 23, as in `22-6`".to_owned())
}

const RULE: Choice<Rule> = Choice {
    words: &[
        (Rule::Refusals.as_str(), Rule::Refusals, "its caller"),
        (Rule::HeaderMismatches.as_str(), Rule::HeaderMismatches, "its caller"),
        (Rule::SealFailures.as_str(), Rule::SealFailures, "its caller"),
        (Rule::MetadataService.as_str(), Rule::MetadataService, "its server"),
        (Rule::EgressRefusals.as_str(), Rule::EgressRefusals, "its server"),
        (Rule::DeniedCalls.as_str(), Rule::DeniedCalls, "its server"),
        (Rule::Withheld.as_str(), Rule::Withheld, "its server"),
        (Rule::NewTool.as_str(), Rule::NewTool, "its caller"),
        (Rule::NewDestination.as_str(), Rule::NewDestination, "its server"),
        (Rule::CallRate.as_str(), Rule::CallRate, "its caller"),
        (Rule::ResultSize.as_str(), Rule::ResultSize, "its caller"),
        (Rule::QuietHours.as_str(), Rule::QuietHours, "its caller"),
        (Rule::OffHours.as_str(), Rule::OffHours, "its caller"),
    ],
};

/// What is watched for, and what is done.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// Whether anything is.
    pub watch: bool,
    /// When rules object.
    pub thresholds: Thresholds,
    /// Rules that stop whom they are about.
    pub stop_on: Vec<Rule>,
}

impl BehaviourSection {
    /// The section as the product uses it, with what is wrong between its settings noted.
    pub(super) fn settle(self, walk: &mut Walk<'_>) -> Behaviour {
        if !self.watch && !self.stop_on.is_empty() {
            let what = "rules stop nobody while nothing is watched";
            walk.conflict("behaviour.stop_on", Severity::Error, what, "remove it, or remove `watch = false`");
        }
        let thresholds = Thresholds {
            refusals: self.refusals,
            header_mismatches: self.header_mismatches,
            seal_failures: self.seal_failures,
            unauthenticated: self.unauthenticated,
            egress_refusals: self.egress_refusals,
            denied_calls: self.denied_calls,
            metadata_service: self.metadata_service,
            withheld: self.withheld,
            new_after: self.new_after,
            rate_factor: self.rate_factor,
            size_factor: self.size_factor,
            quiet_hours: self.quiet_hours,
            off_hours_after: self.off_hours_after,
        };
        Behaviour { watch: self.watch, thresholds, stop_on: self.stop_on }
    }
}
