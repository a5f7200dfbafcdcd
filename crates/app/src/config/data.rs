//! What is done about secrets and personal data, class by class.

use std::path::PathBuf;

use portcullis_inspect::data::{DataAction, DataClass, DataPolicy, DataRow};
use serde_json::Value as Json;

use super::{
    kind::{Describe, FilePath, Kind, Maybe, Place},
    problem::{Fault, Severity},
    setting::{Walk, settings},
    tree::Node,
    word_table::{PASS, phrase, read_table, schema},
};

settings! {
    /// What is done about secrets and personal data, by class and direction. `note` records what was found and
    /// where, never the value; `redact` also puts a word for what it was in its place; `tokenise` puts one there that the
    /// gateway puts the value back for when its caller sends it to the server it came from; `refuse` stops the message.
    /// `danger_pass` does nothing. What is left out keeps its default. The classes are in `docs/content.md`.
    pub(crate) struct DataSection {
        /// What is done about data in what callers send.
        Live requests: DataRow = Actions(Direction::Requests),
            default r#"{ private_key = "refuse", cloud_key = "refuse", token = "note", jwt = "note", password = "note", card = "note", iban = "note", national_id = "note", canary = "refuse" }"#;
        /// What is done about data in what servers send.
        Live results: DataRow = Actions(Direction::Results),
            default r#"{ private_key = "redact", cloud_key = "redact", token = "redact", jwt = "redact", password = "redact", card = "note", iban = "note", national_id = "note", canary = "refuse" }"#;
        /// File only its owner can read with words that nobody has a reason to send, one a line, of eight bytes at
        /// least: put them where only a thief looks.
        Live canaries: Option<PathBuf> = Maybe(FilePath);
    }
}

/// What is done about data, and where the canaries are.
#[derive(Clone, Debug, Default)]
pub struct Data {
    /// By class and direction.
    pub policy: DataPolicy,
    /// One word a line.
    pub canaries: Option<PathBuf>,
}

impl DataSection {
    /// The policy, and a warning where something passes.
    pub(crate) fn settle(self, walk: &mut Walk<'_>) -> Data {
        for (row, name) in [(&self.requests, "requests"), (&self.results, "results")] {
            if DataClass::ALL.iter().any(|class| row.on(*class) == DataAction::Pass) {
                let what = "security is lowered: secrets or personal data pass without a record";
                let remedy = "write `note` in place of `danger_pass`";
                walk.conflict(&format!("content.data.{name}"), Severity::Warning, what, remedy);
            }
        }
        let policy = DataPolicy { requests: self.requests, results: self.results };
        Data { policy, canaries: self.canaries }
    }
}

/// Which way data goes.
#[derive(Clone, Copy)]
enum Direction {
    Requests,
    Results,
}

/// A table of actions for one direction.
struct Actions(Direction);

fn names() -> [&'static str; DataClass::ALL.len()] {
    DataClass::ALL.map(DataClass::as_str)
}

const WORDS: [(&str, DataAction); 4] = [
    (PASS, DataAction::Pass),
    ("note", DataAction::Note),
    ("redact", DataAction::Redact),
    ("refuse", DataAction::Refuse),
];

/// What callers send is theirs to have back.
const WORDS_OF_RESULTS: [(&str, DataAction); 5] = {
    let [pass, note, redact, refuse] = WORDS;
    [pass, note, ("tokenise", DataAction::Tokenise), redact, refuse]
};

impl Direction {
    fn words(self) -> &'static [(&'static str, DataAction)] {
        match self {
            Self::Requests => &WORDS,
            Self::Results => &WORDS_OF_RESULTS,
        }
    }
}

impl Actions {
    fn spelled(&self) -> Vec<&'static str> {
        self.0.words().iter().map(|(word, _)| *word).collect()
    }
}

impl Describe for Actions {
    fn phrase(&self) -> String {
        phrase(&names(), &self.spelled())
    }

    fn schema(&self) -> Json {
        schema(&names(), &self.spelled())
    }
}

impl Kind for Actions {
    type Value = DataRow;

    fn read(&self, node: &Node, _: &Place<'_>) -> Result<DataRow, Vec<Fault>> {
        let own = DataPolicy::default();
        let row = match self.0 {
            Direction::Requests => own.requests,
            Direction::Results => own.results,
        };
        let read = read_table(self, node, &names(), self.0.words())?;
        let given = read.into_iter().filter_map(|(slot, action)| Some((*DataClass::ALL.get(slot)?, action)));
        Ok(given.fold(row, |row, (class, action)| row.with(class, action)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use std::path::Path;

    use super::super::rules;
    use super::*;

    fn load(text: &str) -> Result<(Data, usize), String> {
        let home = Some(Path::new("/home/x"));
        let loaded = rules::assemble(Path::new("/x/portcullis.toml"), text, home);
        let loaded = loaded.map_err(|report| format!("{:?}", report.problems()))?;
        Ok((loaded.config.data, loaded.warnings.problems().len()))
    }

    #[test]
    fn the_defaults_on_the_page_are_those_in_force() {
        let (data, warnings) = load("").unwrap();
        assert_eq!((data.policy, data.canaries, warnings), (DataPolicy::default(), None, 0));
    }

    #[test]
    fn classes_are_set_one_by_one() {
        let text = "[content]\nargument = { attack = \"refuse\" }\n[content.data]\ncanaries = \"c.txt\"\nresults = { card = \"redact\", jwt = \"danger_pass\" }";
        let (data, warnings) = load(text).unwrap();
        let expected = DataPolicy::default().results.with(DataClass::Card, DataAction::Redact);
        assert_eq!(data.policy.results, expected.with(DataClass::Jwt, DataAction::Pass));
        assert_eq!((data.policy.requests, warnings), (DataPolicy::default().requests, 1));
        assert_eq!(data.canaries, Some(PathBuf::from("/x/c.txt")));
    }

    #[test]
    fn mistakes_name_field_and_remedy() {
        for (text, expected) in [
            ("[content]\ndata = 7", "write `[content.data]`"),
            ("[content.data]\nresult = {}", "did you mean `results`?"),
            ("[content.data.results]\ntokens = \"note\"", "did you mean `token`?"),
            (
                "[content.data.requests]\ntoken = \"tokenise\"",
                "write one of danger_pass, note, redact, refuse",
            ),
            ("[content.data.requests]\ntoken = \"ask\"", "write one of danger_pass, note, redact, refuse"),
        ] {
            let said = load(text).unwrap_err();
            assert!(said.contains(expected) && said.contains("content.data"), "{text}: {said}");
        }
    }
}
