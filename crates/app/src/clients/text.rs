//! Values with placeholders, as clients write them.

use portcullis_core::Secret;

use crate::config::{
    Parameter, Source,
    problem::Fault,
    secrecy::{secret_name, secret_value},
    tree::{Node, Value},
};

/// The parameter a client's value stands for.
///
/// A literal that looks like a secret, or is a header, becomes a secret; a placeholder for an environment
/// variable becomes a fetched parameter; any other placeholder is something only that client can fill in.
pub(super) fn parameter(name: &str, node: &Node, header: bool) -> Result<Parameter, Fault> {
    let text = match &node.value {
        Value::Text(text) => text.clone(),
        Value::Integer(_) | Value::Bool(_) | Value::Other(_) => node.canonical(),
        _ => {
            return Err(Fault::new(
                node.at,
                format!("this is {}", node.shape()),
                "write a string, in quotes",
            ));
        }
    };
    match placeholder(&text) {
        Placeholder::None if header || secret_name(name) || secret_value(&text) => {
            let source = Source::Inline(Secret::new(text.into_bytes()));
            Ok(Parameter::Fetched { source, prefix: String::new() })
        }
        Placeholder::None => Ok(Parameter::Plain(text)),
        Placeholder::Variable { prefix, variable } => {
            Ok(Parameter::Fetched { source: Source::Env(variable.to_owned()), prefix: prefix.to_owned() })
        }
        Placeholder::Foreign(what) => {
            let remedy = "write the value, or `${env:NAME}`, in its place";
            Err(Fault::new(node.at, format!("`{what}` is filled in by the client only"), remedy))
        }
    }
}

enum Placeholder<'t> {
    None,
    /// One variable at the end of the value.
    Variable {
        prefix: &'t str,
        variable: &'t str,
    },
    /// Anything else with the look of a placeholder.
    Foreign(&'t str),
}

/// The ways in which clients write a placeholder: how it opens, and what a variable's name follows.
const FORMS: &[(&str, &[&str])] = &[("${", &["env:", ""]), ("{env:", &[""]), ("{file:", &[])];

fn placeholder(text: &str) -> Placeholder<'_> {
    if let Some(variable) = text.strip_prefix('$').filter(|name| is_variable(name)) {
        return Placeholder::Variable { prefix: "", variable };
    }
    let first = FORMS
        .iter()
        .filter_map(|(open, kinds)| Some((text.find(open)?, *open, *kinds)))
        .min_by_key(|(at, ..)| *at);
    let Some((at, open, kinds)) = first else { return Placeholder::None };
    let (prefix, from) = text.split_at_checked(at).unwrap_or((text, ""));
    let Some(end) = from.find('}') else { return Placeholder::None };
    let whole = from.get(..=end).unwrap_or_default();
    let inner = whole.strip_prefix(open).and_then(|rest| rest.strip_suffix('}')).unwrap_or_default();
    let last = from.len() == whole.len();
    let variable =
        kinds.iter().find_map(|kind| inner.strip_prefix(kind)).filter(|name| is_variable(name) && last);
    match variable {
        Some(variable) => Placeholder::Variable { prefix, variable },
        None => Placeholder::Foreign(whole),
    }
}

fn is_variable(name: &str) -> bool {
    let starts_well = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    starts_well && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let got = match placeholder(text) {
            Placeholder::None => "literal".to_owned(),
            Placeholder::Variable { prefix, variable } => format!("{prefix}|{variable}"),
            Placeholder::Foreign(what) => format!("foreign {what}"),
        };
        assert_eq!(got, expected, "{text}");
    }

    #[test]
    fn placeholders() {
        check("plain", "literal");
        check("${env:TOKEN}", "|TOKEN");
        check("${TOKEN}", "|TOKEN");
        check("$TOKEN", "|TOKEN");
        check("Bearer ${TOKEN}", "Bearer |TOKEN");
        check("Bearer {env:TOKEN}", "Bearer |TOKEN");
        check("${input:api-key}", "foreign ${input:api-key}");
        check("${workspaceFolder}/notes", "foreign ${workspaceFolder}");
        check("${TOKEN:-none}", "foreign ${TOKEN:-none}");
        check("${A}${B}", "foreign ${A}");
        check("{file:~/token}", "foreign {file:~/token}");
        check("costs $5", "literal");
        check("${unclosed", "literal");
    }
}
