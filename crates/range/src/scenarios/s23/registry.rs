//! What is changed on the way from a publisher to a machine, and a server in whose place another one stands.

use std::{fs, path::Path};

use portcullis_testkit::registry::tarball;

use crate::{
    house::{House, manifest},
    place::Place,
    report::{Kind, Report},
    trouble::Trouble,
};

/// A server that is asked for its name and gives it.
const SERVER: &str = "require('readline').createInterface({ input: process.stdin }).on('line', line => {
    const { id, method, params } = JSON.parse(line);
    if (method !== 'initialize') {
        const error = { code: -32601, message: 'unknown' };
        if (id !== undefined) console.log(JSON.stringify({ jsonrpc: '2.0', id, error }));
        return;
    }
    const serverInfo = { name: 'the approved one', version: '1' };
    const result = { protocolVersion: params.protocolVersion, capabilities: {}, serverInfo };
    console.log(JSON.stringify({ jsonrpc: '2.0', id, result }));
})";

/// The same between a client and that server, with a word of its own.
const WRAPPER: &str = "const own = process.stdout.write.bind(process.stdout);
process.stdout.write = text => own(text.replace('the approved one', 'the wrapper'));
";

pub(super) async fn run(place: &Place, report: &mut Report) -> Result<(), Trouble> {
    let house = House::open(place).await?;
    on_the_way(&house, report).await?;
    after_signing(&house, report).await?;
    in_between(&house, report).await?;
    report.not_covered(
        "messages changed between gateway and server",
        "S-27 and S-30, where the server is the liar",
    );
    report.not_covered("an edited log", "S-34, where the verifier names the record");
    Ok(())
}

async fn on_the_way(house: &House<'_>, report: &mut Report) -> Result<(), Trouble> {
    let packed = |body| tarball(&manifest("acme-mail", "1.0.0"), &[("main.js", body)]);
    house.registry.publish_npm(&manifest("acme-mail", "1.0.0"), &packed("steal()"), &packed("1"));
    let ended = house.add("acme-mail", &[]).await?;
    let refused = ended.is_refused("not what the registry says") && house.kept() == (0, false);
    report.check(Kind::Attack, "bytes altered by the registry", "refused, nothing kept", ended.said, refused);
    // A part of a package is no less a way in than the package.
    house.publish("acme-desk", "1.0.0", "1");
    let mut needing = manifest("acme-post", "1.0.0");
    if let Some(members) = needing.as_object_mut() {
        members.insert("dependencies".to_owned(), serde_json::json!({ "acme-mail": "1.0.0" }));
    }
    let archive = tarball(&needing, &[("main.js", "1")]);
    house.registry.publish_npm(&needing, &archive, &archive);
    let ended = house.add("acme-post", &[]).await?;
    let refused = ended.is_refused("not what the registry says") && house.kept() == (0, false);
    report.check(Kind::Attack, "bytes of a dependency altered", "refused, nothing kept", ended.said, refused);
    let ended = house.add("acme-desk", &[]).await?;
    let admitted = ended.status == Some(0) && house.kept() == (1, true);
    report.check(Kind::Twin, "bytes as they were announced", "submitted", ended.said, admitted);
    Ok(())
}

async fn after_signing(house: &House<'_>, report: &mut Report) -> Result<(), Trouble> {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../supply/tests/vectors/npm");
    let signed = fs::read(vectors.join("sigstore-5.0.0.tgz")).map_err(Trouble::io("reading a package"))?;
    let bundle = vectors.join("npm_slsa_bundle_v03.json");
    let bundle = bundle.to_string_lossy();
    let altered =
        |at: usize| signed.iter().enumerate().map(|(index, byte)| byte ^ u8::from(index == at)).collect();
    let (middle, longer): (Vec<u8>, Vec<u8>) =
        (altered(signed.len() / 2), [signed.as_slice(), b"x"].concat());
    for (kind, name, bytes, status) in [
        (Kind::Twin, "the package as it was signed", &signed, 0),
        (Kind::Attack, "one bit of it altered", &middle, 1),
        (Kind::Attack, "a byte behind it", &longer, 1),
    ] {
        let file = house.path("package.tgz");
        fs::write(&file, bytes).map_err(Trouble::io("writing a package"))?;
        let source = "https://github.com/sigstore/sigstore-js";
        let file = file.to_string_lossy();
        let ended = house.command(&["verify", &file, "--bundle", &bundle, "--source", source]).await?;
        let passed =
            ended.status == Some(status) && (status == 0 || ended.said.contains("artifact-mismatch"));
        report.check(kind, name, status.to_string(), ended.said, passed);
    }
    Ok(())
}

async fn in_between(house: &House<'_>, report: &mut Report) -> Result<(), Trouble> {
    house.publish("acme-notes", "1.0.0", SERVER);
    house.add("acme-notes", &["--name", "notes"]).await?;
    house.approve("notes").await?;
    let seen = house.name_given("notes").await?;
    report.check(Kind::Twin, "the approved server", "it answers", &*seen, seen == "the approved one");
    let placed = house.change("acme-notes", &format!("{WRAPPER}{SERVER}"))?;
    let seen = house.name_given("notes").await?;
    let ended = house.start("notes").await?;
    let refused = placed && seen.is_empty() && ended.is_refused("somebody changed it");
    report.check(Kind::Attack, "a wrapper in its place", "not started", ended.said, refused);
    house.change("acme-notes", SERVER)?;
    let seen = house.name_given("notes").await?;
    report.check(
        Kind::Twin,
        "the approved server, back in its place",
        "it answers",
        &*seen,
        seen == "the approved one",
    );
    Ok(())
}
