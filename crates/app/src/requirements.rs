//! What is asked of a server before it is admitted: options, and where they say nothing `[supply]` of the configuration.

use std::path::{Path, PathBuf};

use portcullis_core::{Clock as _, SystemClock};
use portcullis_supply::{
    admit::{Internal, InternalName},
    advisories::{Advisories, Exception, Exceptions, Judged, Part, Policy, Severity, Vex},
    licence::{Licence, LicenceVerdict, Licences},
};

use crate::{
    commands::{locate, tell, unusable},
    config::{self, Supply},
    exit::{Exit, Failure},
    printer::Printer,
    supply::{Place, now},
};

/// Options of what is asked.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Requirements {
    /// Configuration whose section `[supply]` holds where these options say nothing; when absent, the one that
    /// `portcullis serve` would use, if there is one.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Name of a package that is internal and never taken from another registry than the internal one: `@acme/*`,
    /// `acme-*`, `npm:NAME`, `pypi:NAME`; repeat it for more.
    #[arg(long = "internal", value_name = "NAME")]
    internal_names: Vec<InternalName>,
    /// URL of the npm registry that internal names come from.
    #[arg(long, value_name = "URL")]
    internal_npm: Option<String>,
    /// URL of the Python index that internal names come from.
    #[arg(long, value_name = "URL")]
    internal_pypi: Option<String>,
    #[command(flatten)]
    known: Known,
    #[command(flatten)]
    licences: LicenceOptions,
}

/// Options of licences.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct LicenceOptions {
    /// Licence, as SPDX names it, that is enough for a package; where any is named, packages that cannot be used with these
    /// alone are refused. Repeat it for more.
    #[arg(long, value_name = "LICENCE")]
    licence_allow: Vec<Licence>,
    /// Licence, as SPDX names it, of packages that are refused unless they can be used under another one. Repeat it for more.
    #[arg(long, value_name = "LICENCE")]
    licence_deny: Vec<Licence>,
}

impl LicenceOptions {
    /// The options and the configuration together.
    pub(crate) fn settle(&self, section: Option<&Supply>) -> Licences {
        let (mut allow, mut deny) = (self.licence_allow.clone(), self.licence_deny.clone());
        if let Some(section) = section {
            allow.extend(section.licences_allow.iter().cloned());
            deny.extend(section.licences_deny.iter().cloned());
        }
        Licences { allow, deny }
    }
}

/// Names in the text of a finding; approvers find the rest in the lock.
const SHOWN: usize = 5;

/// What is asked of the licences of packages, each by name and its licence in its own words.
pub(crate) struct JudgedLicences {
    /// Packages that are refused, and why.
    pub(crate) refused: Vec<String>,
    /// In words, those of which nothing is known.
    pub(crate) unknown: Option<String>,
}

/// Judges every package of a server.
pub(crate) fn licences<'p>(
    licences: &Licences,
    parts: impl Iterator<Item = (&'p str, Option<&'p str>)>,
) -> JudgedLicences {
    let (mut refused, mut unknown) = (Vec::new(), Vec::new());
    for (name, licence) in parts {
        let said = licence.unwrap_or_default();
        match licences.judge(licence) {
            LicenceVerdict::Fine => {}
            LicenceVerdict::Unknown => unknown.push(name),
            LicenceVerdict::Denied => refused.push(format!("{name}: its licence `{said}` is denied")),
            LicenceVerdict::NotAllowed => {
                refused.push(format!("{name}: its licence `{said}` is not allowed"))
            }
        }
    }
    let shown: Vec<&str> = unknown.iter().take(SHOWN).copied().collect();
    let more = unknown.len().saturating_sub(shown.len());
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    let unknown = (!shown.is_empty()).then(|| format!("of {}{more}", shown.join(", ")));
    JudgedLicences { refused, unknown }
}

/// Options of what is known against packages.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Known {
    /// Folder or zip file of advisories in the OSV format that packages are compared with. Nobody is asked.
    #[arg(long, value_name = "PATH")]
    osv: Option<PathBuf>,
    /// Severity from which on an advisory is refused: `low`, `medium`, `high` or `critical`; when absent, `high`. One that
    /// does not say how bad it is counts as `high`, and malicious packages are refused always.
    #[arg(long, value_name = "LEVEL")]
    osv_refuse: Option<Severity>,
    /// Days after which advisories are old, which is a finding; when absent, 14.
    #[arg(long, value_name = "DAYS")]
    osv_max_age_days: Option<u64>,
    /// File of advisories that are accepted for some packages, each for a time: `[[except]]` with `id`, `package`, `until`
    /// and `reason`.
    #[arg(long, value_name = "FILE")]
    osv_exceptions: Option<PathBuf>,
    /// Document in which somebody says which advisories do not concern a package: OpenVEX, or CycloneDX with vulnerabilities;
    /// repeat it for more. Malicious packages are refused whatever it says.
    #[arg(long, value_name = "FILE")]
    vex: Vec<PathBuf>,
    /// Author, as the documents write it, whose statements count; repeat it for more. Nobody else's do.
    #[arg(long, value_name = "NAME")]
    vex_author: Vec<String>,
    /// Days for which a statement counts; when absent, 90.
    #[arg(long, value_name = "DAYS")]
    vex_max_age_days: Option<u64>,
}

/// What is asked.
#[derive(Debug)]
pub(crate) struct Required {
    /// Names that are internal, and where they are.
    pub(crate) internal: Internal,
    /// What is known against packages.
    pub(crate) known: Comparison,
    /// Licences that are taken and that are not.
    pub(crate) licences: Licences,
}

impl Requirements {
    /// The options and the configuration together.
    pub(crate) fn settle(&self, printer: &Printer) -> Result<Required, Failure> {
        let section = section(self.config.as_deref(), printer)?;
        let (mut names, mut npm, mut pypi) = (self.internal_names.clone(), None, None);
        let known = self.known.settle(section.as_ref())?;
        let licences = self.licences.settle(section.as_ref());
        if let Some(section) = section {
            // A name that is internal somewhere is internal.
            names.extend(section.internal_names);
            (npm, pypi) = (section.internal_npm, section.internal_pypi);
        }
        let url = |option: &Option<String>, set: Option<config::HttpUrl>| {
            option.clone().or_else(|| set.map(|url| url.to_string()))
        };
        let internal = Internal::new(names, url(&self.internal_npm, npm), url(&self.internal_pypi, pypi));
        Ok(Required { internal, known, licences })
    }
}

/// Days for which a statement counts where nothing else is said.
const VEX_MAX_AGE_DAYS: u64 = 90;

/// What packages are compared with, and what follows.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    place: Option<PathBuf>,
    policy: Policy,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Compared {
    advisories: Advisories,
    policy: Policy,
    today: String,
}

impl Known {
    /// The options, and what the configuration says where they say nothing.
    pub(crate) fn settle(&self, section: Option<&Supply>) -> Result<Comparison, Failure> {
        let usual = Policy::default();
        let exceptions = self.osv_exceptions.as_ref().or(section.and_then(|it| it.osv_exceptions.as_ref()));
        let exceptions = exceptions.map(|file| Exceptions::read(file)).transpose().map_err(|fault| {
            Failure::new(Exit::Usage, fault.to_string())
                .remedy("write `[[except]]` with `id`, `package`, `until = \"2026-12-31\"` and `reason`")
        })?;
        Ok(Comparison {
            place: self.osv.clone().or_else(|| section?.osv.clone()),
            policy: Policy {
                refuse: self.osv_refuse.or(section.map(|it| it.osv_refuse)).unwrap_or(usual.refuse),
                max_age_days: self
                    .osv_max_age_days
                    .or(section.map(|it| it.osv_max_age_days))
                    .unwrap_or(usual.max_age_days),
                exceptions: exceptions.unwrap_or_default(),
                vex: self.vex(section)?,
            },
        })
    }

    /// Statements of options and configuration; who counts in one counts in the other.
    fn vex(&self, section: Option<&Supply>) -> Result<Vex, Failure> {
        let of_config = section.map(|it| (&it.vex, &it.vex_authors, it.vex_max_age_days));
        let (files, authors, days) = of_config.map_or_else(Default::default, |(files, authors, days)| {
            (files.clone(), authors.clone(), Some(days))
        });
        let days = self.vex_max_age_days.or(days).unwrap_or(VEX_MAX_AGE_DAYS);
        let files = self.vex.iter().chain(&files).map(PathBuf::as_path);
        let authors: Vec<String> = self.vex_author.iter().chain(&authors).cloned().collect();
        Vex::read(files, &authors, days).map_err(|fault| {
            Failure::new(Exit::Usage, fault.to_string()).remedy("correct the document, or leave it out")
        })
    }
}

impl Comparison {
    /// Reads what is known about some packages; none when there is nothing to read.
    pub(crate) fn read(&self, parts: &[Part]) -> Result<Option<Compared>, Failure> {
        let Some(place) = &self.place else { return Ok(None) };
        let advisories = Advisories::read(place, parts).map_err(|fault| {
            Failure::new(Exit::Usage, format!("advisories cannot be compared with: {fault}"))
                .remedy("name a folder or zip file of OSV advisories with `--osv` or `supply.osv`")
        })?;
        let today = now().chars().take("2026-01-01".len()).collect();
        Ok(Some(Compared { advisories, policy: self.policy.clone(), today }))
    }
}

impl Compared {
    /// Every advisory about one of the parts.
    pub(crate) fn judge(&self, parts: &[Part]) -> Vec<Judged> {
        self.policy.judge(&self.advisories, parts, &self.today)
    }

    /// What is wrong with what was compared with.
    pub(crate) fn stale(&self) -> Option<String> {
        let most = self.policy.max_age_days;
        match self.advisories.age_days(SystemClock.now_ms()) {
            Some(age) if age <= most => None,
            Some(age) => Some(format!("the newest of the advisories is {age} days old, more than {most}")),
            None => Some("none of the advisories says when it was changed".to_owned()),
        }
    }

    /// Exceptions and statements that hold no longer, in words.
    pub(crate) fn expired(&self) -> Vec<String> {
        let expired = self.policy.exceptions.expired(&self.today);
        let words = |it: &Exception| {
            format!("the exception from {} for {} held until {}", it.id, it.package, it.until)
        };
        expired.map(words).chain(self.policy.vex.expired(&self.today)).collect()
    }

    /// Authors whose statements count for nothing.
    pub(crate) fn unheard(&self) -> &[String] {
        self.policy.vex.unheard()
    }
}

/// The section `[supply]` of the configuration that is named, or that `serve` would use, if there is one.
pub(crate) fn section(named: Option<&Path>, printer: &Printer) -> Result<Option<Supply>, Failure> {
    let file = match (locate(named), named) {
        (Ok(file), _) => file,
        (Err(_), None) => return Ok(None),
        (Err(failure), Some(_)) => return Err(failure),
    };
    match config::load(&file) {
        Ok(loaded) => Ok(Some(loaded.config.supply)),
        Err(report) => {
            tell(&report, printer);
            Err(unusable(&file, &report))
        }
    }
}

/// What is known against the packages of every admitted server of a configuration; none when that says of no advisories.
pub(crate) fn against(config: &config::Config) -> Result<Option<Compared>, String> {
    let known = Known::default().settle(Some(&config.supply)).map_err(|fault| fault.to_line())?;
    let lock = Place::of(&config.supply).read().map_err(|fault| fault.to_line())?;
    let parts: Vec<Part> = lock.servers().iter().flat_map(Part::of).collect();
    known.read(&parts).map_err(|fault| fault.to_line())
}
