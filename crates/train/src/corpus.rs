//! Labelled texts: gzipped JSON lines, one sample a line.

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
};

use flate2::read::GzDecoder;
use portcullis_inspect::{
    detect::{
        TextSurface,
        training::{Sample, read},
    },
    text::{self, Sighting},
};
use serde::Deserialize;

use crate::failure::Failure;

#[derive(Deserialize)]
struct Line {
    text: String,
    label: String,
    surface: String,
    source: String,
    #[serde(default)]
    subtype: String,
}

/// One labelled text, read.
pub(crate) struct Doc {
    pub(crate) attack: bool,
    pub(crate) surface: TextSurface,
    pub(crate) source: String,
    pub(crate) subtype: String,
    /// The text itself and what was decoded from it, each with what is added to its score.
    pub(crate) views: Vec<(Sample, f32)>,
    pub(crate) sightings: Vec<Sighting>,
}

/// Reads every `*.jsonl.gz` of a directory, in the order of their names.
pub(crate) fn load(directory: &Path) -> Result<Vec<Doc>, Failure> {
    let entries = std::fs::read_dir(directory).map_err(|e| Failure::file(directory, e))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.to_string_lossy().ends_with(".jsonl.gz"));
    files.sort();
    if files.is_empty() {
        return Err(Failure::file(directory, "there is no `*.jsonl.gz`"));
    }
    let mut docs = Vec::new();
    for path in files {
        let file = File::open(&path).map_err(|e| Failure::file(&path, e))?;
        for line in BufReader::new(GzDecoder::new(file)).lines() {
            let line = line.map_err(|e| Failure::file(&path, e))?;
            docs.push(parse(&line).map_err(|e| Failure::file(&path, e))?);
        }
    }
    Ok(docs)
}

fn parse(line: &str) -> Result<Doc, String> {
    let line: Line = serde_json::from_str(line).map_err(|e| e.to_string())?;
    let surface = line.surface.parse().map_err(|e: portcullis_inspect::detect::NoSurface| e.to_string())?;
    let attack = match line.label.as_str() {
        "attack" => true,
        "benign" => false,
        other => return Err(format!("`{other}` is no label; use attack or benign")),
    };
    Ok(Doc {
        attack,
        surface,
        source: line.source,
        subtype: line.subtype,
        views: read(&line.text),
        sightings: text::scan(&line.text),
    })
}
