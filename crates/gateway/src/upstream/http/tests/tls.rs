//! Certificates.

use std::{io::Write, os::unix::fs::PermissionsExt as _};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::upstream::ClientCertificate;

/// An authority, and a certificate of its for `name` with the private key.
type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn certificate(authority: &Authority, name: &str) -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    (params.signed_by(&key, authority).unwrap(), key)
}

/// A server with a certificate for `localhost` from an authority of its own, and that authority as PEM. With `clients`
/// it lets nobody in who has no certificate of theirs.
async fn server(clients: Option<&Authority>) -> (Arc<FakeHttp>, String) {
    let authority = authority();
    let (leaf, key) = certificate(&authority, "localhost");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        Some(clients) => {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(clients.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
        None => builder.with_no_client_auth(),
    };
    let mut config = builder
        .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let (server, listener) = FakeHttp::bind(|seen: Seen| async move {
        discovered(&seen).unwrap_or_else(|| Reply::json(&result(&seen.body["id"], &json!({}))))
    })
    .await;
    let accepting = server.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (acceptor, accepting) = (acceptor.clone(), accepting.clone());
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    accepting.serve(stream).await;
                }
            });
        }
    });
    (server, authority.pem())
}

async fn connect(server: &FakeHttp, host: &str, ca: Option<&str>) -> Result<Arc<dyn Link>, UpstreamError> {
    connect_as(server, host, ca, None).await
}

async fn connect_as(
    server: &FakeHttp,
    host: &str,
    ca: Option<&str>,
    certificate: Option<Arc<ClientCertificate>>,
) -> Result<Arc<dyn Link>, UpstreamError> {
    let mut path = std::env::temp_dir();
    path.push(format!("portcullis-ca-{}-{:x}.pem", std::process::id(), std::ptr::from_ref(server).addr()));
    if let Some(pem) = ca {
        std::fs::File::create(&path).unwrap().write_all(pem.as_bytes()).unwrap();
    }
    let url = server.url_of("https", host, "/mcp");
    let endpoint = Endpoint {
        url,
        headers: Vec::new(),
        credential: None,
        ca_file: ca.map(|_| path.clone()),
        certificate,
        signer: None,
        danger_tls12: false,
        mode: HttpMode::Auto,
    };
    let config = ServerConfig::new("fake".parse().unwrap(), Transport::Http(endpoint.clone()));
    let upstream = HttpUpstream::new(Arc::new(config), &endpoint, observer().0, health()).unwrap();
    let _ = std::fs::remove_file(&path);
    upstream.connect(&profile(&json!({}), None)).await
}

#[tokio::test]
async fn only_a_trusted_certificate_for_the_right_name_will_do() {
    let (server, authority) = server(None).await;
    let link = connect(&server, "localhost", Some(&authority)).await.unwrap();
    response(link.request(call("1")).await.unwrap()).await;
    for (host, ca) in [("localhost", None), ("127.0.0.1", Some(authority.as_str()))] {
        let error = connect(&server, host, ca).await.err().unwrap();
        assert!(
            matches!(&error, UpstreamError::Unreachable(reason) if reason.contains("certificate")),
            "{host}: {error:?}"
        );
    }
}

#[tokio::test]
async fn a_server_is_shown_the_certificate_that_is_there_now() {
    let (trusted, other) = (authority(), authority());
    let (server, ca) = server(Some(&trusted)).await;
    let place = tempfile::tempdir().unwrap();
    let (chain, private) = (place.path().join("chain.pem"), place.path().join("key.pem"));
    let put = |of: &Authority, mode| {
        let (leaf, key) = certificate(of, "gateway");
        std::fs::write(&chain, leaf.pem()).unwrap();
        std::fs::write(&private, key.serialize_pem()).unwrap();
        std::fs::set_permissions(&private, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let connect = |shown| connect_as(&server, "localhost", Some(&ca), shown);
    assert!(connect(None).await.is_err(), "the server lets anybody in");

    put(&trusted, 0o640);
    let (file, what) = ClientCertificate::load(&chain, &private).unwrap_err();
    assert!(file == private && what.contains("others can read it"), "{what}");

    put(&other, 0o600);
    let shown = ClientCertificate::load(&chain, &private).unwrap();
    assert!(connect(Some(shown.clone())).await.is_err(), "a stranger's certificate opened it");

    // The same configuration, with a certificate that was renewed meanwhile.
    put(&trusted, 0o600);
    let link = connect(Some(shown.clone())).await.unwrap();
    response(link.request(call("1")).await.unwrap()).await;

    // Half of a renewal leaves the one before in use.
    std::fs::write(&chain, "nonsense that is longer than before").unwrap();
    assert!(connect(Some(shown)).await.is_ok());
    let (_, key) = certificate(&trusted, "gateway");
    let (leaf, _) = certificate(&trusted, "gateway");
    std::fs::write(&chain, leaf.pem()).unwrap();
    std::fs::write(&private, key.serialize_pem()).unwrap();
    let (file, what) = ClientCertificate::load(&chain, &private).unwrap_err();
    assert!(file == private && what.contains("does not go with the certificate"), "{what}");
}
