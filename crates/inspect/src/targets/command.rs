//! Command lines as a POSIX shell takes them apart, and single words of one.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{Reading, TargetFault, encoded};

/// What has a meaning to a shell wherever it stands outside of quotes.
const META: &[char] = &['|', '&', ';', '<', '>', '(', ')', '$', '`', '\n', '\r', '{', '}'];
/// What has one besides in a word that somebody else will quote, or not.
const IN_A_WORD: &[char] = &['\'', '"', '\\'];
/// The shortest text that is taken for an encoded one, in characters of base64.
const SHORTEST: usize = 8;

/// A whole command line: its words with their quotes resolved, a blank between them.
pub(super) fn line(text: &str) -> Reading {
    let mut shell = Shell::default();
    shell.read(text);
    let mut reading = Reading::of(shell.words.join(" "));
    reading.programs = shell.programs;
    if shell.compound || shell.quote.is_some() {
        reading.fault(TargetFault::Compound);
    }
    if text.chars().any(|c| c.is_control() && !c.is_whitespace()) {
        reading.fault(TargetFault::Hidden);
    }
    reading
}

#[derive(Default)]
struct Shell {
    words: Vec<String>,
    programs: Vec<String>,
    word: Option<String>,
    quote: Option<char>,
    /// More than one simple command.
    compound: bool,
    /// The next word is a program.
    within: bool,
}

impl Shell {
    fn read(&mut self, text: &str) {
        let mut characters = text.chars();
        while let Some(c) = characters.next() {
            match (self.quote, c) {
                (Some(quote), c) if c == quote => self.quote = None,
                (Some('\''), c) => self.push(c),
                (Some(_), '$' | '`') => {
                    self.compound = true;
                    self.push(c);
                }
                (None, '\'' | '"') => {
                    self.quote = Some(c);
                    self.word.get_or_insert_default();
                }
                (_, '\\') => characters.next().into_iter().for_each(|c| self.push(c)),
                (Some(_), c) => self.push(c),
                (None, c) if META.contains(&c) => {
                    self.compound = true;
                    self.end();
                    self.words.push(c.to_string());
                    // Behind a redirection comes a file, behind everything else a command.
                    self.within = matches!(c, '<' | '>');
                }
                (None, c) if c.is_whitespace() => self.end(),
                (None, c) => self.push(c),
            }
        }
        self.end();
    }

    fn push(&mut self, c: char) {
        self.word.get_or_insert_default().push(c);
    }

    fn end(&mut self) {
        let Some(word) = self.word.take() else { return };
        let assigns = word.split_once('=').is_some_and(|(name, _)| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        });
        if !self.within && !assigns {
            self.programs.push(word.rsplit('/').next().unwrap_or_default().to_owned());
            self.within = true;
        }
        self.words.push(word);
    }
}

/// A text that becomes one word of a command line.
pub(super) fn word(text: &str) -> Reading {
    let mut reading = operand(text);
    let has_meaning = |text: &str| text.contains(META) || text.contains(IN_A_WORD);
    let wrapped = unwrapped(text).is_some_and(|inner| has_meaning(&inner));
    if has_meaning(text) {
        reading.fault(TargetFault::Metacharacter);
    } else if wrapped || encoded::layers(text).any(|layer| has_meaning(&layer)) {
        reading.fault(TargetFault::Hidden);
    }
    reading
}

/// A name that a program gets between its options: a branch, a revision, a host.
pub(super) fn operand(text: &str) -> Reading {
    let mut reading = Reading::of(text.trim().to_owned());
    if text.trim_start().starts_with('-') {
        reading.fault(TargetFault::Option);
    } else if encoded::layers(text).any(|layer| layer.trim_start().starts_with('-')) {
        reading.fault(TargetFault::Hidden);
    }
    if text.chars().any(char::is_control) {
        reading.fault(TargetFault::Hidden);
    }
    reading
}

/// The text that a word is the base64 of, if it is.
fn unwrapped(text: &str) -> Option<String> {
    let whole = text.len() >= SHORTEST && text.len().is_multiple_of(4);
    let text = String::from_utf8(STANDARD.decode(text).ok().filter(|_| whole)?).ok()?;
    text.chars().all(|c| !c.is_control() || c.is_whitespace()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use TargetFault::{Compound, Hidden, Metacharacter, Option as Dashed};

    #[test]
    fn command_lines_are_taken_apart() {
        for (text, expected, programs, faults) in [
            ("git  status", "git status", &["git"][..], &[][..]),
            ("/usr/bin/git log --format='%h %s'", "/usr/bin/git log --format=%h %s", &["git"], &[]),
            ("LANG=C ls \"a b\"", "LANG=C ls a b", &["ls"], &[]),
            ("echo a\\;b", "echo a;b", &["echo"], &[]),
            ("ls | wc -l", "ls | wc -l", &["ls", "wc"], &[Compound]),
            ("ls;rm -rf x", "ls ; rm -rf x", &["ls", "rm"], &[Compound]),
            ("ls > out.txt", "ls > out.txt", &["ls"], &[Compound]),
            ("ls && id", "ls & & id", &["ls", "id"], &[Compound]),
            ("echo $(id)", "echo $ ( id )", &["echo", "id"], &[Compound]),
            ("echo \"$(id)\"", "echo $(id)", &["echo"], &[Compound]),
            ("echo `id`", "echo ` id `", &["echo", "id"], &[Compound]),
            ("ls\nid", "ls \n id", &["ls", "id"], &[Compound]),
            ("echo 'open", "echo open", &["echo"], &[Compound]),
            ("r\"\"m 'x'", "rm x", &["rm"], &[]),
        ] {
            let reading = line(text);
            assert_eq!((reading.text.as_str(), &*reading.faults), (expected, faults), "{text}");
            assert_eq!(reading.programs, programs, "{text}");
        }
    }

    #[test]
    fn a_word_is_nothing_but_a_word() {
        for (text, faults) in [
            ("connection refused", &[][..]),
            ("error: 404*", &[]),
            ("2026-11-29", &[]),
            ("a-b_c.d/e@f", &[]),
            ("YWJjZGVmZ2g=", &[]),
            ("x;cat /srv/secret/canary.txt", &[Metacharacter]),
            ("$(id>/tmp/pwn)", &[Metacharacter]),
            ("`nc 192.0.2.10 1`", &[Metacharacter]),
            ("a\nb", &[Hidden, Metacharacter]),
            ("--file=/srv/secret/canary.txt", &[Dashed]),
            (" -rf", &[Dashed]),
            ("－－file=x", &[Hidden]),
            ("x；cat y", &[Hidden]),
            ("x\u{37e}cat y", &[Hidden]),
            ("x%3Bcat y", &[Hidden]),
            ("eDtjYXQgL3Nydi9zZWNyZXQ=", &[Hidden]),
        ] {
            assert_eq!(word(text).faults, faults, "{text}");
        }
        assert_eq!(operand("main;x").faults, []);
        assert_eq!(operand("--output=/etc/passwd").faults, [Dashed]);
    }
}
