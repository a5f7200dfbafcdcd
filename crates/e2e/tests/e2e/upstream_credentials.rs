//! What servers are shown: a credential of the gateway's own, made for the caller by a real authorization server, read
//! from a store, or given to the gateway itself. The caller's token and every secret stay where they belong.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use portcullis_testkit::{
    bed::Bed,
    gateway::{Gateway, Setup},
    issuer::{Issuer, client_key, decode},
    journal::{Journal, Received},
    server::HttpServer,
    token_server::TokenServer,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    message::{call, modern},
    raw::{Answer, Request, SOON},
    until::until,
};

const TOOL: &str = "test_simple_text";
/// In whatever is secret here, and nowhere else.
const CANARY: &str = "c4n4ry-7b21";

/// A server with a journal, and a place for secrets.
struct Yard {
    place: TempDir,
    journal: Journal,
    server: HttpServer,
}

impl Yard {
    async fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("journal");
        let server = HttpServer::fixture(Some(&file)).await.unwrap();
        Self { journal: Journal::at(file), server, place }
    }

    /// A file that only its owner can read.
    fn private(&self, name: &str, text: &str) -> PathBuf {
        let file = self.place.path().join(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        file
    }

    async fn gateway(&self, issuer: &str, credential: &str) -> Gateway {
        let sections = format!(
            "[auth]\nmode = \"oauth\"\nrevocations = \"revoked.jsonl\"\n\n{issuer}\n\n[credential.notes]\n{credential}\n"
        );
        let setup = Setup::new().http("notes", self.server.url()).with("credential = \"notes\"");
        setup.sections(&sections).start().await.unwrap()
    }

    /// Everything that reached the server with a body.
    fn received(&self) -> Vec<Received> {
        self.journal.received().unwrap()
    }

    /// What the server was shown with each call of the tool.
    fn shown(&self) -> Vec<String> {
        let calls = self.received().into_iter().filter(|it| it.calls(TOOL));
        calls.map(|it| it.headers.get("authorization").cloned().unwrap_or_default()).collect()
    }
}

async fn ask(gateway: &Gateway, token: &str) -> Answer {
    let message = modern(1, "tools/call", call(TOOL, json!({})));
    let request = Request::modern("/mcp/notes", &message).header("authorization", &format!("Bearer {token}"));
    request.send(gateway.address()).await
}

/// A token for `agent` from the authorization server itself.
pub(crate) async fn token_of_agent(issuer: &str, resource: &str, scope: &str) -> String {
    let resource = resource.replace(':', "%3A").replace('/', "%2F");
    let form = format!("grant_type=client_credentials&resource={resource}&scope={}", scope.replace(' ', "+"));
    token_of(issuer, &form).await
}

/// The same, for what these details say (RFC 9396).
pub(crate) async fn detailed_token_of_agent(
    issuer: &str,
    resource: &str,
    scope: &str,
    details: &Value,
) -> String {
    let encoded = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let (resource, scope, details) = (encoded(resource), encoded(scope), encoded(&details.to_string()));
    let form = format!(
        "grant_type=client_credentials&resource={resource}&scope={scope}&authorization_details={details}"
    );
    token_of(issuer, &form).await
}

async fn token_of(issuer: &str, form: &str) -> String {
    let answer = as_agent(issuer, "/token", form).await;
    answer.json()["access_token"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

/// What the authorization server answers `agent`.
pub(crate) async fn as_agent(issuer: &str, path: &str, form: &str) -> Answer {
    let request = Request::post(path, form)
        .header("content-type", "application/x-www-form-urlencoded")
        // `agent:agent-secret`
        .header("authorization", "Basic YWdlbnQ6YWdlbnQtc2VjcmV0");
    request.send(issuer.strip_prefix("http://").unwrap().parse().unwrap()).await
}

fn claims(authorization: &str) -> Value {
    let token = authorization.strip_prefix("Bearer ").unwrap();
    serde_json::from_slice(&decode(token.split('.').nth(1).unwrap())).unwrap()
}

/// What is written down, said, and to be seen of the process from outside.
fn seen_of(gateway: &Gateway) -> String {
    let process = |file: &str| {
        let bytes = fs::read(Path::new("/proc").join(gateway.pid().to_string()).join(file)).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let log = fs::read_to_string(gateway.log()).unwrap();
    [log, gateway.said(), process("cmdline"), process("environ")].concat()
}

/// ID-JAG: the issuer of a caller's token vouches for it at a server's own authorization server.
#[tokio::test]
async fn a_callers_issuer_vouches_for_it_at_another_authorization_server() {
    let (bed, yard) = (Bed::load().unwrap(), Yard::new().await);
    let (key, public) = client_key();
    let key_file = yard.private("client.pem", &key);
    let callers = HttpServer::authorization_server_for(&bed, Some(&public), false).await.unwrap();
    let trusting =
        |provider: &str| [("GATEWAY_JWKS", public.to_string()), ("TRUSTED_PROVIDER", provider.to_owned())];
    let tracker = HttpServer::authorization_server_with(&bed, &trusting(callers.url())).await.unwrap();
    let credential = |tracker: &HttpServer| {
        format!(
            "mode = \"id-jag\"\nprovider = \"{}\"\nprovider_client_id = \"gateway\"\nprovider_client_key = {key}\n\
             issuer = \"{}\"\nclient_id = \"gateway\"\nclient_key = {key}\nscopes = [\"notes\"]",
            callers.url(),
            tracker.url(),
            key = json!(key_file)
        )
    };
    let issuer = format!("[issuer.as]\nurl = \"{}\"", callers.url());
    let gateway = yard.gateway(&issuer, &credential(&tracker)).await;
    let token = token_of_agent(callers.url(), &gateway.url_of("notes"), "mcp notes").await;
    for _ in 0..2 {
        let answer = ask(&gateway, &token).await;
        assert_eq!((answer.status, answer.code()), (200, 0), "{answer:?} {}", gateway.said());
    }
    let shown = yard.shown();
    assert_eq!((shown.len(), &shown[0]), (2, &shown[1]), "the token is kept");
    let claims = claims(&shown[0]);
    assert_eq!((&claims["iss"], &claims["sub"]), (&json!(tracker.url()), &json!("agent")));
    assert_eq!((&claims["aud"], &claims["scope"]), (&json!(yard.server.url()), &json!("notes")));
    assert!(!seen_of(&gateway).contains(&token));

    // Where the word of this issuer counts for nothing there is no credential.
    let stranger =
        HttpServer::authorization_server_with(&bed, &trusting("http://127.0.0.1:9")).await.unwrap();
    let gateway = yard.gateway(&issuer, &credential(&stranger)).await;
    let token = token_of_agent(callers.url(), &gateway.url_of("notes"), "mcp notes").await;
    assert_eq!(ask(&gateway, &token).await.status, 502);
    assert_eq!(yard.shown().len(), 2);
}

/// RFC 9396: what the caller's token grants in detail goes along, and nobody's without it.
#[tokio::test]
async fn details_of_a_callers_token_narrow_what_the_server_is_shown() {
    let (bed, yard) = (Bed::load().unwrap(), Yard::new().await);
    let (key, public) = client_key();
    let key_file = yard.private("client.pem", &key);
    let issuer = HttpServer::authorization_server_for(&bed, Some(&public), false).await.unwrap();
    let url = issuer.url();
    let credential = format!(
        "mode = \"exchange\"\nissuer = \"{url}\"\nclient_id = \"gateway\"\nclient_key = {}\nscopes = [\"notes\"]\n\
         authorization_details = ['{{\"type\":\"mcp_tool_call\",\"tools\":[\"{TOOL}\"]}}']\n\
         authorization_details_of_caller = [\"notes\"]",
        json!(key_file)
    );
    let gateway = yard.gateway(&format!("[issuer.as]\nurl = \"{url}\""), &credential).await;
    let endpoint = gateway.url_of("notes");
    let notes = json!({ "type": "notes", "identifier": "diary", "actions": ["read"] });
    let token = detailed_token_of_agent(url, &endpoint, "notes", &json!([notes.clone()])).await;
    let answer = ask(&gateway, &token).await;
    assert_eq!((answer.status, answer.code()), (200, 0), "{answer:?} {}", gateway.said());
    let shown = claims(&yard.shown()[0]);
    assert_eq!(shown["authorization_details"], json!([{ "type": "mcp_tool_call", "tools": [TOOL] }, notes]));

    let plain = token_of_agent(url, &endpoint, "notes").await;
    let refused = ask(&gateway, &plain).await;
    assert_eq!(refused.status, 403, "{refused:?}");
    let challenge = &refused.headers["www-authenticate"];
    assert!(challenge.contains("error=\"insufficient_authorization_details\""), "{challenge}");
    let data = &refused.json()["error"]["data"];
    assert_eq!(data["authorization_details"], json!([{ "type": "notes" }]), "{refused:?}");
}

#[tokio::test]
async fn a_callers_token_becomes_one_for_the_server_and_goes_no_further() {
    let (bed, yard) = (Bed::load().unwrap(), Yard::new().await);
    let (key, public) = client_key();
    let key_file = yard.private("client.pem", &key);
    let issuer = HttpServer::authorization_server_for(&bed, Some(&public), false).await.unwrap();
    let url = issuer.url();
    let credential = format!(
        "mode = \"exchange\"\nissuer = \"{url}\"\nclient_id = \"gateway\"\nclient_key = {}\nscopes = [\"notes\"]",
        json!(key_file)
    );
    let gateway = yard.gateway(&format!("[issuer.as]\nurl = \"{url}\""), &credential).await;
    let endpoint = gateway.url_of("notes");
    let token = token_of_agent(url, &endpoint, "mcp notes").await;

    for _ in 0..2 {
        let answer = ask(&gateway, &token).await;
        assert_eq!((answer.status, answer.code()), (200, 0), "{answer:?} {}", gateway.said());
    }
    let shown = yard.shown();
    assert_eq!(shown.len(), 2);
    assert_eq!(shown[0], shown[1], "the token is kept");
    let claims = claims(&shown[0]);
    assert_eq!((&claims["sub"], &claims["act"]), (&json!("agent"), &json!({ "sub": "gateway" })));
    assert_eq!((&claims["aud"], &claims["scope"]), (&json!(yard.server.url()), &json!("notes")));

    // A caller without the scope has nothing to exchange, and is told what it needs.
    let poor = token_of_agent(url, &endpoint, "mcp").await;
    let refused = ask(&gateway, &poor).await;
    assert_eq!(refused.code(), 40301, "{refused:?}");
    assert!(refused.headers.get("www-authenticate").is_some_and(|it| it.contains("notes")), "{refused:?}");
    // Nobody else's token is used for it either.
    assert_eq!(yard.shown().len(), 2);

    let exchanged = shown[0].strip_prefix("Bearer ").unwrap();
    let secret = key.lines().nth(1).unwrap();
    let seen = seen_of(&gateway);
    for (what, secret) in
        [("token", &*token), ("other token", &*poor), ("exchanged token", exchanged), ("key", secret)]
    {
        assert!(!seen.contains(secret), "the {what} can be seen");
    }
    let journal: String = yard.received().iter().map(|it| format!("{it:?}")).collect();
    assert!(!journal.contains(&token) && !journal.contains(&poor), "the server has the caller's token");
}

#[tokio::test]
async fn a_server_that_wants_another_token_gets_one_and_a_revoked_caller_none() {
    let yard = Yard::new().await;
    let issuer = Issuer::new("https://as.test");
    let keys = yard.place.path().join("keys.json");
    issuer.publish(&keys);
    let secret = yard.private("secret", &format!("{CANARY}-client"));
    let server = TokenServer::start(|asked| {
        let made = format!("{CANARY}-{}-{}", asked.field("subject_token").len(), asked.field("scope"));
        let kind = "urn:ietf:params:oauth:token-type:access_token";
        let made = made.replace(' ', "");
        (
            200,
            json!({ "access_token": made, "token_type": "Bearer", "expires_in": 60, "issued_token_type": kind }),
        )
    });
    let server = server.await.unwrap();
    let credential = format!(
        "mode = \"exchange\"\nissuer = \"{}\"\nclient_id = \"gateway\"\nclient_secret = {{ file = {} }}\nscopes = [\"notes\"]",
        server.url(),
        json!(secret)
    );
    let trusted = format!("[issuer.corp]\nurl = \"https://as.test\"\njwks_file = {}", json!(keys));
    let gateway = yard.gateway(&trusted, &credential).await;
    let token = |subject: &str, scope: &str| issuer.token(subject, &gateway.url_of("notes"), scope);
    let (alice, bob) = (token("alice", "notes"), token("bob", "notes admin"));
    for token in [&alice, &bob] {
        let answer = ask(&gateway, token).await;
        assert_eq!((answer.status, answer.code()), (200, 0), "{answer:?} {}", gateway.said());
    }
    let shown = yard.shown();
    assert_ne!(shown[0], shown[1], "each caller has its own");
    assert!(shown.iter().all(|it| it.starts_with(&format!("Bearer {CANARY}"))), "{shown:?}");
    let exchanges = || server.asked().iter().filter(|it| !it.field("subject_token").is_empty()).count();
    let before = exchanges();

    let revoked = gateway.config().with_file_name("revoked.jsonl");
    fs::write(revoked, "{\"principal\":\"oauth:corp:alice\"}\n").unwrap();
    until("the list in force", || gateway.said().contains("is in force")).await;
    assert_eq!(ask(&gateway, &alice).await.status, 401);

    assert_eq!(ask(&gateway, &bob).await.status, 200);
    assert_eq!(exchanges(), before, "nothing was asked for alice");

    let seen = seen_of(&gateway);
    assert!(!seen.contains(CANARY) && !seen.contains(&alice) && !seen.contains(&bob));
    let journal: String = yard.received().iter().map(|it| format!("{it:?}")).collect();
    assert!(!journal.contains(&alice) && !journal.contains(&format!("{CANARY}-client")));
}

#[tokio::test]
async fn a_stored_secret_reaches_the_server_alone() {
    let yard = Yard::new().await;
    let issuer = Issuer::new("https://as.test");
    let keys = yard.place.path().join("keys.json");
    issuer.publish(&keys);
    let opens = yard.private("store", &format!("{CANARY}-store"));
    let store = TokenServer::start(|asked| {
        let known = asked.headers.get("x-vault-token").is_some_and(|it| *it == format!("{CANARY}-store"));
        match (known, &*asked.path) {
            (true, "/v1/secret/data/notes") => {
                let data = json!({ "key": format!("{CANARY}-stored") });
                (200, json!({ "data": { "data": data, "metadata": {} } }))
            }
            _ => (403, json!({ "errors": [CANARY] })),
        }
    });
    let store = store.await.unwrap();
    let credential = |path: &str| {
        format!(
            "mode = \"vault\"\nurl = \"{}\"\npath = \"{path}\"\nfield = \"key\"\ntoken = {{ file = {} }}",
            store.url(),
            json!(opens)
        )
    };
    let trusted = format!("[issuer.corp]\nurl = \"https://as.test\"\njwks_file = {}", json!(keys));
    for (path, served) in [("secret/data/notes", true), ("secret/data/other", false)] {
        let gateway = yard.gateway(&trusted, &credential(path)).await;
        let token = issuer.token("alice", &gateway.url_of("notes"), "notes");
        let answer = ask(&gateway, &token).await;
        if served {
            assert_eq!(answer.code(), 0, "{answer:?}");
            assert_eq!(yard.shown(), [format!("Bearer {CANARY}-stored")]);
        } else {
            assert_eq!(answer.status, 502, "{answer:?}");
            let why = |it: &portcullis_testkit::gateway::Record| it.text("id") == answer.record();
            let record = gateway.wait_for("why", SOON, why).await.unwrap();
            let detail = record.value()["decision"]["detail"].to_string();
            assert!(detail.contains("answered 403"), "{detail}");
        }
        let seen = format!("{}{}", seen_of(&gateway), answer.body);
        assert!(!seen.contains(CANARY) && !seen.contains(&token), "{seen}");
    }
}
