//! A first draft of what a server needs, from what it used while it was watched.
//!
//! It is watched in a sandbox in which it can read far more than it will be given, but no secrets, and change only what its
//! command or a person names. So the draft holds nothing that was not used, and nothing that was not allowed while it was.

mod fold;
mod wide;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::{
    plan::{MADE, Plan, SCRATCH},
    seen::{Deed, Sighting},
};

pub use self::wide::{Around, widened};

/// What a server used beyond what its command says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Learnt {
    /// Files and directories it read.
    pub read: BTreeSet<PathBuf>,
    /// Files and directories it changed.
    pub write: BTreeSet<PathBuf>,
    /// Programs it executed.
    pub execute: BTreeSet<PathBuf>,
    /// What it tried and is not in the draft, [`MOST_WITHHELD`] at most.
    pub withheld: BTreeSet<Withheld>,
    /// How many there were besides.
    pub withheld_besides: usize,
    /// What its command lets it change and it left alone.
    pub unused: BTreeSet<PathBuf>,
}

/// Something that was tried and that the draft does not grant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Withheld {
    /// With which file.
    pub path: PathBuf,
    /// What.
    pub deed: Deed,
    /// Why not.
    pub why: String,
}

/// As much of what is withheld is told: a server chooses what it tries, and a person reads it.
pub const MOST_WITHHELD: usize = 100;

/// Parts of paths that are beside the point: caches that programs do without.
const CACHES: &[&str] = &["__pycache__"];

/// Where what a program does there concerns nobody.
const OWN: &[&str] = &["/proc", "/dev", "/sys"];

/// Works out a draft. `base` is the plan that its command alone gives, `wide` the one it was watched in, made of it by
/// [`widened`].
pub fn learn(base: &Plan, wide: &Plan, around: &Around, seen: &BTreeSet<Sighting>) -> Learnt {
    let mut learnt = Learnt::default();
    for sighting in seen.iter().filter(|it| concerns(&it.path, wide)) {
        match judged(sighting, base, wide, around) {
            Judged::Comes => {}
            Judged::Withheld(why) => {
                let Sighting { deed, path } = sighting.clone();
                learnt.withheld.insert(Withheld { path, deed, why });
            }
            Judged::Needed => {
                let set = match sighting.deed {
                    Deed::Read => &mut learnt.read,
                    Deed::Write | Deed::Change => &mut learnt.write,
                    Deed::Execute => &mut learnt.execute,
                };
                // What is made or removed changes the directory it is in.
                let parent = sighting.path.parent().filter(|_| sighting.deed == Deed::Change);
                set.insert(
                    parent.filter(|it| below_any(it, &wide.write)).unwrap_or(&sighting.path).to_owned(),
                );
            }
        }
    }
    let (read, broad) = fold::fold(&learnt.read, around);
    learnt.withheld.extend(broad.into_iter().map(|path| Withheld {
        path,
        deed: Deed::Read,
        why: "it is too much to be given as a whole: list what is needed of it".to_owned(),
    }));
    if let Some(last) = learnt.withheld.iter().nth(MOST_WITHHELD).cloned() {
        learnt.withheld_besides = learnt.withheld.split_off(&last).len();
    }
    learnt.write = fold::without_parts(&fold::by_directory(&learnt.write, around));
    learnt.read = read.into_iter().filter(|path| !below_any(path, &learnt.write)).collect();
    let used = |path: &PathBuf| seen.iter().any(|it| it.path.starts_with(path));
    learnt.unused = base.write.iter().filter(|path| !used(path)).cloned().collect();
    learnt
}

enum Judged {
    /// The command says so already, or it is not there at all.
    Comes,
    Needed,
    Withheld(String),
}

fn judged(sighting: &Sighting, base: &Plan, wide: &Plan, around: &Around) -> Judged {
    let Sighting { deed, path } = sighting;
    let there = path.symlink_metadata().is_ok();
    let changes = matches!(deed, Deed::Write | Deed::Change);
    let within = |plan: &Plan| {
        let write = below_any(path, &plan.write);
        match deed {
            Deed::Read => write || below_any(path, &plan.read) || plan.execute.contains(path),
            Deed::Write | Deed::Change => write,
            Deed::Execute => below_any(path, &plan.execute),
        }
    };
    if within(base) {
        return Judged::Comes;
    }
    if let Some(what) = around.secret(path).filter(|_| there) {
        return Judged::Withheld(what);
    }
    if within(wide) {
        // Whether it was there is known only of what still is; of what was changed the directory is.
        return if there || *deed == Deed::Change { Judged::Needed } else { Judged::Comes };
    }
    let place_is_there = path.parent().is_some_and(Path::is_dir);
    match (changes, there) {
        (true, _) if place_is_there => {
            Judged::Withheld("it could not be changed while it was watched: `--write` lets it".to_owned())
        }
        (false, true) => {
            Judged::Withheld("it was out of reach while it was watched: `--read` lets it".to_owned())
        }
        _ => Judged::Comes,
    }
}

fn concerns(path: &Path, wide: &Plan) -> bool {
    let beside = path.iter().any(|part| CACHES.iter().any(|cache| part == *cache));
    let made = MADE.iter().any(|(at, _)| path == Path::new(at));
    let scratch = path.starts_with(SCRATCH) && !below_any(path, &wide.write) && !below_any(path, &wide.read);
    !(beside || made || scratch || path == Path::new("/") || OWN.iter().any(|own| path.starts_with(own)))
}

fn below_any(path: &Path, granted: &BTreeSet<PathBuf>) -> bool {
    path.ancestors().any(|above| granted.contains(above))
}

#[cfg(test)]
mod tests;
