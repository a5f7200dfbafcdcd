#![allow(clippy::unwrap_used, reason = "test code")]

use std::fs;

use super::*;
use crate::Draft;

/// Removed when dropped.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        let at = Path::new("/var/tmp").join(format!("portcullis-learn-{}", std::process::id()));
        for part in [
            "home/.ssh",
            "home/docs/deep",
            "home/work/sub",
            "home/lib/node_modules/a/b",
            "home/.config/gh",
            "home/.config/git",
            "home/.local/share/uv/credentials",
            "home/.local/share/uv/python",
        ] {
            fs::create_dir_all(at.join(part)).unwrap();
        }
        let many = (0..6).map(|n| format!("home/docs/{n}"));
        let files = [
            "home/.ssh/id",
            "home/.config/gh/hosts",
            "home/.config/git/credentials",
            "home/.config/git/config",
            "home/.config/git/ignore",
            "home/.gitconfig",
            "home/.local/share/uv/credentials/index",
            "home/.local/share/uv/python/bin",
            "home/work/x",
            "home/lib/node_modules/a/b/c.js",
            "home/one",
        ];
        for file in files.into_iter().map(str::to_owned).chain(many) {
            fs::write(at.join(file), "").unwrap();
        }
        Self(at.canonicalize().unwrap())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_draft_holds_what_was_used_and_no_secrets() {
    let place = Place::new();
    let at = |path: &str| place.0.join(path);
    let around =
        Around { home: Some(at("home")), cwd: at("home"), kept: vec![(at("home/one"), "a record".into())] };
    let base = Draft::new("/usr/bin".as_ref(), &place.0).finish();
    let mut listed = base.clone();
    listed.write.insert(at("home/work"));
    let wide = widened(&listed, &around);
    for shown in ["home/docs/1", "home/.config/git/ignore", "home/.local/share/uv/python/bin"] {
        assert!(below_any(&at(shown), &wide.read), "{shown} not in {wide:?}");
    }
    for hidden in [
        "home/.ssh/id",
        "home/one",
        "home/.config/gh/hosts",
        "home/.config/git/credentials",
        "home/.config/git/config",
        "home/.gitconfig",
        "home/.local/share/uv/credentials/index",
    ] {
        assert!(!below_any(&at(hidden), &wide.read), "{hidden} in {wide:?}");
    }
    let check = |used: &[(Deed, &str)], read: &[&str], write: &[&str], withheld: &[&str]| {
        let seen = used.iter().map(|(deed, path)| Sighting { deed: *deed, path: at(path) }).collect();
        let learnt = learn(&base, &wide, &around, &seen);
        let paths = |names: &[&str]| names.iter().map(|name| at(name)).collect::<BTreeSet<_>>();
        assert_eq!(learnt.read, paths(read), "{used:?}");
        assert_eq!(learnt.write, paths(write), "{used:?}");
        let kept: BTreeSet<_> = learnt.withheld.into_iter().map(|it| it.path).collect();
        assert_eq!(kept, paths(withheld), "{used:?}");
    };
    let docs = |number: usize| {
        (["home/docs/0", "home/docs/1", "home/docs/2", "home/docs/3"].map(|it| (Deed::Read, it)))
            .into_iter()
            .take(number)
            .collect::<Vec<_>>()
    };
    check(&docs(1), &["home/docs/0"], &[], &[]);
    check(&docs(3), &["home/docs/0", "home/docs/1", "home/docs/2"], &[], &[]);
    check(&docs(4), &["home/docs"], &[], &[]);
    check(&[(Deed::Read, "home/lib/node_modules/a/b/c.js")], &["home/lib/node_modules"], &[], &[]);
    check(&[(Deed::Read, "home")], &[], &[], &["home"]);
    check(&[(Deed::Read, "home/.ssh/id"), (Deed::Read, "home/one")], &[], &[], &["home/.ssh/id", "home/one"]);
    check(&[(Deed::Read, "home/none"), (Deed::Read, "home/docs/none")], &[], &[], &[]);
    let many = (0..MOST_WITHHELD + 7).map(|number| at(&format!("home/docs/new{number}")));
    let many = many.map(|path| Sighting { deed: Deed::Change, path }).collect();
    let learnt = learn(&base, &wide, &around, &many);
    assert_eq!((learnt.withheld.len(), learnt.withheld_besides), (MOST_WITHHELD, 7));
    check(&[(Deed::Write, "home/work/x")], &[], &["home/work/x"], &[]);
    check(
        &[(Deed::Change, "home/work/sub/new"), (Deed::Read, "home/work/sub/new")],
        &[],
        &["home/work/sub"],
        &[],
    );
    check(
        &[(Deed::Change, "home/docs/new"), (Deed::Write, "home/docs/0")],
        &[],
        &[],
        &["home/docs/new", "home/docs/0"],
    );
    check(&[(Deed::Change, "home/docs/__pycache__/x"), (Deed::Change, "home/nowhere/x")], &[], &[], &[]);
}
