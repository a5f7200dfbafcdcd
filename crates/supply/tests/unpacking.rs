//! Archives that want out, and archives that do not end.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

use std::{
    io::{Cursor, Write as _},
    path::Path,
};

use flate2::{Compression, write::GzEncoder};
use portcullis_supply::admit::{
    Store, StoreFault, Tree,
    unpack::{Bounds, Fill, Scheme, UnpackFault, tarball, zip},
};
use proptest::prelude::*;
use tar::{Builder, EntryType, Header};

/// A tarball whose headers are written as they are told, which the library's own writer would not do.
fn tgz(entries: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
    let mut builder = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, kind, content) in entries {
        let mut header = Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(0o755);
        header.set_size(content.len() as u64);
        if *kind == EntryType::Symlink || *kind == EntryType::Link {
            header.set_size(0);
            header.as_gnu_mut().unwrap().linkname[..content.len()].copy_from_slice(content);
        }
        header.set_cksum();
        let body: &[u8] = if header.size().unwrap() == 0 { &[] } else { content };
        builder.append(&header, body).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

fn zipped(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip_writer();
    for (path, content) in entries {
        writer.start_file(*path, ::zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn zip_writer() -> ::zip::ZipWriter<Cursor<Vec<u8>>> {
    ::zip::ZipWriter::new(Cursor::new(Vec::new()))
}

const SMALL: Bounds = Bounds { files: 10, bytes: 10_000, path: 100 };

fn untar(bytes: &[u8], root: &Path) -> Result<(), UnpackFault> {
    tarball(bytes, "", &mut Fill::new(&root.join("made"), SMALL)?)
}

fn unzip(bytes: &[u8], root: &Path) -> Result<(), UnpackFault> {
    zip(Cursor::new(bytes), "", Scheme::Plain, &mut Fill::new(&root.join("made"), SMALL)?)
}

/// What is around the place where something is unpacked.
fn around(root: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        std::fs::read_dir(root).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn reason(fault: &UnpackFault) -> &'static str {
    match fault {
        UnpackFault::Path(_) => "path",
        UnpackFault::Kind { .. } => "kind",
        UnpackFault::Twice(_) => "twice",
        UnpackFault::Bound(_) => "bound",
        UnpackFault::Broken(_) => "broken",
        UnpackFault::Write { .. } => "write",
    }
}

#[test]
fn what_leads_out_or_is_no_file_is_refused() {
    let file = EntryType::Regular;
    let many: Vec<(String, EntryType, &[u8])> = (0..11).map(|n| (format!("p/{n}"), file, &b""[..])).collect();
    let many: Vec<(&str, EntryType, &[u8])> =
        many.iter().map(|(path, kind, it)| (path.as_str(), *kind, *it)).collect();
    let zeros = vec![0; 20_000];
    for (entries, expected) in [
        (&[("package/a", file, &b"x"[..])][..], Ok(())),
        (&[("package/../../a", file, b"x")], Err("path")),
        (&[("../a", file, b"x")], Err("path")),
        (&[("/etc/a", file, b"x")], Err("path")),
        (&[("package/a\\b", file, b"x")], Err("path")),
        (&[("package/c:a", file, b"x")], Err("path")),
        (&[("package/\x1b[2Ja", file, b"x")], Err("path")),
        (&[("package", file, b"x")], Err("path")),
        (&[("package/..", EntryType::Directory, b"")], Err("path")),
        (&[("package/a", EntryType::Symlink, b"/etc"), ("package/a/b", file, b"x")], Err("kind")),
        (&[("package/a", EntryType::Link, b"/etc/passwd")], Err("kind")),
        (&[("package/a", EntryType::Char, b"")], Err("kind")),
        (&[("package/a", EntryType::Fifo, b"")], Err("kind")),
        (&[("package/a", file, b"x"), ("package/a", file, b"y")], Err("twice")),
        (&[("package/a", file, b"x"), ("package/A", file, b"y")], Err("twice")),
        (&[("package/a", file, b"x"), ("package/a/b", file, b"y")], Err("write")),
        (&[("package/a", file, &zeros)], Err("bound")),
        (&many, Err("bound")),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let found = untar(&tgz(entries), directory.path());
        assert_eq!(found.as_ref().copied().map_err(reason), expected, "{entries:?}");
        assert_eq!(around(directory.path()), ["made"], "{entries:?}");
    }
}

#[test]
fn zip_archives_are_held_to_the_same() {
    let zeros = vec![0; 20_000];
    for (entries, expected) in [
        (&[("a", &b"x"[..])][..], Ok(())),
        (&[("../a", b"x")], Err("path")),
        (&[("/a", b"x")], Err("path")),
        (&[("a/../../b", b"x")], Err("path")),
        (&[("a", &zeros)], Err("bound")),
        (&[("a", b"x"), ("A", b"y")], Err("twice")),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let found = unzip(&zipped(entries), directory.path());
        assert_eq!(found.as_ref().copied().map_err(reason), expected, "{entries:?}");
        assert_eq!(around(directory.path()), ["made"], "{entries:?}");
    }
    let mut writer = zip_writer();
    writer.add_symlink("a", "/etc", ::zip::write::SimpleFileOptions::default()).unwrap();
    let link = writer.finish().unwrap().into_inner();
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(unzip(&link, directory.path()).map_err(|fault| reason(&fault)), Err("kind"));
}

#[test]
fn a_bomb_ends_early() {
    // 200 MB of zeros in 200 KB.
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let zeros = vec![0; 1 << 20];
    for _ in 0..200 {
        encoder.write_all(&zeros).unwrap();
    }
    let directory = tempfile::tempdir().unwrap();
    // Zeros are the end of a tar archive; what counts is that nothing was written and it came back.
    let _ = untar(&encoder.finish().unwrap(), directory.path());
    assert_eq!(Tree::of(&directory.path().join("made")).unwrap().bytes, 0);
}

#[test]
fn a_wheels_parts_go_where_an_installer_puts_them() {
    let directory = tempfile::tempdir().unwrap();
    let wheel = zipped(&[
        ("m/__init__.py", b""),
        ("m-1.data/purelib/n.py", b""),
        ("m-1.data/scripts/run", b""),
        ("m-1.dist-info/RECORD", b""),
    ]);
    let mut fill = Fill::new(&directory.path().join("made"), SMALL).unwrap();
    zip(Cursor::new(wheel), "site", Scheme::Wheel, &mut fill).unwrap();
    let site = directory.path().join("made/site");
    assert!(site.join("n.py").is_file() && site.join("m/__init__.py").is_file());
    assert!(!site.join("m-1.data").exists());
}

#[test]
fn what_is_stored_is_found_and_what_was_changed_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::at(directory.path().join("store"));
    let put = |content: &[u8]| {
        let quarantine = store.quarantine().unwrap();
        let made = quarantine.path().join("tree");
        tarball(
            tgz(&[("p/a", EntryType::Regular, content), ("p/d/b", EntryType::Regular, b"b")]).as_slice(),
            "",
            &mut Fill::new(&made, SMALL).unwrap(),
        )
        .unwrap();
        store.put(&made).unwrap()
    };
    let tree = put(b"one");
    assert_eq!((tree.files, tree.bytes), (2, 4));
    assert_eq!(put(b"one"), tree);
    assert_ne!(put(b"two").digest, tree.digest);
    let place = store.check(tree.digest).unwrap();
    assert!(std::fs::read_dir(directory.path().join("store/quarantine")).unwrap().next().is_none());
    // Somebody with the right to changes a file, its permissions, or adds one.
    std::fs::remove_file(place.join("a")).unwrap();
    std::fs::write(place.join("a"), "0ne").unwrap();
    assert!(matches!(store.check(tree.digest), Err(StoreFault::Changed { .. })));
    // Admitting it again brings it back.
    assert_eq!(put(b"one"), tree);
    assert!(store.check(tree.digest).is_ok());
    assert!(store.remove(tree.digest).unwrap() && !store.remove(tree.digest).unwrap());
    assert!(matches!(store.check(tree.digest), Err(StoreFault::Absent { .. })));
}

proptest! {
    #[test]
    fn damaged_archives_stay_inside(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let mut plain = tgz(&[("package/a", EntryType::Regular, b"some text"), ("package/b/c", EntryType::Regular, b"more")]);
        let place = at.index(plain.len());
        plain[place] = byte;
        plain.truncate(cut.index(plain.len()).max(1));
        let directory = tempfile::tempdir().unwrap();
        let _ = untar(&plain, directory.path());
        prop_assert_eq!(around(directory.path()), ["made"]);
        let mut archive = zipped(&[("a", b"some text"), ("b/c", b"more")]);
        let place = at.index(archive.len());
        archive[place] = byte;
        let directory = tempfile::tempdir().unwrap();
        let _ = unzip(&archive, directory.path());
        prop_assert_eq!(around(directory.path()), ["made"]);
    }
}
