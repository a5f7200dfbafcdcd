//! Certificates.

use std::io::Write;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls_pki_types::PrivateKeyDer;
use tokio_rustls::TlsAcceptor;

use super::*;

/// A server with a certificate for `localhost` from an authority of its own, and that authority as PEM.
async fn server() -> (Arc<FakeHttp>, String) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf =
        CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let mut config =
        rustls::ServerConfig::builder_with_provider(rustls::crypto::aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
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
    let (server, authority) = server().await;
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
