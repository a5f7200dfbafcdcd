//! From single files to the directories that they are parts of.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsStr,
    path::{Path, PathBuf},
};

use super::Around;

/// Files of one directory that are taken for all of it.
const ENOUGH: usize = 4;

/// Directories that are read as a whole when anything in them is: packages find each other there.
const WHOLE: &[&str] = &["node_modules", "site-packages", "dist-packages"];

/// Directories of what was read, and those that are too much to be given as a whole.
pub(super) fn fold(files: &BTreeSet<PathBuf>, around: &Around) -> (BTreeSet<PathBuf>, BTreeSet<PathBuf>) {
    let packages = files.iter().map(|path| package(path).unwrap_or_else(|| path.clone())).collect();
    let folded = by_directory(&packages, around);
    let (broad, narrow) = folded.into_iter().partition(|path| path.is_dir() && around.is_broad(path));
    (without_parts(&narrow), broad)
}

/// The outermost directory of packages a file is in.
fn package(path: &Path) -> Option<PathBuf> {
    let at = path.iter().position(|part| WHOLE.iter().any(|whole| part == OsStr::new(whole)))?;
    Some(path.iter().take(at + 1).collect())
}

/// Where there are several of one directory, the directory.
pub(super) fn by_directory(files: &BTreeSet<PathBuf>, around: &Around) -> BTreeSet<PathBuf> {
    let mut of: BTreeMap<&Path, usize> = BTreeMap::new();
    for parent in files.iter().filter_map(|path| path.parent()) {
        *of.entry(parent).or_default() += 1;
    }
    let folds =
        |parent: &Path| of.get(parent).is_some_and(|count| *count >= ENOUGH) && !around.is_broad(parent);
    let one = |path: &PathBuf| path.parent().filter(|it| folds(it)).unwrap_or(path).to_owned();
    files.iter().map(one).collect()
}

/// Without what is in another of them.
pub(super) fn without_parts(paths: &BTreeSet<PathBuf>) -> BTreeSet<PathBuf> {
    let part = |path: &&PathBuf| path.ancestors().skip(1).any(|above| paths.contains(above));
    paths.iter().filter(|path| !part(path)).cloned().collect()
}
