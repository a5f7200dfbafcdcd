//! Bills of materials: whatever is read names its packages in one line each, and reading it again gives the same.

use portcullis_supply::sbom::read;

pub fn check(data: &[u8]) {
    let Ok(bill) = read(data) else { return };
    assert_eq!(read(data).as_ref(), Ok(&bill));
    for component in bill.subject.iter().chain(&bill.components) {
        let texts = [Some(&component.name), component.version.as_ref()];
        for text in texts.into_iter().flatten() {
            assert!(!text.chars().any(char::is_control), "{text:?}");
        }
    }
}
