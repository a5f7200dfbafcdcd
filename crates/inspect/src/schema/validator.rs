//! The compiled validator, fenced in: offline, linear-time patterns, and no way to take the gateway down.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use jsonschema::{ErrorIterator, Keyword, PatternOptions, ValidationError, Validator};
use serde_json::Value;

use super::{
    SchemaFault, SchemaProblem,
    dialect::Dialect,
    fault::{MAX_TEXT, cut},
    pattern::{MATCH_BUDGET, Pattern, Patterns},
};

/// Memory in bytes for one compiled name of `patternProperties`; admission has measured it before.
const NAME_PATTERN_BYTES: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Compiled(Validator);

/// How arguments fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    Fits,
    Misfit,
    /// A regular expression gave up, so there is no answer.
    Overrun,
}

thread_local! {
    /// What matches on this thread may still build until the current check ends; nothing once one has
    /// given up. A keyword of the validator can only say yes or no, and under `not` either of them may
    /// let arguments through, so the outcome is looked up here in the end.
    static BUDGET: Cell<usize> = const { Cell::new(0) };
}

impl Compiled {
    pub(super) fn build(schema: &Value, dialect: Dialect, patterns: Patterns) -> Result<Self, SchemaFault> {
        let options = jsonschema::options()
            .offline()
            .with_draft(dialect.draft())
            .should_validate_formats(false)
            .without_content_media_type_support("application/json")
            .without_content_encoding_support("base64")
            .with_pattern_options(PatternOptions::regex().size_limit(NAME_PATTERN_BYTES))
            .with_keyword("pattern", move |_, value, _| {
                let pattern = value.as_str().and_then(|source| patterns.get(source));
                let pattern = pattern.ok_or_else(|| ValidationError::custom("`pattern` was not admitted"))?;
                Ok(Box::new(PatternKeyword(pattern)))
            });
        // A defect of the validator that a schema can reach must cost that tool, not the gateway.
        let built = catch_unwind(AssertUnwindSafe(|| options.build(schema)));
        let invalid =
            |place: &str, why: String| SchemaFault::new(place, SchemaProblem::Invalid(cut(&why, MAX_TEXT)));
        match built {
            Ok(Ok(validator)) => Ok(Self(validator)),
            Ok(Err(error)) => Err(invalid(error.instance_path().as_str(), error.masked().to_string())),
            Err(_) => Err(invalid("", "the validator cannot compile it".into())),
        }
    }

    pub(super) fn check(&self, arguments: &Value) -> Finding {
        BUDGET.set(MATCH_BUDGET);
        let fits = catch_unwind(AssertUnwindSafe(|| self.0.is_valid(arguments)));
        match fits {
            _ if BUDGET.get() == 0 => Finding::Overrun,
            Ok(true) => Finding::Fits,
            Ok(false) | Err(_) => Finding::Misfit,
        }
    }

    /// Every reason why `arguments` do not fit, if they can all be told.
    pub(super) fn errors<'a>(&'a self, arguments: &'a Value) -> Option<ErrorIterator<'a>> {
        BUDGET.set(MATCH_BUDGET);
        let errors = catch_unwind(AssertUnwindSafe(|| self.0.iter_errors(arguments))).ok();
        errors.filter(|_| BUDGET.get() > 0)
    }
}

/// `pattern` (2020-12 Validation, section 6.3.3), in place of the validator's own.
struct PatternKeyword(Arc<Pattern>);

impl<'i> Keyword<'i> for PatternKeyword {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        if self.is_valid(instance) { Ok(()) } else { Err(ValidationError::custom("does not match")) }
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        let Some(text) = instance.as_str() else { return true };
        let mut budget = BUDGET.get();
        if budget == 0 {
            return false;
        }
        let matches = self.0.matches(text, &mut budget);
        BUDGET.set(if matches.is_ok() { budget } else { 0 });
        matches.unwrap_or(false)
    }
}
