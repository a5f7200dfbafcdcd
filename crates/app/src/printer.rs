//! The only writer to standard output and standard error.

use std::{
    io::{self, IsTerminal as _, Write},
    sync::OnceLock,
};

use serde::Serialize;

use crate::exit::Exit;

/// The first failure to write to standard output, which is one for the whole process.
static FAILURE: OnceLock<io::Error> = OnceLock::new();

/// Writes what commands have to say: results to standard output, everything about them to standard error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Printer {
    colour: bool,
}

/// Red, yellow and green, in the terminal's own shades.
#[derive(Clone, Copy, Debug)]
enum Colour {
    Red = 31,
    Yellow = 33,
    Green = 32,
}

impl Printer {
    /// A printer that colours its labels when standard error is a terminal and `NO_COLOR` is not set.
    pub(crate) fn new() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { colour: !refused && io::stderr().is_terminal() }
    }

    /// A line of the result.
    pub(crate) fn line(&self, text: &str) {
        emit(&mut Output, &format!("{}\n", printable(text)));
    }

    /// A whole document of our own making as the result, byte for byte: Markdown, TOML, a script.
    pub(crate) fn document(&self, text: &str) {
        emit(&mut Output, text);
    }

    /// The result for programs.
    pub(crate) fn json(&self, value: &impl Serialize) {
        // What we serialise has string keys and no failing parts; should it fail, the exit status says so.
        let text =
            serde_json::to_string_pretty(value).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"));
        emit(&mut Output, &format!("{text}\n"));
    }

    /// One of several results for programs, on a line of its own.
    pub(crate) fn json_line(&self, value: &impl Serialize) {
        // As above.
        let text = serde_json::to_string(value).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"));
        emit(&mut Output, &format!("{text}\n"));
    }

    /// What happens meanwhile.
    pub(crate) fn status(&self, text: &str) {
        emit(&mut io::stderr(), &format!("{}\n", printable(text)));
    }

    /// Something that was done.
    pub(crate) fn done(&self, text: &str) {
        self.labelled(Colour::Green, "done", text, None);
    }

    /// Something to know that stops nothing.
    pub(crate) fn warning(&self, text: &str, remedy: Option<&str>) {
        self.labelled(Colour::Yellow, "warning", text, remedy);
    }

    /// Something that stopped the command.
    pub(crate) fn error(&self, text: &str, remedy: Option<&str>) {
        self.labelled(Colour::Red, "error", text, remedy);
    }

    /// A command-line library's own message.
    pub(crate) fn usage(&self, error: &clap::Error) {
        let styled = error.render();
        let text = if self.colour { styled.ansi().to_string() } else { styled.to_string() };
        if error.use_stderr() { emit(&mut io::stderr(), &text) } else { emit(&mut Output, &text) }
    }

    /// How a command ends whose result may not have arrived. Whoever reads only the beginning, such as `head`, has what it
    /// wanted.
    pub(crate) fn end(&self, exit: Exit) -> Exit {
        let Some(error) = FAILURE.get().filter(|it| it.kind() != io::ErrorKind::BrokenPipe) else {
            return exit;
        };
        let remedy = "make room, or write the result somewhere else";
        self.error(&format!("the result could not be written to standard output: {error}"), Some(remedy));
        if exit == Exit::Fine { Exit::Unreachable } else { exit }
    }

    fn labelled(&self, colour: Colour, label: &str, text: &str, remedy: Option<&str>) {
        let label =
            if self.colour { format!("\x1b[1;{}m{label}\x1b[0m", colour as u8) } else { label.to_owned() };
        let remedy = remedy.map(|remedy| format!("  remedy: {}\n", printable(remedy))).unwrap_or_default();
        emit(&mut io::stderr(), &format!("{label}: {}\n{remedy}", printable(text)));
    }
}

/// Standard output. After a failure nothing more is written, and [`Printer::end`] says so.
pub(crate) struct Output;

impl Output {
    /// Whether something could not be written.
    pub(crate) fn has_failed() -> bool {
        FAILURE.get().is_some()
    }

    fn noted<T>(written: io::Result<T>) -> io::Result<T> {
        written.map_err(|error| {
            let kind = error.kind();
            // What was interrupted is tried again.
            if kind != io::ErrorKind::Interrupted {
                let _first = FAILURE.set(error);
            }
            kind.into()
        })
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match FAILURE.get() {
            Some(error) => Err(error.kind().into()),
            None => Self::noted(io::stdout().write(bytes)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match FAILURE.get() {
            Some(error) => Err(error.kind().into()),
            None => Self::noted(io::stdout().flush()),
        }
    }
}

/// Writes as far as that is possible.
fn emit(stream: &mut dyn Write, text: &str) {
    let _ = stream.write_all(text.as_bytes());
    let _ = stream.flush();
}

/// The text without what would move a terminal's cursor, change its colours or reverse its reading
/// direction: names come from files that others wrote.
fn printable(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for character in text.chars() {
        if misleads(character) && !matches!(character, '\n' | '\t') {
            clean.extend(character.escape_unicode());
        } else {
            clean.push(character);
        }
    }
    clean
}

/// A text that others chose, on one line of its own or as a part of one.
pub(crate) fn on_one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if misleads(character) {
            line.extend(character.escape_debug());
        } else {
            line.push(character);
        }
    }
    line
}

/// Whether a character can make a reader see something else than what is there.
pub(crate) fn misleads(character: char) -> bool {
    let turns =
        matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    turns || character.is_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_the_terminal_that_could_fool_its_reader() {
        for (text, expected) in [
            ("plain é\n\tx", "plain é\n\tx"),
            ("\x1b[31mred\x07", "\\u{1b}[31mred\\u{7}"),
            ("a\rb", "a\\u{d}b"),
            ("evil\u{202e}txt", "evil\\u{202e}txt"),
        ] {
            assert_eq!(printable(text), expected);
        }
    }
}
