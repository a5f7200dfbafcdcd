//! Callers known by their access tokens. The issuer is the test itself.

use std::path::PathBuf;

use portcullis_testkit::{
    gateway::{Gateway, Setup},
    issuer::Issuer,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    message::{LEGACY, call, initialize, modern},
    odd::odd,
    raw::{Answer, Request},
    until::until,
};

const POLICY: &str = r#"
@id("alice") permit (principal == Mcp::User::"oauth:corp:alice", action, resource)
when { context.scopes.contains("notes") && context has client && context.client == "editor" };
@id("carol") permit (principal == Mcp::User::"oauth:corp:carol", action, resource);
@id("write") @scope("notes:write")
forbid (principal == Mcp::User::"oauth:corp:carol", action == Mcp::Action::"tools/call", resource)
unless { context.scopes.contains("notes:write") };
@id("bob") permit (principal == Mcp::User::"oauth:corp:bob", action in Mcp::Action::"read", resource);
"#;

/// A gateway that trusts an issuer.
struct House {
    gateway: Gateway,
    issuer: Issuer,
    keys: PathBuf,
    _place: TempDir,
}

impl House {
    async fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let keys = place.path().join("keys.json");
        let issuer = Issuer::new("https://as.test");
        issuer.publish(&keys);
        let sections = format!(
            "[auth]\nmode = \"oauth\"\nrequired_scopes = [\"mcp\"]\nrevocations = \"revoked.jsonl\"\n\n\
             [issuer.corp]\nurl = \"https://as.test\"\njwks_file = {}\n",
            json!(keys)
        );
        let setup = Setup::new().stdio("one", &odd(&[])).sections(&sections).policy(POLICY);
        Self { gateway: setup.start().await.unwrap(), issuer, keys, _place: place }
    }

    fn token(&self, subject: &str, scope: &str) -> String {
        self.issuer.token(subject, &self.gateway.url_of("one"), scope)
    }

    async fn ask(&self, token: &str) -> Answer {
        let message = modern(1, "tools/call", call("echo", json!({ "text": "hello" })));
        let request =
            Request::modern("/mcp/one", &message).header("authorization", &format!("Bearer {token}"));
        request.send(self.gateway.address()).await
    }
}

#[tokio::test]
async fn a_token_opens_the_endpoint_it_is_for() {
    let house = House::new().await;
    let (alice, bob) = (house.token("alice", "mcp notes"), house.token("bob", "mcp notes"));
    let answer = house.ask(&alice).await;
    assert_eq!((answer.status, answer.code()), (200, 0), "{answer:?}");
    // Known, and not allowed to call.
    assert_eq!(house.ask(&bob).await.code(), 40301);
    assert_eq!(house.ask(&house.token("alice", "mcp")).await.code(), 40301, "a scope that the policy needs");

    let elsewhere = house.issuer.token("alice", &house.gateway.url(), "mcp notes");
    let stranger = Issuer::new("https://as.test").token("alice", &house.gateway.url_of("one"), "mcp notes");
    for (token, why) in [(&elsewhere, "`aud`"), (&stranger, "signature")] {
        let refused = house.ask(token).await;
        let challenge = refused.headers["www-authenticate"].clone();
        assert_eq!(refused.status, 401);
        assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
        let record = house.gateway.wait_for(why, crate::raw::SOON, |it| it.text("id") == refused.record());
        assert!(record.await.unwrap().value().to_string().contains(why));
    }
    let poor = house.ask(&house.token("alice", "other")).await;
    assert_eq!(poor.status, 403);
    assert!(poor.headers["www-authenticate"].ends_with("scope=\"mcp\""), "{poor:?}");

    let records = house.gateway.records().unwrap();
    let allowed = records.iter().find(|it| it.allows("tools/call", "one", "echo")).unwrap().value();
    let caller = &allowed["caller"];
    assert_eq!(caller["principal"], json!({ "kind": "oauth", "id": "corp:alice" }));
    assert_eq!(caller["grant"]["issuer"], "https://as.test");
    assert_eq!(caller["grant"]["client"], "editor");
    assert_eq!(caller["grant"]["scopes"], json!(["mcp", "notes"]));
}

#[tokio::test]
async fn a_caller_is_stopped_and_found_by_the_form_that_records_alerts_and_policies_use() {
    let house = House::new().await;
    let alice = house.token("alice", "mcp notes");
    for (written, how) in [("oauth:corp:alice", 0), ("corp:alice", 0), ("alice", 0), ("oauth:crop:alice", 2)]
    {
        assert_eq!(house.ask(&alice).await.code(), 0, "{written}");
        let (stopped, _, says) = house.gateway.command(&["stop", "principal", written]).await.unwrap();
        if how == 2 {
            assert!(!stopped && says.contains("did you mean `oauth:corp:alice`?"), "{written}: {says}");
            continue;
        }
        assert!(stopped && says.contains("in force in process"), "{written}: {says}");
        assert_eq!(house.ask(&alice).await.code(), 40301, "{written}");
        let resumed = house.gateway.command(&["resume", "principal:oauth:corp:alice"]).await.unwrap();
        assert!(resumed.0, "{}", resumed.2);
    }
    let query =
        async |who: &str| house.gateway.command(&["audit", "query", "--principal", who]).await.unwrap();
    let (found, lines, _) = query("oauth:corp:alice").await;
    assert!(found && lines.contains("oauth:corp:alice"), "{lines}");
    for (who, why) in [
        ("oauth:corp:alicia", "no record names `oauth:corp:alicia`"),
        ("oauth:corp:alicia", "did you mean `oauth:corp:alice`?"),
        ("corp:alice", "is no principal"),
    ] {
        let (found, _, says) = query(who).await;
        assert!(!found && says.contains(why), "{says}");
    }
}

#[tokio::test]
async fn a_client_learns_where_to_get_a_token() {
    let house = House::new().await;
    let address = house.gateway.address();
    let message = modern(1, "tools/list", Value::Null);
    for path in ["/mcp", "/mcp/one", "/mcp/no-such-server"] {
        let refused = Request::modern(path, &message).send(address).await;
        let described = format!("/.well-known/oauth-protected-resource{path}");
        let expected = format!("Bearer resource_metadata=\"http://{address}{described}\"");
        assert_eq!((refused.status, &*refused.headers["www-authenticate"]), (401, &*expected));
        let metadata = Request::new("GET", &described).send(address).await;
        let expected = json!({
            "resource": format!("http://{address}{path}"), "authorization_servers": ["https://as.test"],
            "scopes_supported": ["mcp"], "bearer_methods_supported": ["header"],
            "dpop_signing_alg_values_supported":
                ["ES256", "ES384", "EdDSA", "Ed25519", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512"],
            "dpop_bound_access_tokens_required": false,
            "tls_client_certificate_bound_access_tokens": false,
            "authorization_details_types_supported": ["mcp_tool_call"],
        });
        assert_eq!((metadata.status, metadata.json()), (200, expected));
    }
    let post = Request::post("/.well-known/oauth-protected-resource/mcp", "{}").send(address).await;
    assert_eq!((post.status, &*post.headers["allow"]), (405, "GET"));
    let in_query = format!("/mcp/one?access_token={}", house.token("alice", "mcp notes"));
    assert_eq!(Request::modern(&in_query, &message).send(address).await.status, 401);
}

#[tokio::test]
async fn a_session_is_its_owners_alone() {
    let house = House::new().await;
    let bearer = |subject| format!("Bearer {}", house.token(subject, "mcp notes"));
    let open = Request::post("/mcp/one", initialize(LEGACY).to_string());
    let opened = open.header("authorization", &bearer("alice")).send(house.gateway.address()).await;
    let session = opened.headers["mcp-session-id"].clone();
    let list = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" }).to_string();
    let address = house.gateway.address();
    let ask = |authorization: Option<String>| {
        let request = Request::post("/mcp/one", list.clone()).header("mcp-session-id", &session);
        let request = request.header("mcp-protocol-version", LEGACY);
        let request = authorization.iter().fold(request, |it, value| it.header("authorization", value));
        async move { request.send(address).await.status }
    };
    // Another token of the same subject will do: sessions outlive tokens.
    assert_eq!(ask(Some(bearer("alice"))).await, 200);
    assert_eq!(ask(Some(bearer("bob"))).await, 404);
    assert_eq!(ask(None).await, 401, "a session is no credential");
}

#[tokio::test]
async fn keys_are_exchanged_under_the_running_gateway() {
    let mut house = House::new().await;
    let old = house.token("alice", "mcp notes");
    assert_eq!(house.ask(&old).await.status, 200);
    house.issuer = Issuer::new("https://as.test");
    house.issuer.publish(&house.keys);
    let changed = || house.gateway.records().unwrap().iter().any(|it| it.text("event") == "config-changed");
    until("config-changed", changed).await;
    assert_eq!(house.ask(&old).await.status, 401, "signed with a key that was taken back");
    assert_eq!(house.ask(&house.token("alice", "mcp notes")).await.status, 200);
}

/// Control IAM-06: at once, and for what is under way too.
#[tokio::test]
async fn access_that_is_taken_back_is_gone() {
    let house = House::new().await;
    let (alice, other) = (house.token("alice", "mcp notes"), house.token("alice", "mcp notes"));
    let address = house.gateway.address();
    let list = house.gateway.config().with_file_name("revoked.jsonl");
    let id = |token: &str| {
        let claims = token.split('.').nth(1).unwrap();
        let claims: Value = serde_json::from_slice(&portcullis_testkit::issuer::decode(claims)).unwrap();
        claims["jti"].as_str().unwrap().to_owned()
    };
    // A call that its server never answers, and a session.
    let message = modern(1, "tools/call", call("never", json!({})));
    let never = Request::modern("/mcp/one", &message).header("authorization", &format!("Bearer {alice}"));
    let under_way = tokio::spawn(async move { never.send(address).await });
    let begun =
        house.gateway.wait_for("the call", crate::raw::SOON, |it| it.allows("tools/call", "one", "never"));
    begun.await.unwrap();
    let open = Request::post("/mcp/one", initialize(LEGACY).to_string());
    let opened = open.header("authorization", &format!("Bearer {alice}")).send(address).await;
    let session = opened.headers["mcp-session-id"].clone();

    let line = json!({ "issuer": "https://as.test", "token_id": id(&alice) });
    std::fs::write(&list, format!("{line}\n")).unwrap();
    let changed = || house.gateway.records().unwrap().iter().any(|it| it.text("event") == "config-changed");
    until("config-changed", changed).await;
    let refused = house.ask(&alice).await;
    assert_eq!(refused.status, 401, "{refused:?}");
    assert!(refused.headers["www-authenticate"].contains("invalid_token"));
    let record = house.gateway.wait_for("why", crate::raw::SOON, |it| it.text("id") == refused.record());
    assert!(record.await.unwrap().value().to_string().contains("was revoked"));
    let withheld = under_way.await.unwrap();
    assert_eq!(withheld.json()["result"], Value::Null, "{withheld:?}");
    // The session went with the token that opened it, though the other one is still good.
    assert_eq!(house.ask(&other).await.status, 200);
    let list_tools = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" }).to_string();
    let request = Request::post("/mcp/one", list_tools).header("mcp-session-id", &session);
    let request = request.header("mcp-protocol-version", LEGACY);
    assert_eq!(request.header("authorization", &format!("Bearer {other}")).send(address).await.status, 404);

    std::fs::write(&list, "{\"principal\":\"oauth:corp:alice\"}\n").unwrap();
    until("two changes", || {
        let records = house.gateway.records().unwrap();
        records.iter().filter(|it| it.text("event") == "config-changed").count() == 2
    })
    .await;
    assert_eq!(house.ask(&other).await.status, 401);
    assert_eq!(house.ask(&house.token("bob", "mcp")).await.status, 403, "others are not concerned");
}

/// Control AZ-04: who steals a token steals nothing.
#[tokio::test]
async fn a_bound_token_needs_its_key() {
    let house = House::new().await;
    let holder = Issuer::new("");
    let mut key = holder.jwks()["keys"][0].clone();
    key.as_object_mut().unwrap().retain(|name, _| !["kid", "use"].contains(&name.as_str()));
    let url = house.gateway.url_of("one");
    let mut claims = house.issuer.claims("alice", &url, "mcp notes");
    claims["cnf"] = json!({ "jkt": digest(&sorted(&key)) });
    let token =
        house.issuer.sign("ES256", r#"{"alg":"ES256","typ":"at+jwt","kid":"ES256"}"#, &claims.to_string());
    let stolen = house.ask(&token).await;
    assert_eq!(stolen.status, 401);
    assert!(stolen.headers["www-authenticate"].starts_with("DPoP "), "{stolen:?}");

    let header = json!({ "alg": "ES256", "typ": "dpop+jwt", "jwk": key }).to_string();
    let proof =
        json!({ "htm": "POST", "htu": url, "iat": claims["iat"], "jti": "p1", "ath": digest(&token) });
    let proof = holder.sign("ES256", &header, &proof.to_string());
    let message = modern(1, "tools/call", call("echo", json!({ "text": "hello" })));
    let request = Request::modern("/mcp/one", &message)
        .header("authorization", &format!("DPoP {token}"))
        .header("dpop", &proof);
    let answer = request.send(house.gateway.address()).await;
    assert_eq!((answer.status, answer.code()), (200, 0), "{answer:?}");
    let replayed = request.send(house.gateway.address()).await;
    assert!(replayed.headers["www-authenticate"].contains("invalid_dpop_proof"), "{replayed:?}");
    let records = house.gateway.records().unwrap();
    let allowed = records.iter().find(|it| it.allows("tools/call", "one", "echo")).unwrap().value();
    assert_eq!(allowed["caller"]["method"], "dpop-token");
}

/// RFC 7638: the members in order, without blanks.
fn sorted(jwk: &Value) -> String {
    let members: std::collections::BTreeMap<_, _> = jwk.as_object().unwrap().iter().collect();
    json!(members).to_string()
}

fn digest(text: &str) -> String {
    portcullis_testkit::issuer::encode(portcullis_testkit::issuer::sha256(text.as_bytes()).as_ref())
}

/// MCP authorization, "Scope Challenge Handling": what is missing is said, and is all that is missing.
#[tokio::test]
async fn a_call_that_needs_more_says_what() {
    let house = House::new().await;
    for (scope, status) in [("mcp notes", 403), ("mcp notes notes:write", 200)] {
        let token = house.token("carol", scope);
        let bearer = format!("Bearer {token}");
        let list = modern(1, "tools/list", json!({}));
        let listed = Request::modern("/mcp/one", &list).header("authorization", &bearer);
        assert!(
            listed.send(house.gateway.address()).await.body.contains("\"echo\""),
            "there to be asked for"
        );
        let answer = house.ask(&token).await;
        assert_eq!(answer.status, status, "{answer:?}");
        if status == 403 {
            let challenge = &answer.headers["www-authenticate"];
            assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
            assert!(challenge.ends_with("scope=\"notes:write\""), "{challenge}");
        }
    }
}

/// Controls IAM-05 and AZ-07.
#[tokio::test]
async fn a_token_is_written_nowhere() {
    let mut house = House::new().await;
    let good = house.token("alice", "mcp notes");
    let bad = house.issuer.token("alice", "https://elsewhere.test", "mcp notes");
    for token in [&good, &bad] {
        let answer = house.ask(token).await;
        for secret in parts(token) {
            assert!(!format!("{answer:?}").contains(secret), "in the answer");
        }
    }
    let log = std::fs::read_to_string(house.gateway.log()).unwrap();
    let said = house.gateway.heard().join("\n");
    let process = format!("/proc/{}", house.gateway.pid());
    for secret in parts(&good).chain(parts(&bad)) {
        assert!(!log.contains(secret), "in the log");
        assert!(!said.contains(secret), "on standard error");
        for place in ["cmdline", "environ"] {
            let text = std::fs::read(format!("{process}/{place}")).unwrap();
            assert!(!String::from_utf8_lossy(&text).contains(secret), "{place}");
        }
    }
}

fn parts(token: &str) -> impl Iterator<Item = &str> {
    token.split('.').skip(1)
}
