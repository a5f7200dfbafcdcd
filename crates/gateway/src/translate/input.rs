//! What a server asks of a client: requests of its own in the legacy era, `input_required` results in the
//! modern one (2026-07-28 basic/patterns/mrtr).

use bytes::Bytes;
use portcullis_core::{
    Refusal,
    wire::{Node, RequestId, Response, Version, json::Kind, message},
};

use super::{answer::quoted, untranslatable};

/// One question, in either form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Key in `inputRequests`.
    pub key: String,
    /// `elicitation/create`, `sampling/createMessage` or `roots/list`.
    pub method: String,
    /// Its parameters, a JSON object.
    pub params: Bytes,
}

/// The methods a server may ask with.
pub const ASKABLE: [&str; 3] = ["elicitation/create", "sampling/createMessage", "roots/list"];

/// The questions of an `input_required` result.
///
/// # Errors
/// [`portcullis_core::RefusalKind::Untranslatable`] when a question is none a legacy client can be asked.
pub fn questions(result: Node<'_>) -> Result<Vec<Question>, Refusal> {
    let Some(requests) = result.get("inputRequests") else { return Ok(Vec::new()) };
    requests
        .members()
        .map(|(key, request)| {
            let method = request.get("method").and_then(|m| m.as_str()).unwrap_or_default();
            if !ASKABLE.contains(&method.as_ref()) {
                return Err(untranslatable("the server asks for a kind of input no client can give"));
            }
            let params = request.get("params").map_or_else(|| Bytes::from_static(b"{}"), |p| p.to_bytes());
            Ok(Question { key: key.into_owned(), method: method.into_owned(), params })
        })
        .collect()
}

impl Question {
    /// As a request to a legacy client. A URL elicitation needs an `elicitationId` in 2025-11-25, which
    /// the newer form does not have: the request's own id serves, since it is as unique.
    pub fn as_request(&self, id: &RequestId, version: Version) -> Bytes {
        let url_mode = self.method == "elicitation/create" && version == Version::V2025_11_25;
        let with_id = url_mode.then(|| self.with_elicitation_id(id)).flatten();
        message::request(id, &self.method, Some(with_id.as_ref().unwrap_or(&self.params)))
    }

    fn with_elicitation_id(&self, id: &RequestId) -> Option<Bytes> {
        let document =
            portcullis_core::wire::Document::parse(self.params.clone(), &crate::outbound::GENEROUS).ok()?;
        let root = document.root();
        let needed = root.get("mode")?.as_str()? == "url" && root.get("elicitationId").is_none();
        let id = quoted(&format!("portcullis-{id}"));
        if needed { crate::outbound::set_member(&self.params, &["elicitationId"], &id) } else { None }
    }

    /// The client's response in the form `inputResponses` takes.
    ///
    /// # Errors
    /// [`portcullis_core::RefusalKind::Untranslatable`] when the client answered with an error and the
    /// newer form has no way to say so.
    pub fn answered(&self, response: &Response) -> Result<Bytes, Refusal> {
        match response.result() {
            Some(result) => Ok(result.to_bytes()),
            None if self.method == "elicitation/create" => Ok(Bytes::from_static(br#"{"action":"cancel"}"#)),
            None => Err(untranslatable(format!("the client could not answer `{}`", self.method))),
        }
    }
}

/// `{"key":value,…}` for `inputResponses`.
pub fn responses(answers: &[(String, Bytes)]) -> Vec<u8> {
    let mut out = vec![b'{'];
    for (at, (key, value)) in answers.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(&quoted(key));
        out.push(b':');
        out.extend_from_slice(value);
    }
    out.push(b'}');
    out
}

/// An `input_required` result that asks one question and carries `state` back.
pub fn input_required(question: &Question, state: &str) -> Vec<u8> {
    let mut out = result_head();
    push_question(&mut out, question);
    out.extend_from_slice(b"},\"requestState\":");
    out.extend_from_slice(&quoted(state));
    out.push(b'}');
    out
}

/// The `input_required` result that says what a 2025-11-25 `-32042` error says.
///
/// # Errors
/// [`portcullis_core::RefusalKind::Untranslatable`] when the error names no elicitation.
pub fn url_elicitations(error: Node<'_>) -> Result<Vec<u8>, Refusal> {
    let wanted = error.path(&["data", "elicitations"]).filter(|e| e.kind() == Kind::Array && !e.is_empty());
    let Some(wanted) = wanted else {
        return Err(untranslatable("the server wants a URL visited but names none"));
    };
    let mut out = result_head();
    for (at, elicitation) in wanted.elements().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        let question = Question {
            key: at.saturating_add(1).to_string(),
            method: "elicitation/create".to_owned(),
            params: elicitation.to_bytes(),
        };
        push_question(&mut out, &question);
    }
    out.extend_from_slice(b"}}");
    Ok(out)
}

fn result_head() -> Vec<u8> {
    b"{\"resultType\":\"input_required\",\"inputRequests\":{".to_vec()
}

fn push_question(out: &mut Vec<u8>, question: &Question) {
    out.extend_from_slice(&quoted(&question.key));
    out.extend_from_slice(b":{\"method\":");
    out.extend_from_slice(&quoted(&question.method));
    out.extend_from_slice(b",\"params\":");
    out.extend_from_slice(&question.params);
    out.push(b'}');
}

#[cfg(test)]
mod tests;
