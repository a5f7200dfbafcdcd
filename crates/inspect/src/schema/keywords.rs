//! JSON Schema keywords as admission sees them.
//!
//! One table serves 2020-12, 2019-09 and draft-07: a keyword that a dialect ignores is counted all the
//! same, which can only make a schema look more expensive than it is.

/// What a keyword's value holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// A schema.
    One,
    /// An array of schemas.
    List,
    /// A schema, or an array of schemas with one for each position (`items` before 2020-12).
    OneOrList,
    /// An object whose members are schemas.
    Map,
}

/// To which values the schemas under a keyword apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// The same value as the schema around them.
    InPlace,
    /// The member of the same name, or the element at the same position.
    Matching,
    /// Members and elements that no `Matching` keyword beside it covers.
    Other,
    /// Any member or element, whatever else applies to it.
    Every,
    /// Any member or element, and once more each time an enclosing `unevaluated…` keyword asks what
    /// has been evaluated.
    EveryAgain,
    /// None: evaluated only through a `$ref`.
    Nothing,
}

/// Whether a keyword looks at objects or at arrays; in-place keywords look at both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Into {
    Object,
    Array,
}

pub(super) struct Applicator {
    pub(super) keyword: &'static str,
    pub(super) holds: Holds,
    pub(super) reach: Reach,
    pub(super) into: Into,
}

const fn applicator(keyword: &'static str, holds: Holds, reach: Reach, into: Into) -> Applicator {
    Applicator { keyword, holds, reach, into }
}

/// Keywords that hold schemas (2020-12 Core section 10, Validation section 8.5; 2019-09; draft-07).
pub(super) const APPLICATORS: &[Applicator] = &[
    applicator("allOf", Holds::List, Reach::InPlace, Into::Object),
    applicator("anyOf", Holds::List, Reach::InPlace, Into::Object),
    applicator("oneOf", Holds::List, Reach::InPlace, Into::Object),
    applicator("not", Holds::One, Reach::InPlace, Into::Object),
    applicator("if", Holds::One, Reach::InPlace, Into::Object),
    applicator("then", Holds::One, Reach::InPlace, Into::Object),
    applicator("else", Holds::One, Reach::InPlace, Into::Object),
    applicator("dependentSchemas", Holds::Map, Reach::InPlace, Into::Object),
    applicator("dependencies", Holds::Map, Reach::InPlace, Into::Object),
    applicator("properties", Holds::Map, Reach::Matching, Into::Object),
    applicator("patternProperties", Holds::Map, Reach::Every, Into::Object),
    applicator("additionalProperties", Holds::One, Reach::Other, Into::Object),
    applicator("propertyNames", Holds::One, Reach::Every, Into::Object),
    applicator("unevaluatedProperties", Holds::One, Reach::EveryAgain, Into::Object),
    applicator("prefixItems", Holds::List, Reach::Matching, Into::Array),
    applicator("items", Holds::OneOrList, Reach::Other, Into::Array),
    applicator("additionalItems", Holds::One, Reach::Other, Into::Array),
    applicator("contains", Holds::One, Reach::EveryAgain, Into::Array),
    applicator("unevaluatedItems", Holds::One, Reach::EveryAgain, Into::Array),
    applicator("$defs", Holds::Map, Reach::Nothing, Into::Object),
    applicator("definitions", Holds::Map, Reach::Nothing, Into::Object),
    applicator("contentSchema", Holds::One, Reach::Nothing, Into::Object),
];

/// Keywords that are not accepted, with what to write instead. They let a reference mean different
/// schemas in different readers, or on different paths, so its cost and its effect cannot be told.
pub(super) const REFUSED: &[(&str, &str)] = &[
    ("$dynamicRef", "use `$ref` with a `#/$defs/…` pointer"),
    ("$dynamicAnchor", "use `$ref` with a `#/$defs/…` pointer"),
    ("$recursiveRef", "use `$ref` with a `#/$defs/…` pointer"),
    ("$recursiveAnchor", "use `$ref` with a `#/$defs/…` pointer"),
    ("$vocabulary", "leave it out; custom vocabularies are not supported"),
];

/// Assertions, besides `enum`, whose cost grows with the size of their own value.
pub(super) const SIZED: &[&str] = &["const", "required", "dependentRequired", "dependencies"];
