//! Instruction counts per stage: small regressions that wall-clock noise hides.
//!
//! Each stage runs twice under callgrind with different repeat counts. The difference, divided by
//! the extra repeats, is the cost of one repeat, without start-up and set-up.

mod baseline;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use baseline::Baseline;

use crate::{args::Args, failure::Failure, workspace};

pub(crate) const ABOUT: &str =
    "counts instructions per stage and compares them with benches/instructions.json
--check fails on growth, --save writes a new baseline, --only TEXT picks stages by name";

const BASELINE: &str = "benches/instructions.json";
/// The first run warms caches and pools inside the stage; the second adds what is counted.
const REPEATS: (u64, u64) = (10, 110);
const RUNS: usize = 3;

pub(crate) fn run(mut args: Args) -> Result<(), Failure> {
    let (check, save) = (args.switch("--check"), args.switch("--save"));
    let only: String = args.value("--only")?.unwrap_or_default();
    args.finish()?;
    if save && !only.is_empty() {
        return Err(Failure::Usage("`--save` writes all stages, and does not go with `--only`".into()));
    }
    let stages = build()?;
    let mut measured = BTreeMap::new();
    for name in workspace::output(Command::new(&stages).arg("--list"))?.lines() {
        if name.contains(&only) {
            measured.insert(name.to_owned(), count(&stages, name)?);
        }
    }
    if measured.is_empty() {
        return Err(Failure::Usage(format!("no stage's name contains `{only}`")));
    }
    let measured = Baseline { rustc: rustc()?, stages: measured };
    let path = workspace::root().join(BASELINE);
    let known = Baseline::read(&path)?;
    print!("{}", known.table(&measured));
    if save {
        return measured.write(&path);
    }
    let problems = known.problems(&measured, only.is_empty());
    if check && !problems.is_empty() {
        return Err(Failure::Findings(problems.join("\n")));
    }
    Ok(())
}

fn build() -> Result<PathBuf, Failure> {
    let programs = workspace::build_for_measuring(&["--package", "portcullis-bench", "--example", "stages"])?;
    Ok(programs.join("examples/stages"))
}

/// The median of a few runs: hash tables are seeded anew in each.
fn count(stages: &Path, name: &str) -> Result<u64, Failure> {
    let (few, many) = REPEATS;
    let mut counts = [0; RUNS];
    for count in &mut counts {
        let extra = instructions(stages, name, many)?.saturating_sub(instructions(stages, name, few)?);
        *count = extra / (many - few);
    }
    counts.sort_unstable();
    Ok(counts.get(RUNS / 2).copied().unwrap_or_default())
}

fn instructions(stages: &Path, name: &str, repeats: u64) -> Result<u64, Failure> {
    let out = stages.with_file_name(format!("callgrind.out.{name}.{repeats}"));
    let mut option = std::ffi::OsString::from("--callgrind-out-file=");
    option.push(&out);
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--quiet", "--tool=callgrind"]).arg(option).arg(stages).arg(name).arg(repeats.to_string());
    workspace::output(&mut valgrind)?;
    let text = std::fs::read_to_string(&out).map_err(|e| Failure::broken(out.display(), e))?;
    total(&text).ok_or_else(|| Failure::broken(out.display(), "no totals in it"))
}

fn total(callgrind: &str) -> Option<u64> {
    callgrind.lines().find_map(|line| line.strip_prefix("totals:"))?.trim().parse().ok()
}

fn rustc() -> Result<String, Failure> {
    Ok(workspace::output(Command::new("rustc").arg("--version"))?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals() {
        for (text, expected) in [
            ("events: Ir\nfn=(0)\n5 12\ntotals: 123456\n", Some(123_456)),
            ("events: Ir\n", None),
            ("totals: x", None),
        ] {
            assert_eq!(total(text), expected);
        }
    }
}
