//! S-25: packages that are not what they seem, on their way in.

use std::path::Path;

use futures_util::FutureExt;
use portcullis_testkit::registry::{Registry, tarball};
use serde_json::json;

use super::Scenario;
use crate::{
    house::{House, manifest, publish},
    place::Place,
    report::{Kind, Report},
    trouble::Trouble,
};

pub(super) const SCENARIO: Scenario = Scenario {
    id: "S-25",
    title: "supply chain and privileged host",
    claim: "what is unsigned where signatures are demanded, signed for something else, swapped, published again or named \
            like another is not admitted and leaves nothing behind; scripts of packages do not run; what was changed \
            after its approval, or retired, is not started",
    run: |place, report| run(place, report).boxed(),
};

async fn run(place: &Place, report: &mut Report) -> Result<(), Trouble> {
    let ground = House::open(place).await?;
    on_the_way_in(&ground, report).await?;
    internal_names(&House::open(place).await?, report).await?;
    scripts(&ground, report).await?;
    after_approval(&ground, report).await?;
    report.not_covered("root that edits the program or the policy itself", "measured boot or a TEE");
    report.not_covered("a revoked signing key", "TUF refresh of trust roots");
    Ok(())
}

async fn on_the_way_in(ground: &House<'_>, report: &mut Report) -> Result<(), Trouble> {
    ground.publish("acme-plain", "1.0.0", "1");
    let swapped = |body| tarball(&manifest("acme-swapped", "1.0.0"), &[("main.js", body)]);
    ground.registry.publish_npm(&manifest("acme-swapped", "1.0.0"), &swapped("steal()"), &swapped("1"));
    let vectors =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../supply/tests/vectors/npm/npm_slsa_bundle_v03.json");
    let bundle = vectors.to_string_lossy().into_owned();
    let signed = ["--bundle", &bundle, "--source", "https://github.com/sigstore/sigstore-js"];
    let attacks: [(&str, &str, &[&str], &str); 4] = [
        (
            "unsigned where provenance is demanded",
            "acme-plain",
            &["--require-provenance"],
            "provenance-missing",
        ),
        ("a genuine signature over another package", "acme-plain", &signed, "artifact-mismatch"),
        ("other bytes than were announced", "acme-swapped", &[], "not what the registry says"),
        ("a name like another's", "@playwrlght/mcp", &[], "mistaken for `@playwright/mcp`"),
    ];
    for (attack, name, more, reason) in attacks {
        let ended = ground.add(name, more).await?;
        let refused = ended.status == Some(1) && ended.said.contains(reason) && ground.kept() == (0, false);
        report.check(Kind::Attack, attack, format!("{reason}, nothing kept"), ended.said, refused);
    }
    let ended = ground.add("acme-plain", &[]).await?;
    let admitted = ended.status == Some(0) && ground.kept() == (1, true);
    report.check(Kind::Twin, "the same package as it was published", "submitted", ended.said, admitted);
    ground.publish("acme-plain", "1.0.0", "steal()");
    let ended = ground.add("acme-plain", &[]).await?;
    let refused = ended.status == Some(1) && ended.said.contains("published again");
    report.check(Kind::Attack, "the same version published again", "published again", ended.said, refused);
    Ok(())
}

/// Two registries: the internal one, and a public one where somebody publishes under internal names.
async fn internal_names(ground: &House<'_>, report: &mut Report) -> Result<(), Trouble> {
    let (home, public) = (Registry::start(), &ground.registry);
    for name in ["@acme/desk", "@acme/tool", "acmehouse-tool"] {
        publish(&home, &manifest(name, "1.0.0"), "1");
        publish(public, &manifest(name, "9.0.0"), "steal()");
    }
    for (name, needs) in [("user-of-scope", "@acme/tool"), ("user-of-plain", "acmehouse-tool")] {
        let mut needing = manifest(name, "1.0.0");
        if let Some(members) = needing.as_object_mut() {
            members.insert("dependencies".to_owned(), json!({ needs: "*" }));
        }
        publish(public, &needing, "1");
    }
    let (home_url, public_url) = (home.npm(), public.npm());
    let names = ["--internal", "@acme/*", "--internal", "acmehouse-*", "--internal-npm", home_url.as_str()];
    let at_public = [&names[..], &["--registry-url", public_url.as_str()]].concat();
    let asked = |what: &str| public.asked().iter().any(|path| path.contains(what));

    let ended = ground.add_anywhere("@acme/desk", &at_public).await?;
    let refused = ended.is_refused("internal name") && ground.kept() == (0, false) && !asked("@acme");
    report.check(Kind::Attack, "an internal name at a public registry", "not asked for", ended.said, refused);
    let ended = ground.add_anywhere("user-of-plain", &at_public).await?;
    let refused =
        ended.is_refused("internal name") && ground.kept() == (0, false) && !asked("acmehouse-tool/-/");
    report.check(Kind::Attack, "a public package that needs one", "nothing of it taken", ended.said, refused);
    let ended = ground.add_anywhere("@acrne/desk", &at_public).await?;
    let refused = ended.is_refused("mistaken for `@acme/*`");
    report.check(Kind::Attack, "a scope that looks like the internal one", "refused", ended.said, refused);

    let ended = ground.add_anywhere("@acme/desk", &names).await?;
    let ours = ended.status == Some(0) && ground.lock().contains("npm:@acme/desk@1.0.0");
    report.check(Kind::Twin, "the internal name, from home", "1.0.0", ended.said, ours);
    let ended = ground.add_anywhere("user-of-scope", &at_public).await?;
    let ours = ended.status == Some(0) && !ground.lock().contains("9.0.0") && !asked("@acme");
    report.check(
        Kind::Twin,
        "a public package that needs an internal scope",
        "1.0.0 from home",
        ended.said,
        ours,
    );
    Ok(())
}

async fn scripts(ground: &House<'_>, report: &mut Report) -> Result<(), Trouble> {
    let canary = ground.path("canary");
    let script = format!("touch {}", canary.display());
    let mut thief = manifest("acme-thief", "1.0.0");
    if let Some(members) = thief.as_object_mut() {
        let scripts = json!({ "preinstall": script, "install": script, "postinstall": script });
        members.insert("scripts".to_owned(), scripts);
        members.insert("hasInstallScript".to_owned(), true.into());
    }
    let archive = tarball(&thief, &[("main.js", "1")]);
    ground.registry.publish_npm(&thief, &archive, &archive);
    let ended = ground.add("acme-thief", &[]).await?;
    let told = ended.said.matches("install-script: acme-thief").count() == 3 && !canary.exists();
    report.check(Kind::Attack, "scripts that run at installation", "told, and not run", ended.said, told);
    Ok(())
}

async fn after_approval(ground: &House<'_>, report: &mut Report) -> Result<(), Trouble> {
    ground.publish("acme-desk", "1.0.0", "process.exit(0)");
    ground.add("acme-desk", &["--name", "desk"]).await?;
    let ended = ground.start("desk").await?;
    let refused = ended.status == Some(1) && ended.said.contains("nobody whose key is known");
    report.check(Kind::Attack, "a server that nobody approved", "not started", ended.said, refused);
    ground.approve("desk").await?;
    let ended = ground.start("desk").await?;
    report.check(
        Kind::Twin,
        "the approved server, as it was approved",
        "passes",
        &*ended.said,
        ended.status == Some(0),
    );
    let changed = ground.change("acme-desk", "steal()")?;
    let ended = ground.start("desk").await?;
    let refused = changed && ended.status == Some(1) && ended.said.contains("somebody changed it");
    report.check(Kind::Attack, "a file swapped after approval", "not started", ended.said, refused);
    ground.command(&["retire", "desk", "--reason", "attack", "--store", "store"]).await?;
    let ended = ground.start("desk").await?;
    let refused = ended.status == Some(1) && ended.said.contains("is retired");
    report.check(Kind::Attack, "a retired server", "not started", ended.said, refused);
    Ok(())
}
