//! One request for a person's consent, and whether what comes back answers it (RFC 6749 section 4.1, RFC 7636, RFC 9207).

use std::{fmt, sync::Arc};

use aws_lc_rs::{constant_time, digest, rand};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use portcullis_core::Secret;

use super::{ConnectFault, connection::Client, discovery::AuthorizationServer};
use crate::outward::Form;

/// Longest answer, in bytes.
const LONGEST: usize = 16 * 1024;

/// What was asked of a person, until the answer comes.
pub struct PendingConnection {
    pub(super) owner: String,
    pub(super) client: Client,
    pub(super) resource: String,
    pub(super) server: AuthorizationServer,
    pub(super) scopes: Vec<Arc<str>>,
    state: Secret,
    pub(super) verifier: Secret,
}

impl fmt::Debug for PendingConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingConnection").field("owner", &self.owner).finish_non_exhaustive()
    }
}

/// 32 random bytes as text.
fn random() -> Result<Secret, ConnectFault> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|_| ConnectFault::Randomness)?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(bytes).into_bytes()))
}

impl PendingConnection {
    pub(super) fn new(
        owner: String,
        client: Client,
        resource: String,
        server: AuthorizationServer,
        scopes: Vec<Arc<str>>,
    ) -> Result<Self, ConnectFault> {
        Ok(Self { owner, client, resource, server, scopes, state: random()?, verifier: random()? })
    }

    /// What tells the answer to this request from others.
    pub fn state(&self) -> &Secret {
        &self.state
    }

    /// What is asked for.
    pub fn scopes(&self) -> &[Arc<str>] {
        &self.scopes
    }

    /// The authorization server that asks the person.
    pub fn issuer(&self) -> &str {
        &self.server.issuer
    }

    /// The page that asks the person.
    pub fn url(&self) -> String {
        let mut form = Form::default();
        form.text("response_type", "code");
        form.text("client_id", &self.client.client_id);
        form.text("redirect_uri", &self.client.redirect_uri);
        form.add("state", self.state.expose());
        let challenge = digest::digest(&digest::SHA256, self.verifier.expose());
        form.text("code_challenge", &URL_SAFE_NO_PAD.encode(challenge.as_ref()));
        form.text("code_challenge_method", "S256");
        form.text("resource", &self.resource);
        if !self.scopes.is_empty() {
            form.text("scope", &self.scopes.join(" "));
        }
        // A token for when the person is away takes the person's word (OpenID Connect Core 1.0 section 11).
        if self.scopes.iter().any(|it| &**it == "offline_access") {
            form.text("prompt", "consent");
        }
        let page = self.server.authorization.to_string();
        let joint = if page.contains('?') { '&' } else { '?' };
        format!("{page}{joint}{}", String::from_utf8_lossy(form.bytes()))
    }

    /// Whether a query answers this very request. What does not is nobody's answer and changes nothing.
    pub fn is_answered_by(&self, query: &str) -> bool {
        Answer::read(query).is_ok_and(|answer| self.is_named_by(&answer))
    }

    fn is_named_by(&self, answer: &Answer) -> bool {
        let state = answer.state.as_deref().unwrap_or_default();
        constant_time::verify_slices_are_equal(state.as_bytes(), self.state.expose()).is_ok()
    }

    /// The code in the query of the answer.
    ///
    /// # Errors
    /// [`ConnectFault::Answer`] when it does not answer this request, [`ConnectFault::Declined`] when it is a no.
    pub(super) fn code(&self, query: &str) -> Result<Secret, ConnectFault> {
        let answer = Answer::read(query)?;
        if !self.is_named_by(&answer) {
            return Err(ConnectFault::Answer("its `state` is not the one that was sent"));
        }
        // Before anything else is looked at: an answer of another server says nothing (RFC 9207 section 2.4).
        match &answer.iss {
            Some(iss) if *iss != self.server.issuer => {
                return Err(ConnectFault::Answer("its `iss` is not the authorization server that was asked"));
            }
            None if self.server.states_issuer => {
                return Err(ConnectFault::Answer(
                    "it has no `iss`, which this authorization server always sends",
                ));
            }
            _ => {}
        }
        if let Some(error) = answer.error {
            let plain = |c: char| c.is_ascii_lowercase() || c == '_';
            let plain = (1..=64).contains(&error.len()) && error.chars().all(plain);
            return Err(ConnectFault::Declined(if plain { error } else { "an error".to_owned() }));
        }
        let code = answer.code.filter(|code| !code.is_empty());
        code.map(|code| Secret::new(code.into_bytes())).ok_or(ConnectFault::Answer("it has no `code`"))
    }
}

/// The parameters of an answer.
#[derive(Default)]
struct Answer {
    code: Option<String>,
    state: Option<String>,
    iss: Option<String>,
    error: Option<String>,
}

impl Answer {
    /// Two of a kind could be read in two ways.
    fn read(query: &str) -> Result<Self, ConnectFault> {
        if query.len() > LONGEST {
            return Err(ConnectFault::Answer("it is too long"));
        }
        let mut answer = Self::default();
        for (name, value) in fields(query) {
            let place = match name.as_str() {
                "code" => &mut answer.code,
                "state" => &mut answer.state,
                "iss" => &mut answer.iss,
                "error" => &mut answer.error,
                _ => continue,
            };
            if place.replace(value).is_some() {
                return Err(ConnectFault::Answer("it says something twice"));
            }
        }
        Ok(answer)
    }
}

/// The fields of a form or query; what is no text is left out.
pub(crate) fn fields(text: &str) -> impl Iterator<Item = (String, String)> + '_ {
    text.split('&').filter_map(|field| {
        let (name, value) = field.split_once('=').unwrap_or((field, ""));
        Some((decoded(name)?, decoded(value)?))
    })
}

fn decoded(text: &str) -> Option<String> {
    let (mut bytes, mut out) = (text.bytes(), Vec::with_capacity(text.len()));
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut nibble =
                    || char::from(bytes.next()?).to_digit(16).and_then(|it| u8::try_from(it).ok());
                (nibble()? << 4) | nibble()?
            }
            other => other,
        });
    }
    String::from_utf8(out).ok()
}
