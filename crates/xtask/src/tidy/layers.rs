//! Who may use whom: the layering of the house against what cargo knows.
//!
//! Development dependencies are left out: a test may reach anywhere.

use super::Findings;
use crate::workspace::Package;

pub(crate) struct Crate {
    /// Directory under `crates/`.
    pub(crate) name: &'static str,
    pub(crate) layer: Layer,
    uses: Uses,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Layer {
    /// Part of the product, 0 at the bottom.
    Product(u8),
    /// Never shipped.
    Dev,
}

impl Layer {
    /// As `crates/README.md` writes it.
    pub(crate) fn label(self) -> String {
        match self {
            Layer::Product(n) => n.to_string(),
            Layer::Dev => "dev".to_owned(),
        }
    }
}

enum Uses {
    Only(&'static [&'static str]),
    /// Any crate of the product.
    Product,
    Anything,
}

const fn row(name: &'static str, layer: u8, uses: &'static [&'static str]) -> Crate {
    Crate { name, layer: Layer::Product(layer), uses: Uses::Only(uses) }
}

const fn dev(name: &'static str) -> Crate {
    Crate { name, layer: Layer::Dev, uses: Uses::Anything }
}

/// Every crate has a row. Siblings of a layer never see each other.
pub(crate) const CRATES: &[Crate] = &[
    row("wire", 0, &[]),
    row("core", 1, &["wire"]),
    row("identity", 2, &["core", "wire"]),
    row("policy", 2, &["core", "wire"]),
    row("inspect", 2, &["core", "wire"]),
    row("sandbox", 2, &["core", "wire"]),
    row("supply", 2, &["core", "wire"]),
    row("audit", 2, &["core", "wire"]),
    row("gateway", 3, &["wire", "core", "identity", "policy", "inspect", "audit"]),
    Crate { name: "app", layer: Layer::Product(4), uses: Uses::Product },
    dev("testkit"),
    dev("e2e"),
    dev("range"),
    dev("bench"),
    dev("train"),
    dev("xtask"),
];

/// The directory that a package of this name lives in.
pub(crate) fn directory_of(package: &str) -> &str {
    match package {
        "portcullis" => "app",
        _ => package.strip_prefix("portcullis-").unwrap_or(package),
    }
}

pub(super) fn check(packages: &[Package], findings: &mut Findings) {
    for package in packages {
        let name = directory_of(&package.name);
        let Some(found) = CRATES.iter().find(|known| known.name == name) else {
            findings.problem(format!("{name}: give the crate a row in xtask's table of layers"));
            continue;
        };
        for used in package.dependencies.iter().filter(|d| d.path.is_some() && !is_dev(d.kind.as_deref())) {
            let used = directory_of(&used.name);
            if !found.may_use(used) {
                findings.problem(format!("{name} must not use {used}: the layers forbid it"));
            }
        }
    }
    for known in CRATES {
        if !packages.iter().any(|package| directory_of(&package.name) == known.name) {
            findings.problem(format!("{}: in xtask's table of layers, but no such crate", known.name));
        }
    }
}

fn is_dev(kind: Option<&str>) -> bool {
    kind == Some("dev")
}

impl Crate {
    fn may_use(&self, other: &str) -> bool {
        match self.uses {
            Uses::Only(allowed) => allowed.contains(&other),
            Uses::Product => CRATES.iter().any(|c| c.name == other && c.layer != Layer::Dev),
            Uses::Anything => true,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;
    use crate::workspace::Dependency;

    fn problems(uses: &[(&str, &str, Option<&str>)]) -> Vec<String> {
        let packages: Vec<Package> = CRATES
            .iter()
            .map(|known| Package {
                name: format!("portcullis-{}", known.name),
                manifest_path: "".into(),
                dependencies: uses
                    .iter()
                    .filter(|(user, ..)| *user == known.name)
                    .map(|(_, used, kind)| Dependency {
                        name: format!("portcullis-{used}"),
                        kind: kind.map(str::to_owned),
                        path: Some("".into()),
                    })
                    .collect(),
                targets: Vec::new(),
            })
            .collect();
        let mut findings = Findings::default();
        check(&packages, &mut findings);
        findings.problems
    }

    #[test]
    fn who_may_use_whom() {
        for (user, used, kind, allowed) in [
            ("core", "wire", None, true),
            ("wire", "core", None, false),
            ("policy", "inspect", None, false),
            ("policy", "inspect", Some("dev"), true),
            ("policy", "inspect", Some("build"), false),
            ("gateway", "policy", None, true),
            ("gateway", "sandbox", None, false),
            ("app", "sandbox", None, true),
            ("app", "testkit", None, false),
            ("range", "gateway", None, true),
        ] {
            assert_eq!(problems(&[(user, used, kind)]).is_empty(), allowed, "{user} -> {used} {kind:?}");
        }
    }

    #[test]
    fn the_table_itself_points_downwards() {
        let level = |name: &str| match CRATES.iter().find(|c| c.name == name).unwrap().layer {
            Layer::Product(n) => n,
            Layer::Dev => u8::MAX,
        };
        for user in CRATES {
            if let (Uses::Only(used), Layer::Product(own)) = (&user.uses, user.layer) {
                assert!(used.iter().all(|used| level(used) < own), "{}", user.name);
            }
        }
    }

    #[test]
    fn rows_and_crates_match() {
        let mut findings = Findings::default();
        let stranger = Package {
            name: "portcullis-stranger".into(),
            manifest_path: "".into(),
            dependencies: Vec::new(),
            targets: Vec::new(),
        };
        check(&[stranger], &mut findings);
        // The stranger has no row, and every row has no crate.
        assert_eq!(findings.problems.len(), 1 + CRATES.len());
    }
}
