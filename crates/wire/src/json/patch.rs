//! Edits that leave every untouched byte as it was.

use bytes::Bytes;

use super::node::Items;
use super::write::push_str;
use super::{Document, Kind, Node, Span};

/// Why an edit was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatchFault {
    /// Members can be set or removed in objects only.
    #[error("cannot edit the members of a value that is not an object")]
    NotAnObject,
}

/// A set of edits to one document, applied together.
///
/// Later edits win over earlier ones to the same place; an edit to a value wins over edits inside it.
/// New members come last in their object, in the order in which they were set. Values handed in must be
/// JSON: they are inserted as they are.
#[derive(Clone, Debug)]
pub struct Patch<'d> {
    document: &'d Document,
    replaced: Vec<(Span, Bytes)>,
    objects: Vec<Object>,
}

/// Changes to the set of members of one object.
#[derive(Clone, Debug)]
struct Object {
    span: Span,
    members: Vec<Member>,
    added: Vec<(Box<str>, Bytes)>,
}

#[derive(Clone, Copy, Debug)]
struct Member {
    /// From the opening quote of the key to the end of the value.
    span: Span,
    removed: bool,
}

/// A range to be replaced; empty for an insertion.
struct Edit {
    span: Span,
    text: Bytes,
}

impl<'d> Patch<'d> {
    /// No edits yet.
    pub fn new(document: &'d Document) -> Self {
        Self { document, replaced: Vec::new(), objects: Vec::new() }
    }

    /// Gives the member `key` of `node` the value `json`, adding the member if there is none.
    pub fn set(
        &mut self,
        node: Node<'_>,
        key: &str,
        json: impl Into<Bytes>,
    ) -> Result<&mut Self, PatchFault> {
        let object = self.object(node)?;
        if let Some((position, value)) = member(node, key) {
            if let Some(member) = object.members.get_mut(position) {
                member.removed = false;
            }
            self.put(value, json.into());
        } else if let Some(added) = object.added.iter_mut().find(|(name, _)| **name == *key) {
            added.1 = json.into();
        } else {
            object.added.push((key.into(), json.into()));
        }
        Ok(self)
    }

    /// Removes the member `key` of `node`, if there is one.
    pub fn remove(&mut self, node: Node<'_>, key: &str) -> Result<&mut Self, PatchFault> {
        let object = self.object(node)?;
        object.added.retain(|(name, _)| **name != *key);
        if let Some((position, _)) = member(node, key)
            && let Some(member) = object.members.get_mut(position)
        {
            member.removed = true;
        }
        Ok(self)
    }

    /// Puts `json` in the place of `node`.
    pub fn replace(&mut self, node: Node<'_>, json: impl Into<Bytes>) -> &mut Self {
        self.put(node.span(), json.into());
        self
    }

    /// The edited document; the original bytes, shared, if there was nothing to edit.
    pub fn apply(self) -> Bytes {
        let mut edits: Vec<Edit> =
            self.replaced.into_iter().map(|(span, text)| Edit { span, text }).collect();
        for object in &self.objects {
            object.edits(&mut edits);
        }
        if edits.is_empty() {
            return self.document.bytes().clone();
        }
        // Longer edits first among those that start together, except that insertions, which are empty,
        // come before the removal of what follows them.
        edits.sort_by_key(|edit| {
            let len = edit.span.end - edit.span.start;
            (edit.span.start, len != 0, std::cmp::Reverse(len))
        });
        splice(self.document.bytes(), &edits)
    }

    fn put(&mut self, span: Span, json: Bytes) {
        match self.replaced.iter_mut().find(|(at, _)| *at == span) {
            Some(slot) => slot.1 = json,
            None => self.replaced.push((span, json)),
        }
    }

    fn object(&mut self, node: Node<'_>) -> Result<&mut Object, PatchFault> {
        if node.kind() != Kind::Object {
            return Err(PatchFault::NotAnObject);
        }
        let span = node.span();
        let position =
            self.objects.iter().position(|object| object.span == span).unwrap_or(self.objects.len());
        if position == self.objects.len() {
            let members = Items::new(node)
                .map(|item| Member {
                    span: Span { start: item.key.start - 1, end: item.node.span().end },
                    removed: false,
                })
                .collect();
            self.objects.push(Object { span, members, added: Vec::new() });
        }
        self.objects.get_mut(position).ok_or(PatchFault::NotAnObject)
    }
}

/// Position and value of the member called `key`.
fn member(node: Node<'_>, key: &str) -> Option<(usize, Span)> {
    Items::new(node).enumerate().find(|(_, item)| item.named(key)).map(|(at, item)| (at, item.node.span()))
}

impl Object {
    fn edits(&self, edits: &mut Vec<Edit>) {
        let mut kept_end = None;
        let mut previous_end = self.span.start + 1;
        let mut members = self.members.iter().peekable();
        while let Some(member) = members.next() {
            let Span { start, end } = member.span;
            if !member.removed {
                kept_end = Some(end);
            } else if kept_end.is_some() {
                // Takes the comma before it.
                edits.push(Edit { span: Span { start: previous_end, end }, text: Bytes::new() });
            } else {
                // Nothing is kept before it: takes the comma after it, if there is one.
                let end = members.peek().map_or(end, |next| next.span.start);
                edits.push(Edit { span: Span { start, end }, text: Bytes::new() });
            }
            previous_end = end;
        }
        if !self.added.is_empty() {
            let at = kept_end.unwrap_or(self.span.start + 1);
            edits.push(Edit { span: Span { start: at, end: at }, text: self.additions(kept_end.is_some()) });
        }
    }

    fn additions(&self, comma_first: bool) -> Bytes {
        let mut out = Vec::new();
        for (position, (key, json)) in self.added.iter().enumerate() {
            if comma_first || position > 0 {
                out.push(b',');
            }
            push_str(&mut out, key);
            out.push(b':');
            out.extend_from_slice(json);
        }
        out.into()
    }
}

/// Applies sorted edits, dropping those inside an earlier one.
fn splice(bytes: &[u8], edits: &[Edit]) -> Bytes {
    let grown: usize = edits.iter().map(|edit| edit.text.len()).sum();
    let mut out = Vec::with_capacity(bytes.len() + grown);
    let mut at = 0;
    for edit in edits {
        let range = edit.span.range();
        if range.start < at {
            continue;
        }
        out.extend_from_slice(bytes.get(at..range.start).unwrap_or_default());
        out.extend_from_slice(&edit.text);
        at = range.end;
    }
    out.extend_from_slice(bytes.get(at..).unwrap_or_default());
    out.into()
}
