//! `crates/README.md` lists every crate with its layer and one line.

use super::{Findings, layers};
use crate::{
    failure::Failure,
    workspace::{self, Package},
};

const PATH: &str = "crates/README.md";

pub(super) fn check(packages: &[Package], findings: &mut Findings) -> Result<(), Failure> {
    let text = std::fs::read_to_string(workspace::root().join(PATH)).map_err(|e| Failure::broken(PATH, e))?;
    let rows: Vec<Row> = text.lines().filter_map(Row::parse).collect();
    for package in packages {
        let name = layers::directory_of(&package.name);
        let layer = layers::CRATES.iter().find(|known| known.name == name).map(|known| known.layer.label());
        match rows.iter().find(|row| row.name == name) {
            None => findings.problem(format!("{PATH}: no row for `{name}`")),
            Some(row) if Some(row.layer) != layer.as_deref() => {
                findings.problem(format!(
                    "{PATH}: `{name}` is in layer {}, not {}",
                    layer.unwrap_or_default(),
                    row.layer
                ));
            }
            Some(row) if row.line.is_empty() => findings.problem(format!("{PATH}: `{name}` has no line")),
            Some(_) => {}
        }
    }
    for row in &rows {
        if !packages.iter().any(|package| layers::directory_of(&package.name) == row.name) {
            findings.problem(format!("{PATH}: `{}` is no crate", row.name));
        }
    }
    Ok(())
}

/// ``| layer | `name` | line |``
#[derive(Debug, PartialEq)]
struct Row<'a> {
    layer: &'a str,
    name: &'a str,
    line: &'a str,
}

impl Row<'_> {
    fn parse(text: &str) -> Option<Row<'_>> {
        let mut cells = text.strip_prefix('|')?.splitn(3, '|').map(str::trim);
        let (layer, name, line) = (cells.next()?, cells.next()?, cells.next()?);
        let name = name.strip_prefix('`')?.strip_suffix('`')?;
        Some(Row { layer, name, line: line.trim_end_matches('|').trim_end() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows() {
        for (text, expected) in [
            ("| 0 | `wire` | bytes to messages |", Some(("0", "wire", "bytes to messages"))),
            ("| dev | `bench` | |", Some(("dev", "bench", ""))),
            ("| layer | crate | what it is |", None),
            ("|---|---|---|", None),
            ("plain text", None),
        ] {
            let row = Row::parse(text).map(|row| (row.layer, row.name, row.line));
            assert_eq!(row, expected, "{text}");
        }
    }
}
