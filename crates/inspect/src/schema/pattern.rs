//! Regular expressions from schemas, matched in time linear in the text or not at all.
//!
//! Patterns are ECMA-262 expressions written by the other side. Each becomes a lazily built automaton
//! with a bounded cache: the usual linear-time engines fall back to simulating the expression when that
//! cache thrashes, which at 10 µs a byte is a denial of service all the same. Here the match gives up
//! instead, and the arguments are refused.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use regex_automata::{
    Input,
    hybrid::dfa::{Cache, DFA},
    nfa::thompson,
    util::syntax,
};

use super::{SchemaLimits, SchemaProblem};

/// Memory of one compiled expression in bytes.
const MAX_COMPILED: usize = 1 << 20;
/// Memory of all compiled expressions of one schema in bytes.
const MAX_COMPILED_TOTAL: usize = 4 << 20;
/// Memory of one automaton's cache in bytes: this much, or so much for each state of the expression if
/// that is more.
const CACHE: usize = 512 << 10;
const CACHE_PER_STATE: usize = 64;
/// How often the cache may fill up during one match.
const CACHE_FILLS: usize = 3;
/// What all matches of one validation may build of their automata, in bytes. A match that stops just
/// short of giving up costs as much as one that does, and arguments can hold a thousand of them.
pub(super) const MATCH_BUDGET: usize = 8 << 20;
/// Caches that have grown up to this much are kept for the next match, up to this many at once.
const KEPT_GROWTH: usize = 64 << 10;
const KEPT_CACHES: usize = 4;
/// Assertions that matching one name against one KiB of compiled expression is worth.
const NAME_COST: u64 = 8;

/// The expressions of one schema, each compiled once.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    compiled: HashMap<String, Arc<Pattern>>,
    bytes: usize,
}

impl Patterns {
    pub(super) fn get(&self, source: &str) -> Option<Arc<Pattern>> {
        self.compiled.get(source).cloned()
    }

    /// Compiles the value of a `pattern` keyword.
    pub(super) fn add(&mut self, source: &str, limits: &SchemaLimits) -> Result<Arc<Pattern>, SchemaProblem> {
        if let Some(known) = self.get(source) {
            return Ok(known);
        }
        let many = |what, limit: usize| SchemaProblem::TooMany { what, limit: limit as u64 };
        if source.len() > limits.max_pattern_bytes {
            return Err(many("bytes in one regular expression", limits.max_pattern_bytes));
        }
        if self.compiled.len() >= limits.max_patterns {
            return Err(many("regular expressions", limits.max_patterns));
        }
        let pattern = Arc::new(Pattern::compile(source)?);
        self.bytes += pattern.compiled_bytes();
        if self.bytes > MAX_COMPILED_TOTAL {
            return Err(many("bytes of compiled regular expressions", MAX_COMPILED_TOTAL));
        }
        self.compiled.insert(source.to_owned(), Arc::clone(&pattern));
        Ok(pattern)
    }

    /// Checks a name of `patternProperties`, which the validator matches with its own engine, and
    /// weighs it in assertions.
    pub(super) fn name_cost(&mut self, source: &str, limits: &SchemaLimits) -> Result<u64, SchemaProblem> {
        let pattern = self.add(source, limits)?;
        if !pattern.is_plain() {
            return Err(SchemaProblem::Pattern("look-around is not supported in `patternProperties`"));
        }
        Ok(NAME_COST * (1 + pattern.compiled_bytes() as u64 / 1024))
    }
}

/// One expression. Leading look-aheads, as in `^(?!.*\.\.)(?=.*\d).+$`, are expressions of their own.
#[derive(Debug)]
pub(super) struct Pattern {
    present: Vec<Automaton>,
    absent: Vec<Automaton>,
}

/// The match would have taken more than its share.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct GaveUp;

impl Pattern {
    pub(super) fn compile(source: &str) -> Result<Self, SchemaProblem> {
        let (aheads, rest) = leading_lookaheads(source);
        let mut pattern = Self { present: Vec::new(), absent: Vec::new() };
        for ahead in aheads {
            let list = if ahead.negative { &mut pattern.absent } else { &mut pattern.present };
            list.push(Automaton::compile(&format!("^(?:{})", ahead.body))?);
        }
        pattern.present.push(Automaton::compile(&rest)?);
        Ok(pattern)
    }

    /// Whether `text` contains a match. What it had to build is taken from `budget`, in bytes.
    pub(super) fn matches(&self, text: &str, budget: &mut usize) -> Result<bool, GaveUp> {
        for automaton in &self.present {
            if !automaton.matches(text, budget)? {
                return Ok(false);
            }
        }
        for automaton in &self.absent {
            if automaton.matches(text, budget)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn is_plain(&self) -> bool {
        self.absent.is_empty() && self.present.len() == 1
    }

    fn compiled_bytes(&self) -> usize {
        self.present.iter().chain(&self.absent).map(|automaton| automaton.dfa.get_nfa().memory_usage()).sum()
    }
}

struct Automaton {
    dfa: DFA,
    /// Memory of a cache in bytes, full and empty.
    capacity: usize,
    empty_cache: usize,
    idle: Mutex<Vec<Cache>>,
}

impl std::fmt::Debug for Automaton {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Automaton")
    }
}

impl Automaton {
    fn compile(source: &str) -> Result<Self, SchemaProblem> {
        let refused = SchemaProblem::Pattern("not an expression, or one with look-around or back-references");
        let translated = jsonschema_regex::to_rust_regex(source).map_err(|()| refused.clone())?;
        let translated = ascii_word_boundaries(&translated);
        let nfa = thompson::Compiler::new()
            .configure(thompson::Config::new().nfa_size_limit(Some(MAX_COMPILED)).utf8(false))
            .syntax(syntax::Config::new().utf8(false))
            .build(&translated)
            .map_err(|error| if error.size_limit().is_some() { TOO_LARGE } else { refused })?;
        let capacity = CACHE.max(nfa.states().len() * CACHE_PER_STATE);
        let config = DFA::config().cache_capacity(capacity).minimum_cache_clear_count(Some(CACHE_FILLS));
        let dfa = DFA::builder().configure(config).build_from_nfa(nfa).map_err(|_| TOO_LARGE)?;
        let empty_cache = dfa.create_cache().memory_usage();
        Ok(Self { dfa, capacity, empty_cache, idle: Mutex::default() })
    }

    fn matches(&self, text: &str, budget: &mut usize) -> Result<bool, GaveUp> {
        let idle = self.idle.lock().ok().and_then(|mut idle| idle.pop());
        let had = idle.as_ref().map_or(0, Cache::memory_usage);
        let mut cache = idle.unwrap_or_else(|| self.dfa.create_cache());
        let found = self.dfa.try_search_fwd(&mut cache, &Input::new(text).earliest(true));
        let has = cache.memory_usage();
        let built = cache.clear_count() * self.capacity + has.saturating_sub(had);
        *budget = budget.checked_sub(built).ok_or(GaveUp)?;
        if cache.clear_count() == 0
            && has <= self.empty_cache + KEPT_GROWTH
            && let Some(mut idle) = self.idle.lock().ok().filter(|idle| idle.len() < KEPT_CACHES)
        {
            idle.push(cache);
        }
        found.map(|end| end.is_some()).map_err(|_| GaveUp)
    }
}

const TOO_LARGE: SchemaProblem = SchemaProblem::Pattern("too large when compiled; lower its repeat counts");

/// A look-ahead at the start of an expression.
#[derive(Debug, PartialEq, Eq)]
struct LookAhead<'p> {
    negative: bool,
    body: &'p str,
}

/// Splits `^(?!a)(?=b)rest` into its look-aheads and `^rest`.
///
/// At a fixed place a look-ahead is a match of its own, so this is exact; look-ahead anywhere else is
/// left where it is, and refused when it is compiled. Published servers use it at the start only, for
/// e-mail addresses and password rules.
fn leading_lookaheads(source: &str) -> (Vec<LookAhead<'_>>, std::borrow::Cow<'_, str>) {
    let mut aheads = Vec::new();
    let Some(mut rest) = source.strip_prefix('^') else { return (aheads, source.into()) };
    loop {
        let negative = rest.starts_with("(?!");
        if !negative && !rest.starts_with("(?=") {
            break;
        }
        let Some((inside, after)) = rest.get(3..).and_then(split_group) else {
            return (Vec::new(), source.into());
        };
        aheads.push(LookAhead { negative, body: inside });
        rest = after;
    }
    if aheads.is_empty() || alternates(rest) || rest.starts_with(['*', '+', '?', '{']) {
        // `^(?!a)b|c` means `(^(?!a)b)|c`: the look-ahead does not guard the second branch. Nor does one
        // that may be repeated no times at all.
        return (Vec::new(), source.into());
    }
    (aheads, format!("^{rest}").into())
}

/// Splits what follows an opening parenthesis at the closing one.
fn split_group(source: &str) -> Option<(&str, &str)> {
    let end = scan(source, |depth, byte| depth == 0 && byte == b')')?;
    Some((source.get(..end)?, source.get(end + 1..)?))
}

/// Whether there is a `|` outside all groups.
fn alternates(source: &str) -> bool {
    scan(source, |depth, byte| depth == 0 && byte == b'|').is_some()
}

/// Offset of the first byte that `found` accepts, given the number of groups open around it. Escapes
/// and classes are passed over.
fn scan(source: &str, found: impl Fn(u32, u8) -> bool) -> Option<usize> {
    let (mut depth, mut class, mut escaped) = (0_u32, false, false);
    for (at, byte) in source.bytes().enumerate() {
        if escaped {
            escaped = false;
        } else if byte == b'\\' {
            escaped = true;
        } else if class {
            class = byte != b']';
        } else if found(depth, byte) {
            return Some(at);
        } else {
            match byte {
                b'[' => class = true,
                b'(' => depth += 1,
                b')' => depth = depth.checked_sub(1)?,
                _ => {}
            }
        }
    }
    None
}

/// ECMA-262 knows ASCII word boundaries only (22.2.2.9.2, without the flags a schema cannot give).
fn ascii_word_boundaries(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let (mut class, mut chars) = (0_u32, source.chars());
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(boundary @ ('b' | 'B')) if class == 0 => {
                    out.push_str("(?-u:\\");
                    out.push(boundary);
                    out.push(')');
                    continue;
                }
                Some(escaped) => {
                    out.push(c);
                    out.push(escaped);
                    continue;
                }
                None => {}
            },
            '[' => class += 1,
            ']' => class = class.saturating_sub(1),
            _ => {}
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;

    fn matches(pattern: &Pattern, text: &str) -> Result<bool, GaveUp> {
        pattern.matches(text, &mut MATCH_BUDGET.clone())
    }

    #[test]
    fn look_aheads_are_split_off_where_that_changes_nothing() {
        for (source, aheads, rest) in [
            ("^a$", "", "^a$"),
            ("(?=a)b", "", "(?=a)b"),
            ("^(?=a)b", "=a", "^b"),
            ("^(?!a)(?=b|c)d", "!a =b|c", "^d"),
            (r"^(?!.*\\)x", r"!.*\\", "^x"),
            (r"^(?!\))x", r"!\)", "^x"),
            ("^(?![)]+)x", "![)]+", "^x"),
            (r"^(?![\])]+)x", r"![\])]+", "^x"),
            ("^(?!(a(b)))x", "!(a(b))", "^x"),
            ("^(?!a)b|c", "", "^(?!a)b|c"),
            ("^(?!a)(b|c)", "!a", "^(b|c)"),
            ("^(?!a)[|]", "!a", "^[|]"),
            ("^(?!a", "", "^(?!a"),
            ("^(?!a)*b", "", "^(?!a)*b"),
            ("^(?!a){2}b", "", "^(?!a){2}b"),
            ("^(?!a)", "!a", "^"),
        ] {
            let (found, left) = leading_lookaheads(source);
            let found =
                found.iter().map(|ahead| format!("{}{}", if ahead.negative { '!' } else { '=' }, ahead.body));
            assert_eq!((found.collect::<Vec<_>>().join(" ").as_str(), &*left), (aheads, rest), "{source}");
        }
    }

    #[test]
    fn expressions_mean_what_ecma_262_says() {
        for (source, matching, others) in [
            (r"^\w+$", "az_9", ["\u{e9}", "a b"]),
            (r"^\d$", "7", ["\u{667}", "77"]),
            (r"\bb\b", "\u{e9}b\u{e9}", ["abc", "b_"]),
            (r"a\Bb", "ab", ["a b", ""]),
            (r"^[\w-]+$", "a-b", ["a b", ""]),
            ("^.$", "\u{1F600}", ["ab", "\n"]),
            ("^(?!a).$", "b", ["a", "bc"]),
            (r"^(?=.*\d)(?=.*[a-z]).{3,}$", "a1b", ["abc", "a1"]),
            ("^(?!a)", "b", ["a", "ab"]),
        ] {
            let pattern = Pattern::compile(source).unwrap();
            assert_eq!(matches(&pattern, matching), Ok(true), "{source} on {matching}");
            for other in others {
                assert_eq!(matches(&pattern, other), Ok(false), "{source} on {other}");
            }
        }
        assert_eq!(matches(&Pattern::compile("").unwrap(), ""), Ok(true));
    }

    #[test]
    fn an_ordinary_expression_never_gives_up() {
        for (source, unit) in
            [("^.{1,2000}$", "\u{e9}"), ("^[a-zA-Z0-9_-]+$", "aB3_"), (r"^[\s\S]{1,1500}$", "x")]
        {
            let pattern = Pattern::compile(source).unwrap();
            for len in [1, 100, 1_500, 100_000] {
                let mut budget = MATCH_BUDGET;
                assert!(pattern.matches(&unit.repeat(len), &mut budget).is_ok(), "{source} on {len}");
                assert!(budget > MATCH_BUDGET / 4 * 3, "{source} on {len} leaves {budget}");
            }
        }
    }
}
