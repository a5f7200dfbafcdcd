//! What a client says that is no request.

use portcullis_wire::Message;

/// What a client answered to a server's question, or a notification on its way to a server, before inspection.
#[derive(Debug)]
pub struct ClientMessage {
    /// The message, already through the strict walk.
    pub message: Message,
}

impl ClientMessage {
    /// The name of its channel in records.
    pub fn channel(&self) -> &'static str {
        match self.message {
            Message::Response(_) => "client-answer",
            Message::Request(_) | Message::Notification(_) => "client-notification",
        }
    }
}
