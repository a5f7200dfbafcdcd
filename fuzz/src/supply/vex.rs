//! Statements about advisories: whatever is read counts for listed authors only, and never for a malicious package.

use portcullis_supply::advisories::Vex;

const AUTHOR: &str = "Acme Security";
const DAYS: u64 = 90;

pub fn check(data: &[u8]) {
    let (mut heard, mut unheard) = (Vex::default(), Vex::default());
    let read = heard.add(data, &[AUTHOR.to_owned()], DAYS);
    assert_eq!(unheard.add(data, &[], DAYS).is_ok(), read.is_ok());
    // Nobody is listed, so nothing counts that could expire.
    assert!(unheard.expired("9999-01-01").is_empty());
    assert!(!heard.unheard().iter().any(|author| author == AUTHOR));
}
