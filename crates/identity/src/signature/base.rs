//! What is signed (RFC 9421 section 2.5).

use std::{borrow::Cow, fmt::Write as _};

use http::{HeaderMap, HeaderName, Uri};
use sfv::{BareItem, InnerList, Item, ListEntry, ListSerializer};

use super::SignatureFault;

/// A message as far as a signature can cover it.
#[derive(Clone, Copy)]
pub(super) struct Message<'m> {
    pub(super) subject: Subject<'m>,
    pub(super) headers: &'m HeaderMap,
}

/// What is derived from a message's first line.
#[derive(Clone, Copy)]
pub(super) enum Subject<'m> {
    /// A request to this target.
    Request { method: &'m str, target: &'m Target<'m> },
    /// A response with this status.
    #[cfg(test)]
    Response(u16),
}

/// Where a request goes, in its one form (RFC 9421 sections 2.2.2 to 2.2.7).
pub(super) struct Target<'m> {
    scheme: Cow<'m, str>,
    authority: Cow<'m, str>,
    path: &'m str,
    query: Option<&'m str>,
}

impl<'m> Target<'m> {
    /// A path below an origin, which is in its one form.
    pub(super) fn below(origin: &'m str, path: &'m str, query: Option<&'m str>) -> Option<Self> {
        let (scheme, authority) = origin.split_once("://")?;
        Some(Self { scheme: scheme.into(), authority: authority.into(), path, query })
    }

    /// An absolute URI.
    pub(super) fn of(uri: &'m Uri) -> Option<Self> {
        let scheme = uri.scheme_str()?.to_ascii_lowercase();
        let authority = uri.authority()?.as_str().to_ascii_lowercase();
        let usual_port = if scheme == "https" { ":443" } else { ":80" };
        let authority = authority.strip_suffix(usual_port).map(str::to_owned).unwrap_or(authority);
        let path = if uri.path().is_empty() { "/" } else { uri.path() };
        Some(Self { scheme: scheme.into(), authority: authority.into(), path, query: uri.query() })
    }

    pub(super) fn has_query(&self) -> bool {
        self.query.is_some()
    }

    fn request_target(&self) -> String {
        let mut text = self.path.to_owned();
        if let Some(query) = self.query {
            text.push('?');
            text.push_str(query);
        }
        text
    }

    fn component(&self, name: &str) -> Option<String> {
        Some(match name {
            "@target-uri" => format!("{}://{}{}", self.scheme, self.authority, self.request_target()),
            "@authority" => self.authority.to_string(),
            "@scheme" => self.scheme.to_string(),
            "@request-target" => self.request_target(),
            "@path" => self.path.to_owned(),
            "@query" => format!("?{}", self.query.unwrap_or_default()),
            _ => return None,
        })
    }
}

impl Message<'_> {
    /// The signature base for what is covered.
    pub(super) fn base(&self, covered: &InnerList) -> Result<String, SignatureFault> {
        let mut base = String::new();
        let mut seen = Vec::new();
        for item in &covered.items {
            let name = component(item).ok_or_else(|| SignatureFault::Component(String::new()))?;
            let unfit = || SignatureFault::Component(name.chars().take(64).collect());
            if seen.contains(&name) {
                return Err(unfit());
            }
            seen.push(name);
            let value = self.value(name).ok_or_else(unfit)?;
            // Writing to a string cannot fail.
            let _ = writeln!(base, "\"{name}\": {value}");
        }
        let _ = write!(base, "\"@signature-params\": {}", parameters(covered));
        Ok(base)
    }

    fn value(&self, name: &str) -> Option<String> {
        if !name.starts_with('@') {
            return field(self.headers, name);
        }
        match self.subject {
            Subject::Request { method, .. } if name == "@method" => Some(method.to_owned()),
            Subject::Request { target, .. } => target.component(name),
            #[cfg(test)]
            Subject::Response(status) => (name == "@status").then(|| status.to_string()),
        }
    }
}

/// The name of a component without parameters; those would change what is signed in ways that are not known here.
pub(super) fn component(item: &Item) -> Option<&str> {
    match &item.bare_item {
        BareItem::String(name) if item.params.is_empty() => Some(name.as_str()),
        _ => None,
    }
}

/// The value of `@signature-params`, and of the member of `Signature-Input`.
pub(super) fn parameters(covered: &InnerList) -> String {
    let mut serializer = ListSerializer::new();
    serializer.members([&ListEntry::InnerList(covered.clone())]);
    serializer.finish().unwrap_or_default()
}

/// All lines of a header in one (RFC 9421 section 2.1).
fn field(headers: &HeaderMap, name: &str) -> Option<String> {
    let header = HeaderName::from_bytes(name.as_bytes()).ok().filter(|header| header.as_str() == name)?;
    let lines = headers.get_all(header).iter().map(|value| value.to_str().map(str::trim).ok());
    let lines = lines.collect::<Option<Vec<_>>>().filter(|lines| !lines.is_empty())?;
    Some(lines.join(", "))
}
