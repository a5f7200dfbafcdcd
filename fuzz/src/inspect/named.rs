//! What arguments name: every text has one form as every kind of target, within its size.

pub fn check(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    portcullis_inspect::targets::read_as_all(&text);
}
