//! What was taken back before its time (control IAM-06).

use std::{collections::HashSet, fmt};

use bytes::Bytes;
use portcullis_core::{
    Caller, Grant, OnBehalf, Principal,
    wire::json::{self, Document, Kind, Limits},
};
use serde::Serialize;

/// Largest list in bytes.
const MAX_LIST: usize = 16 * 1024 * 1024;
const LIMITS: Limits =
    Limits { max_bytes: 8 * 1024, max_depth: 2, max_string: 2 * 1024, max_members: 8, max_nodes: 16 };

/// One thing that was taken back, as a line of the list.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(untagged)]
pub enum Revoked {
    /// A principal, as policies write it: `oauth:corp:alice`. Whoever acts for it is no longer let in either.
    Principal {
        /// Kind and id.
        principal: String,
    },
    /// Every token that an issuer gave to a client.
    Client {
        /// The issuer's identifier.
        issuer: String,
        /// `client_id`.
        client: String,
    },
    /// One token.
    Token {
        /// The issuer's identifier.
        issuer: String,
        /// `jti`.
        token_id: String,
    },
}

/// In words, for the operator.
impl fmt::Display for Revoked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Principal { principal } => write!(f, "the principal `{principal}`"),
            Self::Client { issuer, client } => write!(f, "the client `{client}` of `{issuer}`"),
            Self::Token { issuer, token_id } => write!(f, "the token `{token_id}` of `{issuer}`"),
        }
    }
}

/// Everything that was taken back.
#[derive(Clone, Debug, Default)]
pub struct Revocations(HashSet<Revoked>);

/// Why a list cannot be read. Half a list would let somebody in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct RevocationFault {
    line: usize,
    what: String,
}

impl Revocations {
    /// Reads a list: one JSON object a line, with `principal`, with `issuer` and `client`, or with `issuer` and
    /// `token_id`; beside them `at` and `reason`, which decide nothing.
    ///
    /// # Errors
    /// [`RevocationFault`] for the first line that is no such object.
    pub fn parse(list: &[u8]) -> Result<Self, RevocationFault> {
        if list.len() > MAX_LIST {
            return Err(RevocationFault {
                line: 1,
                what: format!("the list is larger than {MAX_LIST} bytes"),
            });
        }
        let lines = list.split(|byte| *byte == b'\n').enumerate();
        let filled = lines.filter(|(_, line)| !line.trim_ascii().is_empty());
        let read =
            |(at, line): (usize, &[u8])| entry(line).map_err(|what| RevocationFault { line: at + 1, what });
        filled.map(read).collect::<Result<_, _>>().map(Self)
    }

    /// Whether exactly this is on the list.
    pub fn contains(&self, revoked: &Revoked) -> bool {
        self.0.contains(revoked)
    }

    /// What is on the list, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Revoked> {
        self.0.iter()
    }

    /// What of a caller was taken back, if something was.
    pub(crate) fn of(&self, caller: &Caller) -> Option<Revoked> {
        self.among(&caller.principal, caller.actor.as_ref(), caller.grant.as_deref())
    }

    /// What was taken back of those on whose behalf something is open.
    pub(crate) fn of_those(&self, on_behalf: &OnBehalf) -> Option<Revoked> {
        self.among(&on_behalf.principal, on_behalf.actor.as_ref(), on_behalf.grant.as_deref())
    }

    fn among(
        &self,
        subject: &Principal,
        actor: Option<&Principal>,
        grant: Option<&Grant>,
    ) -> Option<Revoked> {
        if self.0.is_empty() {
            return None;
        }
        let issuer = || grant.map(|grant| grant.issuer.to_string()).unwrap_or_default();
        let principal = |it: &Principal| Revoked::Principal { principal: it.to_string() };
        let client = grant.and_then(|it| it.client.as_deref());
        let token_id = grant.and_then(|it| it.token_id.as_deref());
        let candidates = [
            Some(principal(subject)),
            actor.map(principal),
            client.map(|client| Revoked::Client { issuer: issuer(), client: client.to_owned() }),
            token_id.map(|id| Revoked::Token { issuer: issuer(), token_id: id.to_owned() }),
        ];
        candidates.into_iter().flatten().find(|candidate| self.0.contains(candidate))
    }
}

fn entry(line: &[u8]) -> Result<Revoked, String> {
    let document =
        Document::parse(Bytes::copy_from_slice(line), &LIMITS).map_err(|it: json::Fault| it.to_string())?;
    let root = document.root();
    if root.kind() != Kind::Object {
        return Err("this is not an object".to_owned());
    }
    let known = ["principal", "issuer", "client", "token_id", "at", "reason"];
    if let Some((name, _)) = root.members().find(|(name, _)| !known.contains(&&**name)) {
        return Err(format!("`{}` is not known here", name.escape_debug()));
    }
    let text = |name| root.get(name).and_then(|value| value.as_str()).map(String::from);
    match (text("principal"), text("issuer"), text("client"), text("token_id")) {
        (Some(principal), None, None, None) => Ok(Revoked::Principal { principal }),
        (None, Some(issuer), Some(client), None) => Ok(Revoked::Client { issuer, client }),
        (None, Some(issuer), None, Some(token_id)) => Ok(Revoked::Token { issuer, token_id }),
        _ => Err("this names neither `principal`, nor `issuer` with `client` or `token_id`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use std::sync::Arc;

    use portcullis_core::{AuthMethod, PrincipalKind};

    use super::*;

    fn alice() -> Caller {
        let principal = |id: &str| Principal { kind: PrincipalKind::Oauth, id: id.into() };
        Caller {
            principal: principal("corp:alice"),
            actor: Some(principal("corp:planner")),
            tenant: None,
            method: AuthMethod::BearerToken,
            grant: Some(Arc::new(Grant {
                issuer: "https://as.test".into(),
                client: Some("editor".into()),
                scopes: Arc::from([]),
                details: portcullis_core::Details::default(),
                token_id: Some("t1".into()),
                token: None,
            })),
        }
    }

    #[test]
    fn a_line_takes_back_what_it_names_and_nothing_else() {
        for (line, taken) in [
            (r#"{"principal":"oauth:corp:alice"}"#, true),
            (r#"{"principal":"oauth:corp:planner","at":1,"reason":"compromised"}"#, true),
            (r#"{"issuer":"https://as.test","client":"editor"}"#, true),
            (r#"{"issuer":"https://as.test","token_id":"t1"}"#, true),
            (r#"{"principal":"dev:corp:alice"}"#, false),
            (r#"{"principal":"oauth:corp:alic"}"#, false),
            (r#"{"issuer":"https://as.test/","client":"editor"}"#, false),
            (r#"{"issuer":"https://as.test","client":"t1"}"#, false),
            (r#"{"issuer":"https://as.test","token_id":"t2"}"#, false),
            ("", false),
        ] {
            let list = Revocations::parse(format!("\n{line}\n").as_bytes()).unwrap();
            assert_eq!(list.of(&alice()).is_some(), taken, "{line}");
        }
    }

    #[test]
    fn half_a_list_is_none() {
        for (line, why) in [
            ("{\"principal\":\"a\"", "malformed JSON"),
            ("{\"principal\":\"a\",\"principal\":\"b\"}", "duplicate object key"),
            ("{\"principle\":\"a\"}", "`principle` is not known here"),
            ("{\"principal\":1}", "this names neither"),
            ("{\"issuer\":\"a\"}", "this names neither"),
            ("{\"client\":\"a\"}", "this names neither"),
            ("{\"principal\":\"a\",\"client\":\"b\"}", "this names neither"),
            ("[]", "not an object"),
        ] {
            let fault =
                Revocations::parse(format!("{{\"principal\":\"a\"}}\n{line}\n").as_bytes()).unwrap_err();
            assert!(fault.to_string().starts_with("line 2: ") && fault.to_string().contains(why), "{fault}");
        }
    }
}
