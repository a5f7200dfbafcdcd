//! The lock: what is read is written so that it is read again, and a name means one server.

use std::collections::BTreeSet;

use portcullis_supply::admit::{Lock, State};

pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(lock) = Lock::read(text) else { return };
    let written = lock.write().expect("what was read is written");
    let again = Lock::read(&written).expect("what was written is read");
    assert_eq!(again.write().as_ref(), Ok(&written));
    let names: BTreeSet<_> = lock.servers().iter().map(|server| &server.name).collect();
    assert_eq!(names.len(), lock.servers().len());
    for server in lock.servers() {
        assert!(server.retired.is_none() || lock.retired(server.tree).is_some());
        assert!(lock.next(&server.name).is_none() || server.state() == State::Approved);
    }
}
