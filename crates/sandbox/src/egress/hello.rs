//! Whom a TLS client says it is speaking to: the ClientHello and nothing after it (RFC 8446, RFC 6066).

use portcullis_core::DomainName;

/// Longest ClientHello that is read, in bytes. One with post-quantum key shares has about 1,800.
const MAX_HELLO: usize = 16 * 1024;
/// Longest content of a TLS record.
const MAX_RECORD: usize = 1 << 14;
const RECORD_HEADER: usize = 5;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
/// Encrypted Client Hello (RFC 9849) and the drafts before it: the name outside may not be the one meant.
const ENCRYPTED: [u16; 2] = [0xfe0d, 0xffce];

/// What a ClientHello says about its destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientHello {
    /// The name of the server, when the client names one.
    pub server_name: Option<DomainName>,
}

/// Why the first bytes of a connection are not a ClientHello that can be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HelloFault {
    /// Something else.
    #[error("these are not the bytes of a TLS ClientHello")]
    NotTls,
    /// TLS, but not well-formed.
    #[error("the ClientHello is malformed")]
    Malformed,
    /// Too much of it.
    #[error("the ClientHello is longer than {MAX_HELLO} bytes")]
    TooLong,
    /// The name is no name.
    #[error("the server name in the ClientHello is not a domain name")]
    BadName,
    /// No name.
    #[error("the ClientHello has no server name")]
    NoName,
    /// The true name is hidden.
    #[error("the ClientHello is encrypted (ECH)")]
    Encrypted,
    /// The connection ended first.
    #[error("the connection ended before the ClientHello did")]
    Ended,
}

impl ClientHello {
    /// Reads a ClientHello from the first bytes of a connection; nothing when more of them are needed.
    ///
    /// # Errors
    /// [`HelloFault`] as soon as the bytes cannot become an acceptable one.
    pub fn read(bytes: &[u8]) -> Result<Option<Self>, HelloFault> {
        let Some(message) = handshake_message(bytes)? else { return Ok(None) };
        let mut body = Bytes(&message);
        parse(&mut body).map(Some)
    }
}

/// The first handshake message without its header, put together from its records.
fn handshake_message(mut bytes: &[u8]) -> Result<Option<Vec<u8>>, HelloFault> {
    let mut message = Vec::new();
    loop {
        if let Some(length) = announced(&message)?
            && message.len() >= 4 + length
        {
            message.truncate(4 + length);
            return Ok(Some(message.split_off(4)));
        }
        let Some((header, rest)) = bytes.split_at_checked(RECORD_HEADER) else {
            return begins_like_tls(bytes).then_some(None).ok_or(HelloFault::NotTls);
        };
        let &[kind, major, _, high, low] = header else { return Err(HelloFault::NotTls) };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if kind != HANDSHAKE || major != 3 {
            return Err(HelloFault::NotTls);
        }
        // An empty record would let a client send headers for ever.
        if length == 0 || length > MAX_RECORD {
            return Err(HelloFault::Malformed);
        }
        let Some((content, rest)) = rest.split_at_checked(length) else {
            // What is there of the record may already be too much.
            announced(&[&message, rest].concat())?;
            return Ok(None);
        };
        message.extend_from_slice(content);
        bytes = rest;
    }
}

/// The length in the header of the handshake message, once the header is there.
fn announced(message: &[u8]) -> Result<Option<usize>, HelloFault> {
    if message.first().is_some_and(|kind| *kind != CLIENT_HELLO) {
        return Err(HelloFault::NotTls);
    }
    let Some(&[_, a, b, c]) = message.first_chunk::<4>() else { return Ok(None) };
    let length = usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap_or(usize::MAX);
    if length > MAX_HELLO { Err(HelloFault::TooLong) } else { Ok(Some(length)) }
}

fn begins_like_tls(start: &[u8]) -> bool {
    start.first().is_none_or(|kind| *kind == HANDSHAKE) && start.get(1).is_none_or(|major| *major == 3)
}

fn parse(body: &mut Bytes<'_>) -> Result<ClientHello, HelloFault> {
    let malformed = HelloFault::Malformed;
    body.take(2 + 32).ok_or(malformed)?;
    let session = body.vector8().ok_or(malformed)?;
    let suites = body.vector16().ok_or(malformed)?;
    let compressions = body.vector8().ok_or(malformed)?;
    if session.0.len() > 32 || suites.0.len() < 2 || suites.0.len() % 2 != 0 || compressions.0.is_empty() {
        return Err(malformed);
    }
    // SSL 3.0 had no extensions.
    let mut extensions = if body.0.is_empty() { Bytes(&[]) } else { body.vector16().ok_or(malformed)? };
    if !body.0.is_empty() {
        return Err(malformed);
    }
    let mut seen = Vec::new();
    let mut server_name = None;
    while !extensions.0.is_empty() {
        let kind = extensions.u16().ok_or(malformed)?;
        let mut content = extensions.vector16().ok_or(malformed)?;
        if seen.contains(&kind) {
            return Err(malformed);
        }
        seen.push(kind);
        if ENCRYPTED.contains(&kind) {
            return Err(HelloFault::Encrypted);
        }
        if kind == SERVER_NAME {
            server_name = Some(name(&mut content)?);
        }
    }
    Ok(ClientHello { server_name })
}

/// The one host name of a `server_name` extension.
fn name(content: &mut Bytes<'_>) -> Result<DomainName, HelloFault> {
    let malformed = HelloFault::Malformed;
    let mut list = content.vector16().ok_or(malformed)?;
    let kind = list.take(1).ok_or(malformed)?;
    let name = list.vector16().ok_or(malformed)?;
    // A second name would leave open which of them the other side reads.
    if kind != [0] || !list.0.is_empty() || !content.0.is_empty() {
        return Err(malformed);
    }
    let text = std::str::from_utf8(name.0).ok().filter(|text| text.is_ascii()).ok_or(HelloFault::BadName)?;
    DomainName::parse(text).map_err(|_| HelloFault::BadName)
}

/// Bytes that are taken from the front.
struct Bytes<'b>(&'b [u8]);

impl<'b> Bytes<'b> {
    fn take(&mut self, count: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2)?.try_into().ok().map(u16::from_be_bytes)
    }

    /// A part whose length is in the byte before it.
    fn vector8(&mut self) -> Option<Bytes<'b>> {
        let length = usize::from(*self.take(1)?.first()?);
        self.take(length).map(Bytes)
    }

    /// A part whose length is in the two bytes before it.
    fn vector16(&mut self) -> Option<Bytes<'b>> {
        let length = usize::from(self.u16()?);
        self.take(length).map(Bytes)
    }
}

#[cfg(test)]
mod tests;
