//! A gateway that knows its callers by tokens, and the issuer it trusts.

use std::path::Path;

use portcullis_testkit::{
    gateway::{Gateway, Setup},
    issuer::Issuer,
};
use serde_json::{Value, json};

use crate::{
    ground::{Ground, NOTES},
    http::Request,
};

/// The issuer's identifier. Nobody listens there: its keys are in a file.
pub(crate) const ISSUER: &str = "https://as.test";

/// Settings that trust `issuer`, whose keys are put into `directory`.
pub(crate) fn trusting(issuer: &Issuer, directory: &Path, setup: Setup) -> Setup {
    trusting_with(issuer, directory, setup, "")
}

/// The same with these settings of the issuer.
pub(crate) fn trusting_with(issuer: &Issuer, directory: &Path, setup: Setup, settings: &str) -> Setup {
    let keys = directory.join("keys.json");
    issuer.publish(&keys);
    setup.sections(&format!(
        "[auth]\nmode = \"oauth\"\n\n[issuer.corp]\nurl = \"{ISSUER}\"\njwks_file = {}\n{settings}\n\
         [limits]\nrequests_per_second = 100000\n",
        json!(keys)
    ))
}

/// The URL that tokens for the server's endpoint are for.
pub(crate) fn audience(gateway: &Gateway) -> String {
    format!("http://{}{NOTES}", gateway.address())
}

/// An honest call with this in its `Authorization` header.
pub(crate) fn with(authorization: &str) -> Request {
    Ground::honest().header("authorization", authorization)
}

/// The same with a bearer token.
pub(crate) fn bearer(token: &str) -> Request {
    with(&format!("Bearer {token}"))
}

/// The header of a good token with changes: a null takes a member away.
pub(crate) fn header(changes: Value) -> String {
    changed(json!({ "alg": "ES256", "typ": "at+jwt", "kid": "ES256" }), changes).to_string()
}

/// A JSON object with the members of another put into it.
pub(crate) fn changed(mut object: Value, changes: Value) -> Value {
    let (Some(members), Value::Object(changes)) = (object.as_object_mut(), changes) else { return object };
    for (name, value) in changes {
        match value {
            Value::Null => drop(members.remove(&name)),
            value => drop(members.insert(name, value)),
        }
    }
    object
}
