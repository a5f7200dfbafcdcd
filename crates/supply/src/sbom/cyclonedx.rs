//! CycloneDX as JSON (ECMA-424).

use serde_json::{Value, json};

use super::{Bill, Component, Form, digest, ecosystem, expression, kept, list, own, text, with};
use crate::{
    admit::{Admitted, LockedPart},
    purl::{self, Purl},
};

/// The versions that are read.
const VERSIONS: [&str; 4] = ["1.4", "1.5", "1.6", "1.7"];

pub(super) fn read(document: &Value) -> Option<Bill> {
    let version = text(document, "specVersion").unwrap_or_default();
    if !VERSIONS.contains(&version) {
        return None;
    }
    let subject = document.pointer("/metadata/component").map(component);
    // Components may hold components.
    let (mut components, mut rest): (Vec<Component>, Vec<&Value>) =
        (Vec::new(), list(document, "components").iter().collect());
    while let Some(one) = rest.pop() {
        // What is `excluded` is not in what is delivered.
        if text(one, "scope") != Some("excluded") {
            components.push(component(one));
        }
        rest.extend(list(one, "components"));
    }
    Some(Bill { form: Form::CycloneDx, subject, components })
}

fn component(value: &Value) -> Component {
    let hash = |algorithm: &str| {
        let mut all = list(value, "hashes").iter();
        let found = all.find(|it| text(it, "alg") == Some(algorithm))?;
        text(found, "content").map(str::to_ascii_lowercase)
    };
    let name = text(value, "name").and_then(kept).unwrap_or_default();
    Component {
        name: match text(value, "group").and_then(kept) {
            Some(group) => format!("{group}/{name}"),
            None => name,
        },
        version: text(value, "version").and_then(kept),
        sha256: hash("SHA-256"),
        sha512: hash("SHA-512"),
        purl: text(value, "purl").and_then(Purl::read),
    }
}

pub(super) fn write(server: &Admitted) -> Value {
    let (own, ecosystem) = (own(server), ecosystem(server));
    let component = |part: &LockedPart, class: &str| {
        let purl = purl::write(ecosystem.of_part(part.bundled), &part.name, &part.version);
        let component = json!({
            "type": class,
            "bom-ref": purl,
            "name": part.name,
            "version": part.version,
            "purl": purl,
        });
        let hashes = digest(part).map(|digest| json!([{ "alg": "SHA-256", "content": digest }]));
        let licences = part.licence.as_deref().map(|licence| match expression(licence) {
            Some(expression) => json!([{ "expression": expression }]),
            None => json!([{ "license": { "name": licence } }]),
        });
        with(with(component, "hashes", hashes), "licenses", licences)
    };
    let others = server.parts.iter().filter(|part| own != Some(*part));
    json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": server.submitted_at,
            "component": own.map(|part| component(part, "application")),
            "properties": [{ "name": "portcullis:tree", "value": server.tree.to_string() }],
        },
        "components": others.map(|part| component(part, "library")).collect::<Vec<_>>(),
    })
}
