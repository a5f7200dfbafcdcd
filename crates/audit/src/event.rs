//! Things that happen to the gateway itself.

/// What happened. Closed, so that an alert can be written against it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// The gateway started; the detail names version, policy, configuration and controls.
    Started,
    /// The gateway stopped in order.
    Stopped,
    /// A new configuration is in force.
    ConfigChanged,
    /// A new configuration was unusable; the old one stays in force.
    ConfigRejected,
    /// What is covered, what is excluded and what happens where nothing can be decided; the subject is the digest of the
    /// detail, which decisions name.
    BoundaryStated,
    /// An option that lowers security is in force.
    Danger,
    /// A server process was started.
    ChildStarted,
    /// A server was not started: its admission does not hold, its files are not what was approved, or it cannot be
    /// executed as it was to be (control SC-01).
    NotStarted,
    /// A link to a server is ready; the detail names the version spoken on it.
    Connected,
    /// A server process ended.
    ChildExited,
    /// A server in a sandbox made a system call that is refused there; the detail names the call, the program, and how
    /// often (control ISO-01).
    Denied,
    /// A server's list was fetched; the detail names its digest and what was refused in it.
    CatalogueChanged,
    /// A message that belongs to no call, or what a server says about itself, held something worth knowing, or was
    /// withheld for it.
    Content,
    /// A definition is not what was trusted, or not trusted yet, and is held back (control TI-01).
    DefinitionHeld,
    /// A person approved one call that policy would not have permitted otherwise (control AZ-08).
    Approved,
    /// A caller agreed to being connected to a server, or did not (control AZ-07).
    Consent,
    /// A server was asked to end a task of somebody whose access was taken back, or who was stopped.
    TaskEnded,
    /// A definition is trusted from now on, or again.
    DefinitionTrusted,
    /// Something works with less than it should have.
    Degraded,
    /// What was degraded works again.
    Restored,
    /// An operator's stop is in force; the detail says when it was asked for.
    StopInForce,
    /// Every call under a stop has ended; the detail says when.
    Contained,
    /// Some calls under a stop have not ended in time.
    NotContained,
    /// A stop is lifted.
    StopLifted,
    /// Somebody or something behaves as it should not, or as it never did before; the detail names the rule.
    Alert,
    /// Further refusals, of callers or of the server named, are counted for a while instead of written in full.
    SummaryBegins,
    /// The counts of a summary.
    Summary,
}

impl EventKind {
    /// The name in the member `event` of the record.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Stopped => "stopped",
            Self::ConfigChanged => "config-changed",
            Self::ConfigRejected => "config-rejected",
            Self::BoundaryStated => "boundary-stated",
            Self::Danger => "danger",
            Self::ChildStarted => "child-started",
            Self::NotStarted => "not-started",
            Self::Connected => "connected",
            Self::ChildExited => "child-exited",
            Self::Denied => "denied",
            Self::CatalogueChanged => "catalogue-changed",
            Self::Content => "content",
            Self::Approved => "approved",
            Self::Consent => "consent",
            Self::TaskEnded => "task-ended",
            Self::DefinitionHeld => "definition-held",
            Self::DefinitionTrusted => "definition-trusted",
            Self::Degraded => "degraded",
            Self::Restored => "restored",
            Self::StopInForce => "stop-in-force",
            Self::Contained => "contained",
            Self::NotContained => "not-contained",
            Self::StopLifted => "stop-lifted",
            Self::Alert => "alert",
            Self::SummaryBegins => "refusal-summary-begins",
            Self::Summary => "refusal-summary",
        }
    }
}
