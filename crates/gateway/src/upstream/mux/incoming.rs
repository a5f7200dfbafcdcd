//! Where messages from the server go; see the table in the module's description.

use bytes::Bytes;
use portcullis_core::{UpstreamError, UpstreamEvent};
use portcullis_wire::{
    Decoded, Message, Method, Notification, Request, RequestId, Response, code, decode, decode_one, message,
    meta,
};

use super::{
    Mux, Origin,
    table::{Delivery, Entry, Table},
};
use crate::upstream::renumber;

/// Where a progress notification has its token.
const PROGRESS_TOKEN: &[&str] = &[meta::PROGRESS_TOKEN];

impl Mux {
    /// Takes one message, or where the version has them one batch, from the server.
    pub(crate) fn receive(&self, bytes: Bytes, origin: Origin) {
        self.pulse.heard();
        let decoded = if self.version.get().is_some_and(|version| version.allows_batch()) {
            decode(bytes, &self.config.reading)
        } else {
            decode_one(bytes, &self.config.reading).map(Decoded::One)
        };
        match decoded {
            Ok(Decoded::One(message)) => self.receive_one(message, origin),
            Ok(Decoded::Batch(messages)) => {
                messages.into_iter().for_each(|message| self.receive_one(message, origin))
            }
            Err(error) => self.garbage(error.to_string()),
        }
    }

    /// A message was longer than the limit and is lost. Whose it was can only be told when one request is
    /// under way; otherwise the one concerned times out.
    pub(crate) fn receive_too_long(&self) {
        self.pulse.heard();
        let error = UpstreamError::TooLarge { limit: self.config.reading.max_bytes };
        self.garbage(error.to_string());
        let mut table = self.table.lock();
        let only = table.only_at(Origin::Shared, Entry::is_brief).and_then(|number| table.take(number));
        drop(table);
        if let Some(entry) = only {
            entry.finish(Err(error));
        }
    }

    fn receive_one(&self, message: Message, origin: Origin) {
        match message {
            Message::Response(response) => self.respond(&response, origin),
            Message::Notification(notification) => self.inform(&notification, origin),
            Message::Request(request) => self.ask(&request, origin),
        }
    }

    fn respond(&self, response: &Response, origin: Origin) {
        let mut table = self.table.lock();
        let number = match response.id() {
            Some(id) => id.as_i64().and_then(|id| u64::try_from(id).ok()),
            // An error of a server that could not read the id.
            None => table.only_at(origin, Entry::is_brief),
        };
        // A stream answers its own request only.
        let number = number.filter(|number| !matches!(origin, Origin::Request(own) if own != *number));
        let entry = number.and_then(|number| table.take(number));
        let late = number.is_some_and(|number| table.was_used(number));
        drop(table);
        match entry {
            Some(entry) => {
                let bytes = message::with_id(response.document(), &entry.id);
                entry.finish(Ok(bytes));
            }
            // Cancelled or timed out before: to be expected (basic/utilities/cancellation).
            None if late => {}
            None => self.garbage("response to a request that was never sent"),
        }
    }

    fn inform(&self, notification: &Notification, origin: Origin) {
        let kind = notification.method_kind();
        let mut table = self.table.lock();
        let found = match kind {
            Method::Progress => progress(&table, notification),
            _ => addressed(&table, notification).or_else(|| {
                let number = match kind {
                    Method::LogMessage => table.only_at(origin, Entry::is_brief)?,
                    _ => table.owner(origin)?,
                };
                Some((number, notification.bytes().clone()))
            }),
        };
        let delivery = found.map_or(Delivery::Nobody, |(number, bytes)| {
            let size = bytes.len();
            table.deliver(number, UpstreamEvent::Notification(bytes), size)
        });
        let late =
            renumber::number_at(notification, PROGRESS_TOKEN).is_some_and(|number| table.was_used(number));
        drop(table);
        match (delivery, kind) {
            (Delivery::Delivered | Delivery::Overflowed, _) => {}
            (Delivery::Nobody, Method::Progress) if late => {}
            (Delivery::Nobody, Method::Progress) => self.garbage("progress for a token that was never given"),
            (Delivery::Nobody, _) => {
                let _nobody_listens = self.unsolicited.send(notification.bytes().clone());
            }
        }
    }

    fn ask(&self, request: &Request, origin: Origin) {
        if !self.is_legacy() {
            return self.garbage("request from a server of a version in which servers send none");
        }
        if request.method_kind() == Method::Ping {
            return self.outlet.post(message::response_result(request.id(), b"{}"), false);
        }
        let bytes = request.bytes().clone();
        let mut table = self.table.lock();
        let only = table.only_at(origin, |entry| entry.method.may_require_input());
        let event = UpstreamEvent::ServerRequest(bytes.clone());
        let delivery = only.map_or(Delivery::Nobody, |number| table.deliver(number, event, bytes.len()));
        drop(table);
        if delivery == Delivery::Overflowed
            || delivery == Delivery::Nobody && self.unsolicited.send(bytes).is_err()
        {
            let text = "nobody is there to answer";
            self.outlet
                .post(message::response_error(Some(request.id()), code::METHOD_NOT_FOUND, text, None), false);
        }
    }
}

/// The exchange a progress notification is for, and the notification with the caller's token.
fn progress(table: &Table, notification: &Notification) -> Option<(u64, Bytes)> {
    let number = renumber::number_at(notification, PROGRESS_TOKEN)?;
    let token = table.get(number)?.token.clone()?;
    Some((number, renumber::with_value_at(notification, PROGRESS_TOKEN, token)))
}

/// The exchange a notification names by our number, and the notification with the caller's id.
fn addressed(table: &Table, notification: &Notification) -> Option<(u64, Bytes)> {
    let path: &[&str] = match notification.method_kind() {
        Method::Cancelled => &["requestId"],
        _ => &["_meta", meta::SUBSCRIPTION_ID],
    };
    let number = renumber::number_at(notification, path)?;
    let id: &RequestId = &table.get(number)?.id;
    Some((number, renumber::with_value_at(notification, path, id.raw().clone())))
}
