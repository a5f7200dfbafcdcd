//! A client's entry so changed that its server is started through `portcullis run`.

use portcullis_core::ServerName;

use super::{
    Located,
    edit::Edit,
    entry::{COMMAND, ENV, KIND, KINDS, URL, first, is_ours},
    server_name,
};
use crate::config::tree::{Entry, Language, Node, Value, quote};

/// What becomes of an entry.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wrap {
    /// It is changed.
    Changed(Vec<Edit>),
    /// It goes through Portcullis already.
    Already,
    /// It starts no program.
    NoCommand(&'static str),
    /// It starts a program, and cannot be changed.
    Impossible(String),
}

/// A text whose entries are changed.
pub(crate) struct Wrapper<'t> {
    /// Without a byte order mark.
    pub(crate) text: &'t str,
    pub(crate) language: Language,
    /// The program `portcullis`.
    pub(crate) program: &'t str,
}

/// Where an entry keeps its command.
struct Started<'n> {
    /// The table with the command and its arguments.
    holder: &'n Node,
    command: &'n Entry,
}

impl Wrapper<'_> {
    /// How one entry is changed.
    pub(crate) fn wrap(&self, located: &Located<'_>) -> Wrap {
        let node = located.node;
        let kind = first(node, KIND).and_then(Node::text);
        if kind.is_some_and(|kind| !KINDS.iter().any(|(word, _)| *word == kind)) {
            return Wrap::NoCommand("it is part of the client");
        }
        let Some(started) = Started::of(node) else {
            return Wrap::NoCommand(match first(node, URL) {
                Some(_) => "it is reached over HTTP: put it behind `portcullis serve`",
                None => "it names no command",
            });
        };
        let Some(argv) = argv(node) else {
            return Wrap::Impossible("its command or its arguments are not plain strings".to_owned());
        };
        if argv.first().is_some_and(|program| is_ours(program)) {
            return Wrap::Already;
        }
        match self.prefix(located, &argv).and_then(|prefix| self.edits(&started, &prefix)) {
            Ok(edits) => Wrap::Changed(edits),
            Err(why) => Wrap::Impossible(why),
        }
    }

    /// The words before the server's own arguments: the program, its options, and the server's command.
    fn prefix(&self, located: &Located<'_>, argv: &[String]) -> Result<Vec<String>, String> {
        let node = located.node;
        let program = argv.first().ok_or("its command is empty")?;
        if program.is_empty() || (program.contains(' ') && !program.contains(['/', '\\'])) {
            return Err("its command is not the name of a program: write arguments into `args`".to_owned());
        }
        if node.get("envFile").is_some() {
            return Err("what `envFile` sets could not be passed on: write it into `env`".to_owned());
        }
        let name: ServerName = server_name(located.label).map_err(|fault| fault.what)?;
        let mut prefix: Vec<String> =
            [self.program, "run", "--name", name.as_str()].map(str::to_owned).to_vec();
        for variable in variables(node) {
            if variable.is_empty() || variable.contains(['=', '\0']) {
                return Err(format!("`{}` is no variable", crate::config::kind::clip(&variable)));
            }
            prefix.extend(["--env".to_owned(), variable]);
        }
        prefix.extend(["--".to_owned(), program.clone()]);
        Ok(prefix)
    }

    fn edits(&self, started: &Started<'_>, prefix: &[String]) -> Result<Vec<Edit>, String> {
        let command = &started.command.node;
        if command.items().is_some() {
            // The program is in the list and stays there.
            let words = prefix.get(..prefix.len() - 1).unwrap_or_default();
            return Ok(vec![self.before_first(command, words)?]);
        }
        let (program, words) = prefix.split_first().ok_or("its command is empty")?;
        let token =
            self.text.get(command.span.start..command.span.end).ok_or("its command cannot be found")?;
        let program = Edit { at: command.span.start, removed: token.to_owned(), inserted: quote(program) };
        let args = match first(started.holder, &["args"]) {
            Some(args) => self.before_first(args, words)?,
            None if started.holder.get("args").is_some() => return Err("its `args` say nothing".to_owned()),
            None => self.new_args(started, words),
        };
        let mut edits = vec![program, args];
        edits.sort_by_key(|edit| edit.at);
        Ok(edits)
    }

    /// Words in front of the elements that a list has.
    fn before_first(&self, list: &Node, words: &[String]) -> Result<Edit, String> {
        let start = list.span.start;
        let items = list.items().unwrap_or_default();
        let words: Vec<String> = words.iter().map(|word| quote(word)).collect();
        let insert = |at: usize, inserted: String| Ok(Edit { at, removed: String::new(), inserted });
        if self.byte(start) == Some(b'[') {
            let Some(first) = items.first() else { return insert(start + 1, words.join(", ")) };
            let apart = self.text.get(start..first.span.start).unwrap_or_default().contains('\n');
            let gap = if apart {
                format!("{}{}", self.newline(), self.indent(first.span.start))
            } else {
                " ".to_owned()
            };
            return insert(first.span.start, format!("{},{gap}", words.join(", ")));
        }
        // A block of YAML: each element after a dash of its own.
        let first = items.first().ok_or("its arguments cannot be found")?;
        let dash = self.text.get(..first.span.start).and_then(|before| before.rfind('-'));
        let dash = dash
            .filter(|at| self.text.get(at + 1..first.span.start).is_some_and(|gap| gap.trim().is_empty()));
        let dash = dash.ok_or("its arguments cannot be found")?;
        let next = format!("{}{}", self.newline(), self.indent(dash));
        insert(dash, words.iter().map(|word| format!("- {word}{next}")).collect())
    }

    /// A member `args` after the command.
    fn new_args(&self, started: &Started<'_>, words: &[String]) -> Edit {
        let words = words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(", ");
        let key = started.command.at.offset_in(self.text);
        let end = started.command.node.span.end;
        let braces = self.byte(started.holder.span.start) == Some(b'{');
        let own_line = self.before_on_line(key).trim().is_empty();
        let gap = if own_line { format!("{}{}", self.newline(), self.indent(key)) } else { " ".to_owned() };
        let (at, inserted) = match self.language {
            Language::Json => (end, format!(",{gap}\"args\": [{words}]")),
            Language::Yaml if braces => (end, format!(", args: [{words}]")),
            Language::Toml if braces => (end, format!(", args = [{words}]")),
            Language::Yaml => {
                (self.line_end(end), format!("{}{}args: [{words}]", self.newline(), self.indent(key)))
            }
            // The part before the key is empty, blank, or the names of tables with dots.
            Language::Toml => {
                let path = self.before_on_line(key);
                (self.line_end(end), format!("{}{path}args = [{words}]", self.newline()))
            }
        };
        Edit { at, removed: String::new(), inserted }
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    fn newline(&self) -> &'static str {
        if self.text.contains("\r\n") { "\r\n" } else { "\n" }
    }

    fn before_on_line(&self, at: usize) -> &str {
        let before = self.text.get(..at).unwrap_or_default();
        before.rsplit('\n').next().unwrap_or_default()
    }

    /// Blanks that bring the next line to the column of `at`.
    fn indent(&self, at: usize) -> String {
        let before = self.before_on_line(at);
        before.chars().map(|character| if character == '\t' { '\t' } else { ' ' }).collect()
    }

    fn line_end(&self, at: usize) -> usize {
        let rest = self.text.get(at..).unwrap_or_default();
        let line = rest.split('\n').next().unwrap_or_default();
        at + line.strip_suffix('\r').unwrap_or(line).len()
    }
}

impl<'n> Started<'n> {
    fn of(node: &'n Node) -> Option<Self> {
        let command = member(node, COMMAND)?;
        match command.node.value {
            Value::Table(_) => {
                Some(Self { holder: &command.node, command: member(&command.node, &["path", "command"])? })
            }
            _ => Some(Self { holder: node, command }),
        }
    }
}

fn member<'n>(node: &'n Node, names: &[&str]) -> Option<&'n Entry> {
    let entries = node.entries()?;
    names.iter().find_map(|name| entries.iter().find(|entry| entry.key == *name))
}

/// The program an entry starts and its arguments; `None` when they are not all strings.
pub(crate) fn argv(node: &Node) -> Option<Vec<String>> {
    let started = Started::of(node)?;
    let mut argv = strings(&started.command.node)?;
    argv.extend(first(started.holder, &["args"]).map_or(Some(Vec::new()), strings)?);
    Some(argv)
}

fn strings(node: &Node) -> Option<Vec<String>> {
    match &node.value {
        Value::Text(text) => Some(vec![text.clone()]),
        Value::List(items) => items.iter().map(|item| item.text().map(str::to_owned)).collect(),
        _ => None,
    }
}

/// Variables the client sets for the server, or passes on to it.
pub(crate) fn variables(node: &Node) -> Vec<String> {
    let holder = Started::of(node).map_or(node, |started| started.holder);
    let table = first(node, ENV).or_else(|| first(holder, ENV)).and_then(Node::entries).unwrap_or_default();
    let set = table.iter().filter(|entry| !matches!(entry.node.value, Value::Null));
    let passed_on = ["env_keys", "env_vars"].iter().filter_map(|name| node.get(name)?.items()).flatten();
    let mut names: Vec<String> = set.map(|entry| entry.key.clone()).collect();
    names.extend(passed_on.filter_map(Node::text).map(str::to_owned));
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    names
}
