//! MCPB bundles, packed and signed by the tool of their makers.

use std::{fs, process::Command};

use serde_json::{Value, json};

use crate::admission::{DESK, House};

/// A house with the real tool, and what it does in there.
struct Workshop {
    house: House,
}

impl Workshop {
    fn new() -> Self {
        let workshop = Self { house: House::new() };
        fs::create_dir(workshop.house.path("tool")).unwrap();
        workshop.run("npm", &["install", "--silent", "--prefix", "tool", "@anthropic-ai/mcpb@2.1.2"]);
        workshop
    }

    fn run(&self, program: &str, args: &[&str]) {
        let mut command = Command::new(program);
        command.args(args).current_dir(self.house.path("")).env("HOME", self.house.path("home"));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn mcpb(&self, args: &[&str]) {
        self.run("tool/node_modules/.bin/mcpb", args);
    }

    /// Packs a server into `file`.
    fn pack(&self, file: &str, change: impl FnOnce(&mut Value)) {
        let source = self.house.path("source");
        let _ = fs::remove_dir_all(&source);
        fs::create_dir_all(source.join("server/node_modules/acme-library")).unwrap();
        let mut manifest = json!({
            "manifest_version": "0.3", "name": "acme-desk", "version": "1.0.0", "description": "Says what it is.",
            "author": { "name": "Acme" }, "license": "MIT",
            "server": { "type": "node", "entry_point": "server/main.js", "mcp_config": {
                "command": "node", "args": ["${__dirname}/server/main.js", "--notes"], "env": { "DESK_TOKEN": "x" },
            } },
        });
        change(&mut manifest);
        fs::write(source.join("manifest.json"), manifest.to_string()).unwrap();
        fs::write(source.join("server/main.js"), DESK).unwrap();
        let library = json!({ "name": "acme-library", "version": "1.2.3", "license": "ISC" });
        fs::write(source.join("server/node_modules/acme-library/package.json"), library.to_string()).unwrap();
        fs::write(source.join("server/node_modules/acme-library/index.js"), "module.exports = 1").unwrap();
        self.mcpb(&["pack", "source", file]);
    }
}

fn add<'a>(package: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let common = ["add", package, "--name", "desk", "--submitter", "alice", "--store", "store"];
    common.iter().chain(more).copied().collect()
}

#[test]
fn a_bundle_is_admitted_with_what_is_in_it_and_by_whom_it_is_signed() {
    let workshop = Workshop::new();
    let house = &workshop.house;
    workshop.pack("desk.mcpb", |_| {});
    let unsigned = fs::read(house.path("desk.mcpb")).unwrap();
    workshop.mcpb(&["sign", "desk.mcpb", "--self-signed"]);
    let signed = fs::read(house.path("desk.mcpb")).unwrap();
    assert_eq!(signed[..unsigned.len()], unsigned);
    let certificate = "tool/node_modules/@anthropic-ai/mcpb/dist/self-signed-cert.pem";
    let by = ["--mcpb-signer", certificate];

    // One that is not signed, changed, or signed by another.
    fs::write(house.path("unsigned.mcpb"), &unsigned).unwrap();
    house.refused(&add("mcpb:unsigned.mcpb", &by), 1, "it is not signed");
    let mut changed = signed.clone();
    changed[40] ^= 1;
    fs::write(house.path("changed.mcpb"), &changed).unwrap();
    house.refused(&add("mcpb:changed.mcpb", &by), 1, "artifact-mismatch");
    let mut forged = signed.clone();
    let signature = forged.len() - b"MCPB_SIG_END".len() - 20;
    forged[signature] ^= 1;
    fs::write(house.path("forged.mcpb"), &forged).unwrap();
    house.refused(&add("mcpb:forged.mcpb", &by), 1, "signature-invalid");
    let other = rcgen::generate_simple_self_signed(vec!["other.example".to_owned()]).unwrap();
    fs::write(house.path("other.pem"), other.cert.pem()).unwrap();
    house.refused(&add("mcpb:desk.mcpb", &["--mcpb-signer", "other.pem"]), 1, "key-unknown");

    let said: Value =
        serde_json::from_str(&house.succeed(&add("mcpb:desk.mcpb", &[&by[..], &["--json"]].concat())))
            .unwrap();
    assert_eq!((said["package"].as_str(), said["version"].as_str()), (Some("mcpb:desk.mcpb"), Some("1.0.0")));
    assert!(said["provenance"]["signer"].as_str().unwrap().starts_with("certificate "), "{said}");
    let parts: Vec<&str> =
        said["part"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(parts, ["acme-desk", "acme-library"]);
    let asks = said["finding"].as_array().unwrap().iter().find(|it| it["kind"] == "bundle-asks").unwrap();
    assert_eq!(asks["detail"], "it wants to be started with --notes, DESK_TOKEN");
    house.succeed(&["approve", "desk", "--store", "store", "--key", "bob.key"]);
    let run = ["run", "--admitted", "desk", "--store", "store", "--approver", "bob.key.pub"];
    assert_eq!(house.answer(&run).as_deref(), Some("desk 1"));
    let bill = house.succeed(&["inventory", "--sbom", "desk"]);
    assert!(
        bill.contains("pkg:npm/acme-library@1.2.3") && bill.contains("pkg:generic/acme-desk@1.0.0"),
        "{bill}"
    );
}

#[test]
fn modules_of_a_bundle_are_compared_with_advisories() {
    let workshop = Workshop::new();
    let house = &workshop.house;
    workshop.pack("desk.mcpb", |_| {});
    fs::create_dir(house.path("osv")).unwrap();
    let advisory = json!({ "id": "MAL-one", "modified": "2999-01-01T00:00:00Z", "affected": [{
        "package": { "ecosystem": "npm", "name": "acme-library" },
        "ranges": [{ "type": "SEMVER", "events": [{ "introduced": "0" }] }],
    }] });
    fs::write(house.path("osv/one.json"), advisory.to_string()).unwrap();
    house.refused(&add("mcpb:desk.mcpb", &["--osv", "osv"]), 1, "MAL-one (malicious)");
    house.refused(
        &add("mcpb:desk.mcpb", &["--licence-deny", "ISC"]),
        1,
        "acme-library: its licence `ISC` is denied",
    );
    for (change, reason) in [
        ("server/../../main.js", "names a program that is not in it"),
        ("/bin/sh", "names a program that is not in it"),
        ("server/other.js", "names a program that is not in it"),
    ] {
        // The tool would not pack these.
        let text = fs::read(house.path("desk.mcpb")).unwrap();
        fs::write(house.path("odd.mcpb"), repacked(&text, change)).unwrap();
        house.refused(&add("mcpb:odd.mcpb", &[]), 1, reason);
    }
}

/// The same bundle with another entry point.
fn repacked(bundle: &[u8], entry_point: &str) -> Vec<u8> {
    use std::io::{Cursor, Read as _, Write as _};
    let mut from = zip::ZipArchive::new(Cursor::new(bundle)).unwrap();
    let mut to = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for index in 0..from.len() {
        let mut entry = from.by_index(index).unwrap();
        let name = entry.name().unwrap().into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        if name == "manifest.json" {
            let mut manifest: Value = serde_json::from_slice(&bytes).unwrap();
            manifest["server"]["entry_point"] = entry_point.into();
            bytes = manifest.to_string().into_bytes();
        }
        to.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        to.write_all(&bytes).unwrap();
    }
    to.finish().unwrap().into_inner()
}
