//! Packages of npm: npm writes the lock of a tree, we fetch each archive through it and unpack it ourselves.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Part, Progress, ResolveFault, Resolved, Start, Wanted, about, client, compared, disk, unpacking,
};
use crate::admit::{
    Ecosystem, Finding, FindingKind, Internal,
    unpack::{Bounds, Fill, tarball},
};
use crate::verify::Digests;

/// Archives that npm fetches in one go.
const BATCH: usize = 40;

/// `package-lock.json`, version 3.
#[derive(Deserialize)]
struct Lock {
    packages: BTreeMap<String, Locked>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Locked {
    /// Only when it differs from the directory's.
    name: Option<String>,
    version: Option<String>,
    resolved: Option<String>,
    integrity: Option<String>,
    #[serde(default)]
    link: bool,
    #[serde(default)]
    in_bundle: bool,
    #[serde(default)]
    optional: bool,
    os: Option<Vec<String>>,
    cpu: Option<Vec<String>>,
}

pub(super) fn resolve(wanted: &Wanted<'_>, progress: Progress<'_>) -> Result<Resolved, ResolveFault> {
    let name = wanted.package.name.as_str();
    progress(&format!("resolving {}", wanted.package));
    let lock = lock(wanted)?;
    let (mut places, mut bundled) = (Vec::new(), Vec::new());
    for (place, locked) in lock.packages.iter().filter(|(place, _)| !place.is_empty()) {
        if locked.in_bundle {
            bundled.push(Place::in_another(place, locked, wanted.internal)?);
        } else if let Some(one) = Place::of(place, locked)? {
            one.is_at_home(locked, wanted.internal)?;
            places.push(one);
        }
    }
    let archives = fetch(wanted, &places, progress)?;
    progress(&format!("unpacking {} packages", places.len()));
    let tree = wanted.quarantine.join("tree");
    let mut fill = Fill::new(&tree, Bounds::default()).map_err(unpacking(name))?;
    let (mut parts, mut findings, mut own) = (BTreeSet::new(), Vec::new(), None);
    let mut archived = BTreeMap::new();
    for place in &places {
        let archive = archives.get(&place.id()).ok_or_else(|| ResolveFault::Answer {
            what: "npm's list of archives",
            why: format!("`{}` is not in it", place.id()),
        })?;
        let digests = compared(&place.name, archive, &place.integrity)?;
        let file = File::open(archive).map_err(disk(archive))?;
        tarball(file, &place.directory, &mut fill).map_err(unpacking(&place.name))?;
        named_alike(place, &tree)?;
        archived.insert(&*place.directory, digests.clone());
        parts.insert(place.part(&tree, &digests, false));
        findings.extend(scripts(&place.name, &tree.join(&place.directory)));
        if place.directory == format!("node_modules/{name}") {
            own = Some((place, archive.clone(), digests));
        }
    }
    for place in bundled.iter().filter(|it| tree.join(&it.directory).exists()) {
        named_alike(place, &tree)?;
        let around = archived.iter().filter(|(directory, _)| place.is_below(directory));
        let around = around.max_by_key(|(directory, _)| directory.len());
        let (_, digests) = around.ok_or_else(|| ResolveFault::Source {
            name: place.name.clone(),
            what: "in the archive of another package that is not there",
        })?;
        parts.insert(place.part(&tree, digests, true));
    }
    let (own, archive, artifact) = own.ok_or_else(|| ResolveFault::NoProgram {
        name: name.to_owned(),
        what: "is not in the tree that npm resolved".to_owned(),
    })?;
    findings.sort();
    findings.dedup();
    Ok(Resolved {
        version: own.version.clone(),
        archive,
        artifact,
        start: program(name, &own.directory, &tree)?,
        claims: about::npm(&manifest(&tree.join(&own.directory))).claims,
        tree,
        signer: None,
        parts: parts.into_iter().collect(),
        findings,
    })
}

fn lock(wanted: &Wanted<'_>) -> Result<Lock, ResolveFault> {
    let package = &wanted.package;
    let version = package.version.as_deref().unwrap_or("latest");
    let manifest = json!({ "private": true, "dependencies": { package.name.as_str(): version } });
    let file = wanted.quarantine.join("package.json");
    fs::write(&file, manifest.to_string()).map_err(disk(&file))?;
    let mut args = vec!["install", "--package-lock-only", "--lockfile-version=3", "--prefer-online"];
    let common = common(wanted);
    args.extend(common.iter().map(String::as_str));
    client::run(wanted.npm, &args, wanted.quarantine, false)?;
    let file = wanted.quarantine.join("package-lock.json");
    let bytes = fs::read(&file).map_err(disk(&file))?;
    let unreadable =
        |error: serde_json::Error| ResolveFault::Answer { what: "npm's lock", why: error.to_string() };
    serde_json::from_slice(&bytes).map_err(unreadable)
}

/// Nothing is executed, nobody is told, nothing is fetched that only developers need.
fn common(wanted: &Wanted<'_>) -> Vec<String> {
    let mut args = vec!["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", "--omit=dev"];
    args.push("--no-update-notifier");
    // Without these npm waits for half a minute before it asks again.
    args.extend(["--fetch-retry-mintimeout=500", "--fetch-retry-maxtimeout=2000"]);
    if let Some(registry) = wanted.registry {
        args.extend(["--registry", registry]);
    }
    // Whoever needs something of an internal scope, it is asked for at home.
    let home = wanted.internal.registry(Ecosystem::Npm);
    let scopes = home
        .into_iter()
        .flat_map(|home| wanted.internal.scopes().map(move |scope| format!("--@{scope}:registry={home}")));
    args.into_iter().map(str::to_owned).chain(scopes).collect()
}

impl Locked {
    fn called(&self, directory: &str) -> String {
        let name = self.name.as_deref().or_else(|| directory.rsplit("node_modules/").next());
        name.unwrap_or(directory).to_owned()
    }
}

/// A package and where in the tree it stands.
struct Place {
    directory: String,
    name: String,
    version: String,
    integrity: String,
}

impl Place {
    /// What comes in the archive of another package, as that package's publisher put it there.
    fn in_another(directory: &str, locked: &Locked, internal: &Internal) -> Result<Self, ResolveFault> {
        let (name, called) = (locked.called(directory), directory.rsplit("node_modules/").next());
        let refused = |what| Err(ResolveFault::Source { name: name.clone(), what });
        if [&*name, called.unwrap_or_default()].iter().any(|it| internal.covers(Ecosystem::Npm, it)) {
            return refused("in the archive of another package, under an internal name");
        }
        let Some(version) = locked.version.clone() else {
            return refused("in the archive of another package, without a version");
        };
        Ok(Self { directory: directory.to_owned(), name, version, integrity: String::new() })
    }

    fn is_below(&self, directory: &str) -> bool {
        self.directory.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
    }

    /// `None` for what is for other machines.
    fn of(directory: &str, locked: &Locked) -> Result<Option<Self>, ResolveFault> {
        let name = locked.called(directory);
        let refused = |what| Err(ResolveFault::Source { name: name.clone(), what });
        let elsewhere = !meant(locked.os.as_deref(), OS) || !meant(locked.cpu.as_deref(), CPU);
        if locked.optional && elsewhere {
            return Ok(None);
        }
        if locked.link {
            return refused("a link to another directory");
        }
        match locked.resolved.as_deref() {
            Some(url) if !url.starts_with("https://") && !url.starts_with("http://") => {
                return refused("not from a registry");
            }
            _ => {}
        }
        let (Some(version), Some(integrity)) = (locked.version.clone(), locked.integrity.clone()) else {
            return refused("announced without a version or a digest");
        };
        Ok(Some(Self { directory: directory.to_owned(), name, version, integrity }))
    }

    /// Whether a name that is internal comes from where it has to, and no other package goes by one.
    fn is_at_home(&self, locked: &Locked, internal: &Internal) -> Result<(), ResolveFault> {
        let from = locked.resolved.as_deref().unwrap_or_default();
        internal.check(Ecosystem::Npm, &self.name, from)?;
        let called = self.directory.rsplit("node_modules/").next().unwrap_or_default();
        if called != self.name && internal.covers(Ecosystem::Npm, called) {
            let what = "another package that goes by an internal name";
            return Err(ResolveFault::Source { name: called.to_owned(), what });
        }
        Ok(())
    }

    fn part(&self, tree: &Path, archive: &Digests, bundled: bool) -> Part {
        let licence = about::npm(&manifest(&tree.join(&self.directory))).licence;
        let Digests { sha256, sha512, .. } = archive.clone();
        Part { name: self.name.clone(), version: self.version.clone(), sha256, sha512, bundled, licence }
    }

    fn id(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

const OS: &str = if cfg!(target_os = "macos") {
    "darwin"
} else if cfg!(windows) {
    "win32"
} else {
    "linux"
};
const CPU: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };

/// Whether a package is for this machine: listed, or not listed as one it is not for.
fn meant(list: Option<&[String]>, this: &str) -> bool {
    let list = list.unwrap_or_default();
    let not = |it: &String| it.strip_prefix('!') == Some(this);
    let positive = list.iter().any(|it| !it.starts_with('!'));
    !list.iter().any(not) && (!positive || list.iter().any(|it| it == this))
}

/// Fetches every archive; where each of them is, by name and version.
fn fetch(
    wanted: &Wanted<'_>,
    places: &[Place],
    progress: Progress<'_>,
) -> Result<BTreeMap<String, PathBuf>, ResolveFault> {
    let ids: Vec<String> = places.iter().map(Place::id).collect::<BTreeSet<_>>().into_iter().collect();
    let (mut found, common) = (BTreeMap::new(), common(wanted));
    // Scoped and plain names would make files of the same name.
    let (scoped, plain): (Vec<&String>, Vec<&String>) = ids.iter().partition(|id| id.starts_with('@'));
    for (directory, ids) in [("scoped", scoped), ("plain", plain)] {
        let directory = wanted.quarantine.join(directory);
        fs::create_dir(&directory).map_err(disk(&directory))?;
        for batch in ids.chunks(BATCH) {
            progress(&format!("fetching {} of {} archives", found.len() + batch.len(), places.len()));
            let mut args = vec!["pack", "--json"];
            args.extend(common.iter().map(String::as_str));
            args.push("--");
            args.extend(batch.iter().map(|id| id.as_str()));
            let answer = client::run(wanted.npm, &args, &directory, false)?;
            packed(&answer, &directory, &mut found)?;
        }
    }
    Ok(found)
}

fn packed(
    answer: &[u8],
    directory: &Path,
    found: &mut BTreeMap<String, PathBuf>,
) -> Result<(), ResolveFault> {
    let unreadable = |why: String| ResolveFault::Answer { what: "npm's list of archives", why };
    let entries: Vec<Value> =
        serde_json::from_slice(answer).map_err(|error| unreadable(error.to_string()))?;
    for entry in entries {
        let text = |name: &str| entry.get(name).and_then(Value::as_str);
        let (Some(name), Some(version), Some(file)) = (text("name"), text("version"), text("filename"))
        else {
            return Err(unreadable("an entry has no name, version or file".to_owned()));
        };
        // Older versions of npm write the scope into the name of the file as a directory.
        let file = file.replace('/', "-").trim_start_matches('@').to_owned();
        found.insert(format!("{name}@{version}"), directory.join(file));
    }
    Ok(())
}

/// A package's own `package.json`.
pub(super) fn manifest(directory: &Path) -> Value {
    let text = fs::read(directory.join("package.json")).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// An archive that calls itself something else than the registry does is not what was looked up.
fn named_alike(place: &Place, tree: &Path) -> Result<(), ResolveFault> {
    let manifest = manifest(&tree.join(&place.directory));
    let text = |member: &str| manifest.get(member).and_then(Value::as_str).unwrap_or_default();
    // Registries tidy a version that was published with a `v` before it, or with the number of a build behind it.
    let version = text("version").trim().trim_start_matches(['v', '=']).split('+').next();
    if text("name") == place.name && version == place.version.split('+').next() {
        return Ok(());
    }
    let what = "an archive whose own package.json has another name or version";
    Err(ResolveFault::Source { name: place.name.clone(), what })
}

/// Scripts that npm would run at installation.
const INSTALL_SCRIPTS: [&str; 3] = ["preinstall", "install", "postinstall"];

fn scripts(name: &str, directory: &Path) -> Vec<Finding> {
    let manifest = manifest(directory);
    let script = |when: &&str| {
        let text = manifest.get("scripts")?.get(*when)?.as_str()?;
        Some(Finding::new(FindingKind::InstallScript, format!("{name}: {when}: {text}")))
    };
    let mut findings: Vec<Finding> = INSTALL_SCRIPTS.iter().filter_map(script).collect();
    if directory.join("binding.gyp").exists() {
        findings.push(Finding::new(FindingKind::NativeBuild, format!("{name}: binding.gyp")));
    }
    findings
}

/// The program of a package: its only one, or the one named like it.
pub(super) fn program(name: &str, directory: &str, tree: &Path) -> Result<Start, ResolveFault> {
    let manifest = manifest(&tree.join(directory));
    let own = manifest.get("name").and_then(Value::as_str).unwrap_or(name);
    let short = own.rsplit('/').next().unwrap_or(own);
    let path = match manifest.get("bin") {
        Some(Value::String(path)) => Some(path.as_str()),
        Some(Value::Object(programs)) => match programs.get(short) {
            Some(path) => path.as_str(),
            None if programs.len() == 1 => programs.values().next().and_then(Value::as_str),
            None => None,
        },
        _ => None,
    };
    let refused = |what: &str| ResolveFault::NoProgram { name: name.to_owned(), what: what.to_owned() };
    let path = path.ok_or_else(|| refused("has no program, or several and none of its own name"))?;
    let path = path.trim_start_matches("./");
    if path.split('/').any(|part| part == "..") || !tree.join(directory).join(path).is_file() {
        return Err(refused("names a program that is not in it"));
    }
    Ok(Start { interpreter: Some("node"), entry: format!("{directory}/{path}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_registries_are_sources() {
        let integrity = "sha512-x";
        for (locked, expected) in [
            (json!({"version": "1.0.0", "integrity": integrity}), Ok(true)),
            (json!({"version": "1.0.0", "integrity": integrity, "resolved": "https://r/a.tgz"}), Ok(true)),
            (json!({"version": "1.0.0", "integrity": integrity, "resolved": "git+ssh://g/a"}), Err(())),
            (json!({"version": "1.0.0", "integrity": integrity, "resolved": "file:../a"}), Err(())),
            (json!({"version": "1.0.0"}), Err(())),
            (json!({"link": true, "resolved": "a"}), Err(())),
            (json!({"version": "1.0.0", "integrity": integrity, "optional": true, "os": ["aix"]}), Ok(false)),
            (json!({"version": "1.0.0", "integrity": integrity, "optional": true, "os": ["!aix"]}), Ok(true)),
        ] {
            let locked: Locked = serde_json::from_value(locked).unwrap_or_else(|_| none());
            let place = Place::of("node_modules/a", &locked);
            assert_eq!(place.map(|it| it.is_some()).map_err(|_| ()), expected);
        }
    }

    #[test]
    fn what_is_in_another_archive_has_a_version_and_no_internal_name() {
        let names = ["npm:acme-*"].iter().filter_map(|it| it.parse().ok()).collect();
        let internal = Internal::new(names, None, None);
        for (directory, locked, expected) in [
            ("node_modules/a/node_modules/b", json!({"inBundle": true, "version": "1.0.0"}), true),
            ("node_modules/a/node_modules/b", json!({"inBundle": true}), false),
            ("node_modules/a/node_modules/acme-b", json!({"inBundle": true, "version": "1.0.0"}), false),
            (
                "node_modules/a/node_modules/b",
                json!({"inBundle": true, "version": "1", "name": "acme-b"}),
                false,
            ),
        ] {
            let locked: Locked = serde_json::from_value(locked).unwrap_or_else(|_| none());
            let place = Place::in_another(directory, &locked, &internal);
            assert_eq!(place.is_ok(), expected, "{directory}");
            assert!(place.is_err() || place.is_ok_and(|it| it.is_below("node_modules/a")));
        }
    }

    fn none() -> Locked {
        Locked {
            name: None,
            version: None,
            resolved: None,
            integrity: None,
            link: false,
            in_bundle: false,
            optional: false,
            os: None,
            cpu: None,
        }
    }
}
