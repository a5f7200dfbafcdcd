//! `authorization_details`: what is read is what is written, element by element.

use portcullis_identity::authorization_details;

pub fn check(data: &[u8]) {
    let Ok(details) = authorization_details(data) else { return };
    assert!(details.len() <= 16, "{} details", details.len());
    let nowhere = details.at(|_| false);
    for (detail, nowhere) in details.iter().zip(&*nowhere) {
        let alone =
            authorization_details(format!("[{}]", detail.json).as_bytes()).expect("it was read before");
        assert_eq!(&*alone, std::slice::from_ref(detail));
        assert_eq!(detail.calls.is_some(), &*detail.kind == "mcp_tool_call");
        // Nothing is wider elsewhere.
        let elsewhere =
            |it: &portcullis_core::AuthorizationDetail| it.calls.as_ref().is_some_and(|it| it.is_elsewhere);
        assert!(elsewhere(nowhere) || !elsewhere(detail));
    }
}
