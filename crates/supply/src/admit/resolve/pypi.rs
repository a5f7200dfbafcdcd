//! Packages of PyPI: pip resolves and downloads wheels, which we unpack. Source archives are refused, because building
//! one runs its code.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{
    Part, Progress, ResolveFault, Resolved, Start, Wanted,
    about::{self, About},
    client, compared, disk, unpacking,
};
use crate::admit::{
    Ecosystem, Finding, FindingKind, normal,
    unpack::{Bounds, Fill, Scheme, zip},
};

/// pip's installation report, version 1.
#[derive(Deserialize)]
struct Report {
    install: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    metadata: Metadata,
    download_info: Download,
    #[serde(default)]
    is_yanked: bool,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    version: String,
}

#[derive(Deserialize)]
struct Download {
    url: String,
    archive_info: Option<Archive>,
}

#[derive(Deserialize)]
struct Archive {
    #[serde(default)]
    hashes: std::collections::BTreeMap<String, String>,
}

pub(super) fn resolve(wanted: &Wanted<'_>, progress: Progress<'_>) -> Result<Resolved, ResolveFault> {
    let name = wanted.package.name.as_str();
    progress(&format!("resolving {}", wanted.package));
    let items = report(wanted)?.install;
    for item in &items {
        wanted.internal.check(Ecosystem::PyPi, &item.metadata.name, &item.download_info.url)?;
    }
    progress(&format!("fetching {} wheels", items.len()));
    let wheels = fetch(wanted, &items)?;
    let tree = wanted.quarantine.join("tree");
    let mut fill = Fill::new(&tree, Bounds::default()).map_err(unpacking(name))?;
    let (mut parts, mut findings, mut own) = (BTreeSet::new(), Vec::new(), None);
    for item in &items {
        let (part, wheel) = (normal(&item.metadata.name), wheel_of(item, &wheels)?);
        let digests = compared(&part, &wheel, &format!("sha256:{}", item.sha256()?))?;
        zip(File::open(&wheel).map_err(disk(&wheel))?, SITE, Scheme::Wheel, &mut fill)
            .map_err(unpacking(&part))?;
        let (version, sha256, sha512) =
            (item.metadata.version.clone(), digests.sha256.clone(), digests.sha512.clone());
        if item.is_yanked {
            findings.push(Finding::new(FindingKind::Yanked, format!("{part} {version}")));
        }
        let About { claims, licence } = about(&part, &tree.join(SITE))?;
        if part == name {
            own = Some((version.clone(), wheel, digests, claims));
        }
        parts.insert(Part { name: part, version, sha256, sha512, bundled: false, licence });
    }
    let (version, archive, artifact, claims) = own.ok_or_else(|| ResolveFault::NoProgram {
        name: name.to_owned(),
        what: "is not in what pip resolved".to_owned(),
    })?;
    let start = program(name, &tree.join(SITE))?;
    let parts = parts.into_iter().collect();
    Ok(Resolved { version, archive, artifact, tree, start, parts, claims, signer: None, findings })
}

/// Directory of the tree that Python looks for modules in.
pub(super) const SITE: &str = "site";

/// Wheels only, and nobody is told.
fn common<'w>(wanted: &Wanted<'w>) -> Vec<&'w str> {
    let mut args = vec!["--only-binary", ":all:", "--disable-pip-version-check", "--no-input", "--quiet"];
    if let Some(registry) = wanted.registry {
        args.extend(["--index-url", registry]);
    }
    args
}

fn report(wanted: &Wanted<'_>) -> Result<Report, ResolveFault> {
    let requirement = match &wanted.package.version {
        Some(version) => format!("{}=={version}", wanted.package.name),
        None => wanted.package.name.clone(),
    };
    let mut args = vec!["-m", "pip", "install", "--dry-run", "--ignore-installed", "--report", "report.json"];
    args.extend(common(wanted));
    args.push(&requirement);
    client::run(wanted.python, &args, wanted.quarantine, wanted.registry.is_some())?;
    let file = wanted.quarantine.join("report.json");
    let bytes = fs::read(&file).map_err(disk(&file))?;
    let unreadable =
        |error: serde_json::Error| ResolveFault::Answer { what: "pip's report", why: error.to_string() };
    serde_json::from_slice(&bytes).map_err(unreadable)
}

impl Item {
    fn sha256(&self) -> Result<&str, ResolveFault> {
        let hashes = self.download_info.archive_info.as_ref().map(|archive| &archive.hashes);
        hashes.and_then(|hashes| hashes.get("sha256")).map(String::as_str).ok_or_else(|| {
            let name = self.metadata.name.clone();
            ResolveFault::Source { name, what: "announced without a strong digest" }
        })
    }
}

/// Downloads exactly what was resolved, and nothing else.
fn fetch(wanted: &Wanted<'_>, items: &[Item]) -> Result<PathBuf, ResolveFault> {
    let mut requirements = String::new();
    for item in items {
        let Metadata { name, version } = &item.metadata;
        requirements.push_str(&format!("{}=={version} --hash=sha256:{}\n", normal(name), item.sha256()?));
    }
    let file = wanted.quarantine.join("requirements.txt");
    fs::write(&file, requirements).map_err(disk(&file))?;
    let wheels = wanted.quarantine.join("wheels");
    fs::create_dir(&wheels).map_err(disk(&wheels))?;
    let mut args = vec!["-m", "pip", "download", "--no-deps", "--require-hashes"];
    args.extend(common(wanted));
    args.extend(["--dest", "wheels", "--requirement", "requirements.txt"]);
    client::run(wanted.python, &args, wanted.quarantine, wanted.registry.is_some())?;
    Ok(wheels)
}

fn wheel_of(item: &Item, wheels: &Path) -> Result<PathBuf, ResolveFault> {
    let url = item.download_info.url.split(['?', '#']).next().unwrap_or_default();
    let file = url.rsplit('/').next().unwrap_or_default();
    // A `+` in a version is escaped in addresses.
    let path = wheels.join(file.replace("%2B", "+").replace("%2b", "+"));
    if path.is_file() {
        return Ok(path);
    }
    let name = item.metadata.name.clone();
    Err(ResolveFault::NoProgram { name, what: "was not downloaded".to_owned() })
}

/// The program of a package: its only one, or the one named like it.
fn program(name: &str, site: &Path) -> Result<Start, ResolveFault> {
    let refused = |what: &str| ResolveFault::NoProgram { name: name.to_owned(), what: what.to_owned() };
    let about = metadata_of(name, site)?.ok_or_else(|| refused("does not say what it is"))?;
    let text = fs::read_to_string(about.join("entry_points.txt")).unwrap_or_default();
    let programs = console_scripts(&text);
    let named = programs.iter().find(|(script, _)| normal(script) == name);
    let one = named.or(if programs.len() == 1 { programs.first() } else { None });
    let (_, entry) = one.ok_or_else(|| refused("has no program, or several and none of its own name"))?;
    let plain = |it: char| it.is_alphanumeric() || matches!(it, '_' | '.' | ':');
    if !entry.chars().all(plain) || entry.matches(':').count() != 1 {
        return Err(refused("names a program in a form that is not known"));
    }
    Ok(Start { interpreter: Some("python3"), entry: entry.clone() })
}

/// The directory in which a package says what it is.
fn metadata_of(name: &str, site: &Path) -> Result<Option<PathBuf>, ResolveFault> {
    let entries = fs::read_dir(site).map_err(disk(site))?;
    let mut names =
        entries.filter_map(Result::ok).map(|entry| entry.file_name().to_string_lossy().into_owned());
    let own = names.find(|directory| {
        let stem = directory.strip_suffix(".dist-info").and_then(|stem| stem.split('-').next());
        stem.is_some_and(|stem| normal(stem) == name)
    });
    Ok(own.map(|directory| site.join(directory)))
}

/// What a package says about itself.
fn about(name: &str, site: &Path) -> Result<About, ResolveFault> {
    let metadata = metadata_of(name, site)?.map(|directory| directory.join("METADATA"));
    let text = metadata.and_then(|file| fs::read(file).ok()).unwrap_or_default();
    Ok(about::python(&String::from_utf8_lossy(&text)))
}

/// The program of a wheel that comes alone, and what it says about itself.
pub(super) fn wheel_alone(file: &str, tree: &Path) -> Result<(Start, About), ResolveFault> {
    let (name, site) = (normal(file.split('-').next().unwrap_or(file)), tree.join(SITE));
    Ok((program(&name, &site)?, about(&name, &site)?))
}

/// Names and entry points under `[console_scripts]`.
fn console_scripts(text: &str) -> Vec<(String, String)> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line == "[console_scripts]";
        } else if let (true, Some((name, entry))) = (inside, line.split_once('=')) {
            let entry = entry.split('[').next().unwrap_or_default();
            found.push((name.trim().to_owned(), entry.trim().to_owned()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_read_from_entry_points() {
        let text = "[gui_scripts]\nx = y:z\n\n[console_scripts]\nmcp-server-time = mcp_server_time:main\nb=c:d [extra]\n";
        let expected = [("mcp-server-time", "mcp_server_time:main"), ("b", "c:d")];
        let found = console_scripts(text);
        let found: Vec<(&str, &str)> =
            found.iter().map(|(name, entry)| (name.as_str(), entry.as_str())).collect();
        assert_eq!(found, expected);
    }
}
