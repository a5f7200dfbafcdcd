//! Tokens that say nothing by themselves: their issuer is asked what they are (RFC 7662).

use std::{collections::HashMap, mem};

use parking_lot::Mutex;
use portcullis_core::{
    Digest,
    wire::json::{Document, Limits},
};
use tokio::sync::Semaphore;

use super::claims::Claims;
use crate::{
    OauthClient, TokenFault,
    outward::{Endpoint, Form},
};

const LIMITS: Limits =
    Limits { max_bytes: 64 * 1024, max_depth: 16, max_string: 8 * 1024, max_members: 512, max_nodes: 2_048 };
/// Questions under way at once. Anybody can send what looks like a token.
const MOST_ASKED: usize = 32;
/// Tokens of one generation that were found bad.
const GENERATION: usize = 4_096;

/// How an issuer is asked about its tokens.
#[derive(Clone, Debug)]
pub struct Introspection {
    /// The gateway at the issuer.
    pub client: OauthClient,
    /// How long an answer is believed, in seconds: no longer does a token work after its issuer has taken it back.
    pub seconds: u64,
}

/// Asks an issuer.
#[derive(Debug)]
pub(super) struct Introspector {
    endpoint: Endpoint,
    seconds: u64,
    room: Semaphore,
    bad: Mutex<Bad>,
}

/// Tokens that were found bad, by digest, and until when they are not asked about again, in seconds since 1970.
#[derive(Debug, Default)]
struct Bad {
    young: HashMap<Digest, u64>,
    old: HashMap<Digest, u64>,
}

impl Introspector {
    pub(super) fn new(config: &Introspection) -> Self {
        Self {
            endpoint: Endpoint::new(&config.client, "introspection_endpoint"),
            seconds: config.seconds,
            room: Semaphore::new(MOST_ASKED),
            bad: Mutex::default(),
        }
    }

    /// How long an answer is believed, in seconds.
    pub(super) fn seconds(&self) -> u64 {
        self.seconds
    }

    /// What the issuer says about a token.
    pub(super) async fn ask(&self, token: &str, digest: &Digest, now_ms: u64) -> Result<Claims, TokenFault> {
        let now = now_ms / 1000;
        if self.bad.lock().holds(digest, now) {
            return Err(TokenFault::Inactive);
        }
        let unknown = |why: String| TokenFault::NotIntrospected(why);
        let Ok(_room) = self.room.try_acquire() else {
            return Err(unknown(format!("{MOST_ASKED} questions are under way already")));
        };
        let mut form = Form::default();
        form.text("token", token);
        form.text("token_type_hint", "access_token");
        let answer = self.endpoint.post(form, now_ms).await.map_err(|fault| unknown(fault.to_string()))?;
        if answer.status != 200 {
            return Err(unknown(format!("it answered {}", answer.status)));
        }
        let document =
            Document::parse(answer.body, &LIMITS).map_err(|fault| unknown(format!("its answer: {fault}")))?;
        match document.root().get("active").and_then(|active| active.as_bool()) {
            Some(true) => Claims::introspected(document.root(), self.endpoint.issuer(), now),
            Some(false) => {
                self.bad.lock().put(*digest, now.saturating_add(self.seconds));
                Err(TokenFault::Inactive)
            }
            None => Err(unknown("its answer does not say whether the token is active".to_owned())),
        }
    }
}

impl Bad {
    fn holds(&self, token: &Digest, now: u64) -> bool {
        self.young.get(token).or_else(|| self.old.get(token)).is_some_and(|until| now < *until)
    }

    /// When the younger is full it becomes the older, and the older is dropped.
    fn put(&mut self, token: Digest, until: u64) {
        if self.young.len() >= GENERATION {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(token, until);
    }
}

/// Whether a token may be one that has to be asked about: not a JWT, which says what it is.
pub(super) fn is_opaque(token: &str) -> bool {
    token.bytes().filter(|byte| *byte == b'.').count() != 2
}
