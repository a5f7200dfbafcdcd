//! Pins: a definition has one canonical form, differences are found when and only when there are any, and books and
//! signed lists are read or refused.

use bytes::Bytes;
use portcullis_core::PinKind;
use portcullis_inspect::pins::{Book, Manifest, canonical, diff};

const KINDS: [PinKind; 2] = [PinKind::Tool, PinKind::Resource];
/// Most differences that are told.
const MOST: usize = 256;

pub fn check(data: &[u8]) {
    if let Ok(book) = Book::read(data) {
        assert_eq!(Book::read(&book.write()).expect("what was written is read"), book);
    }
    let _ = Manifest::read(&String::from_utf8_lossy(data));
    let mut halves = data.splitn(2, |byte| *byte == 0);
    let mut half = || Bytes::copy_from_slice(halves.next().unwrap_or_default());
    let (before, after) = (half(), half());
    for kind in KINDS {
        let form = |raw: &Bytes| canonical(kind, raw).ok().inspect(|form| is_fixed(kind, form));
        let (Some(before), Some(after)) = (form(&before), form(&after)) else { continue };
        let (there, back) = (diff(&before, &after), diff(&after, &before));
        assert_eq!(there.is_empty(), before == after, "{before}\n{after}\n{there:?}");
        assert!(there.len() <= MOST && there.len() == back.len(), "{there:?}\n{back:?}");
        assert!(there.iter().all(|it| it.before.is_some() || it.after.is_some()));
    }
}

fn is_fixed(kind: PinKind, form: &str) {
    let again = canonical(kind, &Bytes::copy_from_slice(form.as_bytes()));
    assert_eq!(again.expect("a canonical form is JSON"), form);
}
