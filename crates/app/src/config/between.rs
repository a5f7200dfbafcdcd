//! What must hold between settings that are each right.

use portcullis_inspect::pins::Trust;

use super::{
    Auth, Code, Reach, Tls,
    problem::Severity,
    rules::Draft,
    section::{Gateway, Limits},
    setting::Walk,
};

/// Reports every conflict.
pub(super) fn check(walk: &mut Walk<'_>, draft: &Draft) {
    if let (Some(gateway), Some(tls), Some(auth)) = (&draft.gateway, &draft.tls, &draft.auth) {
        bind(walk, gateway, tls.is_some(), auth);
        public(walk, gateway, auth);
        bound(walk, tls.as_ref(), auth);
    }
    if let Some(admin) = &draft.admin {
        let reachable = admin.listen.filter(|address| !address.ip().is_loopback());
        if let Some(address) = reachable.filter(|_| !admin.danger_allow_insecure_bind) {
            let what = format!(
                "other machines can reach `{address}`, which names servers and tools to anybody who asks"
            );
            let remedy = "listen on 127.0.0.1 or [::1]; `admin.danger_allow_insecure_bind = true` allows it nevertheless";
            walk.conflict("admin.listen", Severity::Error, what, remedy);
        }
        let gateway =
            draft.gateway.as_ref().map(|gateway| gateway.listen).filter(|address| address.port() != 0);
        if gateway.is_some() && gateway == admin.listen {
            walk.conflict(
                "admin.listen",
                Severity::Error,
                "the gateway listens there already",
                "use another port",
            );
        }
    }
    credentials(walk, draft);
    admitted(walk, draft);
    if draft.pins.as_ref().is_some_and(|pins| pins.trust == Trust::Signed && pins.keys.is_empty()) {
        let what = "`signed` needs a key to believe";
        let remedy = "name a public key in `pins.keys`; `portcullis audit key new` makes one";
        walk.conflict("pins.trust", Severity::Error, what, remedy);
    }
    if let Some(limits) = &draft.limits {
        self::limits(walk, limits);
    }
}

/// Tokens can be bound to certificates only where certificates are asked for.
fn bound(walk: &mut Walk<'_>, tls: Option<&Tls>, auth: &Auth) {
    let Auth::Oauth(oauth) = auth else { return };
    let none_asked_for = tls.is_none_or(|tls| tls.clients.is_none());
    for issuer in oauth.issuers.iter().filter(|issuer| issuer.require_mtls && none_asked_for) {
        let field = format!("issuer.{}.require_mtls", issuer.name);
        let what =
            "no client is asked for its certificate, so that no token of this issuer would be accepted";
        walk.conflict(&field, Severity::Error, what, "add `tls.client_ca`");
    }
}

/// Somebody's approval has to count before a server can be started on it.
fn admitted(walk: &mut Walk<'_>, draft: &Draft) {
    let nobody = draft.supply.as_ref().is_some_and(|supply| supply.approvers.is_empty());
    let is_admitted = |server: &&super::Server| matches!(&server.reach, Reach::Command(command) if matches!(command.code, Code::Admitted(_)));
    if let Some(server) = draft.servers.iter().find(is_admitted).filter(|_| nobody) {
        let field = format!("server.{}.admitted", server.name);
        let remedy = "name the public keys of those who may approve in `supply.approvers`";
        walk.conflict(&field, Severity::Error, "nobody's approval counts", remedy);
    }
}

/// A server is shown one credential, which exists, and a caller's token can be exchanged only where there is one.
fn credentials(walk: &mut Walk<'_>, draft: &Draft) {
    for server in &draft.servers {
        let Reach::Url(remote) = &server.reach else { continue };
        let Some(name) = &remote.credential else { continue };
        let field = format!("server.{}.credential", server.name);
        let known = draft.credentials.iter().find(|credential| credential.name.as_str() == name);
        let header = remote.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        let (what, remedy) = match known {
            None => (format!("there is no `[credential.{name}]` without mistakes"), "add it, or correct it"),
            Some(_) if header => {
                ("the server has an `Authorization` in `headers` too".to_owned(), "keep one of the two")
            }
            Some(known)
                if known.is_of_callers_token() && !matches!(draft.auth, Some(Auth::Oauth(_)) | None) =>
            {
                (
                    "callers have no access token that could be exchanged".to_owned(),
                    "set `auth.mode = \"oauth\"`, or use a credential with another mode",
                )
            }
            Some(known) if known.is_agreed_to() && !can_agree(draft) => (
                "callers with access tokens have no page on which they could agree".to_owned(),
                "set `gateway.public_url`, and `login_client_id` of the issuer",
            ),
            Some(_) => continue,
        };
        walk.conflict(&field, Severity::Error, what, remedy);
    }
}

/// Whether callers can agree to being connected: where access tokens tell who calls, that takes pages.
fn can_agree(draft: &Draft) -> bool {
    let Some(Auth::Oauth(oauth)) = &draft.auth else { return true };
    let public = draft.gateway.as_ref().is_none_or(|gateway| gateway.public_url.is_some());
    public && oauth.issuers.iter().any(|issuer| issuer.login.is_some())
}

fn bind(walk: &mut Walk<'_>, gateway: &Gateway, tls: bool, auth: &Auth) {
    let address = gateway.listen;
    if address.ip().is_loopback() || gateway.danger_allow_insecure_bind {
        return;
    }
    let lacks = match (tls, auth) {
        (true, Auth::Oauth(_)) => return,
        (false, Auth::Oauth(_)) => "without TLS, so whoever is on the way can read and use every token",
        (false, _) => "without TLS and without an authentication mode that tells callers apart",
        (true, Auth::LoopbackUser | Auth::Dev { .. }) => {
            "without an authentication mode that tells callers apart"
        }
    };
    let what = format!("other machines can reach `{address}` {lacks}");
    let remedy = "listen on 127.0.0.1 or [::1], or set `tls.cert`, `tls.key` and `auth.mode = \"oauth\"`; \
                  `gateway.danger_allow_insecure_bind = true` listens nevertheless";
    walk.conflict("gateway.listen", Severity::Error, what, remedy);
}

/// Tokens are for the URL of an endpoint, so it has to be known.
fn public(walk: &mut Walk<'_>, gateway: &Gateway, auth: &Auth) {
    if !matches!(auth, Auth::Oauth(_)) {
        return;
    }
    let path = gateway.public_url.as_ref().map(|url| url.uri().path_and_query().map_or("", |it| it.as_str()));
    let (field, what) = match path {
        Some("" | "/") => return,
        Some(_) => {
            ("gateway.public_url", "access tokens are for scheme, host and port alone, and this has a path")
        }
        None if !gateway.listen.ip().is_unspecified() => return,
        None => ("gateway.listen", "access tokens name the gateway's URL, and this address does not tell it"),
    };
    walk.conflict(
        field,
        Severity::Error,
        what,
        "set `gateway.public_url`, such as `https://mcp.example.com`",
    );
}

fn limits(walk: &mut Walk<'_>, limits: &Limits) {
    let pairs = [
        ("connections_per_ip", limits.connections_per_ip as u128, "connections", limits.connections as u128),
        (
            "sessions_per_principal",
            limits.sessions_per_principal as u128,
            "sessions",
            limits.sessions as u128,
        ),
        (
            "request_seconds",
            limits.request_seconds.as_millis(),
            "total_seconds",
            limits.total_seconds.as_millis(),
        ),
    ];
    for (part, of_part, whole, of_whole) in pairs {
        let part = format!("limits.{part}");
        if of_part > of_whole && walk.is_set(&part) {
            let what = format!("this is more than `limits.{whole}` and can never be reached");
            let remedy = format!("lower it, or raise `limits.{whole}`");
            walk.conflict(&part, Severity::Error, what, remedy);
        }
    }
}
