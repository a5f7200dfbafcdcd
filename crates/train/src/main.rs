//! Trains injection detection on a directory of labelled texts and measures it: weights and report.
//!
//! `cargo xtask train --corpora DIR` runs it. The same texts give the same weights, byte for byte.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool talks to its user")]

mod corpus;
mod failure;
mod fit;
mod folds;
mod report;

use std::{path::PathBuf, process::ExitCode};

use portcullis_inspect::detect::{Kind, TextSurface, Thresholds, training::encode, version_of};

use corpus::Doc;
use failure::Failure;
use folds::Scored;

struct Options {
    corpora: PathBuf,
    weights: PathBuf,
    report: PathBuf,
}

impl Options {
    fn read(mut words: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let usage =
            || Failure::Usage("usage: portcullis-train CORPORA WEIGHTS-DIRECTORY REPORT-FILE".to_owned());
        let mut next = || words.next().map(PathBuf::from).ok_or_else(usage);
        Ok(Self { corpora: next()?, weights: next()?, report: next()? })
    }
}

fn main() -> ExitCode {
    match Options::read(std::env::args().skip(1)).and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options) -> Result<(), Failure> {
    let docs = corpus::load(&options.corpora)?;
    println!("{} texts read", docs.len());
    let scored = folds::leave_one_out(&docs);
    let thresholds = TextSurface::ALL.map(|surface| report::thresholds(&scored, surface));
    let mut versions = Vec::new();
    for kind in Kind::ALL {
        let file = trained(&docs, kind, &thresholds);
        let path = options.weights.join(format!("{}.bin", kind.as_str()));
        versions.push((kind.as_str().to_owned(), version_of(&file)));
        std::fs::write(&path, file).map_err(|e| Failure::file(&path, e))?;
    }
    let page = report::page(&scored, &thresholds, &versions);
    std::fs::write(&options.report, page).map_err(|e| Failure::file(&options.report, e))?;
    summary(&scored, &thresholds);
    Ok(())
}

/// The model of a kind, trained on everything.
fn trained(docs: &[Doc], kind: Kind, thresholds: &[Thresholds]) -> Vec<u8> {
    let all: Vec<&Doc> = docs.iter().collect();
    let model = fit::fit(&all, kind);
    encode(&model.weights, model.bias, thresholds)
}

/// For whoever waits: attacks found by surface at one false flag in a hundred.
fn summary(scored: &[Scored<'_>], thresholds: &[Thresholds]) {
    for (surface, thresholds) in TextSurface::ALL.into_iter().zip(thresholds) {
        let attacks: Vec<f32> = scored
            .iter()
            .filter(|one| one.doc.attack && one.doc.surface == surface)
            .map(|one| one.score)
            .collect();
        let found = attacks.iter().filter(|score| **score > thresholds.percent).count();
        println!("{:<18} {found} of {} attacks at 1 %", surface.as_str(), attacks.len());
    }
}
