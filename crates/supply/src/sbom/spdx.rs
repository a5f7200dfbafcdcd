//! SPDX 2.3 as JSON (ISO/IEC 5962 and its successors).

use serde_json::{Value, json};

use super::{Bill, Component, Form, digest, ecosystem, expression, kept, list, own, text, with};
use crate::{
    admit::{Admitted, LockedPart},
    purl::{self, Purl},
};

const DOCUMENT: &str = "SPDXRef-DOCUMENT";
const UNSAID: &str = "NOASSERTION";

pub(super) fn read(document: &Value) -> Bill {
    let described: Vec<&str> = list(document, "documentDescribes").iter().filter_map(Value::as_str).collect();
    let related = list(document, "relationships").iter().filter(|it| {
        (text(it, "spdxElementId"), text(it, "relationshipType")) == (Some(DOCUMENT), Some("DESCRIBES"))
    });
    let related = related.filter_map(|it| text(it, "relatedSpdxElement"));
    let described: Vec<&str> = described.into_iter().chain(related).collect();
    let is_subject = |package: &Value| text(package, "SPDXID").is_some_and(|id| described.contains(&id));
    let packages = list(document, "packages");
    // A document about several packages is about none of them alone.
    let mut subjects = packages.iter().filter(|it| is_subject(it));
    let subject = subjects.next().filter(|_| subjects.next().is_none());
    let others = packages.iter().filter(|it| subject.is_none_or(|subject| !std::ptr::eq(*it, subject)));
    Bill { form: Form::Spdx, subject: subject.map(component), components: others.map(component).collect() }
}

fn component(value: &Value) -> Component {
    let hash = |algorithm: &str| {
        let mut all = list(value, "checksums").iter();
        let found = all.find(|it| text(it, "algorithm") == Some(algorithm))?;
        text(found, "checksumValue").map(str::to_ascii_lowercase)
    };
    let purl = list(value, "externalRefs").iter().find(|it| text(it, "referenceType") == Some("purl"));
    Component {
        name: text(value, "name").and_then(kept).unwrap_or_default(),
        version: text(value, "versionInfo").and_then(kept),
        sha256: hash("SHA256"),
        sha512: hash("SHA512"),
        purl: purl.and_then(|it| text(it, "referenceLocator")).and_then(Purl::read),
    }
}

pub(super) fn write(server: &Admitted) -> Value {
    let (own, ecosystem) = (own(server), ecosystem(server));
    let id = |number: usize| format!("SPDXRef-Package-{number}");
    let package = |(number, part): (usize, &LockedPart)| {
        let licence = part.licence.as_deref();
        let package = json!({
            "name": part.name,
            "SPDXID": id(number),
            "versionInfo": part.version,
            "downloadLocation": UNSAID,
            "filesAnalyzed": false,
            "licenseConcluded": UNSAID,
            "licenseDeclared": licence.and_then(expression).unwrap_or(UNSAID),
            "copyrightText": UNSAID,
            "externalRefs": [{
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": purl::write(ecosystem.of_part(part.bundled), &part.name, &part.version),
            }],
        });
        let comment = licence.filter(|it| expression(it).is_none()).map(|licence| json!(licence));
        let checksum = |digest| json!([{ "algorithm": "SHA256", "checksumValue": digest }]);
        with(with(package, "licenseComments", comment), "checksums", digest(part).map(checksum))
    };
    let related = |element: &str, kind: &str, related: &str| json!({ "spdxElementId": element, "relationshipType": kind, "relatedSpdxElement": related });
    let root = server.parts.iter().position(|part| own == Some(part));
    let describes = root.map(|root| related(DOCUMENT, "DESCRIBES", &id(root)));
    let contains = (0..server.parts.len()).filter(|number| Some(*number) != root);
    let contains = contains.filter_map(|number| Some(related(&id(root?), "CONTAINS", &id(number))));
    let tree = server.tree.to_string();
    json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": DOCUMENT,
        "name": server.package,
        "documentNamespace": format!("urn:portcullis:sbom:{}:{tree}", server.name),
        "creationInfo": {
            "created": server.submitted_at,
            "creators": [concat!("Tool: portcullis-", env!("CARGO_PKG_VERSION"))],
        },
        "comment": format!("tree {tree}"),
        "packages": server.parts.iter().enumerate().map(package).collect::<Vec<_>>(),
        "relationships": describes.into_iter().chain(contains).collect::<Vec<_>>(),
    })
}
