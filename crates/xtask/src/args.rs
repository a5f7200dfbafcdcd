//! The few options our commands take: `--switch` and `--name value`.

use std::str::FromStr;

use crate::failure::Failure;

pub(crate) struct Args(Vec<String>);

impl Args {
    pub(crate) fn new(words: impl Iterator<Item = String>) -> Args {
        Args(words.collect())
    }

    /// Takes a switch away; was it there?
    pub(crate) fn switch(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|word| word != name);
        self.0.len() < before
    }

    /// Takes an option and its value away.
    pub(crate) fn value<T: FromStr>(&mut self, name: &str) -> Result<Option<T>, Failure> {
        let Some(at) = self.0.iter().position(|word| word == name) else {
            return Ok(None);
        };
        self.0.remove(at);
        if at == self.0.len() {
            return Err(Failure::Usage(format!("`{name}` needs a value")));
        }
        let value = self.0.remove(at);
        value.parse().map(Some).map_err(|_| Failure::Usage(format!("`{name}`: `{value}` does not fit")))
    }

    /// Refuses whatever nobody has taken.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        match self.0.first() {
            None => Ok(()),
            Some(word) => Err(Failure::Usage(format!("unknown option `{word}`"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_taken_once() {
        for (line, quick, name, complete) in [
            ("--quick --name a", true, Some("a"), true),
            ("--name a", false, Some("a"), true),
            ("--quick --slow", true, None, false),
            ("", false, None, true),
        ] {
            let mut args = Args::new(line.split_whitespace().map(String::from));
            assert_eq!(args.switch("--quick"), quick, "{line}");
            assert_eq!(args.value::<String>("--name").ok().flatten().as_deref(), name, "{line}");
            assert_eq!(args.finish().is_ok(), complete, "{line}");
        }
    }

    #[test]
    fn a_value_must_be_there_and_fit() {
        for line in ["--top", "--top x"] {
            let mut args = Args::new(line.split_whitespace().map(String::from));
            assert!(args.value::<usize>("--top").is_err(), "{line}");
        }
    }
}
