//! What a setting can be: how a value of each kind is read, described and put into a schema.

mod compound;

use std::{
    cell::RefCell,
    marker::PhantomData,
    path::{Component, Path, PathBuf},
    time::Duration,
};

use serde_json::{Value as Json, json};

pub(crate) use compound::{List, Maybe, OneOrMore, gather};

use super::{
    problem::Fault,
    secrecy::secret_value,
    tree::{Node, Value},
};

/// What a reader may know besides the value: where relative paths start and what `~` stands for.
#[derive(Clone, Copy)]
pub(crate) struct Place<'p> {
    /// Directory of the file being read.
    pub(crate) base: &'p Path,
    /// The user's home directory, when there is one.
    pub(crate) home: Option<&'p Path>,
    /// Every path that was read.
    pub(crate) named: &'p RefCell<Vec<PathBuf>>,
}

impl Place<'_> {
    /// The path meant by `text`: `~/` is the home directory, anything relative starts at the file.
    pub(crate) fn resolve(&self, text: &str) -> Result<PathBuf, String> {
        let path = match (text.strip_prefix("~/"), self.home) {
            (Some(rest), Some(home)) => home.join(rest),
            (Some(_), None) => {
                return Err(format!("`{text}` starts at the home directory, which is not known"));
            }
            (None, _) => self.base.join(text),
        };
        Ok(path.components().filter(|part| *part != Component::CurDir).collect())
    }
}

/// How a kind of value is written about.
pub(crate) trait Describe: Sync {
    /// With its article, for the reference page and the remedies: `a whole number of seconds, 1 to 60`.
    fn phrase(&self) -> String;
    /// For the JSON schema.
    fn schema(&self) -> Json;
    /// The value as it may be shown and digested.
    fn show(&self, node: &Node) -> String {
        node.canonical()
    }
}

/// A kind of value. Reading is parsing: what comes out cannot be wrong any more.
pub(crate) trait Kind: Describe {
    type Value;

    /// Reads a value, or says everything that is wrong with it.
    fn read(&self, node: &Node, place: &Place<'_>) -> Result<Self::Value, Vec<Fault>>;

    /// What absence means; none when the setting has to be there.
    fn absent(&self) -> Option<Self::Value> {
        None
    }
}

/// The one fault of a value that is not what the kind takes.
pub(crate) fn wrong(kind: &(impl Describe + ?Sized), node: &Node, what: impl Into<String>) -> Vec<Fault> {
    vec![Fault::new(node.at, what, format!("write {}", kind.phrase()))]
}

fn wrong_shape(kind: &(impl Describe + ?Sized), node: &Node) -> Vec<Fault> {
    wrong(kind, node, format!("this is {}", node.shape()))
}

/// A whole number within limits.
pub(crate) struct Whole<T> {
    unit: &'static str,
    least: i64,
    most: i64,
    number: PhantomData<fn() -> T>,
}

impl<T> Whole<T> {
    pub(crate) const fn new(unit: &'static str, least: i64, most: i64) -> Self {
        Self { unit, least, most, number: PhantomData }
    }
}

impl<T> Describe for Whole<T> {
    fn phrase(&self) -> String {
        format!("a whole number of {}, {} to {}", self.unit, self.least, self.most)
    }

    fn schema(&self) -> Json {
        json!({ "type": "integer", "minimum": self.least, "maximum": self.most })
    }
}

impl<T: TryFrom<i64>> Kind for Whole<T> {
    type Value = T;

    fn read(&self, node: &Node, _: &Place<'_>) -> Result<T, Vec<Fault>> {
        let number = match &node.value {
            Value::Integer(number) => *number,
            Value::Other(digits) if digits.trim_start_matches('-').bytes().all(|b| b.is_ascii_digit()) => {
                return Err(wrong(self, node, format!("`{}` is outside the limits", clip(digits))));
            }
            _ => return Err(wrong_shape(self, node)),
        };
        let within = (self.least..=self.most).contains(&number);
        let fits = T::try_from(number).ok().filter(|_| within);
        fits.ok_or_else(|| wrong(self, node, format!("`{number}` is outside the limits")))
    }
}

/// A length of time in whole seconds.
pub(crate) struct Seconds {
    pub(crate) least: u32,
    pub(crate) most: u32,
}

impl Seconds {
    fn whole(&self) -> Whole<u64> {
        Whole::new("seconds", self.least.into(), self.most.into())
    }
}

impl Describe for Seconds {
    fn phrase(&self) -> String {
        self.whole().phrase()
    }

    fn schema(&self) -> Json {
        self.whole().schema()
    }
}

impl Kind for Seconds {
    type Value = Duration;

    fn read(&self, node: &Node, place: &Place<'_>) -> Result<Duration, Vec<Fault>> {
        self.whole().read(node, place).map(Duration::from_secs)
    }
}

/// `true` or `false`.
pub(crate) struct Flag;

impl Describe for Flag {
    fn phrase(&self) -> String {
        "`true` or `false`".to_owned()
    }

    fn schema(&self) -> Json {
        json!({ "type": "boolean" })
    }
}

impl Kind for Flag {
    type Value = bool;

    fn read(&self, node: &Node, _: &Place<'_>) -> Result<bool, Vec<Fault>> {
        match node.value {
            Value::Bool(flag) => Ok(flag),
            _ => Err(vec![Fault::new(
                node.at,
                format!("this is {}", node.shape()),
                "write true or false, without quotes",
            )]),
        }
    }
}

/// A string that a parser turns into something more precise.
pub(crate) struct Parsed<T> {
    /// What it is, with its article, for example `a URL`.
    pub(crate) phrase: &'static str,
    /// A value that is right.
    pub(crate) example: &'static str,
    /// Says after "`text` …" what is wrong.
    pub(crate) parse: fn(&str) -> Result<T, String>,
}

impl<T> Describe for Parsed<T> {
    fn phrase(&self) -> String {
        format!("{} such as `{}`", self.phrase, super::tree::quote(self.example))
    }

    fn schema(&self) -> Json {
        json!({ "type": "string", "examples": [self.example] })
    }
}

impl<T> Kind for Parsed<T> {
    type Value = T;

    fn read(&self, node: &Node, _: &Place<'_>) -> Result<T, Vec<Fault>> {
        let text = node.text().ok_or_else(|| wrong_shape(self, node))?;
        (self.parse)(text).map_err(|problem| wrong(self, node, format!("`{}` {problem}", clip(text))))
    }
}

/// As much of a mistaken value as helps to find it; nothing of one that may hold a credential.
pub(crate) fn clip(text: &str) -> String {
    if secret_value(text) || (text.contains("://") && text.contains(['@', '?'])) {
        return "…".to_owned();
    }
    let mut clipped: String = text.chars().take(80).flat_map(char::escape_debug).collect();
    if text.chars().nth(80).is_some() {
        clipped.push('…');
    }
    clipped
}

/// One word of a closed set.
pub(crate) struct Choice<T: 'static> {
    /// The words, what each stands for, and what it means.
    pub(crate) words: &'static [(&'static str, T, &'static str)],
}

impl<T: Sync> Describe for Choice<T> {
    fn phrase(&self) -> String {
        let words: Vec<String> =
            self.words.iter().map(|(word, _, means)| format!("`\"{word}\"` ({means})")).collect();
        format!("one of {}", words.join(", "))
    }

    fn schema(&self) -> Json {
        let words: Vec<&str> = self.words.iter().map(|(word, _, _)| *word).collect();
        json!({ "enum": words })
    }
}

impl<T: Sync + Copy> Kind for Choice<T> {
    type Value = T;

    fn read(&self, node: &Node, _: &Place<'_>) -> Result<T, Vec<Fault>> {
        let text = node.text().ok_or_else(|| wrong_shape(self, node))?;
        let found = self.words.iter().find(|(word, _, _)| *word == text);
        found
            .map(|(_, value, _)| *value)
            .ok_or_else(|| wrong(self, node, format!("`{}` is not known here", clip(text))))
    }
}

/// A path; relative ones start at the directory of the file they stand in.
pub(crate) struct FilePath;

impl Describe for FilePath {
    fn phrase(&self) -> String {
        "a path, relative to this file unless it starts with `/` or `~/`".to_owned()
    }

    fn schema(&self) -> Json {
        json!({ "type": "string", "minLength": 1 })
    }
}

impl Kind for FilePath {
    type Value = PathBuf;

    fn read(&self, node: &Node, place: &Place<'_>) -> Result<PathBuf, Vec<Fault>> {
        let text = node.text().ok_or_else(|| wrong_shape(self, node))?;
        if text.is_empty() || text.contains('\0') {
            return Err(wrong(self, node, "this is not a path"));
        }
        let path =
            place.resolve(text).map_err(|what| vec![Fault::new(node.at, what, "write an absolute path")])?;
        place.named.borrow_mut().push(path.clone());
        Ok(path)
    }
}
