//! Servers admitted from registries of our own that speak like npm and PyPI, through the real npm and pip.

use std::{
    fs,
    io::{BufRead as _, BufReader, Cursor, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use portcullis_testkit::{
    bed::Bed,
    gateway::portcullis,
    registry::{Registry, sha256, tarball},
};
use serde_json::{Value, json};

/// A directory with a lock, a store and the key of an approver.
pub(crate) struct House {
    directory: tempfile::TempDir,
}

impl House {
    pub(crate) fn new() -> Self {
        let house = Self { directory: tempfile::tempdir().unwrap() };
        house.succeed(&["audit", "key", "new", "bob.key", "--name", "bob"]);
        house
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        let mut command = Command::new(portcullis().unwrap());
        command.args(args).current_dir(self.directory.path()).stdin(Stdio::null());
        // Neither what the user has set nor what was fetched before has a part in it.
        for name in ["npm_config_cache", "PIP_CACHE_DIR", "HOME"] {
            command.env(name, self.path("home"));
        }
        command.env("npm_config_userconfig", "/dev/null").env("NO_PROXY", "127.0.0.1");
        command.output().unwrap()
    }

    pub(crate) fn succeed(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Fails with that status, naming the reason, and leaves nothing behind.
    pub(crate) fn refused(&self, args: &[&str], status: i32, reason: &str) {
        let before = (fs::read(self.path("portcullis.lock")).ok(), self.stored());
        let output = self.run(args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{args:?}: {said}");
        assert!(said.contains(reason), "{args:?}: {said}");
        assert_eq!((fs::read(self.path("portcullis.lock")).ok(), self.stored()), before, "{args:?}");
    }

    /// What is in the store.
    pub(crate) fn stored(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.path("store")) else { return Vec::new() };
        let names = entries.map(|it| it.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name != "quarantine").collect();
        names.sort();
        let quarantine = fs::read_dir(self.path("store/quarantine")).unwrap().count();
        assert_eq!(quarantine, 0, "something is left in the quarantine");
        names
    }

    /// The name that a server gives itself when it is started like this.
    pub(crate) fn answer(&self, args: &[&str]) -> Option<String> {
        let mut command = Command::new(portcullis().unwrap());
        command.args(args).current_dir(self.directory.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        // Servers in Python are started with the bed's.
        let path = std::env::var_os("PATH").unwrap_or_default();
        let own = Bed::load().unwrap().python().parent().unwrap().to_owned();
        let path = std::iter::once(own).chain(std::env::split_paths(&path));
        command.env("PATH", std::env::join_paths(path).unwrap());
        let mut child = command.env("HOME", self.path("home")).spawn().unwrap();
        let asked = crate::message::initialize(crate::message::LEGACY).to_string();
        let mut input = child.stdin.take().unwrap();
        writeln!(input, "{asked}").unwrap();
        let mut answer = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut answer).unwrap();
        drop(input);
        child.wait().unwrap();
        let answer: Value = serde_json::from_str(&answer).ok()?;
        answer["result"]["serverInfo"]["name"].as_str().map(str::to_owned)
    }

    pub(crate) fn add<'a>(&self, package: &'a str, registry: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        let common = ["add", package, "--registry-url", registry, "--submitter", "alice", "--store", "store"];
        common.iter().chain(more).copied().collect()
    }
}

fn wheel(name: &str, module: &str, metadata: &str) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let about = format!("{name}-1.0.dist-info");
    let mut write = |path: &str, content: &str| {
        writer.start_file(path, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    };
    write(&format!("{name}.py"), module);
    let head = format!("Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{metadata}");
    write(&format!("{about}/METADATA"), &head);
    write(&format!("{about}/WHEEL"), "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n");
    write(&format!("{about}/entry_points.txt"), &format!("[console_scripts]\n{name} = {name}:main\n"));
    write(&format!("{about}/RECORD"), "");
    writer.finish().unwrap().into_inner()
}

/// The digest of an archive as the lock writes it.
fn digest_of(archive: &[u8]) -> String {
    format!("sha256:{}", sha256(archive))
}

/// A server that says what it is, with the help of its library.
pub(crate) const DESK: &str = "const library = require('acme-library');
require('readline').createInterface({ input: process.stdin }).on('line', line => {
    const asked = JSON.parse(line);
    if (asked.method !== 'initialize') return;
    const serverInfo = { name: `desk ${library}`, version: '1' };
    const result = { protocolVersion: asked.params.protocolVersion, capabilities: {}, serverInfo };
    console.log(JSON.stringify({ jsonrpc: '2.0', id: asked.id, result }));
})";

/// Publishes an npm server that needs a library.
pub(crate) fn server(registry: &Registry, version: &str, body: &str) {
    let library = json!({ "name": "acme-library", "version": "1.0.0" });
    let archive = tarball(&library, &[("index.js", "module.exports = 1")]);
    registry.publish_npm(&library, &archive, &archive);
    let manifest = json!({
        "name": "@acme/desk", "version": version, "bin": { "desk": "./main.js" },
        "dependencies": { "acme-library": "^1.0.0" },
    });
    let archive = tarball(&manifest, &[("main.js", body)]);
    registry.publish_npm(&manifest, &archive, &archive);
}

#[test]
fn a_server_of_npm_from_its_admission_to_its_end() {
    let (house, registry) = (House::new(), Registry::start());
    server(&registry, "1.0.0", DESK);
    let npm = registry.npm();
    let said: Value =
        serde_json::from_str(&house.succeed(&house.add("npm:@acme/desk", &npm, &["--json"]))).unwrap();
    assert_eq!(
        (said["state"].as_str(), said["package"].as_str()),
        (Some("submitted"), Some("npm:@acme/desk@1.0.0"))
    );
    assert_eq!(said["entry"], "node_modules/@acme/desk/main.js");
    assert_eq!(said["part"].as_array().unwrap().len(), 2);
    assert_eq!(said["finding"][0]["kind"], "no-provenance");
    let lock = fs::read(house.path("portcullis.lock")).unwrap();
    let check = ["lock", "--check", "--store", "store", "--approver", "bob.key.pub"];
    assert_eq!(house.run(&check).status.code(), Some(1), "nobody has approved it");

    // Whoever submitted it does not approve it, whatever the key is called.
    house.succeed(&["audit", "key", "new", "alice.key", "--name", "alice"]);
    let approve = |key| ["approve", "desk", "--store", "store", "--key", key];
    house.refused(&approve("alice.key"), 1, "cannot approve");
    house.succeed(&approve("bob.key"));
    house.succeed(&check);
    // An approval counts for what was approved, and from whom it is known.
    house.refused(&["lock", "--check", "--store", "store", "--approver", "alice.key.pub"], 1, "1 problem");
    let text = fs::read_to_string(house.path("portcullis.lock")).unwrap();
    fs::write(house.path("portcullis.lock"), text.replace("main.js", "other.js")).unwrap();
    house.refused(&check, 1, "1 problem");
    fs::write(house.path("portcullis.lock"), &text).unwrap();

    // What is stored cannot be exchanged.
    let stored = house.path("store").join(house.stored().remove(0)).join("node_modules/@acme/desk/main.js");
    let before = fs::read(&stored).unwrap();
    fs::set_permissions(stored.parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::remove_file(&stored).unwrap();
    fs::write(&stored, "require('fs')").unwrap();
    house.refused(&check, 1, "1 problem");
    let changed = ["run", "--admitted", "desk", "--store", "store", "--approver", "bob.key.pub"];
    house.refused(&changed, 1, "somebody changed it");
    fs::remove_file(&stored).unwrap();
    fs::write(&stored, before).unwrap();
    house.succeed(&check);

    // It starts out of the store, once it is approved.
    let record = house.path("run.jsonl");
    let run =
        ["run", "--admitted", "desk", "--store", "store", "--record", record.to_str().unwrap(), "--approver"];
    let run = |key| run.iter().copied().chain([key]).collect::<Vec<_>>();
    assert_eq!(house.answer(&run("bob.key.pub")).as_deref(), Some("desk 1"));
    house.refused(&run("alice.key.pub"), 1, "nobody whose key is known");

    let list: Value = serde_json::from_str(&house.succeed(&["inventory", "--json"])).unwrap();
    assert_eq!((list[0]["state"].as_str(), list[0]["owner"].as_str()), (Some("approved"), Some("alice")));
    let bill: Value = serde_json::from_str(&house.succeed(&["inventory", "--sbom", "desk"])).unwrap();
    assert_eq!(bill["metadata"]["component"]["purl"], "pkg:npm/%40acme/desk@1.0.0");
    assert_eq!(bill["components"][0]["purl"], "pkg:npm/acme-library@1.0.0");
    house.succeed(&["retire", "desk", "--reason", "not needed", "--store", "store"]);
    assert!(house.stored().is_empty());
    house.refused(&approve("bob.key"), 1, "is retired");
    house.refused(&run("bob.key.pub"), 1, "is retired");
    // A refusal to start is on record beside the calls of earlier starts, and says which record it is.
    let said = String::from_utf8(house.run(&run("bob.key.pub")).stderr).unwrap();
    let last: Value = fs::read_to_string(&record).unwrap().lines().last().unwrap().parse().unwrap();
    assert_eq!((last["event"].as_str(), last["subject"].as_str()), (Some("not-started"), Some("desk")));
    assert!(last["detail"].as_str().unwrap().contains("is retired"), "{last}");
    assert!(said.contains(last["id"].as_str().unwrap()), "{said}");
    let again = house.run(&house.add("npm:@acme/desk@1.0.0", &npm, &[]));
    assert_eq!(again.status.code(), Some(1), "{}", String::from_utf8_lossy(&again.stderr));
    // A version that is something else is another matter.
    server(&registry, "1.1.0", "require('acme-library'); 1");
    house.succeed(&house.add("npm:@acme/desk@1.1.0", &npm, &[]));
    assert_ne!(fs::read(house.path("portcullis.lock")).unwrap(), lock);
}

#[test]
fn the_lock_is_the_same_for_the_same_packages() {
    let registry = Registry::start();
    server(&registry, "1.0.0", "1");
    let texts = [House::new(), House::new()].map(|house| {
        house.succeed(&house.add("npm:@acme/desk@1.0.0", &registry.npm(), &[]));
        let text = fs::read_to_string(house.path("portcullis.lock")).unwrap();
        text.lines().filter(|line| !line.starts_with("submitted_at")).map(str::to_owned).collect::<Vec<_>>()
    });
    assert_eq!(texts[0], texts[1]);
}

#[test]
fn what_a_registry_gets_wrong_is_refused() {
    let (house, registry) = (House::new(), Registry::start());
    let npm = registry.npm();
    let manifest = |name: &str| json!({ "name": name, "version": "1.0.0", "bin": "main.js" });
    let honest = tarball(&manifest("acme-swapped"), &[("main.js", "1")]);
    let thief = tarball(&manifest("acme-swapped"), &[("main.js", "steal()")]);
    registry.publish_npm(&manifest("acme-swapped"), &thief, &honest);
    house.refused(&house.add("npm:acme-swapped", &npm, &[]), 1, "not what the registry says");
    house.refused(&house.add("npm:acme-absent", &npm, &[]), 3, "404");
    house.refused(&house.add("npm:@playwrlght/mcp", &npm, &[]), 1, "mistaken for `@playwright/mcp`");
    let plain = |body| tarball(&manifest("acme-plain"), &[("main.js", body)]);
    registry.publish_npm(&manifest("acme-plain"), &plain("1"), &plain("1"));
    // The archive of another package under this name.
    registry.publish_npm(&manifest("acme-other"), &honest, &honest);
    house.refused(&house.add("npm:acme-other", &npm, &[]), 1, "another name or version");
    house.refused(&house.add("npm:acme-plain", &npm, &["--require-provenance"]), 1, "provenance-missing");
    let vectors = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../supply/tests/vectors/npm");
    let bundle = vectors.join("npm_slsa_bundle_v03.json");
    let others =
        ["--bundle", bundle.to_str().unwrap(), "--source", "https://github.com/sigstore/sigstore-js"];
    house.refused(&house.add("npm:acme-plain", &npm, &others), 1, "artifact-mismatch");
    // The same version, published again as something else.
    house.succeed(&house.add("npm:acme-plain", &npm, &[]));
    registry.publish_npm(&manifest("acme-plain"), &plain("2"), &plain("2"));
    let again = house.run(&house.add("npm:acme-plain@1.0.0", &npm, &[]));
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(again.status.code() == Some(1) && said.contains("published again"), "{said}");
}

#[test]
fn what_comes_in_the_archive_of_another_package_is_a_part_too() {
    let (house, registry) = (House::new(), Registry::start());
    let inner = json!({ "name": "acme-inner", "version": "1.2.3" });
    let manifest = json!({
        "name": "acme-whole", "version": "1.0.0", "bin": "main.js",
        "dependencies": { "acme-inner": "1.2.3" }, "bundleDependencies": ["acme-inner"],
    });
    let within = inner.to_string();
    let archive = tarball(&manifest, &[("main.js", "1"), ("node_modules/acme-inner/package.json", &within)]);
    registry.publish_npm(&manifest, &archive, &archive);
    house.succeed(&house.add("npm:acme-whole", &registry.npm(), &[]));
    let lock = fs::read_to_string(house.path("portcullis.lock")).unwrap();
    assert!(lock.contains("acme-inner") && lock.contains("1.2.3"), "{lock}");
}

#[test]
fn scripts_of_packages_do_not_run_and_are_told() {
    let (house, registry) = (House::new(), Registry::start());
    let canary = house.path("canary");
    let script = format!("touch {}", canary.display());
    let manifest = json!({
        "name": "acme-thief", "version": "1.0.0", "bin": "main.js",
        "scripts": { "preinstall": script, "postinstall": script, "prepare": script, "prepack": script },
        "hasInstallScript": true,
    });
    let archive = tarball(&manifest, &[("main.js", "1")]);
    registry.publish_npm(&manifest, &archive, &archive);
    let said = house.succeed(&house.add("npm:acme-thief", &registry.npm(), &[]));
    assert_eq!(said.matches("install-script: acme-thief: ").count(), 2, "{said}");
    assert!(!canary.exists());
}

#[test]
fn a_package_with_its_publishers_attestation_says_where_it_is_from() {
    let house = House::new();
    let vectors = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../supply/tests/vectors/npm");
    let manifest = json!({ "name": "acme", "version": "1.0.0", "bin": "main.js" });
    fs::write(house.path("acme.tgz"), tarball(&manifest, &[("main.js", "1")])).unwrap();
    let bundle = vectors.join("npm_slsa_bundle_v03.json");
    let add = |package| {
        let more =
            ["--bundle", bundle.to_str().unwrap(), "--source", "https://github.com/sigstore/sigstore-js"];
        ["add", package, "--store", "store"].into_iter().chain(more).map(str::to_owned).collect::<Vec<_>>()
    };
    let args = add("file:acme.tgz");
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    house.refused(&args, 1, "artifact-mismatch");
    // A pin is looked at without an attestation too.
    let digest = digest_of(&fs::read(house.path("acme.tgz")).unwrap());
    let other = digest_of(b"another");
    let pinned = |digest| ["add", "file:acme.tgz", "--store", "store", "--digest", digest];
    house.refused(&pinned(other.as_str()), 1, "digest-mismatch");
    house.succeed(&pinned(digest.as_str()));
    assert_eq!(house.stored().len(), 1);
}

#[test]
fn a_server_of_pypi_is_wheels_and_nothing_is_built() {
    let (house, registry) = (House::new(), Registry::start());
    let bed = Bed::load().unwrap();
    let (python, pypi) = (bed.python().to_str().unwrap(), registry.pypi());
    let library = wheel("acme_library", "one = 1", "");
    registry.publish_wheel("acme-library", "acme_library-1.0-py3-none-any.whl", &library, &library);
    let desk = wheel("acme_desk", "import acme_library\ndef main(): pass\n", "Requires-Dist: acme-library\n");
    registry.publish_wheel("acme-desk", "acme_desk-1.0-py3-none-any.whl", &desk, &desk);
    let more = ["--python", python, "--json"];
    let said: Value =
        serde_json::from_str(&house.succeed(&house.add("pypi:acme_desk", &pypi, &more))).unwrap();
    assert_eq!(said["package"], "pypi:acme-desk==1.0");
    assert_eq!(
        (said["entry"].as_str(), said["interpreter"].as_str()),
        (Some("acme_desk:main"), Some("python3"))
    );
    assert_eq!(said["part"].as_array().unwrap().len(), 2);
    // Another wheel than the index announces, and one that has to be built.
    let thief = wheel("acme_swapped", "steal()", "");
    registry.publish_wheel("acme-swapped", "acme_swapped-1.0-py3-none-any.whl", &thief, &library);
    house.refused(&house.add("pypi:acme-swapped", &pypi, &more), 1, "not what the registry says");
    registry.publish_wheel("acme-source", "acme-source-1.0.tar.gz", &thief, &thief);
    house.refused(&house.add("pypi:acme-source", &pypi, &more), 3, "acme-source");
}

#[test]
fn internal_packages_of_python_come_from_their_index_only() {
    let (house, public, home) = (House::new(), Registry::start(), Registry::start());
    let bed = Bed::load().unwrap();
    let python = bed.python().to_str().unwrap();
    let (theirs, ours) = (wheel("acme_tool", "steal()", ""), wheel("acme_tool", "def main(): pass\n", ""));
    public.publish_wheel("acme-tool", "acme_tool-1.0-py3-none-any.whl", &theirs, &theirs);
    home.publish_wheel("acme-tool", "acme_tool-1.0-py3-none-any.whl", &ours, &ours);
    let user = wheel("user_desk", "def main(): pass\n", "Requires-Dist: acme-tool\n");
    public.publish_wheel("user-desk", "user_desk-1.0-py3-none-any.whl", &user, &user);
    let (public_url, home_url) = (public.pypi(), home.pypi());
    let internal = ["--internal", "pypi:acme-*", "--internal-pypi", &home_url, "--python", python];
    house.refused(&house.add("pypi:acme_tool", &public_url, &internal), 1, "would be asked for at");
    assert!(public.asked().is_empty(), "{:?}", public.asked());
    house.refused(&house.add("pypi:user-desk", &public_url, &internal), 1, "what was resolved comes from");
    assert!(!house.path("portcullis.lock").exists());
    let own = ["add", "pypi:acme-tool", "--submitter", "alice", "--store", "store", "--json"];
    let said: Value = serde_json::from_str(&house.succeed(&[&own[..], &internal].concat())).unwrap();
    let artifact = said["artifact"].as_str().unwrap();
    assert_eq!(artifact, digest_of(&ours), "the wheel of the internal index");
    // Without the list, the public one would have been taken.
    let taken = house.add("pypi:user-desk", &public_url, &["--python", python, "--name", "user"]);
    house.succeed(&taken);
    let lock = fs::read_to_string(house.path("portcullis.lock")).unwrap();
    assert!(lock.contains(&digest_of(&theirs)), "the wheel of the public index");
}
