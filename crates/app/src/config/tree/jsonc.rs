//! JSON, plus the comments and trailing commas that editors write into their settings.

use super::{Entry, MAX_DEPTH, Node, Position, Span, Value, insert};
use crate::config::problem::Fault;

/// Parses one document.
pub(super) fn parse(text: &str) -> Result<Node, Fault> {
    let mut reader = Reader { text, offset: 0, here: Position::START, depth: 0 };
    let node = reader.value()?;
    reader.skip()?;
    if reader.peek().is_some() {
        return Err(reader.expected("the end of the file"));
    }
    Ok(node)
}

struct Reader<'t> {
    text: &'t str,
    offset: usize,
    /// Where `offset` is. Kept in step, because counting afresh would read the file once per value.
    here: Position,
    depth: usize,
}

impl<'t> Reader<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.offset..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.rest().bytes().next()
    }

    fn advance(&mut self, bytes: usize) {
        for character in self.rest().get(..bytes).unwrap_or_default().chars() {
            self.here.step(character);
        }
        self.offset += bytes;
    }

    fn fault(&self, what: &str) -> Fault {
        Fault::new(self.here, format!("this is not JSON: {what}"), "correct the syntax")
    }

    fn expected(&self, what: &str) -> Fault {
        self.fault(&format!("expected {what}"))
    }

    /// Takes `byte` if it comes next, after blanks and comments.
    fn take(&mut self, byte: u8) -> Result<bool, Fault> {
        self.skip()?;
        let there = self.peek() == Some(byte);
        self.advance(usize::from(there));
        Ok(there)
    }

    /// Moves past blanks and comments.
    fn skip(&mut self) -> Result<(), Fault> {
        loop {
            let rest = self.rest();
            let blank = rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
            let skipped = if blank > 0 {
                blank
            } else if rest.starts_with("//") {
                rest.find('\n').unwrap_or(rest.len())
            } else if rest.starts_with("/*") {
                rest.find("*/").ok_or_else(|| self.fault("the comment never ends"))? + 2
            } else {
                return Ok(());
            };
            self.advance(skipped);
        }
    }

    fn value(&mut self) -> Result<Node, Fault> {
        self.skip()?;
        let (at, start) = (self.here, self.offset);
        let value = match self.peek() {
            Some(b'{') => self.nested(Self::table)?,
            Some(b'[') => self.nested(Self::list)?,
            Some(b'"') => Value::Text(self.string()?),
            _ => self.scalar()?,
        };
        Ok(Node { at, span: Span { start, end: self.offset }, value })
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Value, Fault>) -> Result<Value, Fault> {
        if self.depth == MAX_DEPTH {
            let what = format!("this is nested more than {MAX_DEPTH} levels deep");
            return Err(Fault::new(self.here, what, "flatten it"));
        }
        self.depth += 1;
        self.advance(1);
        let value = read(self);
        self.depth -= 1;
        value
    }

    fn table(&mut self) -> Result<Value, Fault> {
        let mut entries = Vec::new();
        while !self.take(b'}')? {
            let at = self.here;
            if self.peek() != Some(b'"') {
                return Err(self.expected("a name in double quotes or `}`"));
            }
            let key = self.string()?;
            if !self.take(b':')? {
                return Err(self.expected("`:`"));
            }
            insert(&mut entries, Entry { key, at, node: self.value()? })?;
            if !self.take(b',')? && self.peek() != Some(b'}') {
                return Err(self.expected("`,` or `}`"));
            }
        }
        Ok(Value::Table(entries))
    }

    fn list(&mut self) -> Result<Value, Fault> {
        let mut items = Vec::new();
        while !self.take(b']')? {
            items.push(self.value()?);
            if !self.take(b',')? && self.peek() != Some(b']') {
                return Err(self.expected("`,` or `]`"));
            }
        }
        Ok(Value::List(items))
    }

    /// Finds the end of a string and leaves its escapes to the JSON library.
    fn string(&mut self) -> Result<String, Fault> {
        let rest = self.rest();
        let mut escaped = false;
        let end = rest.bytes().enumerate().skip(1).find(|(_, byte)| {
            let closes = *byte == b'"' && !escaped;
            escaped = *byte == b'\\' && !escaped;
            closes
        });
        let literal =
            end.and_then(|(last, _)| rest.get(..=last)).ok_or_else(|| self.fault("the string never ends"))?;
        let bad = "the string has a bad escape or a control character";
        let text = serde_json::from_str(literal).map_err(|_| self.fault(bad))?;
        self.advance(literal.len());
        Ok(text)
    }

    /// `true`, `false`, `null` or a number, which the JSON library judges.
    fn scalar(&mut self) -> Result<Value, Fault> {
        let rest = self.rest();
        let end =
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c))).unwrap_or(rest.len());
        let word = rest.get(..end).unwrap_or_default();
        let value = match serde_json::from_str(word) {
            Ok(serde_json::Value::Null) => Value::Null,
            Ok(serde_json::Value::Bool(flag)) => Value::Bool(flag),
            Ok(serde_json::Value::Number(number)) => match number.as_i64() {
                Some(number) => Value::Integer(number),
                None if word == "-0" => Value::Integer(0),
                None => Value::Other(word.to_owned()),
            },
            _ => return Err(self.expected("a value")),
        };
        self.advance(word.len());
        Ok(value)
    }
}
