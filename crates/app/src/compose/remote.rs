//! What a server behind a URL is shown besides a credential: a certificate, and signatures.

use std::sync::Arc;

use portcullis_core::{Digest, ServerName};
use portcullis_gateway::upstream::ClientCertificate;
use portcullis_identity::MessageSigner;

use super::Needs;
use crate::config::{self, Severity, read_private};

impl Needs<'_> {
    /// What the server is shown; none at all when it cannot be read.
    #[expect(clippy::option_option, reason = "nothing configured and nothing usable are not the same")]
    pub(super) fn certificate(
        &mut self,
        server: &ServerName,
        remote: &config::Remote,
    ) -> Option<Option<Arc<ClientCertificate>>> {
        let Some((chain, key)) = &remote.certificate else { return Some(None) };
        let loaded = ClientCertificate::load(chain, key).map_err(|(file, what)| {
            let setting = if file == *key { "tls_client_key" } else { "tls_client_certificate" };
            let field = format!("server.{server}.{setting}");
            let what = format!("`{}`: {what}", file.display());
            let remedy = "name a certificate chain and its private key, in PEM";
            self.report.push(self.config.problem(&field, Severity::Error, what, remedy));
        });
        loaded.ok().map(Some)
    }

    /// What signs requests; none at all when it cannot be had.
    #[expect(clippy::option_option, reason = "nothing configured and nothing usable are not the same")]
    pub(super) fn signer(
        &mut self,
        server: &ServerName,
        remote: &config::Remote,
    ) -> Option<Option<(Arc<MessageSigner>, Digest)>> {
        let Some((file, id)) = &remote.signature else { return Some(None) };
        let read = read_private(file).map_err(|error| (error.to_string(), error.remedy())).and_then(|pem| {
            let unfit = |what| {
                let remedy = "put a private key in PEM there, P-256 or Ed25519".to_owned();
                (format!("`{}`: {what}", file.display()), remedy)
            };
            let signer = MessageSigner::new(&pem, id).map_err(unfit)?;
            Ok((Arc::new(signer), Digest::of(pem.expose())))
        });
        let made = read.map_err(|(what, remedy)| {
            let field = format!("server.{server}.signature_key");
            self.report.push(self.config.problem(&field, Severity::Error, what, remedy));
        });
        made.ok().map(Some)
    }
}
