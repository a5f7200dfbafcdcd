//! S-12: somebody between the gateway and its servers, or between a client and the gateway.

mod clients;

use std::{net::SocketAddr, sync::Arc};

use futures_util::FutureExt;
use portcullis_testkit::{
    gateway::{Gateway, Record},
    journal::Journal,
    server::HttpServer,
};
use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
    version::{TLS12, TLS13},
};
use tokio_rustls::TlsConnector;

use super::Scenario;
use crate::{
    ground::{ALLOWED, SAYS, SOON},
    http::{Request, connect, converse, exchange},
    message::{call, text_of},
    mitm::{Authority, Middle},
    place::Place,
    report::{Kind, Report},
    tls,
    trouble::Trouble,
};

pub(super) const SCENARIO: Scenario = Scenario {
    id: "S-12",
    title: "man in the middle",
    claim: "a certificate of a stranger's authority, for another name or none at all, TLS 1.2 and no TLS end every handshake \
            with a server before a byte of the call is said, with the reason on record; clients of the gateway get TLS 1.3 or \
            nothing; a token that is bound to a certificate is good with that certificate only; the right certificate passes",
    run: |place, report| run(place, report).boxed(),
};

const BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];
const OLD: &[&SupportedProtocolVersion] = &[&TLS12];
const HOST: &str = "127.0.0.1";

async fn run(place: &Place, report: &mut Report) -> Result<(), Trouble> {
    let home = tempfile::tempdir().map_err(Trouble::io("making a directory"))?;
    let journal = Journal::at(home.path().join("journal"));
    let server = HttpServer::fixture(Some(journal.path())).await?;
    let to = address_of(server.url())?;
    let (good, evil) = (Authority::new(home.path(), "good")?, Authority::new(home.path(), "evil")?);
    let middles = [
        ("evil", "a certificate of a stranger's authority", Middle::tls(&evil, HOST, BOTH, to).await?),
        ("other", "a certificate for another name", Middle::tls(&good, "localhost", BOTH, to).await?),
        ("old", "the right certificate, with TLS 1.2 only", Middle::tls(&good, HOST, OLD, to).await?),
        ("bare", "no TLS at all", Middle::plain(to).await?),
    ];
    let right = Middle::tls(&good, HOST, BOTH, to).await?;
    let (client, section) = tls::Client::for_gateway_in(home.path())?;
    let mut setup = place.setup();
    let ca = format!("ca_file = {:?}", good.file);
    let named = middles.iter().map(|(name, _, middle)| (*name, middle)).chain([("right", &right)]);
    for (name, middle) in named {
        setup = setup.http(name, &format!("https://{}/mcp", middle.address)).with(&ca);
    }
    let lenient = Middle::tls(&good, HOST, OLD, to).await?;
    setup = setup
        .http("lenient", &format!("https://{}/mcp", lenient.address))
        .with(&ca)
        .with("danger_allow_tls12 = true");
    let gateway = setup.sections(&section).start().await?;

    for (name, what, middle) in &middles {
        let answer = asked(&client, &gateway, name).await?;
        let reason = refused(&gateway, name).await?;
        let told = middle.heard();
        let silent =
            !told.contains("tools/") && !told.contains("server/discover") && !told.contains("initialize");
        let seen = format!("{} {}, {reason}", answer.status, answer.code());
        let passed = (answer.status, answer.code()) == (502, 50201) && silent && !reason.is_empty();
        report.check(
            Kind::Attack,
            format!("a server with {what}"),
            "502 50201, the reason on record, nothing said",
            seen,
            passed,
        );
    }
    for (name, what) in
        [("right", "the right certificate"), ("lenient", "TLS 1.2, where it is allowed by name")]
    {
        let answer = asked(&client, &gateway, name).await?;
        let said = text_of(&answer.json()).to_owned();
        report.check(Kind::Twin, format!("a server with {what}"), SAYS, &*said, said == SAYS);
    }
    report.state("whoever has the right certificate hears the call", true, right.heard().contains(ALLOWED));
    let calls = journal.received()?.into_iter().filter(|it| it.calls(ALLOWED)).count();
    report.state("calls that reached the server", 2, calls);
    let dangers =
        gateway.records()?.iter().filter(|it| it.text("detail").contains("danger_allow_tls12")).count();
    report.state("TLS 1.2 that is allowed is on record", true, dangers > 0);

    at_the_door(report, &gateway, home.path(), &client, &evil).await?;
    drop(gateway);
    clients::run(place, report).await?;
    report.not_covered("a change inside of a hop that was rightly ended", "HTTP message signatures");
    report.not_covered("the fingerprint of the peer on record", "certificates of refused handshakes");
    Ok(())
}

fn address_of(url: &str) -> Result<SocketAddr, Trouble> {
    let authority = url.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
    authority.parse().map_err(Trouble::other)
}

/// A call to one of the servers, over TLS to the gateway.
async fn asked(
    client: &tls::Client,
    gateway: &Gateway,
    server: &str,
) -> Result<crate::http::Answer, Trouble> {
    let request = Request::call(&format!("/mcp/{server}"), ALLOWED, call(ALLOWED, "{}"));
    let mut stream = client.connect(gateway.address()).await?;
    Ok(converse(&mut stream, &request.bytes()).await.first())
}

/// Why a server could not be reached, as the record of the refusal says.
async fn refused(gateway: &Gateway, server: &str) -> Result<String, Trouble> {
    let about = |record: &Record| {
        let detail = detail(record);
        record.refused() == "upstream-unavailable" && detail.contains(&format!("`{server}`"))
    };
    let record = gateway.wait_for("the reason", SOON, about).await?;
    let words = [
        "certificate",
        "protocol version",
        "ProtocolVersion",
        "InvalidContentType",
        "corrupt message",
        "tls",
    ];
    let text = detail(&record).to_lowercase();
    let found = words.iter().find(|word| text.contains(&word.to_lowercase()));
    Ok(found.map(|_| text.clone()).unwrap_or_default())
}

fn detail(record: &Record) -> &str {
    record.value().pointer("/decision/detail").and_then(|detail| detail.as_str()).unwrap_or_default()
}

/// The same between a client and the gateway.
async fn at_the_door(
    report: &mut Report,
    gateway: &Gateway,
    home: &std::path::Path,
    client: &tls::Client,
    evil: &Authority,
) -> Result<(), Trouble> {
    let middle = Middle::tls(evil, HOST, BOTH, gateway.address()).await?;
    let fooled = client.connect(middle.address).await.is_ok();
    report.check(
        Kind::Attack,
        "a stranger's certificate in the gateway's place",
        "no handshake, nothing said",
        format!("fooled: {fooled}, {} bytes", middle.heard().len()),
        !fooled && middle.heard().is_empty(),
    );
    let old = shakes_hands(gateway.address(), &home.join("cert.pem"), OLD).await?;
    report.check(
        Kind::Attack,
        "a client with TLS 1.2 only",
        "no handshake",
        format!("handshake: {old}"),
        !old,
    );
    let new = shakes_hands(gateway.address(), &home.join("cert.pem"), &[&TLS13]).await?;
    report.check(Kind::Twin, "a client with TLS 1.3", "a handshake", format!("handshake: {new}"), new);
    let request = Request::call("/mcp/right", ALLOWED, call(ALLOWED, "{}"));
    let answer = exchange(gateway.address(), &request.bytes()).await?.first();
    report.check(
        Kind::Attack,
        "a call without TLS",
        "no answer",
        format!("status {}", answer.status),
        answer.status == 0,
    );
    Ok(())
}

async fn shakes_hands(
    to: SocketAddr,
    trusted: &std::path::Path,
    versions: &[&'static SupportedProtocolVersion],
) -> Result<bool, Trouble> {
    let mut roots = RootCertStore::empty();
    let certificate = CertificateDer::from_pem_file(trusted).map_err(Trouble::other)?;
    roots.add(certificate).map_err(Trouble::other)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions);
    let config = config.map_err(Trouble::other)?.with_root_certificates(roots).with_no_client_auth();
    let stream = connect(to, None).await?;
    Ok(TlsConnector::from(Arc::new(config)).connect(ServerName::from(to.ip()), stream).await.is_ok())
}
