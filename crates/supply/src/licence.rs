//! Under which licences packages may be, by SPDX expressions (SPDX 2.3, annex D).

use std::{fmt, str::FromStr};

use spdx::{Expression, LicenseReq, Licensee, ParseMode};

/// Which licences are taken and which are not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Licences {
    /// One of these has to be enough, where any is named.
    pub allow: Vec<Licence>,
    /// None of these may be necessary.
    pub deny: Vec<Licence>,
}

/// One licence: an identifier of SPDX, `LicenseRef-NAME`, or either with an exception (`WITH`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Licence(Licensee);

/// Why a text names no licence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no SPDX identifier of a licence")]
pub struct LicenceFault(String);

/// What follows from a package's licence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LicenceVerdict {
    /// Nothing.
    Fine,
    /// It does not say which it is, or not as an SPDX expression.
    Unknown,
    /// It cannot be used without a licence that is denied.
    Denied,
    /// It cannot be used with the licences that are allowed alone.
    NotAllowed,
}

impl FromStr for Licence {
    type Err = LicenceFault;

    fn from_str(text: &str) -> Result<Self, LicenceFault> {
        let fault = || LicenceFault(text.chars().take(80).collect());
        Licensee::parse_mode(text.trim(), ParseMode::STRICT).map(Self).map_err(|_| fault())
    }
}

impl fmt::Display for Licence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Licence {
    /// Whether this licence is one that fulfils what is asked. `GPL-3.0` is what `GPL-3.0-only` was called before, and who
    /// names one of a kind means `-or-later` too.
    fn fulfils(&self, asked: &LicenseReq) -> bool {
        self.0.satisfies(asked) || bare(&self.0.to_string()) == bare(&asked.to_string())
    }
}

/// An expression of one licence without what says which versions are meant.
fn bare(text: &str) -> String {
    let word = |word: &str| {
        let word = word.strip_suffix('+').unwrap_or(word);
        let word = word.strip_suffix("-only").or_else(|| word.strip_suffix("-or-later")).unwrap_or(word);
        word.to_ascii_lowercase()
    };
    text.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

impl Licences {
    /// Whether anything is asked of licences.
    pub fn is_empty(&self) -> bool {
        self.allow.is_empty() && self.deny.is_empty()
    }

    /// What follows from a package's licence in its own words.
    pub fn judge(&self, licence: Option<&str>) -> LicenceVerdict {
        if self.is_empty() {
            return LicenceVerdict::Fine;
        }
        let expression = licence.and_then(|text| Expression::parse_mode(text, ParseMode::LAX).ok());
        let Some(expression) = expression else { return LicenceVerdict::Unknown };
        let among = |list: &[Licence], asked: &LicenseReq| list.iter().any(|it| it.fulfils(asked));
        let undenied = |asked: &LicenseReq| !among(&self.deny, asked);
        if !expression.evaluate(undenied) {
            return LicenceVerdict::Denied;
        }
        let allowed = |asked: &LicenseReq| undenied(asked) && among(&self.allow, asked);
        match self.allow.is_empty() || expression.evaluate(allowed) {
            true => LicenceVerdict::Fine,
            false => LicenceVerdict::NotAllowed,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn licences(allow: &[&str], deny: &[&str]) -> Licences {
        let all = |list: &[&str]| list.iter().filter_map(|it| it.parse().ok()).collect::<Vec<Licence>>();
        let licences = Licences { allow: all(allow), deny: all(deny) };
        assert_eq!((licences.allow.len(), licences.deny.len()), (allow.len(), deny.len()));
        licences
    }

    #[test]
    fn what_can_be_chosen_decides() {
        use LicenceVerdict::{Denied, Fine, NotAllowed, Unknown};
        let gpl = licences(&[], &["GPL-3.0-only", "AGPL-3.0-only"]);
        let permissive = licences(&["MIT", "Apache-2.0", "GPL-2.0-only WITH Classpath-exception-2.0"], &[]);
        let both = licences(&["MIT", "ISC"], &["ISC"]);
        for (licences, text, expected) in [
            (&Licences::default(), None, Fine),
            (&Licences::default(), Some("GPL-3.0"), Fine),
            (&gpl, Some("MIT"), Fine),
            (&gpl, Some("GPL-3.0"), Denied),
            (&gpl, Some("GPL-3.0-only"), Denied),
            (&gpl, Some("GPL-3.0-or-later"), Denied),
            (&gpl, Some("GPL-3.0+"), Denied),
            (&gpl, Some("AGPL-3.0"), Denied),
            (&gpl, Some("MIT OR GPL-3.0-only"), Fine),
            (&gpl, Some("MIT AND GPL-3.0-only"), Denied),
            (&gpl, Some("(MIT OR ISC) AND AGPL-3.0-or-later"), Denied),
            (&gpl, None, Unknown),
            (&gpl, Some("SEE LICENSE IN LICENSE"), Unknown),
            (&gpl, Some("UNLICENSED"), Unknown),
            (&gpl, Some(""), Unknown),
            (&permissive, Some("MIT/Apache-2.0"), Fine),
            (&permissive, Some("MIT AND ISC"), NotAllowed),
            (&permissive, Some("ISC"), NotAllowed),
            (&permissive, Some("GPL-2.0-only"), NotAllowed),
            (&permissive, Some("GPL-2.0-only WITH Classpath-exception-2.0"), Fine),
            (&both, Some("ISC"), Denied),
            (&both, Some("MIT OR ISC"), Fine),
        ] {
            assert_eq!(licences.judge(text), expected, "{text:?}");
        }
        for bad in ["", "MIT OR ISC", "mit or so", "GPL"] {
            assert!(bad.parse::<Licence>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_judged(text in "[A-Za-z0-9.+/() -]{0,80}") {
            let licences = licences(&["MIT"], &["GPL-3.0-only"]);
            let _ = licences.judge(Some(&text));
        }
    }
}
