//! W3C Trace Context and Baggage inside `_meta`.

use std::{borrow::Cow, fmt};

use super::{BAGGAGE, MetaError, TRACEPARENT, TRACESTATE, text};
use crate::json::Node;

/// Most members of a `tracestate` (Trace Context section 3.3.1.1).
const MAX_TRACESTATE_MEMBERS: usize = 32;
/// Longest `tracestate` accepted. The standard asks for at least 512.
const MAX_TRACESTATE: usize = 8192;
/// Longest `baggage` that [`listed_baggage`] passes on, in bytes. Values that are useful to a server are short.
const MAX_PASSED: usize = 1024;

/// Where a message belongs in a distributed trace. Values are checked for form, nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceContext<'a> {
    /// The sender's span.
    pub traceparent: Option<Cow<'a, str>>,
    /// Vendor data that belongs to `traceparent`.
    pub tracestate: Option<Cow<'a, str>>,
    /// Values the sender wants to travel along.
    pub baggage: Option<Cow<'a, str>>,
}

impl<'a> TraceContext<'a> {
    /// Reads the trace keys of a `_meta` object of any version.
    pub fn read(meta: Node<'a>) -> Result<Self, MetaError> {
        let checked = |key, valid: fn(&str) -> bool| match text(meta, key)? {
            Some(value) if !valid(&value) => Err(MetaError::Invalid(key)),
            value => Ok(value),
        };
        Ok(Self {
            traceparent: checked(TRACEPARENT, is_traceparent)?,
            tracestate: checked(TRACESTATE, is_tracestate)?,
            baggage: checked(BAGGAGE, is_baggage)?,
        })
    }
}

/// Whether `value` is a `traceparent` (Trace Context section 3.2).
pub fn is_traceparent(value: &str) -> bool {
    let mut fields = value.splitn(5, '-');
    let mut hex = |len: usize| {
        fields.next().filter(|field| {
            field.len() == len && field.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        })
    };
    let (Some(version), Some(trace), Some(span), Some(_flags)) = (hex(2), hex(32), hex(16), hex(2)) else {
        return false;
    };
    let set = |id: &str| id.bytes().any(|b| b != b'0');
    // Later versions may append fields; version 0 has exactly four, and ff is forbidden.
    let rest = fields.next();
    version != "ff" && set(trace) && set(span) && (version != "00" || rest.is_none())
}

/// A `traceparent` taken apart, and as this build writes one: version 00.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceParent {
    /// The trace.
    pub trace: [u8; 16],
    /// The sender's span in it.
    pub span: [u8; 8],
    /// Whether the sender says that it records its spans.
    pub sampled: bool,
}

impl TraceParent {
    /// Reads a `traceparent` of any version.
    pub fn parse(value: &str) -> Option<Self> {
        if !is_traceparent(value) {
            return None;
        }
        let mut fields = value.split('-').skip(1);
        let trace = bytes_of_hex(fields.next()?)?;
        let span = bytes_of_hex(fields.next()?)?;
        let [flags] = bytes_of_hex(fields.next()?)?;
        Some(Self { trace, span, sampled: flags & 1 == 1 })
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("00-")?;
        self.trace.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("-")?;
        self.span.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        write!(f, "-0{}", u8::from(self.sampled))
    }
}

/// Exactly `N` bytes in hexadecimal digits.
fn bytes_of_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let mut digits = text.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()));
    for byte in &mut bytes {
        *byte = digits.next()?? << 4 | digits.next()??;
    }
    digits.next().is_none().then_some(bytes)
}

/// The part of a `baggage` that may travel on, and how many members stay behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListedBaggage {
    /// What may travel on; none when nothing may.
    pub passed: Option<String>,
    /// Members that may not: not listed, or beyond 1024 bytes in all. A value that is no baggage is one member.
    pub dropped: usize,
}

/// Keeps the members of a `baggage` whose keys are in `listed`, with their properties, up to 1024 bytes.
pub fn listed_baggage<S: AsRef<str>>(value: &str, listed: &[S]) -> ListedBaggage {
    if !is_baggage(value) {
        return ListedBaggage { passed: None, dropped: 1 };
    }
    let (mut passed, mut dropped) = (String::new(), 0_usize);
    for member in value.split(',').map(trim) {
        let key = member.split(['=', ';']).next().map(trim).unwrap_or_default();
        let fits = passed.len().saturating_add(member.len()) < MAX_PASSED;
        if fits && listed.iter().any(|listed| listed.as_ref() == key) {
            if !passed.is_empty() {
                passed.push(',');
            }
            passed.push_str(member);
        } else {
            dropped = dropped.saturating_add(1);
        }
    }
    ListedBaggage { passed: Some(passed).filter(|passed| !passed.is_empty()), dropped }
}

/// Whether `value` is a `tracestate` (Trace Context section 3.3).
pub fn is_tracestate(value: &str) -> bool {
    if value.len() > MAX_TRACESTATE {
        return false;
    }
    let mut keys: Vec<&str> = Vec::new();
    for member in value.split(',').map(trim).filter(|member| !member.is_empty()) {
        let Some((key, value)) = member.split_once('=') else { return false };
        if keys.len() == MAX_TRACESTATE_MEMBERS
            || keys.contains(&key)
            || !is_state_key(key)
            || !is_state_value(value)
        {
            return false;
        }
        keys.push(key);
    }
    true
}

fn is_state_key(key: &str) -> bool {
    key.len() <= 256
        && key.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && key.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@'))
}

fn is_state_value(value: &str) -> bool {
    value.len() <= 256
        && !value.ends_with(' ')
        && value.bytes().all(|b| matches!(b, b' '..=b'~') && b != b'=')
}

/// Whether `value` is a `baggage` string (W3C Baggage section 3.3.1), of any length: too much of it is no reason to
/// refuse a request, see [`listed_baggage`].
pub fn is_baggage(value: &str) -> bool {
    value.split(',').all(|member| {
        let mut parts = member.split(';');
        parts.next().and_then(|pair| pair.split_once('=')).is_some_and(|(key, value)| is_pair(key, value))
            && parts.all(|property| match property.split_once('=') {
                Some((key, value)) => is_pair(key, value),
                None => is_token(trim(property)),
            })
    })
}

fn is_pair(key: &str, value: &str) -> bool {
    is_token(trim(key))
        && trim(value)
            .bytes()
            .all(|b| matches!(b, b'!' | b'#'..=b'+' | b'-'..=b':' | b'<'..=b'[' | b']'..=b'~'))
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(crate::header::is_token_byte)
}

/// Without optional whitespace (RFC 9110 section 5.6.3) around it.
fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}
