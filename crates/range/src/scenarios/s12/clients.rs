//! Clients with certificates of their own, and tokens that are bound to them (RFC 8705).

use std::{net::SocketAddr, path::Path, sync::Arc};

use portcullis_testkit::issuer::{Issuer, encode, sha256};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use serde_json::json;
use tokio_rustls::TlsConnector;

use crate::{
    ground::{Ground, NOTES, SAYS},
    http::{Answer, Request, connect, converse},
    identity::{ISSUER, changed, header, trusting_with},
    message::text_of,
    mitm::Authority,
    place::Place,
    report::{Kind, Report},
    tls,
    trouble::Trouble,
};

/// A certificate and its key.
type Certificate = (CertificateDer<'static>, PrivateKeyDer<'static>);

/// What the gateway wants of clients.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asking {
    /// They may show a certificate.
    Shown,
    /// They have to.
    Required,
    /// Their tokens have to be bound to one.
    Bound,
}

/// What comes of a request: an answer, or none when there is no handshake.
enum Came {
    Answer(Answer),
    NoHandshake,
}

pub(super) async fn run(place: &Place, report: &mut Report) -> Result<(), Trouble> {
    for asking in [Asking::Shown, Asking::Required, Asking::Bound] {
        let home = tempfile::tempdir().map_err(Trouble::io("making a directory"))?;
        let issuer = Issuer::new(ISSUER);
        let (good, evil) =
            (Authority::new(home.path(), "clients")?, Authority::new(home.path(), "strangers")?);
        let (_, section) = tls::Client::for_gateway_in(home.path())?;
        let section = format!(
            "{section}client_ca = {:?}\nrequire_client_certificate = {}\n",
            good.file,
            asking == Asking::Required
        );
        let settings = if asking == Asking::Bound { "require_mtls = true\n" } else { "" };
        let ground = Ground::open(place, |setup| {
            trusting_with(&issuer, home.path(), setup, settings).sections(&section)
        })
        .await?;
        asked(report, &ground, home.path(), &issuer, (&good, &evil), asking).await?;
    }
    Ok(())
}

async fn asked(
    report: &mut Report,
    ground: &Ground,
    home: &Path,
    issuer: &Issuer,
    (good, evil): (&Authority, &Authority),
    asking: Asking,
) -> Result<(), Trouble> {
    let address = ground.gateway.address();
    let audience = format!("https://{address}{NOTES}");
    let (alice, mallory, stranger) = (good.client("alice")?, good.client("mallory")?, evil.client("alice")?);
    let bound = json!({ "cnf": { "x5t#S256": encode(sha256(&alice.0).as_ref()) } });
    let token = |claims| {
        let claims = changed(issuer.claims("alice", &audience, ""), claims).to_string();
        issuer.sign("ES256", &header(json!({})), &claims)
    };
    let (bound, free) = (token(bound), token(json!({})));
    let (when, none) = match asking {
        Asking::Shown => ("where one may be shown", "401"),
        Asking::Required => ("where one is required", "no handshake"),
        Asking::Bound => ("where tokens have to be bound to one", "401"),
    };
    let rows: [(&str, &str, Option<&Certificate>, &str); 4] = [
        ("a stolen bound token without a certificate", &bound, None, none),
        ("a stolen bound token with the thief's certificate", &bound, Some(&mallory), "401"),
        (
            "a bound token with a certificate of a stranger's authority",
            &bound,
            Some(&stranger),
            "no handshake",
        ),
        ("nothing but a certificate", "", Some(&alice), "401"),
    ];
    for (name, token, certificate, wanted) in rows {
        let seen = match send(address, home, token, certificate).await? {
            Came::NoHandshake => "no handshake".to_owned(),
            Came::Answer(answer) => answer.status.to_string(),
        };
        let passed = seen == wanted;
        report.check(Kind::Attack, format!("{name}, {when}"), wanted, seen, passed);
    }
    let mut twins = vec![("a bound token with its certificate", &bound)];
    if asking == Asking::Bound {
        let seen = match send(address, home, &free, Some(&alice)).await? {
            Came::NoHandshake => "no handshake".to_owned(),
            Came::Answer(answer) => answer.status.to_string(),
        };
        let (name, passed) = (format!("a token that is bound to nothing, {when}"), seen == "401");
        report.check(Kind::Attack, name, "401", seen, passed);
    } else {
        twins.push(("a token that is not bound", &free));
    }
    let calls = twins.len();
    for (name, token) in twins {
        let said = match send(address, home, token, Some(&alice)).await? {
            Came::NoHandshake => "no handshake".to_owned(),
            Came::Answer(answer) => text_of(&answer.json()).to_owned(),
        };
        let passed = said == SAYS;
        report.check(Kind::Twin, format!("{name}, {when}"), SAYS, said, passed);
    }
    let log = std::fs::read_to_string(ground.gateway.log()).map_err(Trouble::io("reading the log"))?;
    let proven = log.contains("\"method\":\"mtls-token\"");
    report.state(format!("a proof of possession on record, {when}"), true, proven);
    report.state(format!("calls at the server, {when}"), calls, ground.effects()?.len());
    Ok(())
}

/// An honest call with this token, over a connection with this certificate.
async fn send(
    to: SocketAddr,
    home: &Path,
    token: &str,
    certificate: Option<&Certificate>,
) -> Result<Came, Trouble> {
    let mut roots = RootCertStore::empty();
    let trusted = CertificateDer::from_pem_file(home.join("cert.pem")).map_err(Trouble::other)?;
    roots.add(trusted).map_err(Trouble::other)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(Trouble::other)?.with_root_certificates(roots);
    let config = match certificate {
        Some((certificate, key)) => config
            .with_client_auth_cert(vec![certificate.clone()], key.clone_key())
            .map_err(Trouble::other)?,
        None => config.with_no_client_auth(),
    };
    let stream = connect(to, None).await?;
    let connector = TlsConnector::from(Arc::new(config));
    let Ok(mut stream) = connector.connect(ServerName::from(to.ip()), stream).await else {
        return Ok(Came::NoHandshake);
    };
    let request = if token.is_empty() { Ground::honest() } else { bearer(token) };
    // In TLS 1.3 a client learns only afterwards that its certificate was refused.
    let exchange = converse(&mut stream, &request.bytes()).await;
    Ok(exchange.answers.into_iter().next().map_or(Came::NoHandshake, Came::Answer))
}

fn bearer(token: &str) -> Request {
    Ground::honest().header("authorization", &format!("Bearer {token}"))
}
