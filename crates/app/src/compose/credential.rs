//! What servers are shown, with every secret that takes.

use std::sync::Arc;

use portcullis_core::{Digest, Secret};
use portcullis_identity::{ClientAuthentication, CredentialConfig, HttpFetch, IssuedConfig, StoredConfig};

use crate::config::{
    Config, Parameter, Remote, Report, Severity,
    credential::{ClientProof, Credential, Issued, Way},
    read_private,
};

/// A credential for one server, and a digest of the secrets it takes, so that a rotated one reaches the server.
#[derive(Clone)]
pub(crate) struct Fetched {
    pub(crate) config: CredentialConfig,
    pub(crate) name: String,
    pub(crate) secrets: Digest,
}

/// Fetches what the credential that `remote` names takes; what is missing goes into the report.
pub(super) fn fetch(config: &Config, report: &mut Report, remote: &Remote) -> Result<Option<Fetched>, ()> {
    let Some(name) = &remote.credential else { return Ok(None) };
    // That it exists was checked when it was read.
    let credential = config.credentials.iter().find(|it| it.name.as_str() == name).ok_or(())?;
    let mut needs = Needs { config, report, credential, secrets: Vec::new() };
    let made = needs.make(remote).ok_or(())?;
    let secrets = Digest::of_parts(needs.secrets.iter().map(Secret::expose));
    Ok(Some(Fetched { config: made, name: name.clone(), secrets }))
}

struct Needs<'c> {
    config: &'c Config,
    report: &'c mut Report,
    credential: &'c Credential,
    secrets: Vec<Secret>,
}

impl Needs<'_> {
    fn make(&mut self, remote: &Remote) -> Option<CredentialConfig> {
        let fetch = HttpFetch::new(self.credential.ca_file.as_deref());
        let fetch = fetch.map_err(|what| self.missing("ca_file", what, "name a PEM file with certificates"));
        match &self.credential.way {
            Way::Vault(vault) => {
                let token = self.secret("token", &vault.token)?;
                Some(CredentialConfig::Stored(StoredConfig {
                    fetch: Arc::new(fetch.ok()?),
                    url: vault.url.clone(),
                    token,
                    namespace: vault.namespace.as_deref().map(Into::into),
                    field: vault.field.as_str().into(),
                    fresh_ms: u64::try_from(vault.refresh.as_millis()).unwrap_or(u64::MAX),
                }))
            }
            Way::ClientCredentials(issued) => {
                self.issued(issued, remote, fetch.ok()?).map(CredentialConfig::ClientCredentials)
            }
            Way::Exchange { issued, actor, danger_beyond_caller_scopes } => {
                let issued = self.issued(issued, remote, fetch.ok()?)?;
                let danger_beyond_caller_scopes = *danger_beyond_caller_scopes;
                Some(CredentialConfig::Exchange { issued, actor: *actor, danger_beyond_caller_scopes })
            }
        }
    }

    fn issued(&mut self, issued: &Issued, remote: &Remote, fetch: HttpFetch) -> Option<IssuedConfig> {
        let authentication = match &issued.proof {
            ClientProof::Secret(secret) => {
                ClientAuthentication::Secret(self.secret("client_secret", secret)?)
            }
            ClientProof::Key { file, id } => {
                let pem = read_private(file).map_err(|error| {
                    self.missing("client_key", error.to_string(), &error.remedy());
                });
                let pem = self.kept(pem.ok()?);
                let key = ClientAuthentication::key(&pem, id.clone());
                key.map_err(|what| {
                    let what = format!("`{}`: {what}", file.display());
                    self.missing("client_key", what, "put a private key in PEM there");
                })
                .ok()?
            }
        };
        let text = |text: &String| text.as_str().into();
        Some(IssuedConfig {
            fetch: Arc::new(fetch),
            issuer: text(&issued.issuer),
            client_id: text(&issued.client_id),
            authentication,
            resource: remote
                .credential_resource
                .as_ref()
                .map_or_else(|| remote.url.to_string(), Clone::clone)
                .into(),
            audience: issued.audience.as_ref().map(text),
            scopes: issued.scopes.iter().map(text).collect(),
            max_lifetime: issued.max_lifetime.as_secs(),
            max_delegation: issued.max_delegation,
        })
    }

    fn secret(&mut self, setting: &str, parameter: &Parameter) -> Option<Secret> {
        match parameter.fetch() {
            Ok(secret) => Some(self.kept(secret)),
            Err(error) => {
                self.missing(setting, error.to_string(), &error.remedy());
                None
            }
        }
    }

    fn kept(&mut self, secret: Secret) -> Secret {
        self.secrets.push(secret.clone());
        secret
    }

    fn missing(&mut self, setting: &str, what: String, remedy: &str) {
        let field = format!("credential.{}.{setting}", self.credential.name);
        self.report.push(self.config.problem(&field, Severity::Error, what, remedy));
    }
}
