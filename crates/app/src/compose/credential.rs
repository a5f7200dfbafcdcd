//! What servers are shown, with every secret that takes.

use std::sync::Arc;

use portcullis_core::{Digest, Secret, ServerName};
use portcullis_identity::{
    ClientAuthentication, ConnectConfig, CredentialConfig, HttpFetch, IdJagConfig, IssuedConfig, OauthClient,
    Remedy, StoredConfig, authorization_details,
};

use crate::config::{
    Auth, Config, Parameter, Remote, Report, Severity,
    credential::{ClientProof, Consented, Credential, Issued, Way},
    read_private,
};
use crate::connections::ConnectionFiles;

/// A credential for one server, and a digest of the secrets it takes, so that a rotated one reaches the server.
#[derive(Clone)]
pub(crate) struct Fetched {
    pub(crate) config: CredentialConfig,
    pub(crate) name: String,
    pub(crate) secrets: Digest,
}

/// Fetches what the credential that `remote` names takes; what is missing goes into the report.
pub(crate) fn fetch(
    config: &Config,
    report: &mut Report,
    server: &ServerName,
    remote: &Remote,
) -> Result<Option<Fetched>, ()> {
    let Some(name) = &remote.credential else { return Ok(None) };
    // That it exists was checked when it was read.
    let credential = config.credentials.iter().find(|it| it.name.as_str() == name).ok_or(())?;
    let table = format!("credential.{name}");
    let mut needs = Needs { config, report, credential, table, secrets: Vec::new() };
    let made = needs.make(server, remote).ok_or(())?;
    let secrets = Digest::of_parts(needs.secrets.iter().map(Secret::expose));
    Ok(Some(Fetched { config: made, name: name.clone(), secrets }))
}

struct Needs<'c> {
    config: &'c Config,
    report: &'c mut Report,
    credential: &'c Credential,
    table: String,
    secrets: Vec<Secret>,
}

impl Needs<'_> {
    fn make(&mut self, server: &ServerName, remote: &Remote) -> Option<CredentialConfig> {
        let ca_file = self.credential.ca_file.as_deref();
        let fetch = match &self.credential.way {
            // The server is asked too.
            Way::AuthorizationCode(_) => HttpFetch::new(ca_file.or(remote.ca_file.as_deref())),
            _ => HttpFetch::new(ca_file),
        };
        let fetch = fetch.map_err(|what| self.missing("ca_file", what, "name a PEM file with certificates"));
        match &self.credential.way {
            Way::Vault(vault) => {
                let (config, report, secrets) = (self.config, &mut *self.report, &mut self.secrets);
                let mut proof = Proof { config, report, table: &self.table, secrets };
                let token = proof.secret("token", &vault.token)?;
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
            Way::IdJag { provider: (issuer, client_id, proof), issued } => {
                let provider = self.provider(issuer, client_id, proof);
                let issued = self.issued(issued, remote, fetch.ok()?);
                Some(CredentialConfig::IdJag(IdJagConfig { provider: provider?, issued: issued? }))
            }
            Way::AuthorizationCode(consented) => {
                let connect = self.consented(consented, server, remote, fetch.ok()?)?;
                Some(CredentialConfig::AuthorizationCode(connect))
            }
        }
    }

    fn consented(
        &mut self,
        consented: &Consented,
        server: &ServerName,
        remote: &Remote,
        fetch: HttpFetch,
    ) -> Option<ConnectConfig> {
        let (config, report, secrets) = (self.config, &mut *self.report, &mut self.secrets);
        let mut proof = Proof { config, report, table: &self.table, secrets };
        let client = match &consented.client {
            Some((id, Some(given))) => {
                Some((id.as_str().into(), Some(proof.fetch(given, "client_key", "client_secret")?)))
            }
            Some((id, None)) => Some((id.as_str().into(), None)),
            None => None,
        };
        Some(ConnectConfig {
            fetch: Arc::new(fetch),
            server: remote.url.uri().clone(),
            issuer: consented.issuer.as_deref().map(Into::into),
            client,
            document: consented.document.as_deref().map(Into::into),
            registers: consented.registers,
            scopes: consented.scopes.iter().map(|scope| scope.as_str().into()).collect(),
            remedy: match (&self.config.auth, &self.config.gateway.public_url) {
                (Auth::Oauth(_), Some(public)) => {
                    Remedy::Page { origin: super::origin_of(public).into(), server: server.as_str().into() }
                }
                _ => Remedy::Command(
                    format!("connect with `portcullis login {server}`, then send it again").into(),
                ),
            },
            store: Arc::new(ConnectionFiles::of(self.config)),
        })
    }

    /// The gateway at the identity provider.
    fn provider(&mut self, issuer: &str, client_id: &str, proof: &ClientProof) -> Option<OauthClient> {
        let fetch = HttpFetch::new(self.credential.ca_file.as_deref());
        let (config, report, secrets) = (self.config, &mut *self.report, &mut self.secrets);
        let mut needs = Proof { config, report, table: &self.table, secrets };
        let authentication = needs.fetch(proof, "provider_client_key", "provider_client_secret")?;
        // What is wrong with the file of authorities was told already.
        let fetch = Arc::new(fetch.ok()?);
        Some(OauthClient { fetch, issuer: issuer.into(), client_id: client_id.into(), authentication })
    }

    fn issued(&mut self, issued: &Issued, remote: &Remote, fetch: HttpFetch) -> Option<IssuedConfig> {
        let mut proof = Proof {
            config: self.config,
            report: self.report,
            table: &self.table,
            secrets: &mut self.secrets,
        };
        let authentication = proof.fetch(&issued.proof, "client_key", "client_secret")?;
        let text = |text: &String| text.as_str().into();
        let resource =
            remote.credential_resource.as_ref().map_or_else(|| remote.url.to_string(), Clone::clone);
        Some(IssuedConfig {
            client: OauthClient {
                fetch: Arc::new(fetch),
                issuer: text(&issued.issuer),
                client_id: text(&issued.client_id),
                authentication,
            },
            resource: resource.into(),
            audience: issued.audience.as_ref().map(text),
            scopes: issued.scopes.iter().map(text).collect(),
            // Each was read when the configuration was.
            details: authorization_details(format!("[{}]", issued.details.join(",")).as_bytes()).ok()?,
            details_of_caller: issued.details_of_caller.iter().map(text).collect(),
            max_lifetime: issued.max_lifetime.as_secs(),
            max_delegation: issued.max_delegation,
        })
    }

    fn missing(&mut self, setting: &str, what: String, remedy: &str) {
        let field = format!("{}.{setting}", self.table);
        self.report.push(self.config.problem(&field, Severity::Error, what, remedy));
    }
}

/// Fetches what proves that the gateway is a client of somebody's.
pub(super) struct Proof<'c> {
    pub(super) config: &'c Config,
    pub(super) report: &'c mut Report,
    /// The table it is configured in.
    pub(super) table: &'c str,
    /// Every secret that was fetched.
    pub(super) secrets: &'c mut Vec<Secret>,
}

impl Proof<'_> {
    /// The proof; `key` and `secret` are the settings that name it.
    pub(super) fn fetch(
        &mut self,
        proof: &ClientProof,
        key: &str,
        secret: &str,
    ) -> Option<ClientAuthentication> {
        match proof {
            ClientProof::Secret(parameter) => {
                self.secret(secret, parameter).map(ClientAuthentication::Secret)
            }
            ClientProof::Key { file, id } => {
                let pem = read_private(file);
                let pem = pem.map_err(|error| self.missing(key, error.to_string(), &error.remedy())).ok()?;
                self.secrets.push(pem.clone());
                let read = ClientAuthentication::key(&pem, id.clone());
                let remedy = "put a private key in PEM there";
                read.map_err(|what| self.missing(key, format!("`{}`: {what}", file.display()), remedy)).ok()
            }
        }
    }

    /// One secret.
    pub(super) fn secret(&mut self, setting: &str, parameter: &Parameter) -> Option<Secret> {
        let fetched = parameter.fetch();
        let secret =
            fetched.map_err(|error| self.missing(setting, error.to_string(), &error.remedy())).ok()?;
        self.secrets.push(secret.clone());
        Some(secret)
    }

    fn missing(&mut self, setting: &str, what: String, remedy: &str) {
        let field = format!("{}.{setting}", self.table);
        self.report.push(self.config.problem(&field, Severity::Error, what, remedy));
    }
}
