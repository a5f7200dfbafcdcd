//! The published vocabulary.

use std::sync::LazyLock;

use cedar_policy::Schema;

use crate::stand_in::Sort;

/// The schema policies are written against, in Cedar's schema syntax. Publish it beside the policies.
pub const SCHEMA: &str = include_str!("../schema/portcullis.cedarschema");

/// The declaration that [`for_validation`] fills in.
const NO_ARGUMENTS: &str = "type Arguments = {};";

static FOR_VALIDATION: LazyLock<Result<Schema, String>> = LazyLock::new(|| {
    let attributes: Vec<_> =
        Sort::ALL.iter().map(|sort| format!("{}: {}", sort.name(), sort.cedar_type())).collect();
    let filled = SCHEMA.replace(NO_ARGUMENTS, &format!("type Arguments = {{ {} }};", attributes.join(", ")));
    Schema::from_cedarschema_str(&filled).map(|(schema, _)| schema).map_err(|error| error.to_string())
});

/// The published schema, with the stand-ins for arguments that validation uses.
///
/// # Errors
/// What Cedar says, if the schema of this build is not one.
pub(crate) fn for_validation() -> Result<&'static Schema, &'static str> {
    FOR_VALIDATION.as_ref().map_err(String::as_str)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use cedar_policy::Schema;

    use super::{NO_ARGUMENTS, SCHEMA, for_validation};

    #[test]
    fn the_schema_is_sound_as_published_and_as_used() {
        let (_, warnings) = Schema::from_cedarschema_str(SCHEMA).unwrap();
        assert_eq!(warnings.map(|w| w.to_string()).collect::<Vec<_>>(), Vec::<String>::new());
        assert_eq!(SCHEMA.matches(NO_ARGUMENTS).count(), 1);
        for_validation().unwrap();
    }
}
