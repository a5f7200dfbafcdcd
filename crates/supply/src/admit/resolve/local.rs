//! A file that is there: a packed npm package, a wheel, or a program. It comes alone; what it needs is in it or missing.

use std::{
    fs::{self, File},
    path::Path,
};

use super::{
    Part, Progress, ResolveFault, Resolved, Start, Wanted,
    about::{self, About},
    disk, npm, pypi, unpacking,
};
use crate::{
    admit::unpack::{Bounds, Fill, Scheme, tarball, zip},
    verify::Digests,
};

pub(super) fn resolve(wanted: &Wanted<'_>, progress: Progress<'_>) -> Result<Resolved, ResolveFault> {
    let source = Path::new(&wanted.package.name);
    let name = source.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    progress(&format!("reading {}", source.display()));
    // What is looked at is a copy that nobody else changes.
    let archive = wanted.quarantine.join("artifact");
    fs::copy(source, &archive).map_err(disk(source))?;
    let digests = File::open(&archive).and_then(Digests::of).map_err(disk(&archive))?;
    let tree = wanted.quarantine.join("tree");
    let mut fill = Fill::new(&tree, Bounds::default()).map_err(unpacking(&name))?;
    let file = File::open(&archive).map_err(disk(&archive))?;
    let label = name.clone();
    let refuse = unpacking(&label);
    let (start, said) = if name.ends_with(".tgz") || name.ends_with(".tar.gz") {
        tarball(file, "package", &mut fill).map_err(&refuse)?;
        let said = about::npm(&npm::manifest(&tree.join("package")));
        (npm::program(&name, "package", &tree)?, said)
    } else if name.ends_with(".whl") {
        zip(file, pypi::SITE, Scheme::Wheel, &mut fill).map_err(&refuse)?;
        pypi::wheel_alone(&name, &tree)?
    } else {
        fill.file(&name, true, file).map_err(&refuse)?;
        (Start { interpreter: None, entry: name.clone() }, About::default())
    };
    let version = digests.sha256.chars().take(12).collect::<String>();
    let (sha256, sha512) = (digests.sha256.clone(), digests.sha512.clone());
    let About { claims, licence } = said;
    let parts = vec![Part { name, version: version.clone(), sha256, sha512, bundled: false, licence }];
    Ok(Resolved {
        version,
        archive,
        artifact: digests,
        tree,
        start,
        parts,
        claims,
        signer: None,
        findings: Vec::new(),
    })
}
