//! What publishers say about advisories, and under which licences packages are, as `add` and `lock --check` go by it.

use std::{fs, process::Command};

use portcullis_testkit::registry::{Registry, tarball};
use serde_json::{Value, json};

use crate::admission::House;

/// Publishes a server that needs a library under that licence.
fn publish(registry: &Registry, licence: &Value) {
    let mut library = json!({ "name": "acme-library", "version": "1.0.0", "license": licence });
    if licence.is_null() {
        library.as_object_mut().unwrap().remove("license");
    }
    let archive = tarball(&library, &[("index.js", "1")]);
    registry.publish_npm(&library, &archive, &archive);
    let manifest = json!({ "name": "acme-desk", "version": "1.0.0", "bin": "main.js", "license": "MIT",
        "dependencies": { "acme-library": "1.0.0" } });
    let archive = tarball(&manifest, &[("main.js", "1")]);
    registry.publish_npm(&manifest, &archive, &archive);
}

#[test]
fn the_word_of_a_listed_author_takes_an_advisory_down() {
    let (house, registry) = (House::new(), Registry::start());
    publish(&registry, &json!("MIT"));
    let npm = registry.npm();
    let write = |name: &str, value: &Value| fs::write(house.path(name), value.to_string()).unwrap();
    fs::create_dir(house.path("osv")).unwrap();
    let advisory = |id: &str, package: &str| {
        json!({ "id": id, "modified": "2999-01-01T00:00:00Z", "database_specific": { "severity": "CRITICAL" },
            "affected": [{ "package": { "ecosystem": "npm", "name": package },
                "ranges": [{ "type": "SEMVER", "events": [{ "introduced": "0" }] }] }] })
    };
    write("osv/one.json", &advisory("GHSA-one", "acme-library"));
    let now = jiff::Timestamp::now().to_string();
    write(
        "vex.json",
        &json!({
            "@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://acme.example/1", "author": "Acme Security",
            "timestamp": now, "version": 1,
            "statements": [{ "vulnerability": { "name": "GHSA-one" }, "status": "not_affected",
                "products": [{ "@id": "pkg:npm/acme-library@1.0.0" }], "justification": "component_not_present" }],
        }),
    );
    let osv = ["--osv", "osv"];
    let add = |more: &[&'static str]| {
        house
            .add("npm:acme-desk", &npm, &[&osv[..], more].concat())
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let refused = |more: &[&'static str], reason: &str| {
        let args = add(more);
        house.refused(&args.iter().map(String::as_str).collect::<Vec<_>>(), 1, reason);
    };
    refused(&[], "GHSA-one (critical)");
    refused(&["--vex", "vex.json"], "statements of `Acme Security` count for nothing");
    refused(&["--vex", "vex.json", "--vex-author", "Somebody"], "GHSA-one (critical)");
    let args = add(&["--vex", "vex.json", "--vex-author", "Acme Security"]);
    let said = house.succeed(&args.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(
        said.contains("Acme Security says it does not concern it") && said.contains("component_not_present"),
        "{said}"
    );
    let check = ["lock", "--check", "--without-store", "--osv", "osv", "--json"];
    let problems = |more: &[&str]| String::from_utf8(house.run(&[&check[..], more].concat()).stdout).unwrap();
    assert!(problems(&[]).contains("GHSA-one"));
    assert!(!problems(&["--vex", "vex.json", "--vex-author", "Acme Security"]).contains("GHSA-one"));
    write("osv/two.json", &advisory("MAL-two", "acme-library"));
    refused(&["--vex", "vex.json", "--vex-author", "Acme Security"], "malicious");
}

#[test]
fn licences_that_are_not_taken_are_refused_and_unknown_ones_told() {
    for (licence, more, expected) in [
        (
            json!("GPL-3.0"),
            &["--licence-deny", "GPL-3.0-only"][..],
            Err("acme-library: its licence `GPL-3.0` is denied"),
        ),
        (json!("MIT OR GPL-3.0"), &["--licence-deny", "GPL-3.0-only"], Ok("")),
        (json!("ISC"), &["--licence-allow", "MIT"], Err("acme-library: its licence `ISC` is not allowed")),
        (json!({ "type": "ISC" }), &["--licence-allow", "MIT", "--licence-allow", "ISC"], Ok("")),
        (Value::Null, &["--licence-allow", "MIT"], Ok("unknown-licence: of acme-library")),
        (json!("SEE LICENSE IN LICENSE"), &["--licence-deny", "ISC"], Ok("unknown-licence: of acme-library")),
        (Value::Null, &[], Ok("")),
    ] {
        let (house, registry) = (House::new(), Registry::start());
        publish(&registry, &licence);
        let npm = registry.npm();
        let args = house.add("npm:acme-desk", &npm, more);
        match expected {
            Err(reason) => house.refused(&args, 1, reason),
            Ok(finding) => {
                let said = house.succeed(&args);
                assert!(said.contains(finding), "{licence}: {said}");
                assert_eq!(said.contains("unknown-licence"), !finding.is_empty(), "{licence}: {said}");
            }
        }
    }
    // What is admitted and is not taken any more is a problem of the lock.
    let (house, registry) = (House::new(), Registry::start());
    publish(&registry, &json!("ISC"));
    house.succeed(&house.add("npm:acme-desk", &registry.npm(), &[]));
    let check = ["lock", "--check", "--without-store", "--licence-deny", "ISC"];
    let said = String::from_utf8(house.run(&check).stdout).unwrap();
    assert!(said.contains("acme-library: its licence `ISC` is denied"), "{said}");
}

#[test]
fn the_bill_of_a_publisher_is_compared_with_what_is_there() {
    let (house, registry) = (House::new(), Registry::start());
    publish(&registry, &json!("MIT"));
    let npm = registry.npm();
    // npm writes the bill of the very package.
    fs::create_dir(house.path("source")).unwrap();
    let manifest =
        json!({ "name": "acme-desk", "version": "1.0.0", "dependencies": { "acme-library": "1.0.0" } });
    fs::write(house.path("source/package.json"), manifest.to_string()).unwrap();
    let run = |args: &[&str]| {
        let mut command = Command::new("npm");
        command
            .args(args)
            .args(["--registry", &npm, "--package-lock-only"])
            .current_dir(house.path("source"));
        let output = command.env("HOME", house.path("home")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    run(&["install", "--ignore-scripts"]);
    for form in ["cyclonedx", "spdx"] {
        fs::write(house.path(form), run(&["sbom", "--sbom-format", form])).unwrap();
        let more = ["--sbom", form, "--require-sbom"];
        let said: Value = serde_json::from_str(&house.succeed(&house.add(
            "npm:acme-desk",
            &npm,
            &[&more[..], &["--json"]].concat(),
        )))
        .unwrap();
        assert!(said["sbom"].as_str().unwrap().starts_with("sha256:"), "{said}");
        assert!(!said["finding"].to_string().contains("sbom-differs"), "{said}");
        // Without the library, and with another digest of it.
        let text = fs::read_to_string(house.path(form)).unwrap();
        for (name, changed) in
            [("other", text.replace("acme-library@1.0.0", "acme-library@2.0.0")), ("swapped", digits(&text))]
        {
            assert_ne!(changed, text);
            fs::write(house.path(name), changed).unwrap();
            house.refused(
                &house.add("npm:acme-desk", &npm, &["--sbom", name, "--require-sbom"]),
                1,
                "acme-library@1.0.0",
            );
            let said = house.succeed(&house.add("npm:acme-desk", &npm, &["--sbom", name]));
            assert!(said.contains("sbom-differs"), "{said}");
        }
    }
    house.refused(&house.add("npm:acme-desk", &npm, &["--require-sbom"]), 1, "sbom-missing");

    // What is written here is signed, and taken back.
    for form in ["cyclonedx", "spdx"] {
        let written = house.succeed(&[
            "inventory",
            "--sbom",
            "acme-desk",
            "--format",
            form,
            "--key",
            "bob.key",
            "--signature",
            "note",
        ]);
        fs::write(house.path("bill"), &written).unwrap();
        let signed =
            ["--sbom", "bill", "--require-sbom", "--sbom-signature", "note", "--sbom-signer", "bob.key.pub"];
        house.succeed(&house.add("npm:acme-desk", &npm, &signed));
        fs::write(house.path("bill"), format!("{written}\n")).unwrap();
        house.refused(&house.add("npm:acme-desk", &npm, &signed), 1, "signed by nobody whose key is named");
        house.refused(
            &house.add("npm:acme-desk", &npm, &["--sbom", "bill", "--sbom-signer", "bob.key.pub"]),
            1,
            "signed by nobody",
        );
    }
}

/// The same bill with other digests.
fn digits(text: &str) -> String {
    let swap = |word: &str| word.len() == 128 && word.bytes().all(|it| it.is_ascii_hexdigit());
    let words = text.split('"').map(|word| if swap(word) { "0".repeat(128) } else { word.to_owned() });
    words.collect::<Vec<_>>().join("\"")
}
