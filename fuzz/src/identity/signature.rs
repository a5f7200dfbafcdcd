//! Headers of message signatures: `Signature-Input`, `Signature` and `Content-Digest`, a line each. What is read and written
//! again is read as the same.

use http::{HeaderMap, HeaderName, HeaderValue};
use portcullis_identity::signature_input;

pub fn check(data: &[u8]) {
    let names = ["signature-input", "signature", "content-digest"];
    let mut headers = HeaderMap::new();
    for (name, line) in names.into_iter().zip(data.split(|byte| *byte == b'\n')) {
        let Ok(value) = HeaderValue::from_bytes(line) else { return };
        headers.insert(HeaderName::from_static(name), value);
    }
    let Ok(once) = signature_input(&headers) else { return };
    let again = HeaderValue::from_str(&format!("sig={once}")).expect("it is ASCII");
    headers.insert("signature-input", again);
    headers.insert("signature", HeaderValue::from_static("sig=:AAAA:"));
    assert_eq!(signature_input(&headers).as_deref(), Ok(&*once));
}
