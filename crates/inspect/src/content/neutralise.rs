//! Taking the force out of a text.

use portcullis_core::wire::json::Span;

use super::{edit::Edits, fence, gather::Piece};
use crate::{
    detect::{Action, Assessment, ContentPolicy, TextSurface, assess},
    text,
};

/// Attacks spread over several strings that are looked for one by one; if there are more, every string is fenced
/// off.
const ROUNDS: usize = 8;

/// One string on its way.
struct Work {
    text: String,
    span: Span,
    cleaned: bool,
    fenced: bool,
}

impl Work {
    fn clean(&mut self) {
        let clean = text::clean(&self.text);
        if clean != self.text {
            self.text = clean.into_owned();
            self.cleaned = true;
        }
    }
}

/// Removes what is hidden, and fences off what still reads as orders: strings that do so by themselves, then
/// those that do so together.
pub(super) fn neutralise(
    policy: &ContentPolicy,
    surface: TextSurface,
    pieces: Vec<Piece>,
    edits: &mut Edits,
) {
    let forceful = |assessment: &Assessment| policy.action(assessment, surface) >= Action::Neutralise;
    let work = |piece: Piece| Work { text: piece.text, span: piece.span, cleaned: false, fenced: false };
    let mut all: Vec<Work> = pieces.into_iter().map(work).collect();
    for one in &mut all {
        if forceful(&assess(&one.text, surface)) {
            one.clean();
            one.fenced = forceful(&assess(&one.text, surface));
        }
    }
    if !together(&mut all, surface, &forceful) {
        all.iter_mut().for_each(|one| one.fenced = true);
    }
    for one in &all {
        if one.fenced {
            edits.replace(one.span, &fence::fenced(&one.text));
        } else if one.cleaned {
            edits.replace(one.span, &one.text);
        }
    }
}

/// Whether what is left, read as one text, has lost its force.
fn together(all: &mut [Work], surface: TextSurface, forceful: &dyn Fn(&Assessment) -> bool) -> bool {
    for _ in 0..ROUNDS {
        let mut joined = String::new();
        let mut places = Vec::new();
        for (index, one) in all.iter().enumerate().filter(|(_, one)| !one.fenced) {
            places.push((index, joined.len()..joined.len() + one.text.len()));
            joined.push_str(&one.text);
            joined.push('\n');
        }
        let assessment = assess(&joined, surface);
        if !forceful(&assessment) {
            return true;
        }
        let meets = |place: &std::ops::Range<usize>| {
            assessment
                .reasons
                .iter()
                .any(|reason| place.start < reason.at.end && reason.at.start <= place.end)
        };
        for (index, _) in places.into_iter().filter(|(_, place)| meets(place)) {
            let Some(one) = all.get_mut(index) else { continue };
            one.clean();
            one.fenced = true;
        }
    }
    false
}
