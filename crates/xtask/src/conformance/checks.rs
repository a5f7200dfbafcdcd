//! What a run of the suite said, check by check.

use std::{collections::BTreeMap, fmt, fs, path::Path};

use serde::Deserialize;

use crate::failure::Failure;

/// Tells a check of one run from all others, and finds it in another run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) suite: &'static str,
    pub(super) version: String,
    pub(super) scenario: String,
    pub(super) id: String,
    pub(super) name: String,
    /// Which of several with this id and name, counted from 1.
    pub(super) nth: usize,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Key { suite, version, scenario, id, name, nth } = self;
        write!(f, "{suite} {version} {scenario} {id} {name} {nth}")
    }
}

/// One check as the suite writes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Check {
    id: String,
    name: String,
    status: String,
    #[serde(default)]
    error_message: Option<String>,
}

/// The checks of a run.
pub(super) type Run = BTreeMap<Key, Check>;

/// A check that passes without the gateway and not through it.
#[derive(Debug)]
pub(super) struct Difference {
    pub(super) key: Key,
    /// Its status through the gateway, or that it was not made.
    pub(super) through: String,
    pub(super) why: String,
}

const PASSED: &str = "SUCCESS";

/// Reads every `SCENARIO.json` in a directory.
pub(super) fn read(suite: &'static str, version: &str, directory: &Path) -> Result<Run, Failure> {
    let broken = |e: std::io::Error| Failure::broken(directory.display(), e);
    let mut run = Run::new();
    for entry in fs::read_dir(directory).map_err(broken)? {
        let path = entry.map_err(broken)?.path();
        let Some(scenario) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".json")) else {
            continue;
        };
        let text = fs::read_to_string(&path).map_err(|e| Failure::broken(path.display(), e))?;
        let checks = serde_json::from_str(&text).map_err(|e| Failure::broken(path.display(), e))?;
        add(&mut run, suite, version, scenario, checks);
    }
    Ok(run)
}

fn add(run: &mut Run, suite: &'static str, version: &str, scenario: &str, checks: Vec<Check>) {
    let mut seen = BTreeMap::<(String, String), usize>::new();
    for check in checks {
        let nth = seen.entry((check.id.clone(), check.name.clone())).or_default();
        *nth += 1;
        let key = Key {
            suite,
            version: version.to_owned(),
            scenario: scenario.to_owned(),
            id: check.id.clone(),
            name: check.name.clone(),
            nth: *nth,
        };
        run.insert(key, check);
    }
}

/// How many checks passed.
pub(super) fn passed(run: &Run) -> usize {
    run.values().filter(|check| check.status == PASSED).count()
}

/// What was found wrong, warnings included.
pub(super) fn failed(run: &Run) -> Vec<Difference> {
    let failed = run.iter().filter(|(_, check)| matches!(check.status.as_str(), "FAILURE" | "WARNING"));
    let difference = |(key, check): (&Key, &Check)| Difference {
        key: key.clone(),
        through: check.status.clone(),
        why: check.error_message.clone().unwrap_or_default(),
    };
    failed.map(difference).collect()
}

/// What passes in `direct` and not in `through`. A check that was not made counts as well: a scenario that stops
/// early makes fewer.
pub(super) fn compare(direct: &Run, through: &Run) -> Vec<Difference> {
    let lost = direct.iter().filter(|(key, check)| {
        check.status == PASSED && through.get(key).is_none_or(|other| other.status != PASSED)
    });
    let difference = |key: &Key| {
        let other = through.get(key);
        Difference {
            key: key.clone(),
            through: other.map_or_else(|| "not made".to_owned(), |check| check.status.clone()),
            why: other.and_then(|check| check.error_message.clone()).unwrap_or_default(),
        }
    };
    lost.map(|(key, _)| difference(key)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;

    /// `id:STATUS` for each check.
    fn run(checks: &str) -> Run {
        let check = |word: &str| {
            let (id, status) = word.split_once(':').unwrap();
            Check { id: id.into(), name: "N".into(), status: status.into(), error_message: None }
        };
        let mut run = Run::new();
        add(&mut run, "server", "v", "s", checks.split_whitespace().map(check).collect());
        run
    }

    #[test]
    fn only_what_passed_can_be_lost() {
        for (direct, through, lost) in [
            ("a:SUCCESS", "a:SUCCESS", vec![]),
            ("a:SUCCESS", "a:FAILURE", vec!["server v s a N 1 FAILURE"]),
            ("a:SUCCESS", "a:INFO", vec!["server v s a N 1 INFO"]),
            ("a:SUCCESS", "", vec!["server v s a N 1 not made"]),
            ("a:SUCCESS a:SUCCESS", "a:SUCCESS a:WARNING", vec!["server v s a N 2 WARNING"]),
            ("a:FAILURE b:INFO", "a:FAILURE", vec![]),
            ("a:SUCCESS", "b:FAILURE a:SUCCESS", vec![]),
        ] {
            let found = compare(&run(direct), &run(through));
            let found: Vec<_> = found.iter().map(|it| format!("{} {}", it.key, it.through)).collect();
            assert_eq!(found, lost, "{direct} / {through}");
        }
    }
}
