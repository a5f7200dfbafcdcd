//! The methods of MCP, in all versions, as one table.

use crate::version::{Era, Version};

/// Whether an answer is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// A request: has an id and is answered.
    Request,
    /// A notification: has no id and no answer.
    Notification,
}

/// Who may send it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From client to server.
    ToServer,
    /// From server to client.
    ToClient,
    /// Either way.
    Both,
}

/// What the specifications say about one method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MethodInfo {
    /// The method.
    pub method: Method,
    /// Its name on the wire.
    pub name: &'static str,
    /// Request or notification.
    pub shape: Shape,
    /// Who may send it as a message of its own, in any version; see [`Method::direction_in`]. From
    /// 2026-07-28 what a server wants from a client travels inside results instead.
    pub direction: Direction,
    /// First version that has it.
    pub since: Version,
    /// Last version that has it; `None` if the newest has.
    pub until: Option<Version>,
    /// The member of `params` that `Mcp-Name` repeats (2026-07-28 Streamable HTTP, Standard Request
    /// Headers; the tasks extension for `tasks/*`).
    pub name_param: Option<&'static str>,
    /// Whether complete results carry `ttlMs` and `cacheScope` (2026-07-28 server/utilities/caching).
    pub cacheable: bool,
    /// Whether a result may be `input_required` (2026-07-28 basic/patterns/mrtr).
    pub may_require_input: bool,
}

macro_rules! methods {
    ($($variant:ident $name:literal $shape:ident $direction:ident $since:ident $until:ident $extra:ident;)*) => {
        /// A method name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Method {
            $(
                #[doc = concat!("`", $name, "`")]
                $variant,
            )*
            /// Any name that no version of the protocol defines.
            Other,
        }

        /// One row per method, in the order of [`Method`].
        pub const METHODS: &[MethodInfo] = &[$(
            extra::$extra(MethodInfo {
                method: Method::$variant,
                name: $name,
                shape: Shape::$shape,
                direction: Direction::$direction,
                since: since::$since,
                until: until::$until,
                name_param: None,
                cacheable: false,
                may_require_input: false,
            }),
        )*];
    };
}

methods! {
    // variant              name                                shape    direction since until extra
    Initialize              "initialize"                        Request  ToServer V24 V25N PLAIN;
    Ping                    "ping"                              Request  Both     V24 V25N PLAIN;
    ServerDiscover          "server/discover"                   Request  ToServer V26 NOW  CACHED;
    ToolsList               "tools/list"                        Request  ToServer V24 NOW  CACHED;
    ToolsCall               "tools/call"                        Request  ToServer V24 NOW  NAMED;
    PromptsList             "prompts/list"                      Request  ToServer V24 NOW  CACHED;
    PromptsGet              "prompts/get"                       Request  ToServer V24 NOW  NAMED;
    ResourcesList           "resources/list"                    Request  ToServer V24 NOW  CACHED;
    ResourcesTemplatesList  "resources/templates/list"          Request  ToServer V24 NOW  CACHED;
    ResourcesRead           "resources/read"                    Request  ToServer V24 NOW  READ;
    ResourcesSubscribe      "resources/subscribe"               Request  ToServer V24 V25N PLAIN;
    ResourcesUnsubscribe    "resources/unsubscribe"             Request  ToServer V24 V25N PLAIN;
    SubscriptionsListen     "subscriptions/listen"              Request  ToServer V26 NOW  PLAIN;
    CompletionComplete      "completion/complete"               Request  ToServer V24 NOW  PLAIN;
    LoggingSetLevel         "logging/setLevel"                  Request  ToServer V24 V25N PLAIN;
    // Core and experimental in 2025-11-25, either way; an extension on the server's side from 2026-07-28.
    TasksGet                "tasks/get"                         Request  Both     V25N NOW TASK;
    TasksCancel             "tasks/cancel"                      Request  Both     V25N NOW TASK;
    TasksUpdate             "tasks/update"                      Request  ToServer V26 NOW  TASK;
    TasksList               "tasks/list"                        Request  Both     V25N V25N PLAIN;
    TasksResult             "tasks/result"                      Request  Both     V25N V25N PLAIN;
    SamplingCreateMessage   "sampling/createMessage"            Request  ToClient V24 V25N PLAIN;
    RootsList               "roots/list"                        Request  ToClient V24 V25N PLAIN;
    ElicitationCreate       "elicitation/create"                Request  ToClient V25J V25N PLAIN;
    Initialized             "notifications/initialized"         Notification ToServer V24 V25N PLAIN;
    Cancelled               "notifications/cancelled"           Notification Both     V24 NOW  PLAIN;
    Progress                "notifications/progress"            Notification Both     V24 NOW  PLAIN;
    LogMessage              "notifications/message"             Notification ToClient V24 NOW  PLAIN;
    ResourceUpdated         "notifications/resources/updated"   Notification ToClient V24 NOW  PLAIN;
    ResourcesListChanged    "notifications/resources/list_changed" Notification ToClient V24 NOW PLAIN;
    ToolsListChanged        "notifications/tools/list_changed"  Notification ToClient V24 NOW  PLAIN;
    PromptsListChanged      "notifications/prompts/list_changed" Notification ToClient V24 NOW PLAIN;
    RootsListChanged        "notifications/roots/list_changed"  Notification ToServer V24 V25N PLAIN;
    ElicitationComplete     "notifications/elicitation/complete" Notification ToClient V25N V25N PLAIN;
    TaskStatus              "notifications/tasks/status"        Notification Both     V25N V25N PLAIN;
    TaskNotification        "notifications/tasks"               Notification ToClient V26 NOW  PLAIN;
    SubscriptionsAcknowledged "notifications/subscriptions/acknowledged" Notification ToClient V26 NOW PLAIN;
}

mod since {
    use crate::version::Version;
    pub(super) const V24: Version = Version::V2024_11_05;
    pub(super) const V25J: Version = Version::V2025_06_18;
    pub(super) const V25N: Version = Version::V2025_11_25;
    pub(super) const V26: Version = Version::V2026_07_28;
}

mod until {
    use crate::version::Version;
    pub(super) const V25N: Option<Version> = Some(Version::V2025_11_25);
    pub(super) const NOW: Option<Version> = None;
}

#[allow(non_snake_case, reason = "these are the words of the table's last column")]
mod extra {
    use super::MethodInfo;

    pub(super) const fn PLAIN(row: MethodInfo) -> MethodInfo {
        row
    }
    pub(super) const fn CACHED(row: MethodInfo) -> MethodInfo {
        MethodInfo { cacheable: true, ..row }
    }
    /// Named by `params.name`; may ask for input.
    pub(super) const fn NAMED(row: MethodInfo) -> MethodInfo {
        MethodInfo { name_param: Some("name"), may_require_input: true, ..row }
    }
    pub(super) const fn READ(row: MethodInfo) -> MethodInfo {
        MethodInfo { name_param: Some("uri"), cacheable: true, may_require_input: true, ..row }
    }
    pub(super) const fn TASK(row: MethodInfo) -> MethodInfo {
        MethodInfo { name_param: Some("taskId"), ..row }
    }
}

impl Method {
    /// The method called `name`; [`Method::Other`] if no version defines it.
    pub fn parse(name: &str) -> Self {
        METHODS.iter().find(|row| row.name == name).map_or(Self::Other, |row| row.method)
    }

    /// The row of the table; `None` for [`Method::Other`].
    pub fn info(self) -> Option<&'static MethodInfo> {
        METHODS.get(self as usize)
    }

    /// The name on the wire; `None` for [`Method::Other`], whose name only the message knows.
    pub fn as_str(self) -> Option<&'static str> {
        self.info().map(|row| row.name)
    }

    /// The member of `params` that `Mcp-Name` repeats.
    pub fn name_param(self) -> Option<&'static str> {
        self.info()?.name_param
    }

    /// Whether complete results carry `ttlMs` and `cacheScope`.
    pub fn is_cacheable(self) -> bool {
        self.info().is_some_and(|row| row.cacheable)
    }

    /// Whether a result may be `input_required`.
    pub fn may_require_input(self) -> bool {
        self.info().is_some_and(|row| row.may_require_input)
    }

    /// Who may send it in `version`; `None` if that version does not define it.
    pub fn direction_in(self, version: Version) -> Option<Direction> {
        let row = self.info().filter(|_| self.exists_in(version))?;
        Some(match (version.era(), self) {
            // Only servers have anything to report, or tasks to ask about, once they send no requests.
            (Era::Modern, Self::Progress) => Direction::ToClient,
            (Era::Modern, Self::TasksGet | Self::TasksCancel) => Direction::ToServer,
            _ => row.direction,
        })
    }

    /// Whether `version` defines the method; never for [`Method::Other`].
    pub fn exists_in(self, version: Version) -> bool {
        self.info().is_some_and(|row| row.since <= version && row.until.is_none_or(|last| version <= last))
    }
}
