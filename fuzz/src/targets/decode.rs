//! Messages: whatever is accepted keeps its bytes, its id can be changed, and views of it hold together.

use bytes::Bytes;
use portcullis_wire::json::{Limits, Node};
use portcullis_wire::message::{self, Decoded, Message, Request, RequestId, ResponseId};
use portcullis_wire::{decode, decode_one, header, meta};

/// Decodes `data` and checks every message in it.
pub fn check(data: &[u8]) {
    let limits = Limits::default();
    let bytes = Bytes::copy_from_slice(data);
    match decode(bytes.clone(), &limits) {
        Ok(Decoded::One(message)) => {
            assert_eq!(message.bytes(), &bytes);
            assert!(decode_one(bytes, &limits).is_ok());
            check_message(&message);
        }
        Ok(Decoded::Batch(messages)) => {
            assert!(!messages.is_empty() && messages.len() <= message::MAX_BATCH);
            assert!(decode_one(bytes, &limits).is_err());
            messages.iter().for_each(check_message);
        }
        Err(error) => {
            assert!(matches!(error.code(), -32700 | -32600));
            assert!(decode_one(bytes, &limits).is_err());
        }
    }
}

fn check_message(message: &Message) {
    match message {
        Message::Request(request) => check_request(request),
        Message::Notification(notification) => {
            assert!(notification.document().root().get("id").is_none());
            assert_eq!(method_in(message).as_deref(), Some(notification.method()));
        }
        Message::Response(response) => {
            assert!(response.result().is_some() != response.error().is_some());
            assert!(response.id().is_some() || response.error().is_some());
            let id = response.document().root().get("id");
            match response.id_member() {
                ResponseId::Absent => assert!(id.is_none()),
                ResponseId::Null => assert!(id.is_some_and(Node::is_null)),
                ResponseId::Id(own) => assert_eq!(Some(&own.raw()[..]), id.map(Node::raw)),
            }
        }
    }
    check_new_id(message);
}

fn check_request(request: &Request) {
    assert_eq!(RequestId::parse(request.id().raw()).as_ref(), Ok(request.id()));
    assert_eq!(
        request.document().root().get("method").and_then(Node::as_str).as_deref(),
        Some(request.method())
    );
    let Ok(meta) = meta::RequestMeta::read(request) else { return };
    let Ok(headers) = header::build(request, &[], meta.version) else { return };
    let headers = headers.into_iter().collect();
    assert_eq!(header::agree(&headers, request, &[]), Ok(()));
}

fn method_in(message: &Message) -> Option<String> {
    message.document().root().get("method")?.as_str().map(|method| method.into_owned())
}

/// Replacing the id changes the id and nothing else.
fn check_new_id(message: &Message) {
    let new = RequestId::from_u64(7_777_777);
    let changed = message::with_id(message.document(), &new);
    // A response that answers no request cannot be read as an answer to one, unless it is an error.
    let read = decode_one(changed.clone(), &Limits { max_bytes: usize::MAX, ..Limits::default() });
    let id = match read.as_ref() {
        Ok(Message::Request(request)) => Some(request.id()),
        Ok(Message::Response(response)) => response.id(),
        // A notification becomes a request.
        Ok(Message::Notification(_)) | Err(_) => None,
    };
    assert_eq!(id, Some(&new));
    let root = message.document().root();
    let document = read.as_ref().map(Message::document).expect("just read");
    let rest = |root: Node<'_>| -> Vec<(String, Vec<u8>)> {
        let others = root.members().filter(|(name, _)| name != "id");
        others.map(|(name, node)| (name.into_owned(), node.raw().to_vec())).collect()
    };
    assert_eq!(rest(document.root()), rest(root));
}
