//! What a path leads to, and through which symbolic links.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    path::{Component, Path, PathBuf},
};

use super::PlanFault;

/// As many as the kernel follows (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// A file as it is, and the links by which it was reached.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Resolved {
    pub(super) real: PathBuf,
    pub(super) links: BTreeMap<PathBuf, PathBuf>,
}

/// Follows a path, relative ones from `cwd`.
pub(super) fn resolve(path: &Path, cwd: &Path) -> Result<Resolved, PlanFault> {
    let missing = |source| PlanFault::Missing { path: path.to_owned(), source };
    let whole = cwd.join(path);
    let mut ahead: Vec<OsString> = components(&whole);
    let (mut real, mut links) = (PathBuf::from("/"), BTreeMap::new());
    // Not the number of different ones: a loop is the same few over and over.
    let mut followed = 0;
    while let Some(next) = ahead.pop() {
        if next == ".." {
            real.pop();
            continue;
        }
        let here = real.join(&next);
        let kind = fs::symlink_metadata(&here).map_err(missing)?.file_type();
        if !kind.is_symlink() {
            real = here;
            continue;
        }
        let target = fs::read_link(&here).map_err(missing)?;
        if target.is_absolute() {
            real = PathBuf::from("/");
        }
        ahead.extend(components(&target));
        links.insert(here, target);
        followed += 1;
        if followed > MAX_LINKS {
            return Err(PlanFault::Links(path.to_owned()));
        }
    }
    if real.to_str().is_none() || links.iter().any(|(at, to)| at.to_str().is_none() || to.to_str().is_none())
    {
        return Err(PlanFault::NotUnicode(real));
    }
    Ok(Resolved { real, links })
}

/// The steps of a path, the last first.
fn components(path: &Path) -> Vec<OsString> {
    let steps = path.components().filter(|step| matches!(step, Component::Normal(_) | Component::ParentDir));
    steps.map(|step| step.as_os_str().to_owned()).rev().collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed_and_kept() {
        let dir = std::env::temp_dir().join(format!("portcullis-resolve-{}", std::process::id()));
        fs::create_dir_all(dir.join("a/b")).unwrap();
        let dir = dir.canonicalize().unwrap();
        symlink("a/b", dir.join("short")).unwrap();
        symlink("../short", dir.join("a/around")).unwrap();
        symlink("loop", dir.join("loop")).unwrap();
        for (path, real, links) in [
            ("a/b", Some("a/b"), &[][..]),
            ("./a/../a/b/.", Some("a/b"), &[]),
            ("short", Some("a/b"), &["short"]),
            ("a/around", Some("a/b"), &["a/around", "short"]),
            ("loop", None, &[]),
            ("none", None, &[]),
        ] {
            let resolved = resolve(Path::new(path), &dir).ok();
            let expected =
                real.map(|real| (dir.join(real), links.iter().map(|link| dir.join(link)).collect()));
            let seen = resolved.map(|it| (it.real, it.links.into_keys().collect::<Vec<_>>()));
            assert_eq!(seen, expected, "{path}");
        }
        fs::remove_dir_all(dir).unwrap();
    }
}
