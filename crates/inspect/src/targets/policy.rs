//! What is done about targets that are not what an honest caller writes.

use std::collections::BTreeMap;

use portcullis_core::ServerName;
use serde::Serialize;

use super::TargetKind;

/// What is wrong with a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TargetFault {
    /// A path goes up (`..`).
    Climbs,
    /// What it is shows only when it is decoded, or it has control characters.
    Hidden,
    /// A path through the open files of a process, a device, or to another machine.
    Indirect,
    /// A path outside of the directories that its server is declared to work in.
    Outside,
    /// A URL of another scheme than HTTP.
    Scheme,
    /// A URL without TLS.
    Cleartext,
    /// A URL with a user name or password.
    UserInformation,
    /// A host that readers could understand differently.
    Disguised,
    /// A host that is not on the public internet.
    Internal,
    /// A name that a program takes for an option.
    Option,
    /// Characters with a meaning to a shell.
    Metacharacter,
    /// More than one command or statement, or one whose end is a matter of opinion.
    Compound,
    /// SQL that does more than read.
    Statement,
}

impl TargetFault {
    /// All of them, in order.
    pub const ALL: [Self; 13] = [
        Self::Climbs,
        Self::Hidden,
        Self::Indirect,
        Self::Outside,
        Self::Scheme,
        Self::Cleartext,
        Self::UserInformation,
        Self::Disguised,
        Self::Internal,
        Self::Option,
        Self::Metacharacter,
        Self::Compound,
        Self::Statement,
    ];

    /// The word for it in settings and records.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Climbs => "climbs",
            Self::Hidden => "hidden",
            Self::Indirect => "indirect",
            Self::Outside => "outside",
            Self::Scheme => "scheme",
            Self::Cleartext => "cleartext",
            Self::UserInformation => "user_information",
            Self::Disguised => "disguised",
            Self::Internal => "internal",
            Self::Option => "option",
            Self::Metacharacter => "metacharacter",
            Self::Compound => "compound",
            Self::Statement => "statement",
        }
    }

    /// What is wrong, and what the caller can do.
    pub(super) const fn told(self) -> (&'static str, &'static str) {
        match self {
            Self::Climbs => ("it goes up with `..`", "write the path without"),
            Self::Hidden => {
                ("it has encoded or control characters that make it something else", "write it plainly")
            }
            Self::Indirect => {
                ("it leads through a process, a device or another machine", "name the file itself")
            }
            Self::Outside => ("it is outside of the directories of this server", "stay inside of them"),
            Self::Scheme => ("its scheme is not one that is followed", "use an https URL"),
            Self::Cleartext => ("it is not encrypted", "use an https URL"),
            Self::UserInformation => ("it has user information before its host", "leave that out"),
            Self::Disguised => ("not everybody reads the same host in it", "write the host plainly"),
            Self::Internal => {
                ("its host is not on the public internet", "an operator can allow it with `targets.hosts`")
            }
            Self::Option => ("it begins with a dash, as options do", "leave the dash out"),
            Self::Metacharacter => ("it has characters with a meaning to a shell", "leave them out"),
            Self::Compound => ("it is not one plain command or statement", "send one, without comments"),
            Self::Statement => ("it does more than read", "send a statement that only reads"),
        }
    }

    /// Whether honest callers do this where nobody has declared that they may not. What a parameter is for is then a
    /// guess, and only what no honest caller writes is held against it.
    const fn is_ordinary(self) -> bool {
        matches!(self, Self::Metacharacter | Self::Compound | Self::Statement)
    }
}

/// What is done about one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TargetAction {
    /// Nothing.
    Pass,
    /// It is recorded.
    Note,
    /// The call is refused.
    Refuse,
}

/// What is done about each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetActions([TargetAction; TargetFault::ALL.len()]);

/// What is done about each, and what is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TargetPolicy {
    /// What is done about each finding.
    pub actions: TargetActions,
    /// Schemes that may be followed besides `https`, `http`, `wss` and `ws`.
    pub schemes: Vec<String>,
    /// Hosts, with or without a port, that may be targets although they are not on the public internet.
    pub hosts: Vec<String>,
    /// What is declared, for each server.
    pub servers: BTreeMap<ServerName, DeclaredTargets>,
}

/// What is declared about the arguments of one server's tools.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeclaredTargets {
    /// Tool, or `*` for any, names that lead to the parameter, and what it is.
    pub parameters: Vec<(String, Vec<String>, TargetKind)>,
    /// Directories that paths have to be in, if there are any.
    pub roots: Vec<String>,
    /// Hosts that the server itself may reach, which may be targets although they are not on the public internet:
    /// names, addresses, or `*.` and a name.
    pub hosts: Vec<String>,
}

impl DeclaredTargets {
    /// Whether the server may reach all of these hosts.
    pub(super) fn reaches(own: &[String], hosts: &[String]) -> bool {
        let reaches = |rule: &String, host: &String| match rule.strip_prefix('*') {
            Some(end) => host.strip_suffix(end).is_some_and(|name| !name.is_empty()),
            None => rule == host,
        };
        !hosts.is_empty() && hosts.iter().all(|host| own.iter().any(|rule| reaches(rule, host)))
    }
}

impl Default for TargetActions {
    fn default() -> Self {
        Self([TargetAction::Refuse; TargetFault::ALL.len()]).with(TargetFault::Cleartext, TargetAction::Note)
    }
}

impl TargetActions {
    /// The same with something else done about this.
    #[must_use]
    pub fn with(mut self, fault: TargetFault, action: TargetAction) -> Self {
        if let Some(own) = self.0.get_mut(fault as usize) {
            *own = action;
        }
        self
    }

    /// What is done about it.
    pub fn on(&self, fault: TargetFault) -> TargetAction {
        self.0.get(fault as usize).copied().unwrap_or(TargetAction::Refuse)
    }

    /// Whether nothing is done, whatever is found.
    pub fn is_off(&self) -> bool {
        self.0.iter().all(|action| *action == TargetAction::Pass)
    }
}

impl TargetPolicy {
    pub(super) fn action(&self, fault: TargetFault, declared: bool) -> TargetAction {
        if fault.is_ordinary() && !declared { TargetAction::Pass } else { self.actions.on(fault) }
    }

    /// Whether a host is listed, alone or with this port.
    pub(super) fn names(&self, host: &str, port: Option<&str>) -> bool {
        self.hosts.iter().any(|listed| {
            listed == host
                || port.is_some_and(|port| {
                    listed.strip_suffix(port).is_some_and(|it| it.strip_suffix(':') == Some(host))
                })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_its_place() {
        for (at, fault) in TargetFault::ALL.into_iter().enumerate() {
            assert_eq!(fault as usize, at);
        }
        let policy = TargetActions::default().with(TargetFault::Scheme, TargetAction::Pass);
        assert_eq!(policy.on(TargetFault::Scheme), TargetAction::Pass);
        assert_eq!(policy.on(TargetFault::UserInformation), TargetAction::Refuse);
        assert_eq!(policy.on(TargetFault::Cleartext), TargetAction::Note);
    }
}
