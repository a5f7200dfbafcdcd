//! Shapes that are not words.

use super::Concept;
use crate::text::words::mark;

pub(super) const MARKS: &[(Concept, u32)] = &[
    (Concept::Address, mark::ADDRESS),
    (Concept::Link, mark::LINK),
    (Concept::CredentialFile, mark::HOME),
    (Concept::Markup, mark::TAG),
    (Concept::Concealed, mark::COMMENT),
    (Concept::Markup, mark::BRACKET),
    (Concept::Markup, mark::HEADING),
    (Concept::RoleMark, mark::BAR),
    (Concept::Link, mark::IMAGE),
];
