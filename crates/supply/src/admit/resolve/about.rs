//! What packages say about themselves: who made them, where their source is, and under which licence they are. Nobody
//! vouches for any of it.

use serde_json::Value;

use crate::admit::Claims;

/// What one package says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct About {
    pub(super) claims: Claims,
    /// The licence in its own words.
    pub(super) licence: Option<String>,
}

/// Longest text that is kept, in characters.
const MAX_TEXT: usize = 200;

fn tidy(text: &str) -> Option<String> {
    let plain = |it: char| if it.is_control() { ' ' } else { it };
    let text: String = text.trim().chars().take(MAX_TEXT).map(plain).collect();
    (!text.is_empty()).then_some(text)
}

/// From `package.json` (npm, "package.json").
pub(super) fn npm(manifest: &Value) -> About {
    let text =
        |value: &Value, member: &str| value.as_str().or_else(|| value.get(member)?.as_str()).and_then(tidy);
    let of = |name: &str, member: &str| manifest.get(name).and_then(|it| text(it, member));
    About {
        claims: Claims {
            publisher: of("author", "name"),
            repository: of("repository", "url").map(|url| repository(&url)),
        },
        licence: of("license", "type").or_else(|| older(manifest.get("licenses")?)),
    }
}

/// The list of licences that older packages have: any of them may be chosen.
fn older(licences: &Value) -> Option<String> {
    let list = licences.as_array()?.iter();
    let all: Vec<&str> = list.filter_map(|it| it.as_str().or_else(|| it.get("type")?.as_str())).collect();
    tidy(&all.join(" OR "))
}

/// One form for the many in which npm takes addresses of repositories.
fn repository(url: &str) -> String {
    let url = url.strip_prefix("git+").unwrap_or(url);
    let url = url.strip_suffix(".git").unwrap_or(url);
    let short = url.strip_prefix("github:").or_else(|| {
        let plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | '.' | '/');
        (url.matches('/').count() == 1 && url.chars().all(plain)).then_some(url)
    });
    short.map_or_else(|| url.to_owned(), |path| format!("https://github.com/{path}"))
}

/// Classifiers of licences that mean one licence and no other (PyPI trove classifiers).
const CLASSIFIERS: [(&str, &str); 14] = [
    ("MIT License", "MIT"),
    ("MIT No Attribution License (MIT-0)", "MIT-0"),
    ("ISC License (ISCL)", "ISC"),
    ("The Unlicense (Unlicense)", "Unlicense"),
    ("Mozilla Public License 2.0 (MPL 2.0)", "MPL-2.0"),
    ("Python Software Foundation License", "PSF-2.0"),
    ("Zope Public License", "ZPL-2.1"),
    ("GNU General Public License v2 (GPLv2)", "GPL-2.0-only"),
    ("GNU General Public License v2 or later (GPLv2+)", "GPL-2.0-or-later"),
    ("GNU General Public License v3 (GPLv3)", "GPL-3.0-only"),
    ("GNU General Public License v3 or later (GPLv3+)", "GPL-3.0-or-later"),
    ("GNU Affero General Public License v3", "AGPL-3.0-only"),
    ("GNU Affero General Public License v3 or later (AGPLv3+)", "AGPL-3.0-or-later"),
    ("GNU Lesser General Public License v3 or later (LGPLv3+)", "LGPL-3.0-or-later"),
];

/// From the head of a wheel's `METADATA` (core metadata; licences by PEP 639, then as they were written before).
pub(super) fn python(metadata: &str) -> About {
    let head: Vec<(&str, &str)> = metadata
        .lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_once(": "))
        .collect();
    let all = |name: &'static str| {
        head.iter().filter(move |(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    };
    let first = |name: &'static str| all(name).find_map(tidy);
    let classified = all("Classifier").find_map(|text| {
        let own = text.rsplit(" :: ").next().filter(|_| text.starts_with("License :: "))?;
        CLASSIFIERS.iter().find(|(name, _)| *name == own).map(|(_, id)| (*id).to_owned())
    });
    // Before PEP 639 the field could hold a whole text; one that is no name of a licence says less than a classifier.
    let named =
        first("License").filter(|text| spdx::Expression::parse_mode(text, spdx::ParseMode::LAX).is_ok());
    let addresses = all("Project-URL").filter_map(|text| text.split_once(',')).filter(|(label, _)| {
        ["repository", "source", "source code", "github"].contains(&label.trim().to_lowercase().as_str())
    });
    let repository = addresses.map(|(_, url)| url).chain(all("Home-page")).find_map(tidy);
    About {
        claims: Claims {
            publisher: first("Author").or_else(|| first("Author-email")).or_else(|| first("Maintainer")),
            repository: repository.map(|url| self::repository(&url)),
        },
        licence: first("License-Expression").or(named).or(classified).or_else(|| first("License")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(about: &About, publisher: Option<&str>, repository: Option<&str>, licence: Option<&str>) {
        let Claims { publisher: found, repository: place } = &about.claims;
        let found = (found.as_deref(), place.as_deref(), about.licence.as_deref());
        assert_eq!(found, (publisher, repository, licence));
    }

    #[test]
    fn packages_of_npm_say_it_in_several_forms() {
        let place = Some("https://github.com/a/b");
        for (manifest, publisher, repository, licence) in [
            (json!({}), None, None, None),
            (json!({"author": "A", "repository": "a/b", "license": "MIT"}), Some("A"), place, Some("MIT")),
            (
                json!({"author": {"name": "A"}, "repository": {"url": "git+https://github.com/a/b.git"},
                "license": {"type": "ISC"}}),
                Some("A"),
                place,
                Some("ISC"),
            ),
            (
                json!({"repository": "github:a/b", "licenses": [{"type": "MIT"}, "ISC"]}),
                None,
                place,
                Some("MIT OR ISC"),
            ),
            (json!({"author": 7, "repository": [], "license": " ", "licenses": {}}), None, None, None),
            (json!({"author": "A\nB"}), Some("A B"), None, None),
        ] {
            check(&npm(&manifest), publisher, repository, licence);
        }
        let long = npm(&json!({ "author": "a".repeat(1_000) })).claims.publisher;
        assert_eq!(long.map(|it| it.len()), Some(MAX_TEXT));
    }

    #[test]
    fn wheels_say_it_in_several_forms() {
        for (metadata, publisher, repository, licence) in [
            ("", None, None, None),
            (
                "Author: A\nProject-URL: Source, https://github.com/a/b.git\nLicense-Expression: MIT OR ISC\nLicense: x y\n",
                Some("A"),
                Some("https://github.com/a/b"),
                Some("MIT OR ISC"),
            ),
            (
                "Author-email: a@b\nHome-page: https://x\nLicense: The text of it\nClassifier: License :: OSI Approved :: MIT License\n",
                Some("a@b"),
                Some("https://x"),
                Some("MIT"),
            ),
            (
                "License: Apache-2.0\nClassifier: License :: OSI Approved :: MIT License\n",
                None,
                None,
                Some("Apache-2.0"),
            ),
            ("License: Mine alone\n", None, None, Some("Mine alone")),
            ("Name: a\n\nLicense: MIT\n", None, None, None),
        ] {
            check(&python(metadata), publisher, repository, licence);
        }
    }
}
