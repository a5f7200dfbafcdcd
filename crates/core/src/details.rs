//! What an access token grants in detail (`authorization_details`, RFC 9396).

use std::{ops::Deref, sync::Arc};

use serde::{Serialize, Serializer};

/// The type of detail that says which calls of tools a token is for.
pub const TOOL_CALL: &str = "mcp_tool_call";

/// Every detail of a token, in its order. Cheap to clone; written down as their types alone, since details name accounts,
/// amounts and people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Details(Arc<[AuthorizationDetail]>);

/// One element of `authorization_details`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AuthorizationDetail {
    /// Its `type` (RFC 9396 section 2).
    pub kind: Arc<str>,
    /// All of it, as the token has it.
    pub json: Arc<str>,
    /// Which calls it covers, where it is of the type [`TOOL_CALL`].
    pub calls: Option<ToolCalls>,
}

/// Calls of tools. What is absent restricts nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ToolCalls {
    /// The endpoints they go to (`locations`), as canonical URIs.
    pub locations: Option<Arc<[Arc<str>]>>,
    /// Whether the endpoint that was asked is none of `locations`, or `actions` has no calls, so that none is covered.
    pub is_elsewhere: bool,
    /// The server (`identifier`), by its configured name.
    pub server: Option<Arc<str>>,
    /// The tools, by the names their server uses.
    pub tools: Option<Arc<[Arc<str>]>>,
    /// For each of these arguments, the values it may have; it has to have one.
    pub arguments: Arc<[Constraint]>,
}

/// An argument, and the values it may have.
pub type Constraint = (Arc<str>, Arc<[Scalar]>);

/// A value an argument may have.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scalar {
    /// `true` or `false`.
    Bool(bool),
    /// A number, as JSON spells it.
    Number(Arc<str>),
    /// A string.
    Text(Arc<str>),
}

impl Details {
    /// Those that say which calls of tools the token is for.
    pub fn calls(&self) -> impl Iterator<Item = &ToolCalls> {
        self.0.iter().filter_map(|detail| detail.calls.as_ref())
    }

    /// The same as they hold at the endpoint for which `is` says yes to its canonical URI.
    #[must_use]
    pub fn at(&self, is: impl Fn(&str) -> bool) -> Self {
        let here = |detail: &AuthorizationDetail| {
            let mut detail = detail.clone();
            if let Some(calls) = &mut detail.calls {
                let locations = calls.locations.as_deref();
                calls.is_elsewhere |= locations.is_some_and(|all| !all.iter().any(|one| is(one)));
            }
            detail
        };
        self.0.iter().map(here).collect()
    }

    /// Whether one of them holds at some endpoints only.
    pub fn are_local(&self) -> bool {
        self.calls().any(|calls| calls.locations.is_some())
    }
}

impl FromIterator<AuthorizationDetail> for Details {
    fn from_iter<I: IntoIterator<Item = AuthorizationDetail>>(details: I) -> Self {
        Self(details.into_iter().collect())
    }
}

impl Deref for Details {
    type Target = [AuthorizationDetail];

    fn deref(&self) -> &[AuthorizationDetail] {
        &self.0
    }
}

impl Serialize for Details {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter().map(|detail| &*detail.kind))
    }
}
