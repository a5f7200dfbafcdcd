//! The rules, and when they object.

/// What is objected to. One row each in [`Rule::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// A caller's refusals within a minute.
    Refusals,
    /// A caller's requests whose headers and body disagree, within ten minutes.
    HeaderMismatches,
    /// A caller's sealed states and handles that did not open, within ten minutes.
    SealFailures,
    /// Requests of nobody from one address within a minute.
    Unauthenticated,
    /// A server's refused connections within a minute.
    EgressRefusals,
    /// A sandboxed server's system calls that were refused within a minute.
    DeniedCalls,
    /// A server's attempts at the addresses where clouds give out credentials, within a minute.
    MetadataService,
    /// A server's answers that were withheld within ten minutes.
    Withheld,
    /// A tool that a caller never called before, after so many of its calls.
    NewTool,
    /// A destination that a server never went to before, after so many of its connections.
    NewDestination,
    /// A caller's calls within a minute, as a multiple of its busiest minute before.
    CallRate,
    /// The size of a tool's result, as a multiple of what is usual for it.
    ResultSize,
    /// A call within hours in which there should be none.
    QuietHours,
    /// A call at an hour of the day at which its caller never called, after so many days with calls.
    OffHours,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 14] = [
        Self::Refusals,
        Self::HeaderMismatches,
        Self::SealFailures,
        Self::Unauthenticated,
        Self::EgressRefusals,
        Self::DeniedCalls,
        Self::MetadataService,
        Self::Withheld,
        Self::NewTool,
        Self::NewDestination,
        Self::CallRate,
        Self::ResultSize,
        Self::QuietHours,
        Self::OffHours,
    ];

    /// Its name in settings and in records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refusals => "refusals",
            Self::HeaderMismatches => "header-mismatches",
            Self::SealFailures => "seal-failures",
            Self::Unauthenticated => "unauthenticated",
            Self::EgressRefusals => "egress-refusals",
            Self::DeniedCalls => "denied-calls",
            Self::MetadataService => "metadata-service",
            Self::Withheld => "withheld",
            Self::NewTool => "new-tool",
            Self::NewDestination => "new-destination",
            Self::CallRate => "call-rate",
            Self::ResultSize => "result-size",
            Self::QuietHours => "quiet-hours",
            Self::OffHours => "off-hours",
        }
    }

    /// The rule called `name`.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.as_str() == name)
    }

    /// Within how long it counts, in milliseconds.
    pub(super) const fn within_ms(self) -> u64 {
        match self {
            Self::HeaderMismatches | Self::SealFailures | Self::Withheld => 600_000,
            _ => 60_000,
        }
    }

    pub(super) const fn counts(self) -> &'static str {
        match self {
            Self::HeaderMismatches => "requests whose headers and body disagree",
            Self::SealFailures => "states or handles that were not given to it or not as they were brought",
            Self::EgressRefusals => "refused connections",
            Self::DeniedCalls => "refused system calls",
            Self::MetadataService => "attempts at the metadata service of a cloud",
            Self::Withheld => "answers withheld",
            Self::Unauthenticated => "requests of nobody known",
            _ => "refusals",
        }
    }
}

/// From when on rules object; 0 switches one off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// [`Rule::Refusals`].
    pub refusals: u32,
    /// [`Rule::HeaderMismatches`].
    pub header_mismatches: u32,
    /// [`Rule::SealFailures`].
    pub seal_failures: u32,
    /// [`Rule::Unauthenticated`].
    pub unauthenticated: u32,
    /// [`Rule::EgressRefusals`].
    pub egress_refusals: u32,
    /// [`Rule::DeniedCalls`].
    pub denied_calls: u32,
    /// [`Rule::MetadataService`].
    pub metadata_service: u32,
    /// [`Rule::Withheld`].
    pub withheld: u32,
    /// [`Rule::NewTool`] and [`Rule::NewDestination`]: calls or connections after which something can be new.
    pub new_after: u32,
    /// [`Rule::CallRate`].
    pub rate_factor: u32,
    /// [`Rule::ResultSize`].
    pub size_factor: u32,
    /// [`Rule::QuietHours`].
    pub quiet_hours: Option<QuietHours>,
    /// [`Rule::OffHours`]: days with calls after which an hour can be new.
    pub off_hours_after: u32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            refusals: 20,
            header_mismatches: 3,
            seal_failures: 3,
            unauthenticated: 30,
            egress_refusals: 5,
            denied_calls: 20,
            metadata_service: 1,
            withheld: 5,
            new_after: 200,
            rate_factor: 10,
            size_factor: 20,
            quiet_hours: None,
            off_hours_after: 10,
        }
    }
}

impl Thresholds {
    pub(super) fn of(&self, rule: Rule) -> u32 {
        match rule {
            Rule::Refusals => self.refusals,
            Rule::HeaderMismatches => self.header_mismatches,
            Rule::SealFailures => self.seal_failures,
            Rule::Unauthenticated => self.unauthenticated,
            Rule::EgressRefusals => self.egress_refusals,
            Rule::DeniedCalls => self.denied_calls,
            Rule::MetadataService => self.metadata_service,
            Rule::Withheld => self.withheld,
            Rule::NewTool | Rule::NewDestination => self.new_after,
            Rule::CallRate => self.rate_factor,
            Rule::ResultSize => self.size_factor,
            Rule::QuietHours => 0,
            Rule::OffHours => self.off_hours_after,
        }
    }
}

/// Hours of the day in UTC: from the first up to the second, which may be of the next day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuietHours {
    from: u8,
    until: u8,
}

impl QuietHours {
    /// Reads `22-6`: two different hours from 0 to 23.
    pub fn parse(text: &str) -> Option<Self> {
        let (from, until) = text.split_once('-')?;
        let hour = |text: &str| {
            let plain = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse::<u8>().ok().filter(|hour| plain && *hour < 24)
        };
        let (from, until) = (hour(from)?, hour(until)?);
        (from != until).then_some(Self { from, until })
    }

    pub(super) fn contains(self, at_ms: u64) -> bool {
        let hour = (at_ms / 3_600_000 % 24) as u8;
        match self.from < self.until {
            true => (self.from..self.until).contains(&hour),
            false => hour >= self.from || hour < self.until,
        }
    }
}

impl std::fmt::Display for QuietHours {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.from, self.until)
    }
}
