//! From bytes to messages.

use std::borrow::Cow;

use bytes::Bytes;

use super::parts::{ErrorView, Invocation, Message, Notification, Outcome, Request, Response, ResponseId};
use super::{IdFault, RequestId};
use crate::code;
use crate::json::{Document, Fault, Kind, Limits, Node, Visit, folds_alike};
use crate::method::Method;

/// The most messages accepted in one batch: each may start a call of its own.
pub const MAX_BATCH: usize = 100;

/// What a body held.
#[derive(Clone, Debug)]
pub enum Decoded {
    /// A single message.
    One(Message),
    /// A JSON array of messages, never empty. Legal only where `Version::allows_batch` says so.
    Batch(Vec<Message>),
}

/// Why bytes are not a message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct DecodeError {
    /// What is wrong.
    pub kind: DecodeErrorKind,
    /// The id of the message, as far as it could be read.
    pub id: Option<RequestId>,
}

/// The reasons for which bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeErrorKind {
    /// Not acceptable JSON.
    #[error(transparent)]
    Json(#[from] Fault),
    /// JSON of another type than an object (or, where allowed, an array).
    #[error("a message has to be a JSON object")]
    NotAnObject,
    /// An array where only one message is allowed.
    #[error("batches are not allowed here")]
    Batch,
    /// `[]`.
    #[error("a batch must not be empty")]
    EmptyBatch,
    /// More than [`MAX_BATCH`] messages.
    #[error("a batch has at most {MAX_BATCH} messages")]
    BatchTooLong,
    /// `jsonrpc` is missing or not `"2.0"`.
    #[error("`jsonrpc` has to be \"2.0\"")]
    Version,
    /// The id has a type or size that is not allowed.
    #[error(transparent)]
    Id(#[from] IdFault),
    /// `method` is not a string.
    #[error("`method` has to be a string")]
    Method,
    /// `params` is not an object.
    #[error("`params` has to be an object")]
    Params,
    /// A method next to a result or an error.
    #[error("a request has neither `result` nor `error`")]
    RequestWithOutcome,
    /// No method, and neither or both of result and error.
    #[error("a response has either `result` or `error`")]
    Outcome,
    /// A result that is not an object.
    #[error("`result` has to be an object")]
    Result,
    /// An error object without an integer code and a string message.
    #[error("`error` has to be an object with an integer `code` and a string `message`")]
    Error,
    /// A result that answers no request.
    #[error("a result has to carry the id of its request")]
    ResultWithoutId,
    /// A member whose name differs from one of the protocol's only in case. Some JSON libraries match
    /// names regardless of case, so two readers could see two different calls.
    #[error("a member's name differs from `{0}` only in case")]
    AmbiguousName(&'static str),
}

impl DecodeError {
    fn new(kind: impl Into<DecodeErrorKind>) -> Self {
        Self { kind: kind.into(), id: None }
    }

    /// The JSON-RPC error code to answer with.
    pub fn code(&self) -> i64 {
        match self.kind {
            DecodeErrorKind::Json(_) => code::PARSE_ERROR,
            _ => code::INVALID_REQUEST,
        }
    }

    /// The id of the message that was refused, where it could be read.
    pub fn id(&self) -> Option<&RequestId> {
        self.id.as_ref()
    }
}

/// Reads one message or a batch.
pub fn decode(bytes: Bytes, limits: &Limits) -> Result<Decoded, DecodeError> {
    decode_with(bytes, limits, &mut ())
}

/// As [`decode`], handing every string to `visitor` in the walk that validates it.
pub fn decode_with<V: Visit>(bytes: Bytes, limits: &Limits, visitor: &mut V) -> Result<Decoded, DecodeError> {
    let document = Document::parse_with(bytes, limits, visitor).map_err(DecodeError::new)?;
    if document.root().kind() != Kind::Array {
        return message(document).map(Decoded::One);
    }
    match document.root().len() {
        0 => return Err(DecodeError::new(DecodeErrorKind::EmptyBatch)),
        1..=MAX_BATCH => {}
        _ => return Err(DecodeError::new(DecodeErrorKind::BatchTooLong)),
    }
    let element = |node: Node<'_>| {
        // The second walk gives the element an index of its own; batches are rare and old.
        Document::parse(node.to_bytes(), limits).map_err(DecodeError::new).and_then(message)
    };
    document.root().elements().map(element).collect::<Result<_, _>>().map(Decoded::Batch)
}

/// Reads exactly one message; a batch is refused.
pub fn decode_one(bytes: Bytes, limits: &Limits) -> Result<Message, DecodeError> {
    decode_one_with(bytes, limits, &mut ())
}

/// As [`decode_one`], handing every string to `visitor` in the walk that validates it.
pub fn decode_one_with<V: Visit>(
    bytes: Bytes,
    limits: &Limits,
    visitor: &mut V,
) -> Result<Message, DecodeError> {
    let document = Document::parse_with(bytes, limits, visitor).map_err(DecodeError::new)?;
    match document.root().kind() {
        Kind::Array => Err(DecodeError::new(DecodeErrorKind::Batch)),
        _ => message(document),
    }
}

/// The members of a message that JSON-RPC defines.
#[derive(Default)]
struct Envelope<'a> {
    jsonrpc: Option<Node<'a>>,
    id: Option<Node<'a>>,
    method: Option<Node<'a>>,
    params: Option<Node<'a>>,
    result: Option<Node<'a>>,
    error: Option<Node<'a>>,
}

const ENVELOPE: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];
const PARAMS: [&str; 7] = ["_meta", "name", "arguments", "uri", "taskId", "requestState", "inputResponses"];

impl<'a> Envelope<'a> {
    fn read(root: Node<'a>) -> Result<Self, DecodeErrorKind> {
        let mut envelope = Self::default();
        for (name, node) in root.members() {
            let slot = match &*name {
                "jsonrpc" => &mut envelope.jsonrpc,
                "id" => &mut envelope.id,
                "method" => &mut envelope.method,
                "params" => &mut envelope.params,
                "result" => &mut envelope.result,
                "error" => &mut envelope.error,
                other => {
                    unambiguous(other, &ENVELOPE)?;
                    continue;
                }
            };
            *slot = Some(node);
        }
        Ok(envelope)
    }

    fn id(&self) -> Option<Result<RequestId, IdFault>> {
        self.id.map(RequestId::from_node)
    }
}

fn message(document: Document) -> Result<Message, DecodeError> {
    let root = document.root();
    if root.kind() != Kind::Object {
        return Err(DecodeError::new(DecodeErrorKind::NotAnObject));
    }
    let id = || root.get("id").and_then(|node| RequestId::from_node(node).ok());
    let shape = Envelope::read(root).and_then(|envelope| Shape::of(&envelope));
    match shape {
        Ok(shape) => Ok(shape.into_message(document)),
        Err(kind) => Err(DecodeError { kind, id: id() }),
    }
}

/// A message taken apart, with positions in place of nodes so that the document can move.
enum Shape {
    Request(RequestId, Call),
    Notification(Call),
    Response(ResponseId, Outcome),
}

struct Call {
    method: Method,
    other: Box<str>,
    params: Option<u32>,
}

impl Shape {
    fn of(envelope: &Envelope<'_>) -> Result<Self, DecodeErrorKind> {
        if envelope.jsonrpc.and_then(Node::as_str).as_deref() != Some("2.0") {
            return Err(DecodeErrorKind::Version);
        }
        match envelope.method {
            Some(method) => Self::of_invocation(envelope, method),
            None => Self::of_response(envelope),
        }
    }

    fn of_invocation(envelope: &Envelope<'_>, method: Node<'_>) -> Result<Self, DecodeErrorKind> {
        if envelope.result.is_some() || envelope.error.is_some() {
            return Err(DecodeErrorKind::RequestWithOutcome);
        }
        let name = method.as_str().ok_or(DecodeErrorKind::Method)?;
        let params = envelope.params.map(check_params).transpose()?.flatten();
        let method = Method::parse(&name);
        let other = if method == Method::Other { Cow::into_owned(name).into() } else { Box::default() };
        let call = Call { method, other, params };
        Ok(match envelope.id().transpose()? {
            Some(id) => Self::Request(id, call),
            None => Self::Notification(call),
        })
    }

    fn of_response(envelope: &Envelope<'_>) -> Result<Self, DecodeErrorKind> {
        let outcome = match (envelope.result, envelope.error) {
            (Some(result), None) => Outcome::Result(object(result).ok_or(DecodeErrorKind::Result)?),
            (None, Some(error)) => {
                ErrorView::read(error).ok_or(DecodeErrorKind::Error)?;
                Outcome::Error(object(error).ok_or(DecodeErrorKind::Error)?)
            }
            _ => return Err(DecodeErrorKind::Outcome),
        };
        let id = match envelope.id {
            None => ResponseId::Absent,
            Some(node) if node.is_null() => ResponseId::Null,
            Some(node) => ResponseId::Id(RequestId::from_node(node)?),
        };
        if matches!((&id, outcome), (ResponseId::Absent | ResponseId::Null, Outcome::Result(_))) {
            return Err(DecodeErrorKind::ResultWithoutId);
        }
        Ok(Self::Response(id, outcome))
    }

    fn into_message(self, document: Document) -> Message {
        let invocation =
            |document, Call { method, other, params }| Invocation { document, method, other, params };
        match self {
            Self::Request(id, call) => Message::Request(Request { id, call: invocation(document, call) }),
            Self::Notification(call) => {
                Message::Notification(Notification { call: invocation(document, call) })
            }
            Self::Response(id, outcome) => Message::Response(Response { document, id, outcome }),
        }
    }
}

/// The position of an object.
fn object(node: Node<'_>) -> Option<u32> {
    if node.kind() == Kind::Object { node.position() } else { None }
}

fn check_params(params: Node<'_>) -> Result<Option<u32>, DecodeErrorKind> {
    let position = object(params).ok_or(DecodeErrorKind::Params)?;
    for (name, _) in params.members() {
        unambiguous(&name, &PARAMS)?;
    }
    Ok(Some(position))
}

/// Refuses a name that a reader which ignores case would take for one of `known`.
fn unambiguous(name: &str, known: &[&'static str]) -> Result<(), DecodeErrorKind> {
    match known.iter().find(|known| name != **known && folds_alike(name, known)) {
        Some(known) => Err(DecodeErrorKind::AmbiguousName(known)),
        None => Ok(()),
    }
}
