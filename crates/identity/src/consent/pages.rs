//! What is answered to a browser.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use portcullis_core::{Caller, Channel, Clock, Digest, Refusal, ServerName};

use super::{
    CONSENT_PATH, SignInConfig, Ticket,
    browsers::{Browser, Browsers, Stage, random},
    html::{escaped, onward, onward_by_hand, page, said},
    sign_in::SignIn,
};
use crate::{
    Authenticator, ConnectFault, Connector, Head, Place, Resource,
    connect::{fields, owner},
};

const OVER: &str = "This link is over, or was opened elsewhere. Call the server again to get a new one.";
const CROWDED: &str = "Too many people are on these pages from where you are. Try again in some minutes.";
const ELSEWHERE: &str = "This did not come from the page that asked you. Nothing was changed.";

/// The pages of one gateway.
pub struct ConsentPages {
    origin: Arc<str>,
    servers: BTreeMap<String, Arc<Connector>>,
    sign_ins: BTreeMap<String, SignIn>,
    browsers: Browsers,
    clock: Arc<dyn Clock>,
}

/// A request for a page.
pub struct Visit<'v> {
    /// HTTP method.
    pub method: &'v Method,
    /// The path, with [`CONSENT_PATH`] in front.
    pub path: &'v str,
    /// The query, without `?`.
    pub query: &'v str,
    /// The headers.
    pub headers: &'v HeaderMap,
    /// The form, when one was sent.
    pub form: &'v str,
    /// Address of the browser's end of the connection.
    pub address: Option<IpAddr>,
    /// Whether an operator lets this person be connected to this server at the moment; asked before each step that brings them
    /// closer.
    pub may: &'v (dyn Fn(&Caller, &str) -> Result<(), Refusal> + Send + Sync),
    /// SHA-256 of the certificate that the browser's connection proved to have the key of.
    pub certificate: Option<Digest>,
}

impl Visit<'_> {
    fn cookies(&self) -> Vec<&str> {
        self.headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok()).collect()
    }
}

/// What is shown, and what the record should say about it.
type Shown = (Response<String>, Option<(String, String)>);

impl ConsentPages {
    /// The pages at `origin`, for these servers, and for people of these issuers, by their names in the configuration.
    pub fn new(
        origin: &str,
        servers: impl IntoIterator<Item = (String, Arc<Connector>)>,
        sign_ins: &[(String, SignInConfig)],
        clock: Arc<dyn Clock>,
    ) -> Self {
        let sign_ins =
            sign_ins.iter().filter_map(|(name, config)| Some((name.clone(), SignIn::new(config)?)));
        Self {
            origin: origin.into(),
            servers: servers.into_iter().collect(),
            sign_ins: sign_ins.collect(),
            browsers: Browsers::default(),
            clock,
        }
    }

    /// Answers a browser; with it, a server and what happened, for the record.
    pub async fn answer(&self, visit: &Visit<'_>, authenticator: &Authenticator) -> Shown {
        let step = visit.path.strip_prefix(CONSENT_PATH).unwrap_or_default();
        let quiet = |response| (response, None);
        match (visit.method, step) {
            (&Method::GET, "signed-in") => quiet(self.signed_in(visit, authenticator).await),
            (&Method::POST, "agree") => self.agreed(visit, authenticator).await,
            (&Method::GET, "connected") => self.connected(visit, authenticator).await,
            (&Method::GET, server) if self.servers.contains_key(server) => {
                quiet(self.opened(visit, server).await)
            }
            _ => quiet(said(StatusCode::NOT_FOUND, "Nothing is here.")),
        }
    }

    fn place(&self, step: &str) -> String {
        format!("{}{CONSENT_PATH}{step}", self.origin)
    }

    /// A link was opened: whose browser is it?
    async fn opened(&self, visit: &Visit<'_>, server: &str) -> Response<String> {
        let now_ms = self.clock.now_ms();
        let mut tickets = fields(visit.query).filter(|(name, _)| name == "ticket");
        let ticket = tickets.next().and_then(|(_, text)| Ticket::open(&text, now_ms));
        let Some(ticket) = ticket.filter(|ticket| ticket.server == server) else {
            return said(StatusCode::BAD_REQUEST, OVER);
        };
        let Some(sign_in) = self.sign_in(&ticket) else { return said(StatusCode::BAD_REQUEST, OVER) };
        let resource = format!("{}/mcp/{server}", self.origin);
        match sign_in.begin(&resource, &self.place("signed-in")).await {
            Ok(pending) => {
                let url = pending.url();
                self.with_cookie(visit, ticket, Stage::SigningIn(pending), onward(&url))
            }
            Err(fault) => failed(&fault),
        }
    }

    /// Principals of tokens are `oauth:ISSUER:SUBJECT`.
    fn sign_in(&self, ticket: &Ticket) -> Option<&SignIn> {
        let (_, rest) = ticket.owner.split_once(':')?;
        self.sign_ins.get(rest.split_once(':')?.0)
    }

    /// A cookie that was not there before goes with each step, so that nobody can have set it for another.
    fn with_cookie(
        &self,
        visit: &Visit<'_>,
        ticket: Ticket,
        stage: Stage,
        mut response: Response<String>,
    ) -> Response<String> {
        let cookie = self.browsers.add(ticket, stage, visit.address, self.clock.now_ms());
        match cookie.and_then(|cookie| HeaderValue::from_str(&cookie).ok()) {
            Some(cookie) => {
                response.headers_mut().insert(header::SET_COOKIE, cookie);
                response
            }
            None => said(StatusCode::SERVICE_UNAVAILABLE, CROWDED),
        }
    }

    /// Somebody has logged in: are they whose link it is? Then they are asked.
    async fn signed_in(&self, visit: &Visit<'_>, authenticator: &Authenticator) -> Response<String> {
        let now_ms = self.clock.now_ms();
        let fits = |stage: &Stage| matches!(stage, Stage::SigningIn(it) if it.is_answered_by(visit.query));
        let Some(browser) = self.browsers.take(&visit.cookies(), now_ms, fits) else {
            return said(StatusCode::BAD_REQUEST, OVER);
        };
        let (Browser { ticket, stage: Stage::SigningIn(pending), .. }, true) = (browser, true) else {
            return said(StatusCode::BAD_REQUEST, OVER);
        };
        let Some(sign_in) = self.sign_in(&ticket) else { return said(StatusCode::BAD_REQUEST, OVER) };
        let token = match sign_in.finish(&pending, visit.query, now_ms).await {
            Ok(token) => token,
            Err(fault) => return failed(&fault),
        };
        let value = [b"Bearer ".as_slice(), token.expose()].concat();
        let (Ok(mut value), Ok(server)) =
            (HeaderValue::from_bytes(&value), ticket.server.parse::<ServerName>())
        else {
            return said(StatusCode::BAD_GATEWAY, "What the issuer answered is no token.");
        };
        value.set_sensitive(true);
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, value);
        let path = format!("/mcp/{server}");
        let head = Head {
            channel: Channel::Http,
            peer: None,
            certificate: visit.certificate,
            headers: Some(&headers),
            query: None,
            listener_is_loopback: false,
            method: "POST",
            path: &path,
            resource: Some(Resource { origin: &self.origin, door: "/mcp", server: Some(&server) }),
            now_ms,
        };
        match authenticator.authenticate(&head).await {
            Ok(caller) if owner(&caller.principal) == ticket.owner => {
                if let Err(refusal) = may_go_on(visit, authenticator, &caller, &ticket) {
                    return not_now(&refusal);
                }
                let Some(form) = random() else { return said(StatusCode::INTERNAL_SERVER_ERROR, OVER) };
                let question = self.question(&ticket, &form);
                self.with_cookie(visit, ticket, Stage::Asked { person: caller, form }, question)
            }
            Ok(_) => said(
                StatusCode::FORBIDDEN,
                "This link is somebody else's. Do not open links that others send you.",
            ),
            Err(refusal) => {
                said(StatusCode::FORBIDDEN, &format!("You may not call this gateway: {}", refusal.public()))
            }
        }
    }

    fn question(&self, ticket: &Ticket, form: &str) -> Response<String> {
        let host = self.servers.get(&ticket.server).map(|it| it.host()).unwrap_or_default();
        let (issuer, client) = ticket.client.split_once(' ').unwrap_or(("", &ticket.client));
        let inside = format!(
            "<h1>Connect to {server}?</h1>\n<p>You are <b>{owner}</b>. The program <b>{client}</b>, known to {issuer}, wants to \
             use <b>{server}</b> at <b>{host}</b> in your name, through this gateway.</p>\n\
             <p>If you did not start this, say no.</p>\n\
             <form method=post action=\"{CONSENT_PATH}agree\"><input type=hidden name=form value=\"{form}\">\
             <button name=answer value=yes>Yes, connect</button> <button name=answer value=no>No</button></form>",
            server = escaped(&ticket.server),
            owner = escaped(&ticket.owner),
            client = escaped(client),
            issuer = escaped(issuer),
            host = escaped(&host),
        );
        page(StatusCode::OK, &inside)
    }

    /// The form came back.
    async fn agreed(&self, visit: &Visit<'_>, authenticator: &Authenticator) -> Shown {
        let now_ms = self.clock.now_ms();
        let quiet = |response| (response, None);
        let own = visit.headers.get(header::ORIGIN).is_some_and(|it| it.as_bytes() == self.origin.as_bytes());
        let (mut token, mut answer) = (String::new(), String::new());
        for (name, value) in fields(visit.form) {
            match name.as_str() {
                "form" => token = value,
                "answer" => answer = value,
                _ => {}
            }
        }
        let is_it =
            |form: &str| aws_lc_rs::constant_time::verify_slices_are_equal(form.as_bytes(), token.as_bytes());
        let fits = |stage: &Stage| matches!(stage, Stage::Asked { form, .. } if own && is_it(form).is_ok());
        let Some(browser) = self.browsers.take(&visit.cookies(), now_ms, fits) else {
            return quiet(said(StatusCode::FORBIDDEN, ELSEWHERE));
        };
        let Stage::Asked { person, .. } = browser.stage else {
            return quiet(said(StatusCode::FORBIDDEN, ELSEWHERE));
        };
        let ticket = browser.ticket;
        let note = |what: &str| {
            Some((ticket.server.clone(), format!("{} {what} `{}`", ticket.owner, ticket.client)))
        };
        let Some(connector) = self.servers.get(&ticket.server).filter(|_| answer == "yes") else {
            return (said(StatusCode::OK, "Nothing was connected."), note("declined a connection for"));
        };
        if let Err(refusal) = may_go_on(visit, authenticator, &person, &ticket) {
            return (not_now(&refusal), note("was stopped before a connection to"));
        }
        match connector.allow(&person.principal, &ticket.client).await {
            Ok(true) => {
                return (
                    said(StatusCode::OK, "You are connected. You can close this page."),
                    note("allowed a connection to"),
                );
            }
            Ok(false) => {}
            Err(fault) => return quiet(failed(&fault)),
        }
        let place = Place::Web { redirect_uri: self.place("connected") };
        match connector.begin(&person.principal, &place).await {
            Ok(pending) => {
                let page = onward_by_hand(&pending.url(), pending.issuer());
                quiet(self.with_cookie(visit, ticket, Stage::Connecting { person, pending }, page))
            }
            Err(fault) => quiet(failed(&fault)),
        }
    }

    /// The server's authorization server has answered.
    async fn connected(&self, visit: &Visit<'_>, authenticator: &Authenticator) -> Shown {
        let now_ms = self.clock.now_ms();
        let fits = |stage: &Stage| matches!(stage, Stage::Connecting { pending, .. } if pending.is_answered_by(visit.query));
        let over = (said(StatusCode::BAD_REQUEST, OVER), None);
        let Some(Browser { ticket, stage: Stage::Connecting { person, pending }, .. }) =
            self.browsers.take(&visit.cookies(), now_ms, fits)
        else {
            return over;
        };
        let Some(connector) = self.servers.get(&ticket.server) else { return over };
        if let Err(refusal) = may_go_on(visit, authenticator, &person, &ticket) {
            let what = format!("{} was stopped before a connection for `{}`", ticket.owner, ticket.client);
            return (not_now(&refusal), Some((ticket.server, what)));
        }
        match connector.finish(&pending, visit.query, Some(&ticket.client)).await {
            Ok(connection) => {
                let what = format!(
                    "{} connected through {} for `{}`",
                    ticket.owner,
                    connection.issuer(),
                    ticket.client
                );
                let page = said(
                    StatusCode::OK,
                    "You are connected. You can close this page and call the server again.",
                );
                (page, Some((ticket.server, what)))
            }
            Err(fault) => {
                let what = format!("{} was not connected for `{}`: {fault}", ticket.owner, ticket.client);
                (failed(&fault), Some((ticket.server, what)))
            }
        }
    }
}

/// Whether nobody has taken back the person's access or stopped them, or the server, since they came.
fn may_go_on(
    visit: &Visit<'_>,
    authenticator: &Authenticator,
    person: &Caller,
    ticket: &Ticket,
) -> Result<(), Refusal> {
    authenticator.stands(person)?;
    (visit.may)(person, &ticket.server)
}

fn not_now(refusal: &Refusal) -> Response<String> {
    said(StatusCode::FORBIDDEN, &format!("Nothing was connected: {}.", refusal.public()))
}

/// What the person reads; what a fault names may be an address of the operator's, and the record has it.
fn failed(fault: &ConnectFault) -> Response<String> {
    let text = match fault {
        ConnectFault::Declined(error) => format!("The authorization server answered `{error}`. Nothing was connected."),
        ConnectFault::Answer(what) => format!("The answer cannot be used: {what}. Nothing was connected."),
        _ => "Nothing was connected: the authorization server could not be used. The operator can find out why with `portcullis check`.".to_owned(),
    };
    said(StatusCode::BAD_GATEWAY, &text)
}
