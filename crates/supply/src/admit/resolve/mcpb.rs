//! MCPB bundles: a zip archive with `manifest.json`, everything it needs inside (MCPB manifest 0.1 to 0.4).

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use portcullis_core::wire::json::Limits;
use serde_json::Value;

use super::{
    Part, Progress, ResolveFault, Resolved, Start, Wanted,
    about::{self, About},
    disk, npm, unpacking,
};
use crate::{
    admit::{
        Finding, FindingKind,
        unpack::{Bounds, Fill, Scheme, zip},
    },
    document,
    verify::{Digests, mcpb},
};

/// Directory of the tree that a bundle is unpacked into.
const BUNDLE: &str = "bundle";
const LIMITS: Limits = Limits {
    max_bytes: 4 << 20,
    max_depth: 32,
    max_string: 1 << 20,
    max_members: 10_000,
    max_nodes: 100_000,
};

pub(super) fn resolve(wanted: &Wanted<'_>, progress: Progress<'_>) -> Result<Resolved, ResolveFault> {
    let source = Path::new(&wanted.package.name);
    let name = source.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    progress(&format!("reading {}", source.display()));
    // What is looked at is a copy that nobody else changes.
    let archive = wanted.quarantine.join("artifact");
    fs::copy(source, &archive).map_err(disk(source))?;
    let artifact = File::open(&archive).and_then(Digests::of).map_err(disk(&archive))?;
    let mut findings = Vec::new();
    let (body, signer) = body(wanted, &archive, &mut findings)?;
    let tree = wanted.quarantine.join("tree");
    let mut fill = Fill::new(&tree, Bounds::default()).map_err(unpacking(&name))?;
    zip(File::open(&body).map_err(disk(&body))?, BUNDLE, Scheme::Plain, &mut fill)
        .map_err(unpacking(&name))?;
    let file = tree.join(BUNDLE).join("manifest.json");
    let unreadable = |why| ResolveFault::Answer { what: "the bundle's manifest.json", why };
    let bytes = document::bounded(&file, LIMITS.max_bytes).map_err(unreadable)?;
    let manifest = document::strict(&bytes, &LIMITS).map_err(unreadable)?;
    let start = start(&name, &manifest, &tree)?;
    findings.extend(asks(&manifest));
    let About { claims, licence } = about::npm(&manifest);
    let text = |member: &str| manifest.get(member).and_then(Value::as_str).map(|it| document::line(it, 128));
    let (Some(called), Some(version)) = (text("name"), text("version")) else {
        return Err(unreadable("it has no name or no version".to_owned()));
    };
    let own = Part {
        name: called,
        version: version.clone(),
        sha256: artifact.sha256.clone(),
        sha512: artifact.sha512.clone(),
        bundled: false,
        licence,
    };
    let mut parts = BTreeSet::from([own.clone()]);
    modules(&tree.join(BUNDLE), false, &own, &mut parts)?;
    let parts = parts.into_iter().collect();
    Ok(Resolved { version, archive: body, artifact, tree, start, parts, claims, signer, findings })
}

/// The archive without its signature, which has to be of somebody who is named, where anybody is.
fn body(
    wanted: &Wanted<'_>,
    archive: &Path,
    findings: &mut Vec<Finding>,
) -> Result<(PathBuf, Option<String>), ResolveFault> {
    let mut file = File::open(archive).map_err(disk(archive))?;
    let length = file.metadata().map_err(disk(archive))?.len();
    let tail = length.min(mcpb::MAX_BLOCK as u64);
    file.seek(SeekFrom::Start(length - tail)).map_err(disk(archive))?;
    let mut bytes = Vec::new();
    file.take(tail).read_to_end(&mut bytes).map_err(disk(archive))?;
    let refused = |what: String| ResolveFault::Signature { name: wanted.package.name.clone(), what };
    let block = mcpb::block(&bytes, length).map_err(|fault| refused(fault.to_string()))?;
    let Some(block) = block else {
        if !wanted.signers.is_empty() {
            return Err(refused("it is not signed".to_owned()));
        }
        return Ok((archive.to_owned(), None));
    };
    let body = archive.with_file_name("body");
    fs::copy(archive, &body).map_err(disk(&body))?;
    File::options().write(true).open(&body).and_then(|file| file.set_len(block.body)).map_err(disk(&body))?;
    if wanted.signers.is_empty() {
        let what = "it is signed, and nobody is named whose signature would count";
        findings.push(Finding::new(FindingKind::NoProvenance, what));
        return Ok((body, None));
    }
    let digests = File::open(&body).and_then(Digests::of).map_err(disk(&body))?;
    let sha256 = crate::verify::unhex(&digests.sha256).unwrap_or_default();
    let signer = block.verify(&sha256, wanted.signers, wanted.now_s);
    let signer = signer.map_err(|fault| refused(format!("{}: {fault}", fault.reason)))?;
    Ok((body, Some(signer)))
}

/// How it is started: by `node`, or as a program.
fn start(name: &str, manifest: &Value, tree: &Path) -> Result<Start, ResolveFault> {
    let refused = |what: String| ResolveFault::NoProgram { name: name.to_owned(), what };
    let server = manifest.get("server").unwrap_or(&Value::Null);
    let text = |member: &str| server.get(member).and_then(Value::as_str);
    let interpreter = match text("type") {
        Some("node") => Some("node"),
        Some("binary") => None,
        Some(other @ ("python" | "uv")) => {
            let what = format!("is a bundle of type `{other}`, whose modules are found by its client only");
            return Err(refused(what));
        }
        _ => return Err(refused("is a bundle of no type that is known".to_owned())),
    };
    let entry = text("entry_point").unwrap_or_default().trim_start_matches("./");
    let inside = !entry.is_empty() && entry.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if !inside || !tree.join(BUNDLE).join(entry).is_file() {
        return Err(refused("names a program that is not in it".to_owned()));
    }
    Ok(Start { interpreter, entry: format!("{BUNDLE}/{entry}") })
}

/// Arguments and variables that it wants to be started with. They are the configuration's, so whoever writes that has to
/// know.
fn asks(manifest: &Value) -> Option<Finding> {
    let wanted = manifest.pointer("/server/mcp_config")?;
    let args = wanted.get("args").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let args = args.iter().filter_map(Value::as_str).filter(|it| !it.starts_with("${__dirname}"));
    let env =
        wanted.get("env").and_then(Value::as_object).into_iter().flatten().map(|(name, _)| name.as_str());
    let all: Vec<&str> = args.chain(env).collect();
    let what = format!("it wants to be started with {}", all.join(", "));
    (!all.is_empty()).then(|| Finding::new(FindingKind::BundleAsks, what))
}

/// Every package of npm below a directory `node_modules`.
fn modules(
    directory: &Path,
    inside: bool,
    own: &Part,
    parts: &mut BTreeSet<Part>,
) -> Result<(), ResolveFault> {
    for entry in fs::read_dir(directory).map_err(disk(directory))? {
        let entry = entry.map_err(disk(directory))?;
        let path = entry.path();
        if !entry.file_type().map_err(disk(&path))?.is_dir() {
            continue;
        }
        let manifest = if inside { npm::manifest(&path) } else { Value::Null };
        let text =
            |member: &str| manifest.get(member).and_then(Value::as_str).map(|it| document::line(it, 214));
        if let (Some(name), Some(version)) = (text("name"), text("version")) {
            let licence = about::npm(&manifest).licence;
            parts.insert(Part { name, version, bundled: true, licence, ..own.clone() });
        }
        let below = inside || entry.file_name() == "node_modules";
        modules(&path, below, own, parts)?;
    }
    Ok(())
}
