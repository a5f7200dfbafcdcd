//! How callers are known, with everything that takes.

use std::{path::Path, sync::Arc, time::Duration};

use portcullis_identity::{
    AuthConfig, ClientAuthentication, HttpFetch, Introspection, Issuer, KeySet, KeySource, OauthClient,
    OauthConfig, Revocations, SignInConfig,
};

use super::credential::Proof;
use crate::config::{self, Auth, Config, Report, Severity, issuer::Keys, sources};

/// What is wrong and what to do about it.
type Flaw = (String, String);

/// Fetches what the authentication of `config` names; what is missing goes into the report.
pub(super) fn fetch(config: &Config, report: &mut Report) -> AuthConfig {
    match &config.auth {
        Auth::LoopbackUser => AuthConfig::LoopbackUser,
        Auth::Dev { principal } => AuthConfig::StaticDev { name: principal.as_str().into() },
        Auth::Oauth(oauth) => AuthConfig::Oauth(OauthConfig {
            issuers: oauth.issuers.iter().filter_map(|one| issuer(config, report, one)).collect(),
            required_scopes: oauth.required_scopes.iter().map(|scope| scope.as_str().into()).collect(),
            dpop_nonces: oauth.dpop_nonce,
            client_certificates: config.tls.as_ref().is_some_and(|tls| tls.clients.is_some()),
            keep_tokens: config.credentials.iter().any(config::Credential::is_of_callers_token),
        }),
    }
}

/// How people at a browser are known, by the names of their issuers.
pub(super) fn sign_ins(config: &Config, report: &mut Report) -> Vec<(String, SignInConfig)> {
    let Auth::Oauth(oauth) = &config.auth else { return Vec::new() };
    let mut made = Vec::new();
    for issuer in &oauth.issuers {
        let Some((client_id, secret)) = &issuer.login else { continue };
        let table = format!("issuer.{}", issuer.name);
        let fetch = HttpFetch::new(issuer.ca_file.as_deref()).map_err(|what| {
            let remedy = "name a PEM file with certificates";
            report.push(config.problem(&format!("{table}.ca_file"), Severity::Error, what, remedy));
        });
        let mut secrets = Vec::new();
        let mut proof = Proof { config, report, table: &table, secrets: &mut secrets };
        let secret = secret.as_ref().map(|secret| proof.secret("login_client_secret", secret));
        let (Ok(fetch), Some(authentication)) = (fetch, secret.map_or(Some(None), |it| it.map(Some))) else {
            continue;
        };
        let sign_in = SignInConfig {
            fetch: Arc::new(fetch),
            issuer: issuer.url.as_str().into(),
            client_id: client_id.as_str().into(),
            authentication: authentication.map(ClientAuthentication::Secret),
            scopes: oauth.required_scopes.iter().map(|scope| scope.as_str().into()).collect(),
        };
        made.push((issuer.name.to_string(), sign_in));
    }
    made
}

/// What was taken back. A list that cannot be read is no empty one.
pub(super) fn revoked(config: &Config, report: &mut Report) -> Revocations {
    let list = &config.revocations;
    if !list.exists() {
        return Revocations::default();
    }
    let shown = sources::label(list);
    let read = sources::read(list).map_err(|unfit| (unfit.what, unfit.remedy)).and_then(|text| {
        let remedy = || "correct the line; `portcullis revoke` writes them".to_owned();
        Revocations::parse(text.as_bytes()).map_err(|fault| (fault.to_string(), remedy()))
    });
    read.unwrap_or_else(|(what, remedy)| {
        let what = format!("`{}`: {what}", shown.display());
        report.push(config.problem("auth.revocations", Severity::Error, what, remedy));
        Revocations::default()
    })
}

fn issuer(config: &Config, report: &mut Report, issuer: &config::Issuer) -> Option<Issuer> {
    let (setting, keys) = match &issuer.keys {
        Keys::File(file) => ("jwks_file", keys_of(file)),
        Keys::Discovered { ca_file, fresh, grace } => {
            ("ca_file", discovered(ca_file.as_deref(), *fresh, *grace))
        }
    };
    let keys = keys.map_err(|(what, remedy)| {
        let field = format!("issuer.{}.{setting}", issuer.name);
        report.push(config.problem(&field, Severity::Error, what, remedy));
    });
    let introspection = match &issuer.introspection {
        Some(asked) => Some(introspection(config, report, issuer, asked)?),
        None => None,
    };
    Some(Issuer {
        introspection,
        name: issuer.name.as_str().into(),
        url: issuer.url.as_str().into(),
        keys: keys.ok()?,
        algorithms: issuer.algorithms.clone(),
        clients: issuer.clients.clone(),
        tenant: issuer.tenant.as_deref().map(Into::into),
        skew: issuer.skew.as_secs(),
        max_lifetime: issuer.max_lifetime.as_secs(),
        max_delegation: issuer.max_delegation,
        require_dpop: issuer.require_dpop,
        require_mtls: issuer.require_mtls,
        danger_accept_untyped: issuer.danger_accept_untyped,
    })
}

fn introspection(
    config: &Config,
    report: &mut Report,
    issuer: &config::Issuer,
    asked: &config::issuer::Introspection,
) -> Option<Introspection> {
    let table = format!("issuer.{}", issuer.name);
    let fetch = HttpFetch::new(asked.ca_file.as_deref());
    let fetch = fetch.map_err(|what| {
        let remedy = "name a PEM file with certificates";
        report.push(config.problem(&format!("{table}.ca_file"), Severity::Error, what, remedy));
    });
    let mut secrets = Vec::new();
    let mut proof = Proof { config, report, table: &table, secrets: &mut secrets };
    let authentication =
        proof.fetch(&asked.proof, "introspection_client_key", "introspection_client_secret")?;
    let client = OauthClient {
        fetch: Arc::new(fetch.ok()?),
        issuer: issuer.url.as_str().into(),
        client_id: asked.client_id.as_str().into(),
        authentication,
    };
    Some(Introspection { client, seconds: asked.fresh.as_secs() })
}

/// Keys of which one has to have signed each request.
pub(super) fn signature_keys(config: &Config, report: &mut Report) -> Option<KeySet> {
    let read =
        read_keys(config.signature_keys.as_deref()?, "put the public keys of clients there, as a JWK Set");
    read.map_err(|(what, remedy)| {
        report.push(config.problem("auth.signature_keys", Severity::Error, what, remedy));
    })
    .ok()
}

fn keys_of(file: &Path) -> Result<KeySource, Flaw> {
    read_keys(file, "put the issuer's public keys there, as it publishes them").map(KeySource::Fixed)
}

fn read_keys(file: &Path, remedy: &str) -> Result<KeySet, Flaw> {
    let shown = sources::label(file);
    let named = |what: String| format!("`{}`: {what}", shown.display());
    let text = sources::read(file).map_err(|unfit| (named(unfit.what), unfit.remedy))?;
    KeySet::parse(text.into()).map_err(|fault| (named(fault.to_string()), remedy.to_owned()))
}

fn discovered(ca_file: Option<&Path>, fresh: Duration, grace: Duration) -> Result<KeySource, Flaw> {
    let remedy = || "name a PEM file with certificates".to_owned();
    let fetch = HttpFetch::new(ca_file).map_err(|what| (what, remedy()))?;
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    Ok(KeySource::Discovered { fetch: Arc::new(fetch), fresh_ms: ms(fresh), grace_ms: ms(grace) })
}
