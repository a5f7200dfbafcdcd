//! The pages as text. No script, nothing from elsewhere, in nobody's frame.

use http::{HeaderValue, Response, StatusCode, header};

/// Text as it stands in a page and in the value of an attribute.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // What would turn the direction of reading, or is not seen, could make one name look like another.
            c if c.is_control()
                || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
            {
                out.extend(c.escape_unicode());
            }
            c => out.push(c),
        }
    }
    out
}

/// A page with this inside.
pub(super) fn page(status: StatusCode, inside: &str) -> Response<String> {
    let text = format!(
        "<!doctype html>\n<html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>Portcullis</title>\n{inside}\n</html>\n"
    );
    let mut response = Response::new(text);
    *response.status_mut() = status;
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "no-store"),
        (
            "content-security-policy",
            "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
        ("cross-origin-opener-policy", "same-origin"),
        // With `no-referrer` a browser would say `Origin: null` when the form is sent (Fetch standard, "append a request
        // `Origin` header").
        ("referrer-policy", "same-origin"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// One sentence.
pub(super) fn said(status: StatusCode, text: &str) -> Response<String> {
    page(status, &format!("<p>{}</p>", escaped(text)))
}

/// Sends the browser somewhere else.
pub(super) fn onward(url: &str) -> Response<String> {
    let mut response = said(StatusCode::SEE_OTHER, "You are sent on.");
    if let Ok(value) = HeaderValue::from_str(url) {
        response.headers_mut().insert(header::LOCATION, value);
    }
    response
}

/// The same after a form, whose answer may not be a redirect to elsewhere under `form-action 'self'`.
pub(super) fn onward_by_hand(url: &str, to: &str) -> Response<String> {
    let (url, to) = (escaped(url), escaped(to));
    let inside = format!(
        "<meta http-equiv=refresh content=\"0;url={url}\"><p><a rel=noreferrer href=\"{url}\">Go on to {to}</a></p>"
    );
    page(StatusCode::OK, &inside)
}
