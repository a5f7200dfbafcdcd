//! Which endpoint, and what of it.

use http::{Method, Uri};
use portcullis_core::{Refusal, RefusalKind, ServerName};
use portcullis_identity::{METADATA_PATH, Resource};

/// A path of the data plane: `/mcp`, `/mcp/<server>`, `/sse`, `/sse/<server>`, `/message`,
/// `/message/<server>`; and, below [`METADATA_PATH`], the same for what describes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    kind: Kind,
    pub(super) endpoint: Option<ServerName>,
    session: Option<String>,
    metadata: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Mcp,
    Sse,
    Message,
}

/// What a request asks of its path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// POST of a message.
    Message,
    /// GET of a session's stream.
    Stream,
    /// DELETE of a session.
    End,
    /// GET that opens an HTTP+SSE connection.
    LegacyStream,
    /// POST to an HTTP+SSE connection.
    LegacyMessage(String),
}

const PATHS: [(&str, Kind); 3] = [("mcp", Kind::Mcp), ("sse", Kind::Sse), ("message", Kind::Message)];

impl Path {
    pub(super) fn parse(uri: &Uri) -> Result<Self, Refusal> {
        let unknown = no_such_path;
        let described = uri.path().strip_prefix(METADATA_PATH);
        let path = described.unwrap_or(uri.path()).strip_prefix('/').ok_or_else(unknown)?;
        let (first, rest) = path.split_once('/').map_or((path, None), |(first, rest)| (first, Some(rest)));
        let (_, kind) = PATHS.iter().find(|(name, _)| *name == first).ok_or_else(unknown)?;
        if described.is_some() && *kind == Kind::Message {
            return Err(unknown());
        }
        let endpoint = rest.map(|name| name.parse().map_err(|_| unknown())).transpose()?;
        let session = uri.query().and_then(|q| q.strip_prefix("sessionId=")).map(str::to_owned);
        Ok(Self { kind: *kind, endpoint, session, metadata: described.is_some() })
    }

    /// Whether it is what describes an endpoint rather than the endpoint.
    pub(super) fn is_metadata(&self) -> bool {
        self.metadata
    }

    /// The endpoint as a protected resource. The two paths of HTTP+SSE are one.
    pub(super) fn resource<'a>(&'a self, origin: &'a str) -> Resource<'a> {
        let door = match self.kind {
            Kind::Mcp => "/mcp",
            Kind::Sse | Kind::Message => "/sse",
        };
        Resource { origin, door, server: self.endpoint.as_ref() }
    }

    /// GET and DELETE exist for requests of a session only.
    pub(super) fn route(&self, method: &Method, in_session: bool) -> Result<Route, Refusal> {
        match (self.kind, method) {
            (Kind::Mcp, &Method::POST) => Ok(Route::Message),
            (Kind::Mcp, &Method::GET) if in_session => Ok(Route::Stream),
            (Kind::Mcp, &Method::DELETE) if in_session => Ok(Route::End),
            (Kind::Sse, &Method::GET) => Ok(Route::LegacyStream),
            (Kind::Message, &Method::POST) => match &self.session {
                Some(session) => Ok(Route::LegacyMessage(session.clone())),
                None => {
                    Err(Refusal::new(RefusalKind::InvalidRequest, "`sessionId` is missing from the query"))
                }
            },
            _ => Err(Refusal::new(RefusalKind::HttpMethod, "this method is not served on this path")),
        }
    }

    /// Where messages of an HTTP+SSE connection are posted: a path, so that the client stays on this origin.
    pub(super) fn message_uri(&self, session: &str) -> String {
        match &self.endpoint {
            Some(server) => format!("/message/{server}?sessionId={session}"),
            None => format!("/message?sessionId={session}"),
        }
    }
}

pub(super) fn no_such_path() -> Refusal {
    Refusal::new(RefusalKind::NoSuchPath, "no such path; endpoints are /mcp and /mcp/<server>")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(uri: &str) -> Option<(Option<String>, Option<String>)> {
        let uri: Uri = uri.parse().ok()?;
        Path::parse(&uri).ok().map(|p| (p.endpoint.map(|e| e.to_string()), p.session))
    }

    #[test]
    fn streams_and_their_end_belong_to_sessions() {
        let route = |method: Method, in_session| {
            Path::parse(&Uri::from_static("/mcp")).ok().and_then(|path| path.route(&method, in_session).ok())
        };
        assert_eq!(route(Method::GET, true), Some(Route::Stream));
        assert_eq!(route(Method::DELETE, true), Some(Route::End));
        assert_eq!(route(Method::GET, false), None);
        assert_eq!(route(Method::DELETE, false), None);
        assert_eq!(route(Method::PUT, true), None);
    }

    #[test]
    fn every_endpoint_is_described_where_rfc_9728_says() {
        for (path, resource) in [
            ("/mcp", "https://gw.test/mcp"),
            ("/mcp/git", "https://gw.test/mcp/git"),
            ("/sse", "https://gw.test/sse"),
            ("/sse/git", "https://gw.test/sse/git"),
            ("/message/git?sessionId=a", "https://gw.test/sse/git"),
        ] {
            let path = path.parse().ok().and_then(|uri| Path::parse(&uri).ok());
            let described = path.as_ref().map(|path| path.resource("https://gw.test"));
            assert_eq!(described.map(|it| it.to_string()).as_deref(), Some(resource));
            let url: Option<Uri> = described.and_then(|it| it.metadata_url().parse().ok());
            let there = url.and_then(|url| Path::parse(&url).ok());
            assert!(there.as_ref().is_some_and(Path::is_metadata));
            assert_eq!(there.map(|it| it.resource("https://gw.test").to_string()).as_deref(), Some(resource));
        }
    }

    #[test]
    fn only_the_documented_paths_exist() {
        assert_eq!(parsed("/mcp"), Some((None, None)));
        assert_eq!(parsed("/mcp/git"), Some((Some("git".into()), None)));
        assert_eq!(parsed("/message?sessionId=abc"), Some((None, Some("abc".into()))));
        for unknown in [
            "/",
            "/mcp/",
            "/MCP",
            "/mcp/Git",
            "/mcp/a/b",
            "/mcp/..",
            "/mcpx",
            "//mcp",
            "/mcp%2fgit",
            "/.well-known/oauth-protected-resource",
            "/.well-known/oauth-protected-resource/",
            "/.well-known/oauth-protected-resource/message",
            "/.well-known/oauth-protected-resource/mcp/..",
            "/.well-known/oauth-protected-resourcemcp",
        ] {
            assert_eq!(parsed(unknown), None, "{unknown}");
        }
    }
}
