//! What a server says it offers.

use std::sync::Arc;

use bytes::Bytes;
use portcullis_wire::{Document, Fault, Limits};

use crate::{Digest, ListKind, ServerName};

/// One entry of a server's `tools/list`, `prompts/list`, `resources/list` or `resources/templates/list`:
/// untrusted text that reaches a model.
#[derive(Clone, Debug)]
pub struct Definition {
    server: ServerName,
    kind: ListKind,
    name: Arc<str>,
    document: Document,
    digest: Digest,
}

/// Why an entry of a list is not a definition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DefinitionFault {
    /// Not JSON, or JSON that two readers could read differently.
    #[error(transparent)]
    Json(#[from] Fault),
    /// The member that names it is missing or not a string.
    #[error("`{0}` has to be a string")]
    Unnamed(&'static str),
}

impl Definition {
    /// Reads one entry, byte for byte as the server sent it.
    ///
    /// # Errors
    /// [`DefinitionFault`] if it is not strict JSON or does not name what it defines.
    pub fn read(
        server: ServerName,
        kind: ListKind,
        raw: Bytes,
        limits: &Limits,
    ) -> Result<Self, DefinitionFault> {
        let digest = Digest::of(&raw);
        let document = Document::parse(raw, limits)?;
        let member = match kind {
            ListKind::Tools | ListKind::Prompts => "name",
            ListKind::Resources => "uri",
            ListKind::Templates => "uriTemplate",
        };
        let name = document.root().get(member).and_then(|node| node.as_str());
        let name = name.ok_or(DefinitionFault::Unnamed(member))?.as_ref().into();
        Ok(Self { server, kind, name, document, digest })
    }

    /// The server whose list it is on.
    pub fn server(&self) -> &ServerName {
        &self.server
    }

    /// The list it is on.
    pub fn kind(&self) -> ListKind {
        self.kind
    }

    /// The server's name for it: the tool or prompt name, the resource URI or URI template.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The whole entry, already through the strict walk.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// Digest of the bytes as the server sent them.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;

    fn read(kind: ListKind, raw: &'static str) -> Result<Definition, DefinitionFault> {
        Definition::read("s".parse().unwrap(), kind, Bytes::from_static(raw.as_bytes()), &Limits::default())
    }

    #[test]
    fn each_list_names_its_entries_by_its_own_member() {
        for (kind, raw) in [
            (ListKind::Tools, r#"{"name":"x","uri":"y"}"#),
            (ListKind::Prompts, r#"{"name":"x"}"#),
            (ListKind::Resources, r#"{"name":"y","uri":"x"}"#),
            (ListKind::Templates, r#"{"name":"y","uriTemplate":"x"}"#),
        ] {
            assert_eq!(&**read(kind, raw).unwrap().name(), "x", "{raw}");
        }
    }

    #[test]
    fn an_entry_without_a_name_or_with_two_is_no_definition() {
        assert_eq!(read(ListKind::Tools, r#"{"title":"x"}"#).unwrap_err(), DefinitionFault::Unnamed("name"));
        assert_eq!(read(ListKind::Tools, r#"{"name":7}"#).unwrap_err(), DefinitionFault::Unnamed("name"));
        assert_eq!(
            read(ListKind::Resources, r#"{"name":"x"}"#).unwrap_err(),
            DefinitionFault::Unnamed("uri")
        );
        let twice = read(ListKind::Tools, r#"{"name":"x","name":"y"}"#).unwrap_err();
        assert!(matches!(twice, DefinitionFault::Json(_)), "{twice}");
    }
}
