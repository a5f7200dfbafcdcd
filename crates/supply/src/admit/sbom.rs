//! A server's parts as a bill of materials: CycloneDX 1.6, the same text for the same lock.

use serde_json::{Value, json};

use super::{Admitted, LockedPart};

/// The bill of materials of a server, from what the lock says about it.
pub fn cyclonedx(server: &Admitted) -> Value {
    let kind = server.package.split(':').next().unwrap_or_default();
    let own = server.parts.iter().find(|part| part.artifact == server.artifact);
    let component = |part: &LockedPart, class: &str| {
        let purl = purl(kind, &part.name, &part.version);
        let digest = part.artifact.to_string().replacen("sha256:", "", 1);
        json!({
            "type": class,
            "bom-ref": purl,
            "name": part.name,
            "version": part.version,
            "purl": purl,
            "hashes": [{ "alg": "SHA-256", "content": digest }],
        })
    };
    let others = server.parts.iter().filter(|part| own != Some(*part));
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": own.map(|part| component(part, "application")),
            "properties": [{ "name": "portcullis:tree", "value": server.tree.to_string() }],
        },
        "components": others.map(|part| component(part, "library")).collect::<Vec<_>>(),
    })
}

/// A package URL.
fn purl(kind: &str, name: &str, version: &str) -> String {
    let escaped =
        |text: &str| text.replace('%', "%25").replace('@', "%40").replace('+', "%2B").replace(' ', "%20");
    let kind = if kind == "file" { "generic" } else { kind };
    format!("pkg:{kind}/{}@{}", escaped(name), escaped(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_urls_are_escaped() {
        for (kind, name, version, expected) in [
            ("npm", "@s/a", "1.0.0", "pkg:npm/%40s/a@1.0.0"),
            ("pypi", "a", "1.0+local", "pkg:pypi/a@1.0%2Blocal"),
            ("file", "a b.tgz", "ab12", "pkg:generic/a%20b.tgz@ab12"),
        ] {
            assert_eq!(purl(kind, name, version), expected);
        }
    }
}
