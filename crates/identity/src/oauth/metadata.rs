//! The metadata of a protected resource (RFC 9728 section 2).

use std::sync::Arc;

use portcullis_core::TOOL_CALL;
use serde::Serialize;

use crate::{Algorithm, Resource};

#[derive(Serialize)]
struct Document<'a> {
    resource: String,
    authorization_servers: Vec<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    scopes_supported: &'a [Arc<str>],
    /// In the header alone: never in a body or a query (RFC 6750 sections 2.2 and 2.3).
    bearer_methods_supported: [&'static str; 1],
    dpop_signing_alg_values_supported: Vec<&'static str>,
    dpop_bound_access_tokens_required: bool,
    tls_client_certificate_bound_access_tokens: bool,
    /// What `authorization_details` of a token are understood here (RFC 9396).
    authorization_details_types_supported: [&'static str; 1],
}

pub(super) fn document<'a>(
    resource: Resource<'_>,
    issuers: impl Iterator<Item = &'a str>,
    scopes: &[Arc<str>],
    bound: bool,
    client_certificates: bool,
) -> Vec<u8> {
    let document = Document {
        resource: resource.to_string(),
        authorization_servers: issuers.collect(),
        scopes_supported: scopes,
        bearer_methods_supported: ["header"],
        dpop_signing_alg_values_supported: Algorithm::names().collect(),
        dpop_bound_access_tokens_required: bound,
        tls_client_certificate_bound_access_tokens: client_certificates,
        authorization_details_types_supported: [TOOL_CALL],
    };
    // Strings under string keys always can be written.
    serde_json::to_vec(&document).unwrap_or_default()
}
