//! Callers of a shared gateway agree, in a browser, to being connected to a server: only they, only for the client that
//! asked, and only from the page that asked them.

use portcullis_testkit::{
    bed::Bed,
    browser::{Browser, Page, between},
    gateway::{Gateway, Setup},
    issuer::decode,
    journal::Journal,
    server::HttpServer,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    message::{call, modern},
    raw::{Answer, Request, SOON},
    until::until,
    upstream_credentials::token_of_agent,
};

const TOOL: &str = "test_simple_text";

/// A gateway with an issuer of its callers, and a server with an authorization server of its own.
struct Yard {
    _place: TempDir,
    journal: Journal,
    callers: HttpServer,
    tracker: HttpServer,
    _server: HttpServer,
    gateway: Gateway,
    origin: String,
}

impl Yard {
    async fn new() -> Self {
        let (bed, place) = (Bed::load().unwrap(), tempfile::tempdir().unwrap());
        let file = place.path().join("journal");
        let server = HttpServer::fixture(Some(&file)).await.unwrap();
        // A port that was free a moment ago.
        let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let origin = format!("http://{port}");
        let redirect = [("LOGIN_REDIRECT", format!("{origin}/connect/signed-in"))];
        let callers = HttpServer::authorization_server_with(&bed, &redirect).await.unwrap();
        let tracker = HttpServer::authorization_server_with(&bed, &[]).await.unwrap();
        let sections = format!(
            "[auth]\nmode = \"oauth\"\nrequired_scopes = [\"mcp\"]\n\n[pins]\ndirectory = {}\n\n\
             [issuer.as]\nurl = \"{}\"\nlogin_client_id = \"portal\"\nlogin_client_secret = {{ danger_inline = \"portal-secret\" }}\n\n\
             [credential.tracker]\nmode = \"authorization-code\"\nissuer = \"{}\"\nscopes = [\"notes\"]\n",
            json!(place.path().join("pins")),
            callers.url(),
            tracker.url()
        );
        let setup = Setup::new().listen(&port.to_string()).gateway(&format!("public_url = \"{origin}\""));
        let setup = setup.http("notes", server.url()).with("credential = \"tracker\"");
        let gateway = setup.sections(&sections).start().await.unwrap();
        Self { journal: Journal::at(file), callers, tracker, _server: server, gateway, origin, _place: place }
    }

    async fn ask(&self, token: &str) -> Answer {
        let message = modern(1, "tools/call", call(TOOL, json!({})));
        let request =
            Request::modern("/mcp/notes", &message).header("authorization", &format!("Bearer {token}"));
        request.send(self.gateway.address()).await
    }

    /// The link that a caller without a connection is given.
    async fn link(&self, token: &str) -> String {
        let refused = self.ask(token).await;
        assert_eq!((refused.status, refused.code()), (403, 40301), "{refused:?}");
        let url = refused.json()["error"]["data"]["elicitations"][0]["url"].as_str().unwrap().to_owned();
        assert!(url.starts_with(&format!("{}/connect/notes?ticket=", self.origin)), "{url}");
        assert!(refused.json()["error"]["message"].as_str().unwrap().contains(&url), "{refused:?}");
        url
    }

    async fn agree(&self, browser: &mut Browser, form: &str, answer: &str) -> Page {
        let url = format!("{}/connect/agree", self.origin);
        browser.submit(&url, &[("form", form), ("answer", answer)]).await.unwrap()
    }

    fn shown(&self) -> Vec<String> {
        let calls = self.journal.received().unwrap().into_iter().filter(|it| it.calls(TOOL));
        calls.map(|it| it.headers.get("authorization").cloned().unwrap_or_default()).collect()
    }

    fn consents(&self) -> Vec<String> {
        let records = self.gateway.records().unwrap();
        let consents = records.iter().filter(|it| it.text("event") == "consent");
        consents.map(|it| it.value().to_string()).collect()
    }
}

fn claims(authorization: &str) -> Value {
    let token = authorization.strip_prefix("Bearer ").unwrap();
    serde_json::from_slice(&decode(token.split('.').nth(1).unwrap())).unwrap()
}

#[tokio::test]
async fn a_caller_agrees_for_one_client_and_nobody_else_does() {
    let yard = Yard::new().await;
    let token = token_of_agent(yard.callers.url(), &yard.gateway.url_of("notes"), "mcp").await;
    let link = yard.link(&token).await;
    assert!(yard.shown().is_empty());

    // Whoever it is sent to is somebody else.
    let page = Browser::default().agree(&link, "mallory").await.unwrap();
    assert!(page.status == 403 && page.body.contains("somebody else"), "{page:?}");
    for broken in [
        link.replace("ticket=", "ticket=A"),
        link.replace("/notes?", "/other?"),
        format!("{}/connect/agree", yard.origin),
    ] {
        let page = Browser::default().open(&broken).await.unwrap();
        assert!(matches!(page.status, 400 | 404), "{broken}: {page:?}");
    }

    let mut browser = Browser::default();
    let page = browser.agree(&link, "agent").await.unwrap();
    assert!(
        page.status == 200 && page.body.contains("<b>oauth:as:agent</b>"),
        "{page:?} {}",
        yard.gateway.said()
    );
    assert!(page.body.contains("<b>agent</b>") && page.body.contains("<b>notes</b>"), "{page:?}");
    let policy = &page.headers["content-security-policy"];
    assert!(policy.contains("frame-ancestors 'none'") && policy.contains("default-src 'none'"), "{policy}");
    let cookie = &page.headers["set-cookie"];
    for word in ["__Host-portcullis=", "Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(cookie.contains(word), "{cookie}");
    }
    let form = between(&page.body, "name=form value=\"", "\"").unwrap();

    // From elsewhere, without the browser's cookie or with another's form, a yes says nothing.
    let page = yard.agree(&mut Browser::default(), &form, "yes").await;
    assert_eq!(page.status, 403);
    assert_eq!(yard.agree(&mut browser, "guessed", "yes").await.status, 403);

    let page = yard.agree(&mut browser, &form, "yes").await;
    let onward = between(&page.body, "content=\"0;url=", "\"").unwrap();
    assert!(onward.starts_with(yard.tracker.url()), "{page:?}");
    assert_eq!(yard.agree(&mut browser, &form, "yes").await.status, 403, "a yes is said once");
    let page = browser.agree(&onward, "carol").await.unwrap();
    assert!(page.status == 200 && page.body.contains("You are connected"), "{page:?}");

    let answer = yard.ask(&token).await;
    assert_eq!((answer.status, answer.code()), (200, 0), "{answer:?} {}", yard.gateway.said());
    let shown = yard.shown();
    let claims = claims(&shown[0]);
    assert_eq!((&claims["sub"], &claims["scope"]), (&json!("carol"), &json!("notes")));
    assert!(!shown[0].contains(&token), "the caller's token went on");
    let consents = yard.consents();
    assert!(consents.len() == 1 && consents[0].contains("oauth:as:agent connected through"), "{consents:?}");
}

/// Control LOG-05: whoever is stopped while on the pages comes no further, at either of the last two steps.
#[tokio::test]
async fn whoever_is_stopped_meanwhile_is_not_connected() {
    let yard = Yard::new().await;
    let token = token_of_agent(yard.callers.url(), &yard.gateway.url_of("notes"), "mcp").await;
    let (mut asked, mut agreed) = (Browser::default(), Browser::default());
    let link = yard.link(&token).await;
    let page = asked.agree(&link, "agent").await.unwrap();
    let form = between(&page.body, "name=form value=\"", "\"").unwrap();
    let page = agreed.agree(&link, "agent").await.unwrap();
    let other = between(&page.body, "name=form value=\"", "\"").unwrap();
    let page = yard.agree(&mut agreed, &other, "yes").await;
    let onward = between(&page.body, "content=\"0;url=", "\"").unwrap();

    let stopped = yard.gateway.command(&["stop", "principal", "oauth:as:agent"]).await.unwrap();
    assert!(stopped.0, "{stopped:?}");
    let event = |name: &'static str| {
        let found = move |it: &portcullis_testkit::gateway::Record| it.text("event") == name;
        let gateway = &yard.gateway;
        async move { gateway.wait_for(name, SOON, found).await.map(drop).unwrap() }
    };
    event("stop-in-force").await;
    let page = yard.agree(&mut asked, &form, "yes").await;
    assert!(page.status == 403 && page.body.contains("is stopped"), "{page:?}");
    let page = agreed.agree(&onward, "carol").await.unwrap();
    assert!(page.status == 403 && page.body.contains("is stopped"), "{page:?}");
    until("both on record", || yard.consents().len() == 2).await;
    let consents = yard.consents();
    assert!(consents.iter().all(|it| it.contains("was stopped before a connection")), "{consents:?}");

    let resumed = yard.gateway.command(&["resume", "principal", "oauth:as:agent"]).await.unwrap();
    assert!(resumed.0, "{resumed:?}");
    event("stop-lifted").await;
    yard.link(&token).await;
    assert!(yard.shown().is_empty(), "there is no connection");
}

#[tokio::test]
async fn a_no_connects_nothing() {
    let yard = Yard::new().await;
    let token = token_of_agent(yard.callers.url(), &yard.gateway.url_of("notes"), "mcp").await;
    let mut browser = Browser::default();
    let page = browser.agree(&yard.link(&token).await, "agent").await.unwrap();
    let form = between(&page.body, "name=form value=\"", "\"").unwrap();
    let page = yard.agree(&mut browser, &form, "no").await;
    assert!(page.status == 200 && page.body.contains("Nothing was connected"), "{page:?}");
    yard.link(&token).await;
    assert!(yard.shown().is_empty());
    assert!(yard.consents()[0].contains("declined"));
}
