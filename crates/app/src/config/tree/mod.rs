//! A configuration document as a tree in which every value knows its line and column.
//!
//! TOML, JSON with comments and YAML all become the same tree, so that one set of readers, and one way
//! of reporting mistakes, serves our own file and every client's.

mod json;
mod jsonc;
mod toml;
mod yaml;

use super::problem::Fault;
pub(crate) use json::push_json;

/// A place in a text, both counted from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line.
    pub line: u32,
    /// Column.
    pub column: u32,
}

impl Position {
    /// The first character of a file.
    pub const START: Position = Position { line: 1, column: 1 };

    /// The byte of `text` that stands here; its end when it is shorter.
    pub(crate) fn offset_in(self, text: &str) -> usize {
        let before = usize::try_from(self.line).unwrap_or(usize::MAX).saturating_sub(1);
        let start: usize = text.split_inclusive('\n').take(before).map(str::len).sum();
        let line = text.get(start..).unwrap_or_default();
        let characters = usize::try_from(self.column).unwrap_or(usize::MAX).saturating_sub(1);
        start + line.char_indices().nth(characters).map_or(line.len(), |(at, _)| at)
    }

    /// Moves past one character.
    fn step(&mut self, character: char) {
        if character == '\n' {
            *self = Self { line: self.line.saturating_add(1), column: 1 };
        } else {
            self.column = self.column.saturating_add(1);
        }
    }
}

fn count(zero_based: usize) -> u32 {
    u32::try_from(zero_based).unwrap_or(u32::MAX).saturating_add(1)
}

/// The bytes of the text, without a byte order mark, that a value was read from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    /// One past the last. Where a YAML block ends is the parser's opinion.
    pub(crate) end: usize,
}

/// A value and where it stands. No `Debug`: the text may be a secret.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) at: Position,
    /// Empty for a value that was not read.
    pub(crate) span: Span,
    pub(crate) value: Value,
}

/// The shapes our readers tell apart.
#[derive(Clone)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    /// A number, date or other scalar that no setting takes, as written.
    Other(String),
    Text(String),
    List(Vec<Node>),
    Table(Vec<Entry>),
}

/// One member of a table.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) at: Position,
    pub(crate) node: Node,
}

impl Node {
    /// A value that was not read from a text.
    pub(crate) fn made(at: Position, value: Value) -> Self {
        Self { at, span: Span::default(), value }
    }

    /// The shape in plain words, with its article.
    pub(crate) fn shape(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Integer(_) => "a whole number",
            Value::Other(_) => "a number or date",
            Value::Text(_) => "a string",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
        }
    }

    /// The string, when it is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The members, when it is a table.
    pub(crate) fn entries(&self) -> Option<&[Entry]> {
        match &self.value {
            Value::Table(entries) => Some(entries),
            _ => None,
        }
    }

    /// The elements, when it is a list.
    pub(crate) fn items(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// The member of that name, when it is a table that has one.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entries()?.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// The same content always gives the same text, whatever the spelling, order or language it came from.
    pub(crate) fn canonical(&self) -> String {
        match &self.value {
            Value::Null => "null".to_owned(),
            Value::Bool(flag) => flag.to_string(),
            Value::Integer(number) => number.to_string(),
            Value::Other(text) => text.clone(),
            Value::Text(text) => quote(text),
            Value::List(items) => {
                format!("[{}]", items.iter().map(Node::canonical).collect::<Vec<_>>().join(", "))
            }
            Value::Table(entries) => {
                let mut sorted: Vec<&Entry> = entries.iter().collect();
                sorted.sort_by(|a, b| a.key.cmp(&b.key));
                let member = |entry: &&Entry| format!("{} = {}", key(&entry.key), entry.node.canonical());
                format!("{{ {} }}", sorted.iter().map(member).collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// A TOML basic string.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            hidden if crate::printer::misleads(hidden) => out.push_str(&format!("\\u{:04X}", hidden as u32)),
            plain => out.push(plain),
        }
    }
    out.push('"');
    out
}

/// A TOML key, quoted only when it has to be.
pub(crate) fn key(text: &str) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !text.is_empty() && text.bytes().all(bare) { text.to_owned() } else { quote(text) }
}

/// The languages a document can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Toml,
    /// JSON, with the comments and trailing commas that several clients allow.
    Json,
    Yaml,
}

impl Language {
    /// The language a file name announces.
    pub(crate) fn of(path: &std::path::Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "toml" => Some(Self::Toml),
            "json" | "jsonc" | "json5" => Some(Self::Json),
            "yaml" | "yml" => Some(Self::Yaml),
            _ => None,
        }
    }

    /// Parses a document. What could be read comes back even when there are faults, so that the rest of
    /// the document is checked in the same pass.
    pub(crate) fn parse(self, text: &str) -> (Node, Vec<Fault>) {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        match self {
            Self::Toml => toml::parse(text),
            Self::Json => or_empty(jsonc::parse(text)),
            Self::Yaml => or_empty(yaml::parse(text)),
        }
    }
}

fn or_empty(parsed: Result<Node, Fault>) -> (Node, Vec<Fault>) {
    match parsed {
        Ok(node) => (node, Vec::new()),
        Err(fault) => (Node::made(Position::START, Value::Table(Vec::new())), vec![fault]),
    }
}

/// How deep documents may nest: far beyond any real configuration, far below the stack.
const MAX_DEPTH: usize = 64;

/// How many members a table may have; keeps the search for duplicates short.
const MAX_MEMBERS: usize = 10_000;

/// Adds a member, refusing a name that is already there: two readers could take different ones.
fn insert(entries: &mut Vec<Entry>, entry: Entry) -> Result<(), Fault> {
    if let Some(first) = entries.iter().find(|other| other.key == entry.key) {
        let what = format!("`{}` is given twice, first on line {}", entry.key, first.at.line);
        return Err(Fault::new(entry.at, what, "keep one of the two"));
    }
    if entries.len() == MAX_MEMBERS {
        return Err(Fault::new(
            entry.at,
            format!("this table has more than {MAX_MEMBERS} members"),
            "split it",
        ));
    }
    entries.push(entry);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use proptest::prelude::*;

    use super::*;

    fn check(language: Language, text: &str, expected: &str) {
        let (node, faults) = language.parse(text);
        let got = match faults.first() {
            Some(fault) => format!("{}:{}: {}", fault.at.line, fault.at.column, fault.what),
            None => node.canonical(),
        };
        assert_eq!(got, expected, "{language:?} {text}");
    }

    /// A document that every language can express, and what `canonical` makes of it.
    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
                prop::collection::btree_map(any::<String>(), inner, 0..4)
                    .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
            ]
        })
    }

    fn node(json: &serde_json::Value) -> Node {
        let value = match json {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(flag) => Value::Bool(*flag),
            serde_json::Value::Number(number) => Value::Integer(number.as_i64().unwrap()),
            serde_json::Value::String(text) => Value::Text(text.clone()),
            serde_json::Value::Array(items) => Value::List(items.iter().map(node).collect()),
            serde_json::Value::Object(members) => Value::Table(
                members
                    .iter()
                    .map(|(key, json)| Entry { key: key.clone(), at: Position::START, node: node(json) })
                    .collect(),
            ),
        };
        Node::made(Position::START, value)
    }

    proptest! {
        #[test]
        fn json_is_read_as_the_json_library_reads_it(json in any_json()) {
            for text in [json.to_string(), serde_json::to_string_pretty(&json).unwrap()] {
                let (read, faults) = Language::Json.parse(&text);
                prop_assert!(faults.is_empty());
                prop_assert_eq!(read.canonical(), node(&json).canonical());
            }
        }

        #[test]
        fn what_is_quoted_is_read_back(text in any::<String>(), name in any::<String>()) {
            let (read, faults) = Language::Toml.parse(&format!("{} = {}", key(&name), quote(&text)));
            prop_assert!(faults.is_empty());
            prop_assert_eq!(read.get(&name).and_then(Node::text), Some(text.as_str()));
        }

        #[test]
        fn no_text_is_too_strange(text in any::<String>(), pieces in "[\\[\\]{}\"':,=\\\\ \n#*&a1.-]{0,40}") {
            for language in [Language::Toml, Language::Json, Language::Yaml] {
                let _ = language.parse(&text);
                let _ = language.parse(&pieces);
            }
        }
    }

    #[test]
    fn one_tree_from_three_languages() {
        let expected = r#"{ a = [1, "x"], b = { c = true, d = null } }"#;
        check(Language::Json, r#"{"b":{"d":null,"c":true},"a":[1,"x"]}"#, expected);
        check(Language::Yaml, "b:\n  d: ~\n  c: true\na:\n  - 1\n  - x\n", expected);
        check(
            Language::Toml,
            "a = [0x1, 'x']\nb.c = true\n[b.d]\n",
            r#"{ a = [1, "x"], b = { c = true, d = {  } } }"#,
        );
    }

    #[test]
    fn json_takes_comments_and_trailing_commas_and_nothing_else() {
        check(Language::Json, "// one\n{ /* two */ \"a\": [1,], }\n", "{ a = [1] }");
        check(Language::Json, "{\"a\": 1.5, \"e\": -0}", "{ a = 1.5, e = 0 }");
        check(Language::Json, r#"{"a":"\u00e9\n\ud83d\ude00"}"#, "{ a = \"é\\n😀\" }");
        check(Language::Json, "\u{feff}{}", "{  }");
        check(Language::Json, "{\"a\": 1,\n \"a\": 2}", "2:2: `a` is given twice, first on line 1");
        check(Language::Json, "{\"a\": tru}", "1:7: this is not JSON: expected a value");
        check(Language::Json, "{\"a\": 1} x", "1:10: this is not JSON: expected the end of the file");
        check(Language::Json, "{\"a\" 1}", "1:6: this is not JSON: expected `:`");
        check(Language::Json, "{\"a\": 1 \"b\": 2}", "1:9: this is not JSON: expected `,` or `}`");
        check(Language::Json, "{\"a\": \"x", "1:7: this is not JSON: the string never ends");
        check(
            Language::Json,
            "{\"a\": \"\\ud800\"}",
            "1:7: this is not JSON: the string has a bad escape or a control character",
        );
        check(Language::Json, "/* x", "1:1: this is not JSON: the comment never ends");
        check(Language::Json, "{\"a\": 01}", "1:7: this is not JSON: expected a value");
        check(Language::Json, "", "1:1: this is not JSON: expected a value");
        check(Language::Json, &"[".repeat(100), "1:65: this is nested more than 64 levels deep");
        check(Language::Json, "{\n  \"é\": [1\n", "3:1: this is not JSON: expected `,` or `]`");
    }

    #[test]
    fn yaml_is_the_plain_subset() {
        check(
            Language::Yaml,
            "a: 'true'\nb: 007\nc: 1e3\nd: yes\n",
            r#"{ a = "true", b = "007", c = "1e3", d = "yes" }"#,
        );
        check(
            Language::Yaml,
            "a: &x 1\nb: *x\n",
            "2:4: the alias `*x` stands for what line 1 says, and aliases are not read here",
        );
        check(Language::Yaml, "a: 1\na: 2\n", "2:1: `a` is given twice, first on line 1");
        check(Language::Yaml, "a: !!binary x\n", "1:13: tags are not read here");
        check(Language::Yaml, "---\na: 1\n---\nb: 2\n", "3:1: only one document is read from a file");
        check(Language::Yaml, "? [a]\n: 1\n", "1:3: a key has to be a string");
        check(Language::Yaml, "", "{  }");
        let (_, faults) = Language::Yaml.parse("a: [1\n");
        assert!(faults.first().unwrap().what.starts_with("this is not YAML: "));
    }

    #[test]
    fn toml_reports_every_syntax_error() {
        let (_, faults) = Language::Toml.parse("a = \nb = 1\nc = [1\nd = 2\n");
        assert!(faults.len() >= 2, "{}", faults.len());
        check(Language::Toml, "a = 1\na = 2\n", "2:1: this is not TOML: duplicate key");
    }
}
