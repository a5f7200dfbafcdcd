//! The three kinds of message.

use std::borrow::Cow;

use bytes::Bytes;

use crate::json::{Document, Node};
use crate::message::RequestId;
use crate::method::Method;

/// One JSON-RPC message. Owns its document; unknown members stay where they were.
#[derive(Clone, Debug)]
pub enum Message {
    /// Has a method and an id.
    Request(Request),
    /// Has a method and no id.
    Notification(Notification),
    /// Has a result or an error.
    Response(Response),
}

impl Message {
    /// The whole message.
    pub fn document(&self) -> &Document {
        match self {
            Self::Request(request) => request.document(),
            Self::Notification(notification) => notification.document(),
            Self::Response(response) => response.document(),
        }
    }

    /// The message as it was read.
    pub fn bytes(&self) -> &Bytes {
        self.document().bytes()
    }
}

/// What requests and notifications share. INVARIANT: positions are in the index of `document`.
#[derive(Clone, Debug)]
pub(super) struct Invocation {
    pub(super) document: Document,
    pub(super) method: Method,
    /// The name, where `method` does not tell it.
    pub(super) other: Box<str>,
    pub(super) params: Option<u32>,
}

impl Invocation {
    fn name(&self) -> &str {
        self.method.as_str().unwrap_or(&self.other)
    }

    fn params(&self) -> Option<Node<'_>> {
        self.params.map(|at| Node::at(&self.document, at))
    }

    fn meta(&self) -> Option<Node<'_>> {
        self.params()?.get("_meta")
    }
}

/// A message that expects an answer.
#[derive(Clone, Debug)]
pub struct Request {
    pub(super) id: RequestId,
    pub(super) call: Invocation,
}

impl Request {
    /// Its id.
    pub fn id(&self) -> &RequestId {
        &self.id
    }

    /// The name of its method.
    pub fn method(&self) -> &str {
        self.call.name()
    }

    /// Its method as the protocol knows it.
    pub fn method_kind(&self) -> Method {
        self.call.method
    }

    /// `params`: an object, or absent.
    pub fn params(&self) -> Option<Node<'_>> {
        self.call.params()
    }

    /// `params._meta`.
    pub fn meta(&self) -> Option<Node<'_>> {
        self.call.meta()
    }

    /// What the request is about: the tool or prompt name, resource URI or task id that `Mcp-Name`
    /// repeats. `None` if the method has no such parameter, or it is not a string.
    pub fn name_or_uri(&self) -> Option<Cow<'_, str>> {
        self.params()?.get(self.call.method.name_param()?)?.as_str()
    }

    /// The whole message.
    pub fn document(&self) -> &Document {
        &self.call.document
    }

    /// The message as it was read.
    pub fn bytes(&self) -> &Bytes {
        self.call.document.bytes()
    }
}

/// A message that expects no answer.
#[derive(Clone, Debug)]
pub struct Notification {
    pub(super) call: Invocation,
}

impl Notification {
    /// The name of its method.
    pub fn method(&self) -> &str {
        self.call.name()
    }

    /// Its method as the protocol knows it.
    pub fn method_kind(&self) -> Method {
        self.call.method
    }

    /// `params`: an object, or absent.
    pub fn params(&self) -> Option<Node<'_>> {
        self.call.params()
    }

    /// `params._meta`.
    pub fn meta(&self) -> Option<Node<'_>> {
        self.call.meta()
    }

    /// The whole message.
    pub fn document(&self) -> &Document {
        &self.call.document
    }

    /// The message as it was read.
    pub fn bytes(&self) -> &Bytes {
        self.call.document.bytes()
    }
}

/// The id member of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseId {
    /// No `id` member: MCP allows it for an error that answers no readable request.
    Absent,
    /// `"id": null`: JSON-RPC 2.0 writes the same case this way.
    Null,
    /// The id of the request that is answered.
    Id(RequestId),
}

/// An answer: either a result or an error.
#[derive(Clone, Debug)]
pub struct Response {
    pub(super) document: Document,
    pub(super) id: ResponseId,
    pub(super) outcome: Outcome,
}

/// Where the outcome is in the index of the document.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome {
    Result(u32),
    Error(u32),
}

/// A JSON-RPC error object.
#[derive(Clone, Debug)]
pub struct ErrorView<'a> {
    /// What went wrong, for programs: see [`code`](crate::code).
    pub code: i64,
    /// What went wrong, for people. Written by the peer.
    pub message: Cow<'a, str>,
    /// Details, in whatever form the code prescribes.
    pub data: Option<Node<'a>>,
}

impl Response {
    /// The id of the request that is answered; `None` for an error that answers none.
    pub fn id(&self) -> Option<&RequestId> {
        match &self.id {
            ResponseId::Id(id) => Some(id),
            ResponseId::Absent | ResponseId::Null => None,
        }
    }

    /// The id member, telling an absent one from `null`.
    pub fn id_member(&self) -> &ResponseId {
        &self.id
    }

    /// The result, always an object.
    pub fn result(&self) -> Option<Node<'_>> {
        match self.outcome {
            Outcome::Result(at) => Some(Node::at(&self.document, at)),
            Outcome::Error(_) => None,
        }
    }

    /// The error.
    pub fn error(&self) -> Option<ErrorView<'_>> {
        match self.outcome {
            Outcome::Result(_) => None,
            Outcome::Error(at) => ErrorView::read(Node::at(&self.document, at)),
        }
    }

    /// The whole message.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// The message as it was read.
    pub fn bytes(&self) -> &Bytes {
        self.document.bytes()
    }
}

impl<'a> ErrorView<'a> {
    /// Reads an error object; `None` if `code` is not an integer or `message` not a string.
    pub fn read(node: Node<'a>) -> Option<Self> {
        Some(Self {
            code: node.get("code")?.as_i64()?,
            message: node.get("message")?.as_str()?,
            data: node.get("data"),
        })
    }
}
