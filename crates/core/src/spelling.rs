//! What a misspelt name was probably meant to be.

/// Longest name that is compared, in characters.
const MOST: usize = 64;

/// The known name that a misspelt one was probably meant to be.
pub fn nearest<'k>(written: &str, known: &[&'k str]) -> Option<&'k str> {
    let normal = |name: &str| name.to_lowercase().replace('-', "_");
    let written = normal(&written.chars().take(MOST).collect::<String>());
    let distance = |name: &&str| edit_distance(&written, &normal(name));
    let best = known.iter().min_by_key(|name| distance(name))?;
    (distance(best) <= 2.max(best.len() / 4) && distance(best) < best.len()).then_some(*best)
}

/// Levenshtein's distance.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut next = vec![i + 1];
        for ((above, left_above), to) in row.iter().skip(1).zip(&row).zip(&b) {
            let left = next.last().copied().unwrap_or(0);
            next.push((above + 1).min(left + 1).min(left_above + usize::from(from != *to)));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_names_find_the_one_meant() {
        let known = ["body_bytes", "json_depth", "listen"];
        for (written, meant) in [
            ("body_byte", Some("body_bytes")),
            ("body-bytes", Some("body_bytes")),
            ("Listen", Some("listen")),
            ("jsno_depth", Some("json_depth")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, &known), meant, "{written}");
        }
    }
}
