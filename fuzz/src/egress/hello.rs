//! ClientHello: more bytes never change what was read, and fewer are never enough for another answer.

use portcullis_sandbox::egress::ClientHello;

pub fn check(data: &[u8]) {
    let whole = ClientHello::read(data);
    for cut in [data.len() / 2, data.len().saturating_sub(1)] {
        match (ClientHello::read(&data[..cut]), &whole) {
            (Ok(None), _) => {}
            (early, whole) => assert_eq!(&early, whole, "cut at {cut}"),
        }
    }
}
