//! The files of a sandbox: an empty root into which only what the plan grants is mounted.
//!
//! What is granted is opened, without following links, before there is a sandbox and put in its place when
//! nothing else is left, so that no path is ever looked up outside on behalf of something inside.

use std::{
    collections::BTreeMap,
    ffi::CString,
    fs, io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::symlink,
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, openat2},
    mount::{
        MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount, mount_change,
        move_mount, open_tree, unmount,
    },
    process::pivot_root,
};

use super::{StartError, ids::Identity};
use crate::{
    plan::{DEVICES, LINKS, MADE, Plan, SCRATCH},
    system::{self, MountAttributes},
};

/// Covered by the new root in the sandbox's own namespace of mounts, until the old one is gone.
const CONSTRUCTION_SITE: &str = "/tmp";

/// Bytes for directories, links and the files that are made.
const ROOT_SIZE: u64 = 1 << 20;

/// Files of the temporary file system.
const SCRATCH_FILES: u64 = 16_384;

const SCRATCH_FLAGS: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV).union(MountFlags::NOEXEC);

/// A copy of a part of the host's tree of mounts that is in no place yet.
pub(super) struct Tree {
    at: PathBuf,
    mount: OwnedFd,
    directory: bool,
}

/// Opens everything the plan grants. By whom decides what can be mapped: only outside of the sandbox, and only
/// with privilege, can owners be changed.
pub(super) fn open(plan: &Plan, identity: Identity) -> Result<Vec<Tree>, StartError> {
    let read =
        plan.read.iter().chain(&plan.execute).map(|path| (path.as_path(), MountAttributes::read_only()));
    let write = plan.write.iter().map(|path| (path.as_path(), MountAttributes::data_only()));
    let mut owners = BTreeMap::new();
    let mut trees = Vec::new();
    for (path, attributes) in read.chain(write) {
        let failed = |error: io::Error| StartError::unmet("files", format!("`{}`: {error}", path.display()));
        trees.push(open_one(path, attributes, identity, &mut owners).map_err(failed)?);
    }
    // What is inside of something else is mounted after it.
    trees.sort_by(|one, other| one.at.cmp(&other.at));
    Ok(trees)
}

/// Opens one file that is to be read and executed in another place.
pub(super) fn open_as(path: &Path, at: &Path, identity: Identity) -> io::Result<Tree> {
    let tree = open_one(path, MountAttributes::read_only(), identity, &mut BTreeMap::new())?;
    Ok(Tree { at: at.to_owned(), ..tree })
}

type Owners = BTreeMap<(u32, u32), OwnedFd>;

fn open_one(
    path: &Path,
    attributes: MountAttributes,
    identity: Identity,
    owners: &mut Owners,
) -> io::Result<Tree> {
    let file = openat2(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::NO_SYMLINKS)?;
    let stat = fstat(&file)?;
    let mount = clone_tree(&file)?;
    system::set_mount_attributes(mount.as_fd(), attributes, None)?;
    if identity.other {
        let owner = (stat.st_uid, stat.st_gid);
        let namespace = match owners.entry(owner) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(new) => new.insert(identity.owning(owner.0, owner.1)?),
        };
        // A file system that cannot map owners leaves them as they are: others' rights then decide.
        let _as_they_are =
            system::set_mount_attributes(mount.as_fd(), MountAttributes::none(), Some(namespace.as_fd()));
    }
    let directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    Ok(Tree { at: path.to_owned(), mount, directory })
}

fn clone_tree(file: impl AsFd) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE
        | OpenTreeFlags::AT_EMPTY_PATH;
    Ok(open_tree(file, "", flags)?)
}

/// Makes the new root and enters it; nothing of the old one is left. `trees` are those of [`open`] if they could
/// be opened outside.
pub(super) fn enter(plan: &Plan, identity: Identity, trees: Option<Vec<Tree>>) -> Result<(), StartError> {
    let failed =
        |step: &'static str| move |error: io::Error| StartError::unmet("files", format!("{step}: {error}"));
    mount_change("/", MountPropagationFlags::REC | MountPropagationFlags::PRIVATE)
        .map_err(|error| failed("mounts cannot be made private")(error.into()))?;
    let trees = trees.map_or_else(|| open(plan, identity), Ok)?;
    let devices = DEVICES.iter().map(|path| device(Path::new(path))).collect::<io::Result<Vec<_>>>();
    let devices = devices.map_err(failed("devices cannot be opened"))?;
    empty_root().map_err(failed("the new root cannot be entered"))?;
    fill(plan, trees, devices).map_err(failed("the new root cannot be filled"))
}

fn device(path: &Path) -> io::Result<Tree> {
    let file = openat2(CWD, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::NO_SYMLINKS)?;
    let mount = clone_tree(file)?;
    system::set_mount_attributes(mount.as_fd(), MountAttributes::device(), None)?;
    Ok(Tree { at: path.to_owned(), mount, directory: false })
}

fn empty_root() -> io::Result<()> {
    let flags = MountFlags::NOSUID | MountFlags::NODEV;
    temporary(CONSTRUCTION_SITE, flags, ROOT_SIZE, "0755")?;
    rustix::process::chdir(CONSTRUCTION_SITE)?;
    // A process table that shows this namespace only can be mounted only where the host's is still to be seen
    // (user_namespaces(7)).
    fs::create_dir("proc")?;
    let shown = c"hidepid=ptraceable,subset=pid";
    mount("proc", "proc", "proc", flags | MountFlags::NOEXEC, shown)?;
    // Both on one place, so that no directory for the old root is needed (pivot_root(2)).
    pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    Ok(rustix::process::chdir("/")?)
}

fn fill(plan: &Plan, trees: Vec<Tree>, devices: Vec<Tree>) -> io::Result<()> {
    let root = Path::new("/");
    fs::create_dir_all("/dev/shm")?;
    temporary("/dev/shm", SCRATCH_FLAGS, plan.limits.scratch, "1777")?;
    devices.iter().try_for_each(|device| place(root, device))?;
    for (at, to) in LINKS {
        link(root, Path::new(at), Path::new(to))?;
    }
    furnish(root, plan, trees)?;
    let root = rustix::fs::open("/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    system::set_mount_attributes_here(root.as_fd(), MountAttributes::read_only())
}

/// Puts what a plan grants, its links and the files that are made below `root`.
pub(super) fn furnish(root: &Path, plan: &Plan, trees: Vec<Tree>) -> io::Result<()> {
    let scratch = below(root, Path::new(SCRATCH));
    fs::create_dir_all(&scratch)?;
    temporary(&scratch.to_string_lossy(), SCRATCH_FLAGS, plan.limits.scratch, "1777")?;
    trees.iter().try_for_each(|tree| place(root, tree))?;
    plan.links.iter().try_for_each(|(at, to)| link(root, at, to))?;
    for (path, text) in MADE {
        let path = below(root, Path::new(path));
        if fs::symlink_metadata(&path).is_err() {
            fs::create_dir_all(path.parent().unwrap_or(root))?;
            fs::write(path, text)?;
        }
    }
    Ok(())
}

fn below(root: &Path, at: &Path) -> PathBuf {
    root.join(at.strip_prefix("/").unwrap_or(at))
}

fn link(root: &Path, at: &Path, to: &Path) -> io::Result<()> {
    let at = below(root, at);
    if fs::symlink_metadata(&at).is_err() {
        fs::create_dir_all(at.parent().unwrap_or(root))?;
        symlink(to, at)?;
    }
    Ok(())
}

fn place(root: &Path, tree: &Tree) -> io::Result<()> {
    let at = below(root, &tree.at);
    if fs::symlink_metadata(&at).is_err() {
        fs::create_dir_all(at.parent().unwrap_or(root))?;
        if tree.directory { fs::create_dir(&at)? } else { fs::write(&at, "")? }
    }
    Ok(move_mount(&tree.mount, "", CWD, &at, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?)
}

pub(super) fn temporary(place: &str, flags: MountFlags, size: u64, mode: &str) -> io::Result<()> {
    let options = CString::new(format!("size={size},nr_inodes={SCRATCH_FILES},mode={mode}"))?;
    Ok(mount("tmpfs", place, "tmpfs", flags, options.as_c_str())?)
}
