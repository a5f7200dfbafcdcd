//! S-08: the gateway as a deputy that is talked into using its own power, or somebody's token, for somebody else.
//!
//! The server is shown a token that the gateway gets for each caller by token exchange. The authorization server is one
//! of the range's own, and answers as badly as it is told to.

use futures_util::FutureExt;
use portcullis_testkit::{
    gateway::Setup,
    issuer::{Issuer, encode},
    token_server::{Answer, Asked, TokenServer},
};
use serde_json::{Value, json};

use super::Scenario;
use crate::{
    attack::{Attack, Wanted, nothing_more, refuse_all, wanted},
    ground::{ALLOWED, FORBIDDEN, Ground, NOTES},
    http::Request,
    identity::{ISSUER, audience, bearer, changed, header, trusting},
    message::call,
    place::Place,
    report::{Kind, Report},
    trouble::Trouble,
};

pub(super) const SCENARIO: Scenario = Scenario {
    id: "S-08",
    title: "confused deputy",
    claim: "a token for somebody else, a name in a header that the body contradicts, an earlier actor's power and a scope \
            that the caller lacks open nothing; what an authorization server answers beyond the question is not \
            used; the server is shown a token made for its caller and never the caller's own",
    run: |place, report| run(place, report).boxed(),
};

const POLICY: &str = r#"
@id("rest") permit (principal, action, resource);
@id("not-this") forbid (principal, action, resource == Mcp::Tool::"notes/test_image_content")
unless { context has actor && context.actor == Mcp::User::"oauth:corp:admin" };
"#;

/// What the gateway has to prove itself with.
const SECRET: &str = "c4n4ry-client-secret-52b7";
const UNKNOWN: Wanted = wanted(401, 40301, "unauthenticated");
const DENIED: Wanted = wanted(403, 40301, "denied");
const MISMATCH: Wanted = wanted(400, -32020, "header-mismatch");

async fn run(place: &Place, report: &mut Report) -> Result<(), Trouble> {
    let (directory, issuer) = (place_for_secrets()?, Issuer::new(ISSUER));
    let server = TokenServer::start(answer).await.map_err(Trouble::io("listening"))?;
    let secret = directory.path().join("secret");
    let section = credential(server.url(), &secret);
    let with = |setup: Setup| {
        let setup = setup.with("credential = \"corp\"").policy(POLICY);
        trusting(&issuer, directory.path(), setup).sections(&section)
    };
    let mut ground = Ground::open(place, with).await?;
    let url = audience(&ground.gateway);
    let token = |subject: &str, scope: &str| issuer.token(subject, &url, scope);
    let (alice, bob) = (token("alice", "notes"), token("bob", "notes admin"));
    for (name, token) in [("alice", &alice), ("alice again", &alice), ("bob", &bob)] {
        ground.serve(report, &format!("{name} calls"), &bearer(token), nothing_more).await?;
    }
    report.state("exchanges for three calls of two callers", 2, exchanged(&server).len());
    refuse_all(&ground.gateway, report, deputies(&issuer, &url, &alice), nothing_more).await?;
    let before = exchanged(&server).len();
    let poor = bearer(&token("carol", "other"));
    let answer = crate::http::exchange(ground.gateway.address(), &poor.bytes()).await?.first();
    let seen = format!("{} {}", answer.code(), exchanged(&server).len());
    report.check(
        Kind::Attack,
        "a caller without a scope to exchange",
        format!("40301 {before}"),
        &*seen,
        seen == format!("40301 {before}"),
    );

    for (subject, name) in FAULTS {
        let request = bearer(&token(subject, "notes"));
        let answer = crate::http::exchange(ground.gateway.address(), &request.bytes()).await?.first();
        let seen = format!("{} {}", answer.status, answer.code());
        report.check(Kind::Attack, *name, "502 50201", &*seen, seen == "502 50201");
    }
    ground.serve(report, "alice calls after all of it", &bearer(&alice), nothing_more).await?;
    shown(&ground, report, &server, &alice, &bob)?;
    report.not_covered("consent pages and redirects", "the gateway as an OAuth client of people");
    ground.silence(report)
}

fn place_for_secrets() -> Result<tempfile::TempDir, Trouble> {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().map_err(Trouble::io("making a directory"))?;
    let file = directory.path().join("secret");
    std::fs::write(&file, SECRET).map_err(Trouble::io("writing the secret"))?;
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&file, private).map_err(Trouble::io("closing the secret"))?;
    Ok(directory)
}

fn credential(issuer: &str, secret: &std::path::Path) -> String {
    format!(
        "[credential.corp]\nmode = \"exchange\"\nissuer = \"{issuer}\"\nclient_id = \"gateway\"\n\
         client_secret = {{ file = {} }}\nscopes = [\"notes\"]\n",
        json!(secret)
    )
}

/// Callers for whom the authorization server answers what must not be used.
const FAULTS: &[(&str, &str)] = &[
    ("same", "an exchange that gives the caller's own token back"),
    ("wide", "an exchange that gives a scope nobody asked for"),
    ("elsewhere", "an exchange that gives a token for another server"),
    ("crowd", "an exchange that gives a token with a long chain of actors"),
    ("eternal", "an exchange that gives a token for a year"),
    ("refused", "an exchange that is refused, with the token in the reason"),
];

/// The authorization server.
fn answer(asked: &Asked) -> Answer {
    let subject_token = asked.field("subject_token");
    let claims = subject_token.split('.').nth(1).map(portcullis_testkit::issuer::decode).unwrap_or_default();
    let claims: Value = serde_json::from_slice(&claims).unwrap_or_default();
    let subject = claims.get("sub").and_then(Value::as_str).unwrap_or("gateway");
    let made = |changes: Value| {
        let claims = json!({ "sub": subject, "aud": asked.field("resource"), "act": { "sub": "gateway" } });
        let claims = changed(claims, changes).to_string();
        format!("{}.{}.c2ln", encode(b"{}"), encode(claims.as_bytes()))
    };
    let good = json!({
        "access_token": made(json!({})), "token_type": "Bearer", "expires_in": 300,
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token", "scope": asked.field("scope"),
    });
    let chain = json!({ "act": { "sub": "a", "act": { "sub": "b", "act": { "sub": "c", "act": { "sub": "d", "act": { "sub": "e" } } } } } });
    let changes = match subject {
        "same" => json!({ "access_token": subject_token }),
        "wide" => json!({ "scope": "notes admin" }),
        "elsewhere" => json!({ "access_token": made(json!({ "aud": "https://other.test" })) }),
        "crowd" => json!({ "access_token": made(chain) }),
        "eternal" => json!({ "expires_in": 31_536_000 }),
        "refused" => return (400, json!({ "error": "invalid_grant", "error_description": subject_token })),
        _ => json!({}),
    };
    (200, changed(good, changes))
}

fn exchanged(server: &TokenServer) -> Vec<Asked> {
    server.asked().into_iter().filter(|it| !it.field("subject_token").is_empty()).collect()
}

/// Ways to have the gateway do for one what it may do for another.
fn deputies(issuer: &Issuer, url: &str, alice: &str) -> Vec<Attack> {
    let signed = |changes: Value| {
        let claims = changed(issuer.claims("alice", url, "notes"), changes).to_string();
        issuer.sign("ES256", &header(json!({})), &claims)
    };
    let forbidden = |token: &str| {
        Request::call(NOTES, FORBIDDEN, call(FORBIDDEN, "{}"))
            .header("authorization", &format!("Bearer {token}"))
    };
    let acted = |actors: Value| signed(json!({ "act": actors }));
    let earlier = acted(json!({ "sub": "agent", "act": { "sub": "admin" } }));
    let foreign = acted(json!({ "sub": "admin", "iss": "https://rogue.test" }));
    let long =
        acted(json!({ "sub": "a", "act": { "sub": "b", "act": { "sub": "c", "act": { "sub": "admin" } } } }));
    let mismatch = Request::call(NOTES, ALLOWED, call(FORBIDDEN, "{}"))
        .header("authorization", &format!("Bearer {alice}"));
    let rows = [
        ("a token for another resource", bearer(&signed(json!({ "aud": "https://other.test" }))), UNKNOWN),
        (
            "a token for the server itself",
            bearer(&signed(json!({ "aud": "http://127.0.0.1:1/mcp" }))),
            UNKNOWN,
        ),
        ("a name in the header that the body contradicts", mismatch, MISMATCH),
        ("alice does what admin may", forbidden(alice), DENIED),
        ("alice's agent, for which admin acted earlier", forbidden(&earlier), DENIED),
        ("an actor of another issuer", forbidden(&foreign), UNKNOWN),
        ("a longer chain of actors than may be", forbidden(&long), UNKNOWN),
    ];
    rows.into_iter().map(|(name, request, wanted)| Attack::new(name, request.bytes(), wanted)).collect()
}

/// What the server and everybody else got to see.
fn shown(
    ground: &Ground,
    report: &mut Report,
    server: &TokenServer,
    alice: &str,
    bob: &str,
) -> Result<(), Trouble> {
    let effects = ground.effects()?;
    let credentials: Vec<&str> =
        effects.iter().map(|it| it.headers.get("authorization").map_or("", String::as_str)).collect();
    let journal = format!("{effects:?}");
    let own = [alice, bob].iter().filter(|token| journal.contains(**token)).count();
    report.state("callers' own tokens at the server", 0, own);
    let made = credentials.iter().filter(|it| it.starts_with("Bearer ")).count();
    report.state("calls that came with a token", effects.len(), made);
    let strangers = exchanged(server).iter().filter(|it| it.field("scope") != "notes").count();
    report.state("exchanges for another scope than the server's", 0, strangers);
    let log = std::fs::read_to_string(ground.gateway.log()).map_err(Trouble::io("reading the log"))?;
    let process =
        |file: &str| std::fs::read(format!("/proc/{}/{file}", ground.gateway.pid())).unwrap_or_default();
    let said = [log.into_bytes(), ground.gateway.said().into_bytes(), process("cmdline"), process("environ")]
        .concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    let secrets = [alice, bob, SECRET]
        .into_iter()
        .chain(credentials.iter().filter_map(|it| it.strip_prefix("Bearer ")));
    let found = secrets.filter(|secret| !secret.is_empty() && said.contains(*secret)).count();
    report.state("tokens and secrets in records, messages, arguments and environment", 0, found);
    Ok(())
}
