//! What was measured, as a page of the documentation.

use std::{collections::BTreeMap, fmt::Write as _};

use portcullis_inspect::detect::{TextSurface, Thresholds};

use crate::folds::Scored;

/// Text about attacks: ordinary, but no measure of what is ordinary.
pub(crate) const ABOUT_ATTACKS: &str = "secdocs_dev";

/// The scores that one in a hundred, two hundred and a thousand ordinary texts of a surface reach.
pub(crate) fn thresholds(scored: &[Scored<'_>], surface: TextSurface) -> Thresholds {
    let mut ordinary: Vec<f32> = scored
        .iter()
        .filter(|one| !one.doc.attack && one.doc.surface == surface && one.doc.source != ABOUT_ATTACKS)
        .map(|one| one.score)
        .collect();
    ordinary.sort_by(|a, b| b.total_cmp(a));
    let at = |share: f32| ordinary.get((ordinary.len() as f32 * share) as usize).copied().unwrap_or_default();
    Thresholds { percent: at(0.01), half_percent: at(0.005), per_mille: at(0.001) }
}

/// Share of `hits` in `all`, in percent, with its 95 % interval (Wilson).
fn share(hits: usize, all: usize) -> String {
    let (n, p, z) = (all as f64, hits as f64 / all.max(1) as f64, 1.96_f64);
    let centre = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let bound = |value: f64| (100.0 * value).clamp(0.0, 100.0);
    format!("{:.1} ({:.1} to {:.1})", 100.0 * p, bound(centre - half), bound(centre + half))
}

/// The page.
pub(crate) fn page(
    scored: &[Scored<'_>],
    thresholds: &[Thresholds],
    versions: &[(String, String)],
) -> String {
    let mut page = HEAD.to_owned();
    for (name, digest) in versions {
        let _ = writeln!(page, "- `{name}`: `{digest}`");
    }
    for (surface, thresholds) in TextSurface::ALL.into_iter().zip(thresholds) {
        let of: Vec<&Scored<'_>> = scored.iter().filter(|one| one.doc.surface == surface).collect();
        section(&mut page, surface, &of, thresholds);
    }
    hidden(&mut page, scored);
    page
}

const HEAD: &str = "\
# Detection, measured

Written by `cargo xtask train`; do not edit. Every number is leave-one-source-out on the development corpora: a text
is scored by a model that has seen nothing of its source, nor of sources made from it. Shares are in percent with
their 95 % interval (Wilson). A threshold is what that share of the ordinary texts of a surface exceeds, text about
attacks left out, which is reported by itself. Some attacks cannot be seen in a text: an extra task without any sign
of being one. Flow labels and policy stop those; detection only ever adds to them.

Models:

";

type Counts = (usize, [usize; 3]);

fn section(page: &mut String, surface: TextSurface, of: &[&Scored<'_>], thresholds: &Thresholds) {
    let levels = [thresholds.percent, thresholds.half_percent, thresholds.per_mille];
    let count = |rows: &mut BTreeMap<String, Counts>, name: &str, score: f32| {
        let (all, hits) = rows.entry(name.to_owned()).or_default();
        *all += 1;
        hits.iter_mut().zip(levels).for_each(|(hits, level)| *hits += usize::from(score > level));
    };
    let (mut attacks, mut ordinary) = (BTreeMap::new(), BTreeMap::new());
    for one in of {
        if one.doc.attack {
            count(&mut attacks, &one.doc.source, one.score);
            count(&mut attacks, "~all", one.score);
        } else {
            count(&mut ordinary, &one.doc.source, one.score);
        }
    }
    let _ = writeln!(page, "\n## {}\n", surface.as_str());
    table(page, "attacks found at", &attacks);
    table(page, "ordinary texts flagged at", &ordinary);
}

fn table(page: &mut String, title: &str, rows: &BTreeMap<String, Counts>) {
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(page, "| {title} | texts | 1 % | 0.5 % | 0.1 % |\n|---|---|---|---|---|");
    for (name, (all, hits)) in rows {
        let name = if name == "~all" { "**all**" } else { name };
        let [a, b, c] = hits.map(|hits| share(hits, *all));
        let _ = writeln!(page, "| {name} | {all} | {a} | {b} | {c} |");
    }
    let _ = writeln!(page);
}

/// Hidden characters, by how the texts were made.
fn hidden(page: &mut String, scored: &[Scored<'_>]) {
    let mut rows: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let (mut ordinary, mut flagged) = (0, 0);
    for one in scored {
        let seen = one.doc.sightings.iter().any(|sighting| sighting.deliberate);
        // A text made by replacing letters had none that could be replaced if it has no sighting.
        let made = matches!(one.doc.subtype.as_str(), "tags" | "zwsp" | "homoglyph");
        if one.doc.attack && made && (one.doc.subtype != "homoglyph" || !one.doc.sightings.is_empty()) {
            let row = rows.entry(one.doc.subtype.as_str()).or_default();
            *row = (row.0 + 1, row.1 + usize::from(seen));
        } else if !one.doc.attack {
            ordinary += 1;
            flagged += usize::from(seen);
        }
    }
    let _ = writeln!(page, "## Hidden characters\n\n| family | texts | found |\n|---|---|---|");
    for (name, (all, found)) in rows {
        let _ = writeln!(page, "| {name} | {all} | {} |", share(found, all));
    }
    let _ = writeln!(
        page,
        "| ordinary texts of all sources flagged | {ordinary} | {} |",
        share(flagged, ordinary)
    );
}
