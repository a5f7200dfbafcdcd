//! The shape of SQL: which statements there are, and whether they only read.
//!
//! No grammar of any one database: what could be taken for something else by one of them counts as that.

use super::{Reading, TargetFault};

/// Statements that only read.
const READS: &[&str] = &["describe", "desc", "explain", "select", "show", "table", "values", "with"];
/// Words that make a statement one that does more, wherever they stand in it.
const ACTS: &[&str] = &[
    "alter", "analyze", "attach", "call", "copy", "create", "delete", "do", "drop", "exec", "execute",
    "grant", "handler", "insert", "install", "into", "load", "lock", "merge", "outfile", "pragma", "rename",
    "replace", "revoke", "set", "truncate", "update", "upsert", "vacuum",
];
/// Functions that reach out of the database, sleep, or change something.
const REACHES: &[&str] = &[
    "benchmark",
    "dblink",
    "dblink_exec",
    "load_extension",
    "load_file",
    "lo_export",
    "lo_import",
    "nextval",
    "openrowset",
    "pg_ls_dir",
    "pg_read_binary_file",
    "pg_read_file",
    "pg_sleep",
    "pg_terminate_backend",
    "query_to_xml",
    "readfile",
    "setval",
    "sleep",
    "sys_eval",
    "sys_exec",
    "utl_http",
    "writefile",
    "xp_cmdshell",
];

pub(super) fn read(text: &str) -> Reading {
    let mut lexer = Lexer { rest: text, tokens: Vec::new(), odd: false };
    lexer.run();
    let statements: Vec<&[Token<'_>]> = lexer
        .tokens
        .split(|token| matches!(token, Token::Other(';')))
        .filter(|statement| !statement.is_empty())
        .collect();
    let mut reading = Reading::of(canonical(&statements));
    reading.statements = statements.iter().filter_map(|it| verb(it)).collect();
    if lexer.odd || statements.len() > 1 {
        reading.fault(TargetFault::Compound);
    }
    if !statements.iter().all(|statement| only_reads(statement)) {
        reading.fault(TargetFault::Statement);
    }
    reading
}

enum Token<'t> {
    /// A keyword, a name or a number.
    Word(&'t str),
    /// A literal or a quoted name, with its quotes.
    Quoted(&'t str),
    Other(char),
}

struct Lexer<'t> {
    rest: &'t str,
    tokens: Vec<Token<'t>>,
    /// A comment, a quote without its end, or one whose end is a matter of opinion.
    odd: bool,
}

impl<'t> Lexer<'t> {
    fn run(&mut self) {
        while let Some(first) = self.rest.chars().next() {
            let rest = self.rest;
            if rest.starts_with("--") || rest.starts_with('#') {
                self.comment(rest.find('\n').unwrap_or(rest.len()));
            } else if rest.starts_with("/*") {
                self.comment(rest.find("*/").map_or(rest.len(), |at| at + 2));
            } else if matches!(first, '\'' | '"' | '`') {
                self.quoted(first);
            } else if let Some(length) = dollar(rest) {
                self.dollar_quoted(length);
            } else if is_of_a_word(first) {
                let end = rest.find(|c| !is_of_a_word(c)).unwrap_or(rest.len());
                self.take(end).into_iter().for_each(|word| self.tokens.push(Token::Word(word)));
            } else {
                self.odd |= first.is_control() && !first.is_whitespace();
                self.tokens.extend((!first.is_whitespace()).then_some(Token::Other(first)));
                self.take(first.len_utf8());
            }
        }
    }

    fn take(&mut self, length: usize) -> Option<&'t str> {
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.rest = rest;
        Some(taken)
    }

    /// Some readers execute what is in one, and others end it elsewhere.
    fn comment(&mut self, length: usize) {
        self.odd = true;
        self.take(length);
    }

    fn quoted(&mut self, quote: char) {
        let inside = self.rest.get(1..).unwrap_or_default();
        let mut end = None;
        let mut characters = inside.char_indices().peekable();
        while let Some((at, c)) = characters.next() {
            if c == quote && characters.next_if(|(_, next)| *next == quote).is_none() {
                end = Some(at);
                break;
            }
            // To MySQL it hides the quote behind it, to others it is a character like any.
            self.odd |= c == '\\';
        }
        self.odd |= end.is_none();
        let length = end.map_or(self.rest.len(), |at| at + 2);
        let token = self.take(length).map(Token::Quoted);
        self.tokens.extend(token);
    }

    /// `$tag$ … $tag$` of PostgreSQL; to others it is something else.
    fn dollar_quoted(&mut self, tag: usize) {
        self.odd = true;
        let (open, inside) = self.rest.split_at_checked(tag).unwrap_or((self.rest, ""));
        let length = inside.find(open).map_or(self.rest.len(), |at| at + open.len() + open.len());
        let token = self.take(length).map(Token::Quoted);
        self.tokens.extend(token);
    }
}

/// The length of `$tag$`.
fn dollar(text: &str) -> Option<usize> {
    let inside = text.strip_prefix('$')?;
    let end = inside.find('$')?;
    let tag = inside.get(..end)?;
    tag.chars().all(is_of_a_word).then_some(end + 2)
}

fn is_of_a_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '@'
}

fn verb(statement: &[Token<'_>]) -> Option<String> {
    statement.iter().find_map(|token| match token {
        Token::Word(word) => Some(word.to_lowercase()),
        Token::Quoted(_) | Token::Other(_) => None,
    })
}

fn only_reads(statement: &[Token<'_>]) -> bool {
    let reads = verb(statement).is_some_and(|verb| READS.contains(&verb.as_str()));
    let acts = statement.iter().any(|token| match token {
        Token::Word(word) => {
            let word = word.to_lowercase();
            ACTS.contains(&word.as_str()) || REACHES.contains(&word.as_str())
        }
        Token::Quoted(_) | Token::Other(_) => false,
    });
    reads && !acts
}

/// Words in lower case, literals as they are, a blank between all of them, no comments.
fn canonical(statements: &[&[Token<'_>]]) -> String {
    let one = |statement: &&[Token<'_>]| {
        let tokens = statement.iter().map(|token| match token {
            Token::Word(word) => word.to_lowercase(),
            Token::Quoted(text) => (*text).to_owned(),
            Token::Other(c) => c.to_string(),
        });
        tokens.collect::<Vec<_>>().join(" ")
    };
    statements.iter().map(one).collect::<Vec<_>>().join(" ; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use TargetFault::{Compound, Statement};

    #[test]
    fn statements_are_told_apart() {
        for (text, expected, verbs, faults) in [
            (
                "SELECT  Name FROM t WHERE a='x;--Y'",
                "select name from t where a = 'x;--Y'",
                &["select"][..],
                &[][..],
            ),
            ("select 'it''s' from \"Drop\";", "select 'it''s' from \"Drop\"", &["select"], &[]),
            (
                "with x as (select 1) select * from x",
                "with x as ( select 1 ) select * from x",
                &["with"],
                &[],
            ),
            ("EXPLAIN select 1", "explain select 1", &["explain"], &[]),
            ("select updated_at from t", "select updated_at from t", &["select"], &[]),
            ("DROP TABLE t", "drop table t", &["drop"], &[Statement]),
            (
                "select 1; drop table t",
                "select 1 ; drop table t",
                &["select", "drop"],
                &[Compound, Statement],
            ),
            ("select 1 /*!; drop table t */", "select 1", &["select"], &[Compound]),
            ("dr/**/op table t", "dr op table t", &["dr"], &[Compound, Statement]),
            ("select 1 -- x", "select 1", &["select"], &[Compound]),
            (
                "with d as (delete from t returning 1) select * from d",
                "with d as ( delete from t returning 1 ) select * from d",
                &["with"],
                &[Statement],
            ),
            ("select * into new from t", "select * into new from t", &["select"], &[Statement]),
            (
                "select pg_read_file('/etc/passwd')",
                "select pg_read_file ( '/etc/passwd' )",
                &["select"],
                &[Statement],
            ),
            ("select 'a\\' or 1=1 --'", "select 'a\\' or 1 = 1", &["select"], &[Compound]),
            ("select $a$ x $a$", "select $a$ x $a$", &["select"], &[Compound]),
            ("select 'open", "select 'open", &["select"], &[Compound]),
            ("", "", &[], &[]),
            ("(select 1)", "( select 1 )", &["select"], &[]),
        ] {
            let mut reading = read(text);
            reading.faults.sort();
            assert_eq!(
                (reading.text.as_str(), &*reading.statements),
                (expected, &*verbs.iter().map(|v| (*v).to_owned()).collect::<Vec<_>>()),
                "{text}"
            );
            assert_eq!(reading.faults, faults, "{text}");
        }
    }
}
