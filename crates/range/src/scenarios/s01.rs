//! S-01: a caller says that it is somebody else.
//!
//! Alice has a token of the client `editor` that may read. What deletes is the business of the client `ops-console`.

use futures_util::FutureExt;
use portcullis_testkit::issuer::{Issuer, encode};
use serde_json::{Value, json};

use super::Scenario;
use crate::{
    attack::{Attack, Wanted, nothing_more, refuse_all, wanted},
    ground::{ALLOWED, FORBIDDEN, Ground, NOTES},
    http::Request,
    identity::{ISSUER, audience, changed, header, trusting},
    message::{META, request},
    place::Place,
    report::Report,
    trouble::Trouble,
};

pub(super) const SCENARIO: Scenario = Scenario {
    id: "S-01",
    title: "identity spoofing",
    claim: "who a caller is comes from its token alone: names in `_meta`, in headers and in an altered token open \
            nothing, calls that carry them are served as who the token names, and every record says so",
    run: |place, report| run(place, report).boxed(),
};

const POLICY: &str = r#"
@id("readers") permit (principal, action, resource) when { context.scopes.contains("notes:read") };
@id("delete") @scope("notes:delete")
forbid (principal, action == Mcp::Action::"tools/call", resource == Mcp::Tool::"notes/test_image_content")
unless { context.scopes.contains("notes:delete") && context has client && context.client == "ops-console" };
"#;

const UNKNOWN: Wanted = wanted(401, 40301, "unauthenticated");
const DENIED: Wanted = wanted(403, 40301, "denied");

async fn run(place: &Place, report: &mut Report) -> Result<(), Trouble> {
    let directory = tempfile::tempdir().map_err(Trouble::io("making a directory"))?;
    let issuer = Issuer::new(ISSUER);
    let with = |setup| trusting(&issuer, directory.path(), setup).policy(POLICY);
    let mut ground = Ground::open(place, with).await?;
    let url = audience(&ground.gateway);
    let alice = format!("Bearer {}", issuer.token("alice", &url, "notes:read"));
    let honest = call(ALLOWED, META).header("authorization", &alice);
    ground.serve(report, "alice reads", &honest, nothing_more).await?;
    for (name, disguised) in disguises(ALLOWED, &alice) {
        ground.serve(report, &format!("alice reads as {name}"), &disguised, nothing_more).await?;
    }
    refuse_all(&ground.gateway, report, deletions(&alice), nothing_more).await?;
    refuse_all(&ground.gateway, report, altered(&issuer, &url), nothing_more).await?;
    ground.serve(report, "alice reads after all of it", &honest, nothing_more).await?;

    let callers = ground.gateway.records()?;
    let callers = callers.iter().filter(|it| it.is_allowed()).map(|it| {
        let text = |at: &str| it.value().pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned();
        (text("/caller/principal/id"), text("/caller/grant/client"))
    });
    let strangers = callers.filter(|it| *it != ("corp:alice".to_owned(), "editor".to_owned())).count();
    report.state("allowed calls on record of anybody but alice with her editor", 0, strangers);
    report.not_covered("the claimed name on record", "claims of `_meta` compared with the principal");
    report.not_covered("a client certificate of another authority", "client certificates");
    ground.silence(report)
}

fn call(tool: &str, meta: &str) -> Request {
    Request::call(
        NOTES,
        tool,
        request("1", "tools/call", &format!(r#"{{"name":"{tool}","arguments":{{}},{meta}}}"#)),
    )
}

/// The same call in the name of somebody else, in every place where a name can stand.
fn disguises(tool: &str, authorization: &str) -> Vec<(&'static str, Request)> {
    let plain = || call(tool, META).header("authorization", authorization);
    let named =
        |from: &str, to: &str| call(tool, &META.replace(from, to)).header("authorization", authorization);
    vec![
        ("the client in `clientInfo`", named(r#""name":"range""#, r#""name":"ops-console""#)),
        (
            "a principal in `_meta`",
            named(r#""_meta":{"#, r#""_meta":{"principal":"oauth:corp:ops","client_id":"ops-console","#),
        ),
        ("the user in X-Forwarded-User", plain().header("x-forwarded-user", "ops")),
        ("the user in Forwarded", plain().header("forwarded", "for=127.0.0.1;by=ops-console")),
        ("the client in X-Client-Id", plain().header("x-client-id", "ops-console")),
        ("a scope in X-Scope", plain().header("x-scope", "notes:delete")),
        (
            "a certificate in a header",
            plain().header("x-forwarded-client-cert", "Subject=\"CN=ops-console\""),
        ),
    ]
}

/// What deletes, asked for by alice and by nobody in each disguise.
fn deletions(authorization: &str) -> Vec<Attack> {
    let mut attacks = Vec::new();
    for (name, disguised) in disguises(FORBIDDEN, authorization) {
        attacks.push(Attack::new(format!("alice deletes as {name}"), disguised.bytes(), DENIED));
        let nobody = disguised.without("authorization");
        attacks.push(Attack::new(format!("nobody deletes as {name}"), nobody.bytes(), UNKNOWN));
    }
    attacks
}

/// A token that alice changed, and others that name the client without the issuer's word.
fn altered(issuer: &Issuer, url: &str) -> Vec<Attack> {
    let claims = issuer.claims("alice", url, "notes:read");
    let token = issuer.sign("ES256", &header(json!({})), &claims.to_string());
    let wish = |changes: Value| changed(claims.clone(), changes).to_string();
    let swapped = |claims: String| {
        let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
        if let Some(part) = parts.get_mut(1) {
            *part = encode(claims.as_bytes());
        }
        parts.join(".")
    };
    let stranger = Issuer::new(ISSUER);
    let rows = [
        ("her token with another client", swapped(wish(json!({ "client_id": "ops-console" })))),
        ("her token with another subject", swapped(wish(json!({ "sub": "ops" })))),
        ("her token with another scope", swapped(wish(json!({ "scope": "notes:read notes:delete" })))),
        (
            "a token that she signed",
            stranger.sign("ES256", &header(json!({})), &wish(json!({ "client_id": "ops-console" }))),
        ),
    ];
    let attack = |(name, token): (&str, String)| {
        let request = call(FORBIDDEN, META).header("authorization", &format!("Bearer {token}"));
        Attack::new(name, request.bytes(), UNKNOWN)
    };
    rows.into_iter().map(attack).collect()
}
