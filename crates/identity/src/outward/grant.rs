//! What is asked of an authorization server, as a form (RFC 6749 appendix B).

use portcullis_core::{Secret, SubjectToken};
use zeroize::Zeroizing;

pub(super) const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// RFC 7523 section 2.1.
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// RFC 8693 section 3.
pub(super) const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// One request for a token.
pub(super) struct Grant<'a> {
    pub(super) scopes: Vec<&'a str>,
    /// JSON objects (RFC 9396).
    pub(super) details: Vec<&'a str>,
    pub(super) delegation: Option<Delegation<'a>>,
    /// What an identity provider says about the caller.
    pub(super) assertion: Option<&'a Secret>,
    /// Whether the token is for the server, and not for the authorization server itself.
    pub(super) is_for_server: bool,
}

/// On whose behalf, and by whom.
pub(super) struct Delegation<'a> {
    pub(super) subject: &'a SubjectToken,
    pub(super) actor: Option<&'a Secret>,
}

impl<'a> Grant<'a> {
    /// A token for the gateway itself.
    pub(super) fn own(scopes: &'a [std::sync::Arc<str>], details: Vec<&'a str>) -> Self {
        let scopes = scopes.iter().map(|scope| &**scope).collect();
        Self { scopes, details, delegation: None, assertion: None, is_for_server: true }
    }

    /// A token for a caller for whom this speaks.
    pub(super) fn assertion(assertion: &'a Secret, scopes: &[&'a str], details: &[&'a str]) -> Self {
        let (scopes, details) = (scopes.to_vec(), details.to_vec());
        Self { scopes, details, delegation: None, assertion: Some(assertion), is_for_server: true }
    }

    /// The token that stands for the gateway beside another's.
    pub(super) fn actor() -> Self {
        Self {
            scopes: Vec::new(),
            details: Vec::new(),
            delegation: None,
            assertion: None,
            is_for_server: false,
        }
    }

    /// A token for a caller.
    pub(super) fn exchange(delegation: Delegation<'a>, scopes: &[&'a str], details: &[&'a str]) -> Self {
        let (scopes, details) = (scopes.to_vec(), details.to_vec());
        Self { scopes, details, delegation: Some(delegation), assertion: None, is_for_server: true }
    }

    /// The form, without the client's authentication.
    pub(super) fn form(&self, resource: &str, audience: Option<&str>) -> Form {
        let mut form = Form::default();
        match (&self.delegation, self.assertion) {
            (None, Some(assertion)) => {
                form.text("grant_type", JWT_BEARER);
                form.add("assertion", assertion.expose());
            }
            (None, None) => form.text("grant_type", "client_credentials"),
            (Some(delegation), _) => {
                form.text("grant_type", EXCHANGE);
                form.text("requested_token_type", ACCESS_TOKEN);
                form.add("subject_token", delegation.subject.secret().expose());
                form.text("subject_token_type", ACCESS_TOKEN);
                if let Some(actor) = delegation.actor {
                    form.add("actor_token", actor.expose());
                    form.text("actor_token_type", ACCESS_TOKEN);
                }
            }
        }
        if self.is_for_server {
            form.text("resource", resource);
            if let Some(audience) = audience {
                form.text("audience", audience);
            }
        }
        if !self.scopes.is_empty() {
            form.text("scope", &self.scopes.join(" "));
        }
        if !self.details.is_empty() {
            form.text("authorization_details", &format!("[{}]", self.details.join(",")));
        }
        form
    }
}

/// `application/x-www-form-urlencoded`, wiped when dropped.
#[derive(Default)]
pub(crate) struct Form(Zeroizing<Vec<u8>>);

impl Form {
    /// Adds a field.
    pub(crate) fn add(&mut self, name: &str, value: &[u8]) {
        if !self.0.is_empty() {
            self.0.push(b'&');
        }
        self.encode(name.as_bytes());
        self.0.push(b'=');
        self.encode(value);
    }

    /// Adds a field that is text.
    pub(crate) fn text(&mut self, name: &str, value: &str) {
        self.add(name, value.as_bytes());
    }

    /// Adds bytes so that they stand for themselves wherever they are read.
    pub(super) fn encode(&mut self, bytes: &[u8]) {
        const HEX: &[u8; 16] = b"0123456789ABCDEF";
        let hex = |nibble: u8| HEX.get(usize::from(nibble)).copied().unwrap_or(b'0');
        for byte in bytes {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => self.0.push(*byte),
                b' ' => self.0.push(b'+'),
                other => self.0.extend_from_slice(&[b'%', hex(other >> 4), hex(other & 15)]),
            }
        }
    }

    /// Adds bytes as they are.
    pub(super) fn literal(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(form: &Form) -> String {
        String::from_utf8_lossy(form.bytes()).into_owned()
    }

    #[test]
    fn an_exchange_names_subject_actor_target_and_scopes() {
        let (subject, actor) = (SubjectToken::new("s.u+b/"), Secret::new(b"a&c=t".to_vec()));
        let delegation = Delegation { subject: &subject, actor: Some(&actor) };
        let form = Grant::exchange(delegation, &["a", "b:c"], &[]).form("https://s.test/mcp", Some("s"));
        assert_eq!(
            text(&form),
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange\
             &requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token\
             &subject_token=s.u%2Bb%2F&subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token\
             &actor_token=a%26c%3Dt&actor_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token\
             &resource=https%3A%2F%2Fs.test%2Fmcp&audience=s&scope=a+b%3Ac"
        );
    }

    #[test]
    fn the_gateways_own_tokens_name_nobody_else() {
        let scopes = ["a".into()];
        let own = text(&Grant::own(&scopes, Vec::new()).form("https://s.test/mcp", None));
        assert_eq!(own, "grant_type=client_credentials&resource=https%3A%2F%2Fs.test%2Fmcp&scope=a");
        assert_eq!(text(&Grant::actor().form("https://s.test/mcp", None)), "grant_type=client_credentials");
    }
}
