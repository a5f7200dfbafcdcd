//! A person connects to a server through a real authorization server, and what comes of it is used, renewed, kept and
//! taken back.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use futures_util::future::join_all;
use portcullis_testkit::{
    bed::Bed,
    browser::Browser,
    gateway::{Gateway, Setup},
    issuer::decode,
    journal::Journal,
    server::HttpServer,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    message::{call, modern},
    raw::{Answer, Request},
};

const TOOL: &str = "test_simple_text";

struct Yard {
    place: TempDir,
    journal: Journal,
    server: HttpServer,
    issuer: HttpServer,
}

impl Yard {
    /// Access tokens are shown until 15 seconds before their end.
    async fn new(token_seconds: u64) -> Self {
        let (bed, place) = (Bed::load().unwrap(), tempfile::tempdir().unwrap());
        let file = place.path().join("journal");
        let server = HttpServer::fixture(Some(&file)).await.unwrap();
        let seconds = [("TOKEN_SECONDS", token_seconds.to_string())];
        let issuer = HttpServer::authorization_server_with(&bed, &seconds).await.unwrap();
        Self { journal: Journal::at(file), server, issuer, place }
    }

    async fn gateway(&self) -> Gateway {
        let pins = json!(self.place.path().join("pins"));
        let sections = format!(
            "[pins]\ndirectory = {pins}\n\n[credential.notes]\nmode = \"authorization-code\"\nissuer = \"{}\"\nscopes = [\"notes\"]\n",
            self.issuer.url()
        );
        let setup = Setup::new().http("notes", self.server.url()).with("credential = \"notes\"");
        setup.sections(&sections).start().await.unwrap()
    }

    /// What the server was shown with each call of the tool.
    fn shown(&self) -> Vec<String> {
        let calls = self.journal.received().unwrap().into_iter().filter(|it| it.calls(TOOL));
        calls.map(|it| it.headers.get("authorization").cloned().unwrap_or_default()).collect()
    }

    fn kept(&self) -> Vec<String> {
        let Ok(files) = fs::read_dir(self.place.path().join("connections")) else { return Vec::new() };
        let files =
            files.map(|file| file.unwrap().path()).filter(|it| it.extension().is_some_and(|it| it == "json"));
        files.map(|file| fs::read_to_string(own(&file)).unwrap()).collect()
    }
}

/// A file that only its owner can read.
fn own(path: &Path) -> &Path {
    assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
    path
}

async fn ask(gateway: &Gateway) -> Answer {
    let message = modern(1, "tools/call", call(TOOL, json!({})));
    Request::modern("/mcp/notes", &message).send(gateway.address()).await
}

async fn log_in(gateway: &Gateway, name: &str) -> Value {
    let login = gateway.login("notes").await.unwrap();
    let page = Browser::default().agree(login.url(), name).await.unwrap();
    assert!(page.body.contains("You are connected"), "{page:?}");
    let (status, said) = login.end().await.unwrap();
    assert!(status.success(), "{said:?}");
    said.unwrap()
}

fn claims(authorization: &str) -> Value {
    let token = authorization.strip_prefix("Bearer ").unwrap();
    serde_json::from_slice(&decode(token.split('.').nth(1).unwrap())).unwrap()
}

#[tokio::test]
async fn who_agreed_is_who_the_server_sees() {
    let yard = Yard::new(300).await;
    let gateway = yard.gateway().await;
    let refused = ask(&gateway).await;
    assert_eq!(refused.code(), 40301, "{refused:?}");
    assert!(refused.body.contains("portcullis login notes"), "{refused:?}");
    assert!(yard.shown().is_empty(), "the server was called without anybody's consent");

    let said = log_in(&gateway, "alice").await;
    assert_eq!((&said["connected"], &said["scopes"]), (&json!(true), &json!(["notes"])), "{said}");
    for _ in 0..2 {
        let answer = ask(&gateway).await;
        assert_eq!((answer.status, answer.code()), (200, 0), "{answer:?} {}", gateway.said());
    }
    let shown = yard.shown();
    assert_eq!((shown.len(), &shown[0]), (2, &shown[1]), "the token is kept");
    let claims = claims(&shown[0]);
    assert_eq!((&claims["sub"], &claims["scope"]), (&json!("alice"), &json!("notes")));
    assert_eq!(claims["aud"], yard.server.url());

    // A restart asks nobody again.
    let mut gateway = gateway;
    gateway.kill();
    let gateway = gateway.again().await.unwrap();
    assert_eq!(ask(&gateway).await.code(), 0);

    let kept: Vec<Value> = yard.kept().iter().map(|it| serde_json::from_str(it).unwrap()).collect();
    let connection = kept.iter().find(|it| it.get("refresh_token").is_some()).unwrap();
    let log = fs::read_to_string(gateway.log()).unwrap() + &gateway.said();
    for secret in ["access_token", "refresh_token"] {
        assert!(!log.contains(connection[secret].as_str().unwrap()), "{secret}");
    }

    let (fine, said, errors) = gateway.command(&["logout", "notes", "--json"]).await.unwrap();
    assert!(fine && said.contains("\"taken_back\": true"), "{said} {errors}");
    assert!(yard.kept().iter().all(|it| !it.contains("access_token")));
    let calls = yard.shown().len();
    let refused = ask(&gateway).await;
    assert!(refused.body.contains("portcullis login notes"), "{refused:?}");
    assert_eq!(yard.shown().len(), calls);
}

#[tokio::test]
async fn a_refresh_token_is_used_once_by_all_who_need_it() {
    // None is ever fresh, so each call takes a new one; the authorization server ends everything when one comes twice.
    let yard = Yard::new(15).await;
    let (one, other) = (yard.gateway().await, yard.gateway().await);
    log_in(&one, "alice").await;
    let calls = (0..6).map(|at| ask(if at % 2 == 0 { &one } else { &other }));
    for answer in join_all(calls).await {
        assert_eq!((answer.status, answer.code()), (200, 0), "{answer:?} {} {}", one.said(), other.said());
    }
    let mut shown = yard.shown();
    assert_eq!(shown.len(), 6);
    shown.sort_unstable();
    shown.dedup();
    assert!(shown.len() > 1, "nothing was renewed");
    assert!(shown.iter().all(|it| claims(it)["sub"] == "alice"));
}

#[tokio::test]
async fn what_is_no_answer_changes_nothing_and_a_no_ends_it() {
    let yard = Yard::new(300).await;
    let gateway = yard.gateway().await;
    let login = gateway.login("notes").await.unwrap();
    let url = login.url().to_owned();
    let field = |name: &str| {
        let (_, rest) = url.split_once(&format!("{name}=")).unwrap();
        rest.split('&').next().unwrap().replace("%3A", ":").replace("%2F", "/")
    };
    assert_eq!(
        (field("code_challenge_method").as_str(), field("resource").as_str()),
        ("S256", yard.server.url())
    );
    let callback = field("redirect_uri");
    let mut browser = Browser::default();
    for (query, status) in [
        ("", 400),
        ("?code=stolen", 400),
        ("?code=stolen&state=guessed", 400),
        (&*format!("?code=a&state={0}&state={0}", field("state")), 400),
        ("/more?code=a", 404),
    ] {
        let page = browser.send("GET", &format!("{callback}{query}"), None).await.unwrap();
        assert_eq!(page.status, status, "{query}");
    }
    // Somebody else's answer, though with our state.
    let answer = format!("{callback}?code=a&state={}&iss=http://127.0.0.1:9", field("state"));
    assert_eq!(browser.send("GET", &answer, None).await.unwrap().status, 400);
    let (status, said) = login.end().await.unwrap();
    assert_eq!(status.code(), Some(1));
    assert!(said.unwrap_err().contains("`iss` is not the authorization server"));

    let login = gateway.login("notes").await.unwrap();
    let of = |name: &str| {
        let rest = login.url().split_once(&format!("{name}=")).unwrap().1;
        rest.split('&').next().unwrap().replace("%3A", ":").replace("%2F", "/")
    };
    let no =
        format!("{}?error=access_denied&state={}&iss={}", of("redirect_uri"), of("state"), yard.issuer.url());
    assert_eq!(browser.send("GET", &no, None).await.unwrap().status, 400);
    let (status, said) = login.end().await.unwrap();
    assert_eq!(status.code(), Some(1));
    assert!(said.unwrap_err().contains("`access_denied`"));
    assert!(ask(&gateway).await.body.contains("portcullis login notes"));
    assert!(yard.kept().iter().all(|it| !it.contains("access_token")));
}
