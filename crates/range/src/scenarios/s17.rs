//! S-17: what was recorded is sent again, and what belongs to one caller is used by another.

use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::FutureExt;
use portcullis_testkit::issuer::{Issuer, encode, sha256};
use serde_json::{Value, json};

use super::Scenario;
use crate::{
    attack::{Attack, Wanted, nothing_more, refuse_all, wanted},
    ground::{ALLOWED, Ground, NOTES},
    http::{Request, exchange},
    identity::{ISSUER, audience, bearer, changed, header, trusting, with},
    message::{LEGACY, initialize, legacy_call},
    place::Place,
    report::Report,
    trouble::Trouble,
};

pub(super) const SCENARIO: Scenario = Scenario {
    id: "S-17",
    title: "replay and hijacking",
    claim: "a recorded request whose token is bound to a key is good once; its proof is good for no other request, \
            token or key; a session is nobody's but its owner's and no credential; the server saw the twins only",
    run: |place, report| run(place, report).boxed(),
};

const REFUSED: Wanted = wanted(401, 40301, "unauthenticated");
const NO_SESSION: Wanted = wanted(404, -32600, "no-session");
/// Guesses around a session id that is there.
const GUESSES: u32 = 1_000;

async fn run(place: &Place, report: &mut Report) -> Result<(), Trouble> {
    let directory = tempfile::tempdir().map_err(Trouble::io("making a directory"))?;
    let issuer = Issuer::new(ISSUER);
    let mut ground = Ground::open(place, |setup| trusting(&issuer, directory.path(), setup)).await?;
    let url = audience(&ground.gateway);
    proofs(&mut ground, report, &issuer, &url).await?;
    sessions(&mut ground, report, &issuer, &url).await?;
    report.not_covered("signed bodies", "HTTP message signatures");
    ground.silence(report)
}

/// Somebody with a key.
struct Holder {
    key: Issuer,
    jwk: Value,
}

impl Holder {
    fn new() -> Self {
        let key = Issuer::new("");
        let jwk = key.proof_key();
        Self { key, jwk }
    }

    /// RFC 7638.
    fn thumbprint(&self) -> String {
        let part = |name: &str| self.jwk.get(name).and_then(Value::as_str).unwrap_or_default();
        let (x, y) = (part("x"), part("y"));
        let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        encode(sha256(canonical.as_bytes()).as_ref())
    }

    /// A call with a token and a proof that is right but for these changes.
    fn call(&self, token: &str, url: &str, number: &str, changes: Value) -> Request {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
        let ath = encode(sha256(token.as_bytes()).as_ref());
        let proof = json!({ "htm": "POST", "htu": url, "iat": now, "jti": number, "ath": ath });
        let header = json!({ "alg": "ES256", "typ": "dpop+jwt", "jwk": self.jwk }).to_string();
        let proof = self.key.sign("ES256", &header, &changed(proof, changes).to_string());
        with(&format!("DPoP {token}")).header("dpop", &proof)
    }
}

async fn proofs(ground: &mut Ground, report: &mut Report, issuer: &Issuer, url: &str) -> Result<(), Trouble> {
    let (alice, thief) = (Holder::new(), Holder::new());
    let token = |subject: &str| {
        let claims =
            changed(issuer.claims(subject, url, ""), json!({ "cnf": { "jkt": alice.thumbprint() } }));
        issuer.sign("ES256", &header(json!({})), &claims.to_string())
    };
    let (first, second) = (token("alice"), token("alice"));
    let recorded = alice.call(&first, url, "p1", json!({}));
    ground.serve(report, "alice's call with a proof", &recorded, nothing_more).await?;
    let minutes_ago = json!({ "iat": 1_700_000_000 });
    let other_url = json!({ "htu": url.replace(NOTES, "/mcp") });
    let stolen_proof =
        alice.call(&second, url, "p2", json!({ "ath": encode(sha256(first.as_bytes()).as_ref()) }));
    let rows = [
        ("the recorded request again", recorded),
        ("a proof made long ago", alice.call(&first, url, "p3", minutes_ago)),
        ("a proof for another URL", alice.call(&first, url, "p4", other_url)),
        ("a proof for GET", alice.call(&first, url, "p5", json!({ "htm": "GET" }))),
        ("a proof for another token", stolen_proof),
        ("a stolen token with the thief's key", thief.call(&first, url, "p6", json!({}))),
        ("a stolen token as a bearer token", bearer(&first)),
        ("a stolen token without a proof", with(&format!("DPoP {first}"))),
    ];
    let attacks = rows.map(|(name, request)| Attack::new(name, request.bytes(), REFUSED));
    refuse_all(&ground.gateway, report, attacks, nothing_more).await?;
    let next = alice.call(&first, url, "p7", json!({}));
    ground.serve(report, "alice's next call with its own proof", &next, nothing_more).await
}

async fn sessions(
    ground: &mut Ground,
    report: &mut Report,
    issuer: &Issuer,
    url: &str,
) -> Result<(), Trouble> {
    let bearer = |subject: &str| format!("Bearer {}", issuer.token(subject, url, ""));
    let open = Request::post(NOTES, initialize()).header("authorization", &bearer("alice"));
    let opened = exchange(ground.gateway.address(), &open.bytes()).await?.first();
    let id =
        opened.header("mcp-session-id").ok_or_else(|| Trouble::other("no session was opened"))?.to_owned();
    let in_session = |id: &str| {
        Request::post(NOTES, legacy_call(ALLOWED))
            .header("mcp-session-id", id)
            .header("mcp-protocol-version", LEGACY)
    };
    let rows = [
        ("bob in alice's session", in_session(&id).header("authorization", &bearer("bob")), NO_SESSION),
        ("nobody in alice's session", in_session(&id), REFUSED),
        (
            "bob ends alice's session",
            Request::new("DELETE", NOTES)
                .header("mcp-session-id", &id)
                .header("authorization", &bearer("bob")),
            NO_SESSION,
        ),
    ];
    let attacks = rows.map(|(name, request, wanted)| Attack::new(name, request.bytes(), wanted));
    refuse_all(&ground.gateway, report, attacks, nothing_more).await?;
    let bob = bearer("bob");
    let mut found = 0_u32;
    for n in 0..GUESSES {
        let (rest, _) = id.split_at(id.len().saturating_sub(4));
        let guess = in_session(&format!("{rest}{n:04x}")).header("authorization", &bob);
        let answer = exchange(ground.gateway.address(), &guess.bytes()).await?.first();
        found += u32::from(answer.status != 404);
    }
    report.state("sessions found by bob's guesses around alice's", 0, found);
    let twin = in_session(&id).header("authorization", &bearer("alice"));
    ground.serve(report, "alice in her session", &twin, nothing_more).await
}
