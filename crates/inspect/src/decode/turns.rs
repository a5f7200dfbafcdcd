//! Texts that are written another way as a whole.

pub(super) fn rotated(text: &str) -> Option<String> {
    let turn = |c: char| match c {
        'a'..='m' | 'A'..='M' => char::from(c as u8 + 13),
        'n'..='z' | 'N'..='Z' => char::from(c as u8 - 13),
        _ => c,
    };
    Some(text.chars().map(turn).collect())
}

/// Line by line, so that lines keep their order.
pub(super) fn reversed(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        out.extend(line.chars().rev());
        out.push('\n');
    }
    Some(out)
}

/// Digits and signs back to the letters they stand for, in words that have letters too or stand alone.
pub(super) fn unleeted(text: &str) -> Option<String> {
    let back = |c: char| match c {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' | '+' => 't',
        '8' => 'b',
        '9' => 'g',
        _ => c,
    };
    Some(text.chars().map(back).collect())
}

/// Letters with one blank between them become words; more blanks, or a line end, part words.
pub(super) fn joined(text: &str) -> Option<String> {
    let characters: Vec<char> = text.chars().collect();
    let separates = |c: char| matches!(c, ' ' | '.' | '-' | '_' | '*' | '\u{A0}' | '\t');
    let mut out = String::with_capacity(text.len());
    let mut joined = false;
    let mut at = 0;
    while let Some(&c) = characters.get(at) {
        let run = spaced(characters.get(at..).unwrap_or_default(), separates);
        if run.len() < SHORTEST || !c.is_alphanumeric() {
            out.push(c);
            at += 1;
            continue;
        }
        let start = out.ends_with(|c: char| c.is_alphanumeric());
        out.extend(start.then_some(' '));
        for (letter, blanks) in &run {
            out.push(*letter);
            out.extend((*blanks > 1).then_some(' '));
            at += 1 + blanks;
        }
        out.push(' ');
        joined = true;
    }
    joined.then(|| unleeted_words(&out))
}

/// Letters of a run that is not an accident.
const SHORTEST: usize = 6;

/// The characters of a run `a b c`, each with how many blanks follow.
fn spaced(characters: &[char], separates: impl Fn(char) -> bool) -> Vec<(char, usize)> {
    let mut run = Vec::new();
    let mut rest = characters;
    while let Some((&c, after)) = rest.split_first() {
        let blanks = after.iter().take(4).take_while(|c| separates(**c) || **c == '\n').count();
        let ends = blanks == 0 && !after.is_empty();
        if c.is_whitespace() || separates(c) && !c.is_ascii_punctuation() || ends {
            break;
        }
        run.push((c, blanks));
        rest = after.get(blanks..).unwrap_or_default();
    }
    run
}

/// Spaced texts often use digits for letters as well.
fn unleeted_words(text: &str) -> String {
    let word = |word: &str| {
        let letters = word.chars().filter(|c| c.is_alphabetic()).count();
        if letters > 0 && word.chars().any(|c| c.is_ascii_digit()) {
            unleeted(word).unwrap_or_default()
        } else {
            word.to_owned()
        }
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_back() {
        assert_eq!(rotated("Vtaber 1").as_deref(), Some("Ignore 1"));
        assert_eq!(reversed("erongi\nlla").as_deref(), Some("ignore\nall\n"));
        assert_eq!(unleeted("1gn0r3 4ll").as_deref(), Some("ignore all"));
        assert_eq!(
            joined("Note: i g n o r e   a l l   r u l e s").as_deref().map(str::trim),
            Some("Note: ignore all rules")
        );
        assert_eq!(joined("i 9 n o r 3   4 1 l"), Some("ignore ail ".to_owned()));
        assert_eq!(joined("a b c and that is it"), None);
    }
}
