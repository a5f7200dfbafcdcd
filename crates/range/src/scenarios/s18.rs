//! S-18: outdated ways to authenticate, and tokens that want to be believed.
//!
//! The gateway trusts one issuer. A rogue one has keys of its own under the same names.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::FutureExt;
use portcullis_testkit::issuer::Issuer;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::Scenario;
use crate::{
    attack::{Attack, Wanted, refuse_all, wanted},
    ground::Ground,
    http::Answer,
    identity::{ISSUER, audience, bearer, changed, header, trusting, with},
    place::Place,
    report::Report,
    trouble::Trouble,
};

pub(super) const SCENARIO: Scenario = Scenario {
    id: "S-18",
    title: "OAuth and legacy authentication weaknesses",
    claim: "no token, basic and static keys, unsigned and symmetric tokens, tokens that bring or name their own key, \
            tokens of a rogue issuer, for somebody else or of another kind are refused with a challenge; each \
            reason is on record, no key is fetched from where a token says, and the server saw the twins only",
    run: |place, report| run(place, report).boxed(),
};

const REFUSED: Wanted = wanted(401, 40301, "unauthenticated");

async fn run(place: &Place, report: &mut Report) -> Result<(), Trouble> {
    let directory = tempfile::tempdir().map_err(Trouble::io("making a directory"))?;
    let (issuer, rogue) = (Issuer::new(ISSUER), Issuer::new(ISSUER));
    let evil = Evil::listen().await?;
    let mut ground = Ground::open(place, |setup| trusting(&issuer, directory.path(), setup)).await?;
    let audience = audience(&ground.gateway);
    let good = bearer(&issuer.token("alice", &audience, ""));
    ground.serve(report, "an honest call", &good, crate::attack::nothing_more).await?;
    let gateway = &ground.gateway;
    refuse_all(gateway, report, without_a_token(&issuer, &audience), challenged).await?;
    refuse_all(gateway, report, headers(&issuer, &audience, &evil.url), challenged).await?;
    refuse_all(gateway, report, claims(&issuer, &rogue, &audience), challenged).await?;
    let reasons: BTreeSet<_> = gateway.records()?.iter().filter_map(reason).collect();
    report.state("different reasons on record", 17, reasons.len());
    report.state("connections to where the tokens point", 0, evil.visits.load(Ordering::SeqCst));
    ground.serve(report, "an honest call after all of it", &good, crate::attack::nothing_more).await?;
    report.not_covered(
        "the authorization-code flow (PKCE, redirect_uri, state)",
        "the gateway as an OAuth client",
    );
    ground.silence(report)
}

/// Every refusal says what would be accepted, and none says why this was not.
fn challenged(answer: &Answer) -> Option<String> {
    let challenge = answer.header("www-authenticate").unwrap_or_default();
    let metadata = "Bearer resource_metadata=\"http://127.0.0.1";
    (!challenge.starts_with(metadata)).then(|| format!("and the challenge is `{challenge}`"))
}

/// The operator's detail of a refusal, without the numbers in it.
fn reason(record: &portcullis_testkit::gateway::Record) -> Option<String> {
    let refused = ["unauthenticated", "invalid-request"].contains(&record.refused());
    let detail = record.value().pointer("/decision/detail")?.as_str()?;
    refused.then(|| detail.chars().filter(|c| !c.is_ascii_digit()).collect())
}

/// Everything but one token in its one place.
fn without_a_token(issuer: &Issuer, audience: &str) -> Vec<Attack> {
    let token = issuer.token("alice", audience, "");
    let twice = bearer(&token).and("authorization", &format!("Bearer {token}"));
    let rows = [
        ("nothing", Ground::honest(), REFUSED),
        ("basic authentication", with("Basic YWxpY2U6c2VjcmV0"), REFUSED),
        ("a static key", Ground::honest().header("x-api-key", "0123456789abcdef"), REFUSED),
        ("the name of a user in a header", Ground::honest().header("x-forwarded-user", "alice"), REFUSED),
        ("two tokens", twice, wanted(400, -32600, "invalid-request")),
    ];
    rows.into_iter().map(|(name, request, wanted)| Attack::new(name, request.bytes(), wanted)).collect()
}

/// What a header of a token can want.
fn headers(issuer: &Issuer, audience: &str, evil: &str) -> Vec<Attack> {
    let rows = [
        ("alg none", "none", json!({ "alg": "none" })),
        ("alg none in other letters", "none", json!({ "alg": "NoNe" })),
        ("HS256 with the public key as the secret", "HS256", json!({ "alg": "HS256" })),
        ("an algorithm that is not on the list", "RS256", json!({ "alg": "RS512", "kid": "RSA" })),
        ("the algorithm of another key", "ES384", json!({ "alg": "ES384" })),
        ("kid as a path", "ES256", json!({ "kid": "../../../../dev/null" })),
        ("kid as SQL", "ES256", json!({ "kid": "x' UNION SELECT 'secret" })),
        ("jku", "ES256", json!({ "jku": format!("{evil}/jwks") })),
        ("x5u", "ES256", json!({ "x5u": format!("{evil}/cert") })),
        ("its own key", "ES256", json!({ "jwk": issuer.proof_key() })),
        ("an extension that has to be understood", "ES256", json!({ "crit": ["exp"], "exp": 1 })),
        ("a token in a token", "ES256", json!({ "cty": "JWT" })),
        ("an ID token", "ES256", json!({ "typ": "JWT" })),
    ];
    let claims = issuer.claims("alice", audience, "").to_string();
    let attack = |(name, algorithm, changes): (&str, &str, Value)| {
        let token = issuer.sign(algorithm, &header(changes), &claims);
        Attack::new(name, bearer(&token).bytes(), REFUSED)
    };
    rows.into_iter().map(attack).collect()
}

/// Tokens of somebody else, or for somebody else.
fn claims(issuer: &Issuer, rogue: &Issuer, audience: &str) -> Vec<Attack> {
    let rows = [
        ("a rogue issuer's token", rogue, json!({ "iss": "https://rogue.test" })),
        ("a rogue issuer's token in our issuer's name", rogue, json!({})),
        ("for another resource", issuer, json!({ "aud": "https://other.test" })),
        (
            "for the endpoint in front of all servers",
            issuer,
            json!({ "aud": audience.trim_end_matches("/notes") }),
        ),
        ("expired", issuer, json!({ "exp": 1_700_000_000, "iat": 1_699_999_000 })),
    ];
    let attack = |(name, by, changes): (&str, &Issuer, Value)| {
        let claims = changed(issuer.claims("alice", audience, ""), changes).to_string();
        Attack::new(name, bearer(&by.sign("ES256", &header(json!({})), &claims)).bytes(), REFUSED)
    };
    rows.into_iter().map(attack).collect()
}

/// A listener that tokens point to.
struct Evil {
    url: String,
    visits: Arc<AtomicUsize>,
}

impl Evil {
    async fn listen() -> Result<Self, Trouble> {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(Trouble::io("listening"))?;
        let address = listener.local_addr().map_err(Trouble::io("listening"))?;
        let visits = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&visits);
        tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                seen.fetch_add(1, Ordering::SeqCst);
            }
        });
        Ok(Self { url: format!("http://{address}"), visits })
    }
}
