//! The arguments of a call as policies see them: `context.arguments`.
//!
//! | JSON | Cedar |
//! |---|---|
//! | object | record; nested values are reached as `context.arguments.options.depth` |
//! | string | `String` |
//! | `true`, `false` | `Bool` |
//! | number whose value is an integer of 64 bits, in any spelling (`5`, `5.0`, `50e-1`) | `Long` |
//! | any other number | `String` in its only form: shortest decimal, no superfluous zeros (`0.5`, `-12.25`); with an exponent beyond 40 digits (`1.2e301`) |
//! | array | `Set`: order and repetitions are lost, elements may differ in type |
//! | `null` | left out of its object or array, so `has` says no |
//!
//! Strings stay strings: text that looks like an entity, an address or a number gains no meaning unless a
//! policy gives it one with `ip(…)` or `decimal(…)`. One that names a file, a URL, a command or a statement is the one
//! form of that, see [`Canonical`].
//!
//! `tools/call` and `prompts/get` have arguments; without any, the record is empty. A call whose arguments
//! exceed [`MAX_BYTES`], [`MAX_DEPTH`] or [`MAX_VALUES`], or are not an object, is refused as soon as a
//! policy that could apply looks at arguments: what cannot be judged is not permitted.

use cedar_policy::RestrictedExpression;
use portcullis_core::Canonical;
use portcullis_wire::{Node, json::Kind};

use crate::number::{Number, number};

/// The longest arguments that are judged, in bytes as written.
pub const MAX_BYTES: usize = 1 << 20;

/// The deepest arguments that are judged: containers around a value, the arguments themselves included.
pub const MAX_DEPTH: usize = 16;

/// The most values that are judged, containers included.
pub const MAX_VALUES: usize = 10_000;

/// Why arguments cannot be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ArgumentFault {
    #[error("`arguments` is not an object")]
    NotAnObject,
    #[error("`arguments` has more than {MAX_BYTES} bytes")]
    TooLong,
    #[error("`arguments` is nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    #[error("`arguments` has more than {MAX_VALUES} values")]
    TooMany,
    #[error("`arguments` is not valid JSON")]
    Malformed,
}

/// The arguments as a Cedar record.
pub(crate) fn record(
    arguments: Option<Node<'_>>,
    canonical: &Canonical,
) -> Result<RestrictedExpression, ArgumentFault> {
    let Some(node) = arguments else { return object([]) };
    if node.kind() != Kind::Object {
        return Err(ArgumentFault::NotAnObject);
    }
    if node.raw().len() > MAX_BYTES {
        return Err(ArgumentFault::TooLong);
    }
    let mut left = MAX_VALUES;
    value(node, canonical, MAX_DEPTH, &mut left)?.map_or_else(|| object([]), Ok)
}

fn object(
    fields: impl IntoIterator<Item = (String, RestrictedExpression)>,
) -> Result<RestrictedExpression, ArgumentFault> {
    // Duplicate keys do not get past the strict walk that made the node.
    RestrictedExpression::new_record(fields).map_err(|_| ArgumentFault::Malformed)
}

/// One value; `None` for `null`.
fn value(
    node: Node<'_>,
    canonical: &Canonical,
    depth: usize,
    left: &mut usize,
) -> Result<Option<RestrictedExpression>, ArgumentFault> {
    *left = left.checked_sub(1).ok_or(ArgumentFault::TooMany)?;
    Ok(Some(match node.kind() {
        Kind::Null => return Ok(None),
        Kind::Bool => RestrictedExpression::new_bool(node.as_bool().ok_or(ArgumentFault::Malformed)?),
        Kind::String => {
            let text = match canonical.text_at(node.span().start) {
                Some(text) => text.to_owned(),
                None => node.as_str().ok_or(ArgumentFault::Malformed)?.into_owned(),
            };
            RestrictedExpression::new_string(text)
        }
        Kind::Number => {
            match number(std::str::from_utf8(node.raw()).map_err(|_| ArgumentFault::Malformed)?) {
                Number::Long(value) => RestrictedExpression::new_long(value),
                Number::Text(text) => RestrictedExpression::new_string(text),
            }
        }
        Kind::Array => {
            let depth = depth.checked_sub(1).ok_or(ArgumentFault::TooDeep)?;
            let elements =
                node.elements().filter_map(|element| value(element, canonical, depth, left).transpose());
            RestrictedExpression::new_set(elements.collect::<Result<Vec<_>, _>>()?)
        }
        Kind::Object => {
            let depth = depth.checked_sub(1).ok_or(ArgumentFault::TooDeep)?;
            let field = |(name, member): (std::borrow::Cow<'_, str>, Node<'_>)| {
                Some(
                    value(member, canonical, depth, left)
                        .transpose()?
                        .map(|member| (name.into_owned(), member)),
                )
            };
            object(node.members().filter_map(field).collect::<Result<Vec<_>, _>>()?)?
        }
    }))
}
