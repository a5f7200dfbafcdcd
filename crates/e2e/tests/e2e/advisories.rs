//! Packages compared with advisories: on their way in, in CI, and in the list of servers; and the ranges of advisories
//! read as npm's and Python's own libraries read them.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use portcullis_testkit::{bed::Bed, registry::Registry};
use serde_json::{Value, json};

use crate::admission::{DESK, House, server};

fn advisory(folder: &Path, id: &str, severity: &str, modified: &str) {
    fs::create_dir_all(folder).unwrap();
    let advisory = json!({
        "id": id,
        "modified": modified,
        "summary": "it can be made to say anything",
        "database_specific": { "severity": severity },
        "affected": [{
            "package": { "ecosystem": "npm", "name": "acme-library" },
            "ranges": [{ "type": "SEMVER", "events": [{ "introduced": "0" }, { "fixed": "1.0.1" }] }],
        }],
    });
    fs::write(folder.join(format!("{id}.json")), advisory.to_string()).unwrap();
}

/// The arguments that submit the server.
fn desk<'a>(house: &House, registry: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    house.add("npm:@acme/desk", registry, more)
}

/// Later than any test runs.
const NEW: &str = "2999-01-01T00:00:00Z";

#[test]
fn what_is_known_against_a_package_keeps_it_out() {
    let (house, registry) = (House::new(), Registry::start());
    server(&registry, "1.0.0", DESK);
    let npm = registry.npm();
    let (bad, mild, evil, old) = ("bad", "mild", "evil", "old");
    advisory(&house.path(bad), "GHSA-bad", "HIGH", NEW);
    advisory(&house.path(mild), "GHSA-mild", "LOW", NEW);
    advisory(&house.path(evil), "MAL-evil", "LOW", NEW);
    advisory(&house.path(old), "GHSA-old", "LOW", "2020-01-01T00:00:00Z");
    let accepted = |id: &str| {
        format!(
            "[[except]]\nid = \"{id}\"\npackage = \"acme-library\"\nuntil = \"2999-01-01\"\nreason = \"why\"\n"
        )
    };
    let text = [accepted("GHSA-bad"), accepted("MAL-evil")].concat();
    fs::write(house.path("accepted.toml"), text).unwrap();
    // Of what the server needs, not of the server.
    let reason = "acme-library@1.0.0: GHSA-bad (high): it can be made to say anything; fixed in 1.0.1";
    house.refused(&desk(&house, &npm, &["--osv", bad]), 1, reason);
    house.refused(&desk(&house, &npm, &["--osv", mild, "--osv-refuse", "low"]), 1, "GHSA-mild (low)");
    house.refused(
        &desk(&house, &npm, &["--osv", evil, "--osv-refuse", "critical"]),
        1,
        "MAL-evil (malicious)",
    );
    let excepted = ["--osv-exceptions", "accepted.toml"];
    house.refused(
        &desk(&house, &npm, &[&["--osv", evil], &excepted[..]].concat()),
        1,
        "MAL-evil (malicious)",
    );
    house.refused(&desk(&house, &npm, &["--osv", "none"]), 2, "advisories cannot be compared with");
    let findings = |more: &[&str]| {
        let said = house.succeed(&desk(&house, &npm, &[more, &["--json"]].concat()));
        let said: Value = serde_json::from_str(&said).unwrap();
        let told =
            |it: &Value| format!("{}: {}", it["kind"].as_str().unwrap(), it["detail"].as_str().unwrap());
        said["finding"].as_array().unwrap().iter().map(told).collect::<Vec<_>>().join("\n")
    };
    for (more, expected) in [
        (&[][..], "not-compared: "),
        (&["--osv", mild], "vulnerable: acme-library@1.0.0: GHSA-mild (low)"),
        (&["--osv", old], "stale-advisories: "),
        (&["--osv", bad, "--osv-exceptions", "accepted.toml"], "accepted until 2999-01-01: why"),
    ] {
        assert!(findings(more).contains(expected), "{more:?}");
    }

    // What becomes known later is a matter of CI, and of whoever looks at the list.
    house.succeed(&["approve", "desk", "--store", "store", "--key", "bob.key"]);
    let check = |more: &[&str]| {
        let output = house
            .run(&[&["lock", "--check", "--store", "store", "--approver", "bob.key.pub"], more].concat());
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(check(&[]).0, Some(0));
    assert_eq!(check(&["--osv", mild]).0, Some(0));
    for (more, expected) in [
        (&["--osv", bad][..], "desk: acme-library@1.0.0: GHSA-bad (high)"),
        (
            &["--osv", evil, "--osv-exceptions", "accepted.toml"],
            "desk: acme-library@1.0.0: MAL-evil (malicious)",
        ),
        (&["--osv", old], "advisories: the newest of the advisories is"),
    ] {
        let (status, said) = check(more);
        assert!(status == Some(1) && said.contains(expected), "{more:?}: {said}");
    }
    assert_eq!(check(&["--osv", bad, "--osv-exceptions", "accepted.toml"]).0, Some(0));
    let list: Value = serde_json::from_str(&house.succeed(&["inventory", "--json", "--osv", bad])).unwrap();
    let first = &list[0]["advisories"][0];
    assert_eq!((first["id"].as_str(), first["verdict"].as_str()), (Some("GHSA-bad"), Some("refused")));
    // The configuration says what options do not.
    let policy = house.path("policy.cedar");
    fs::write(&policy, "permit (principal, action, resource);").unwrap();
    let config = format!("[policy]\nfiles = [{policy:?}]\n[supply]\nosv = \"{bad}\"\n");
    fs::write(house.path("portcullis.toml"), config).unwrap();
    assert_eq!(check(&[]).0, Some(1));
    house.refused(&house.add("npm:@acme/desk", &npm, &["--name", "again"]), 1, "GHSA-bad");
}

/// Numbers that look like chance and are the same each time (xorshift).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }

    fn of(&mut self, all: &[&str]) -> String {
        all[self.below(all.len())].to_owned()
    }

    fn npm(&mut self) -> String {
        let numbers = format!("{}.{}.{}", self.below(3), self.below(3), self.below(12));
        let pre = self
            .of(&["", "", "", "-alpha", "-alpha.1", "-beta.2", "-beta.11", "-rc.1", "-0", "-1.2", "-a-b"]);
        numbers + &pre + &self.of(&["", "", "+build.1"])
    }

    fn pypi(&mut self) -> String {
        let mut version = self.of(&["", "", "", "", "1!"]);
        write!(version, "{}.{}", self.below(3), self.below(12)).unwrap();
        for part in [
            &["", "", ".0", ".3"][..],
            &["", "", "", "a1", "b2", "rc1", "rc10"],
            &["", "", "", ".post1", ".post10"],
            &["", "", "", ".dev1", ".dev12"],
            &["", "", "", "", "+local.1"],
        ] {
            version += &self.of(part);
        }
        version
    }

    fn version(&mut self, ecosystem: &str) -> String {
        if ecosystem == "npm" { self.npm() } else { self.pypi() }
    }

    /// Events in no order: from some version on, up to another, perhaps twice.
    fn events(&mut self, ecosystem: &str) -> Value {
        let mut events = Vec::new();
        for _ in 0..=self.below(2) {
            let begin = if self.below(3) == 0 { "0".to_owned() } else { self.version(ecosystem) };
            events.push(json!({ "introduced": begin }));
            let end = self.version(ecosystem);
            match self.below(4) {
                0 => {}
                1 => events.push(json!({ "last_affected": end })),
                _ => events.push(json!({ "fixed": end })),
            }
        }
        let first = self.below(events.len());
        events.rotate_left(first);
        events.into()
    }
}

/// The algorithm of the OSV schema, over the order that the ecosystem's own library gives.
const PYTHON: &str = "
import json, sys
from pip._vendor.packaging.version import Version
data = json.load(sys.stdin)
def key(text): return Version(text)
# What is local about a version decides nothing where an advisory says nothing local (PEP 440).
def seen(version, at): return Version(version) if Version(at).local else Version(Version(version).public)
def affected(version, events):
    begin = [e for e in events if e.get('introduced') == '0']
    rest = [e for e in events if e.get('introduced') != '0']
    rest.sort(key=lambda e: (key(next(iter(e.values()))), 'last_affected' in e, 'introduced' in e))
    state = False
    for event in begin + rest:
        kind, at = next(iter(event.items()))
        if kind == 'introduced' and (at == '0' or not seen(version, at) < key(at)): state = True
        if kind == 'fixed' and not seen(version, at) < key(at): state = False
        if kind == 'last_affected' and key(at) < seen(version, at): state = False
    return state
print(json.dumps([f'{v} R-{i}' for v in data['versions'] for i, e in enumerate(data['ranges']) if affected(v, e)]))
";

const NODE: &str = "
const path = require('path').join(require('child_process').execSync('npm root -g').toString().trim(), 'npm/node_modules/semver');
const semver = require(path), data = JSON.parse(require('fs').readFileSync(0));
const place = event => Object.values(event)[0];
const affected = (version, events) => {
    const rank = event => 'last_affected' in event ? 2 : 'introduced' in event ? 1 : 0;
    const begin = events.filter(event => event.introduced === '0');
    const rest = events.filter(event => event.introduced !== '0');
    rest.sort((a, b) => semver.compare(place(a), place(b)) || rank(a) - rank(b));
    let state = false;
    for (const event of [...begin, ...rest]) {
        if (event.introduced === '0' || (event.introduced && semver.gte(version, event.introduced))) state = true;
        if (event.fixed && semver.gte(version, event.fixed)) state = false;
        if (event.last_affected && semver.gt(version, event.last_affected)) state = false;
    }
    return state;
};
const found = [];
for (const v of data.versions) data.ranges.forEach((e, i) => { if (affected(v, e)) found.push(`${v} R-${i}`); });
console.log(JSON.stringify(found));
";

fn theirs(program: &Path, args: &[&str], data: &Value) -> BTreeSet<String> {
    let mut child =
        Command::new(program).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(data.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{program:?}");
    let found: Vec<String> = serde_json::from_slice(&output.stdout).unwrap();
    found.into_iter().collect()
}

/// A lock with one server that has every version of one package in it.
fn lock(ecosystem: &str, versions: &BTreeSet<String>) -> String {
    let digest = format!("sha256:{}", "0".repeat(64));
    let package = if ecosystem == "npm" { "npm:all@1.0.0" } else { "pypi:all==1.0.0" };
    let mut text = format!(
        "version = 1\n[[server]]\nname = \"all\"\npackage = \"{package}\"\nversion = \"1.0.0\"\nartifact = \"{digest}\"\n\
         tree = \"{digest}\"\nentry = \"x\"\nowner = \"o\"\nsubmitted_by = \"s\"\nsubmitted_at = \"2026-01-01T00:00:00Z\"\n"
    );
    for version in versions {
        write!(text, "[[server.part]]\nname = \"p\"\nversion = \"{version}\"\nartifact = \"{digest}\"\n")
            .unwrap();
    }
    text
}

#[test]
fn ranges_are_those_of_the_ecosystems_own_libraries() {
    let bed = Bed::load().unwrap();
    for (ecosystem, program, args) in
        [("PyPI", bed.python().to_owned(), ["-c", PYTHON]), ("npm", PathBuf::from("node"), ["-e", NODE])]
    {
        let mut chance = Chance(0x5eed_0fa1_1d1c_e000 + u64::from(ecosystem == "npm"));
        let versions: BTreeSet<String> = (0..400).map(|_| chance.version(ecosystem)).collect();
        let ranges: Vec<Value> = (0..60).map(|_| chance.events(ecosystem)).collect();
        let house = House::new();
        fs::create_dir(house.path("osv")).unwrap();
        for (index, events) in ranges.iter().enumerate() {
            let advisory = json!({ "id": format!("R-{index}"), "modified": NEW, "affected": [{
                "package": { "ecosystem": ecosystem, "name": "p" },
                "ranges": [{ "type": if ecosystem == "npm" { "SEMVER" } else { "ECOSYSTEM" }, "events": events }],
            }] });
            fs::write(house.path("osv").join(format!("{index}.json")), advisory.to_string()).unwrap();
        }
        fs::write(house.path("portcullis.lock"), lock(ecosystem, &versions)).unwrap();
        let list: Value =
            serde_json::from_str(&house.succeed(&["inventory", "--json", "--osv", "osv"])).unwrap();
        let judged = list[0]["advisories"].as_array().unwrap();
        assert!(judged.iter().all(|it| it["undecided"] == false));
        let pair = |it: &Value| format!("{} {}", it["version"].as_str().unwrap(), it["id"].as_str().unwrap());
        let ours: BTreeSet<String> = judged.iter().map(pair).collect();
        let theirs = theirs(&program, &args, &json!({ "versions": versions, "ranges": ranges }));
        let all = versions.len() * ranges.len();
        assert!(
            theirs.len() > all / 10 && theirs.len() < all * 9 / 10,
            "{ecosystem}: {} of {all}",
            theirs.len()
        );
        let differ: Vec<&String> = ours.symmetric_difference(&theirs).take(20).collect();
        assert!(differ.is_empty(), "{ecosystem}: {differ:?}");
    }
}
