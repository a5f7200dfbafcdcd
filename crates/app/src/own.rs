//! What is the gateway's own and no server's business: its records, keys, pins, stops, results and settings.
//!
//! A server that could change them could speak for the gateway, and one that could read its keys could sign for it. So
//! a plan that reaches one of them is not used, whoever wrote it.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fmt, fs,
    os::unix::fs::MetadataExt as _,
    path::{Component, Path, PathBuf},
};

use portcullis_sandbox::Plan;

use crate::{
    commands::locate,
    config::{self, Beside, Code, Config, Named, Reach, TransparencyConfig},
    printer::Printer,
};

/// Directories in the user's home, and what they hold.
const IN_HOME: &[(&str, &str)] = &[
    (".local/state/portcullis", "the records, keys and pins of Portcullis"),
    (".config/portcullis", "the configuration of Portcullis"),
];

/// Settings of a server whose paths are the server's and not the gateway's.
const OF_SERVERS: &[&str] = &["command", "cwd", "roots", "sandbox_execute", "sandbox_read", "sandbox_write"];

/// Settings whose files hold nothing secret: servers may read them. Every other is out of reach altogether.
const READABLE: &[&str] = &[
    "policy.files",
    "supply.lock",
    "supply.osv",
    "supply.osv_exceptions",
    "supply.store",
    "tls.cert",
    "tls.client_ca",
];

/// The same, in sections with a name of their own.
const READABLE_IN_ANY: &[&str] = &["ca_file", "jwks_file", "sandbox_runtime", "views"];

/// As many as the kernel follows (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// Everything that is the gateway's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Own(BTreeSet<Kept>);

/// One thing that is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kept {
    /// Where it really is, or where a link on the way to it is.
    path: PathBuf,
    /// For a person.
    what: String,
    /// Whether servers may read it.
    readable: bool,
    /// Whether it is a link on the way to something: who may change it says where that is, and nothing is in it.
    is_link: bool,
}

impl Own {
    /// What every gateway of this user has, and what `config` names.
    pub(crate) fn of(config: &Config) -> Self {
        let mut own = config.users.as_deref().map(Self::of).unwrap_or_default();
        own.add_usual();
        config.named.iter().for_each(|named| own.add_named(named));
        let inline = config.settled.iter().any(|settled| settled.value.contains("danger_inline"));
        for source in &config.sources {
            own.add(source, "the configuration", *source == config.file && !inline);
        }
        // Options stand in place of settings, and some directories follow from others.
        own.add(&config.audit.file, "`audit.file`", false);
        own.add(&config.audit.commitment_key, "`audit.commitment_key`", false);
        if let Some(TransparencyConfig { directory, key, .. }) = &config.audit.transparency {
            own.add(directory, "`audit.log`", false);
            own.add(key, "`audit.log_key`", false);
        }
        own.add(&config.pins.directory, "`pins.directory`", false);
        own.add(&config.stop.directory, "`stop.directory`", false);
        for beside in Beside::ALL {
            own.add(&beside.of(config), beside.what(), false);
        }
        own.add(&config.supply.store, "`supply.store`", true);
        let admitted =
            |reach: &Reach| matches!(reach, Reach::Command(it) if matches!(it.code, Code::Admitted(_)));
        if config.servers.iter().any(|server| admitted(&server.reach)) {
            own.add(&config.supply.lock, "`supply.lock`", true);
        }
        own
    }

    /// The same for a command that has no configuration of its own: what is that of this user's gateway.
    pub(crate) fn of_user(printer: &Printer) -> Self {
        match found(printer) {
            Found::Nothing => Self::usual(),
            Found::Unreadable(named) => {
                let mut own = Self::usual();
                own.add_named(&named);
                own
            }
            Found::Config(config) => Self::of(&config),
        }
    }

    fn usual() -> Self {
        let mut own = Self::default();
        own.add_usual();
        own
    }

    /// Adds a file of this run.
    pub(crate) fn with(mut self, path: &Path, what: &str) -> Self {
        self.add(path, what, false);
        self
    }

    fn add_usual(&mut self) {
        let home = std::env::home_dir().filter(|home| home.is_absolute());
        for (below, what) in IN_HOME {
            home.iter().for_each(|home| self.add(&home.join(below), what, false));
        }
        if let Ok(program) = std::env::current_exe() {
            self.add(&program, "Portcullis itself", true);
        }
    }

    fn add_named(&mut self, Named { field, path }: &Named) {
        let mut parts = field.split('.');
        let (section, last) = (parts.next().unwrap_or_default(), parts.next_back().unwrap_or_default());
        if section == "server" && OF_SERVERS.contains(&last) {
            return;
        }
        let readable = READABLE.contains(&field.as_str()) || READABLE_IN_ANY.contains(&last);
        self.add(path, &format!("`{field}`"), readable);
    }

    fn add(&mut self, path: &Path, what: &str, readable: bool) {
        let (real, links) = stations(path);
        let kept = |path, is_link| Kept { path, what: what.to_owned(), readable, is_link };
        self.0.extend(links.into_iter().map(|link| kept(link, true)));
        self.0.insert(kept(real, false));
    }

    /// Whether a plan leaves all of it alone.
    ///
    /// # Errors
    /// The first grant that does not.
    pub(crate) fn is_out_of_reach_of(&self, plan: &Plan) -> Result<(), Reached> {
        let read = plan.read.iter().chain(&plan.execute).map(|path| (path, false));
        for (grant, writes) in read.chain(plan.write.iter().map(|path| (path, true))) {
            let reached =
                |kept: &&Kept| kept.is_reached_by(grant, writes) && !self.lets_read(grant, writes, kept);
            if let Some(kept) = self.0.iter().find(reached) {
                return Err(Reached { grant: grant.clone(), what: told(grant, writes, kept) });
            }
        }
        Ok(())
    }

    /// Whether a part of `kept` may be read that all of this grant is in.
    fn lets_read(&self, grant: &Path, writes: bool, kept: &Kept) -> bool {
        let part = |it: &Kept| {
            it.readable && !it.is_link && it.path.starts_with(&kept.path) && grant.starts_with(&it.path)
        };
        !writes && self.0.iter().any(part)
    }

    /// Every path, and what it is.
    pub(crate) fn paths(&self) -> Vec<(PathBuf, String)> {
        let kept = self.0.iter().filter(|kept| !kept.readable);
        kept.map(|kept| (kept.path.clone(), kept.what.clone())).collect()
    }

    /// For what depends on it.
    pub(crate) fn describe(&self) -> String {
        format!("{:?}", self.0)
    }
}

/// A grant that reaches what is the gateway's own.
#[derive(Debug)]
pub(crate) struct Reached {
    grant: PathBuf,
    what: String,
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Reached {
    /// Whether the grant is one of those that a person has listed.
    pub(crate) fn is_listed_in(&self, listed: &[PathBuf], cwd: &Path) -> bool {
        listed.iter().any(|path| fs::canonicalize(cwd.join(path)).is_ok_and(|real| real == self.grant))
    }
}

/// The configuration of this user's own gateway.
pub(crate) enum Found {
    /// There is none.
    Nothing,
    /// There is one that cannot be read: its file.
    Unreadable(Named),
    /// This.
    Config(Box<Config>),
}

/// Looks for the configuration of this user's own gateway.
pub(crate) fn found(printer: &Printer) -> Found {
    let Ok(file) = locate(None) else { return Found::Nothing };
    match config::load(&file) {
        Ok(loaded) => Found::Config(Box::new(loaded.config)),
        Err(_) => {
            printer.warning(
                &format!("{} cannot be read: what it names is not kept from the command", file.display()),
                Some("`portcullis check` says what is wrong with it"),
            );
            Found::Unreadable(Named { field: "configuration".to_owned(), path: file })
        }
    }
}

impl Kept {
    fn is_reached_by(&self, grant: &Path, writes: bool) -> bool {
        let (path, below) = match self.path.parent().filter(|_| self.is_link) {
            // Itself, and not what it leads to: that is kept, too, as far as it has to be.
            Some(place) => (place, false),
            None => (&*self.path, is_below(grant, &self.path)),
        };
        (writes || !self.readable) && (is_below(path, grant) || below || self.is_continued_in(grant))
    }

    /// Whether it is a part of a log that has been closed: the same name with a number and a time in it.
    fn is_continued_in(&self, grant: &Path) -> bool {
        let stem = self.path.file_stem().map(|stem| format!("{}.", stem.to_string_lossy()));
        let name = grant.file_name().unwrap_or_default().to_string_lossy();
        self.path.extension().is_some_and(|it| grant.extension() == Some(it))
            && self.path.parent() == grant.parent()
            && stem.is_some_and(|stem| name.starts_with(&stem))
    }
}

/// Whether it is this directory or in it, by whatever name: a directory may be mounted in several places.
fn is_below(path: &Path, directory: &Path) -> bool {
    let identity = |path: &Path| fs::metadata(path).map(|it| (it.dev(), it.ino())).ok();
    path.starts_with(directory)
        || identity(directory).is_some_and(|it| path.ancestors().any(|above| identity(above) == Some(it)))
}

fn told(grant: &Path, writes: bool, kept: &Kept) -> String {
    let may = if writes { "change" } else { "read" };
    let (grant, path, what) = (grant.display(), kept.path.display(), &kept.what);
    format!("it may {may} `{grant}`, and with it {what} in `{path}`, which is the gateway's own")
}

/// Where a path really leads, and where every link on the way is. What does not exist yet is taken as it is written.
fn stations(path: &Path) -> (PathBuf, Vec<PathBuf>) {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut ahead = steps(&whole);
    let (mut real, mut found, mut links) = (PathBuf::from("/"), Vec::new(), 0);
    while let Some(next) = ahead.pop() {
        if next == ".." {
            real.pop();
            continue;
        }
        let here = real.join(&next);
        match fs::read_link(&here) {
            Ok(target) if links < MAX_LINKS => {
                links += 1;
                if target.is_absolute() {
                    real = PathBuf::from("/");
                }
                ahead.extend(steps(&target));
                found.push(here);
            }
            _ => real = here,
        }
    }
    (real, found)
}

/// The last first.
fn steps(path: &Path) -> Vec<OsString> {
    let steps = path.components().filter(|step| matches!(step, Component::Normal(_) | Component::ParentDir));
    steps.map(|step| step.as_os_str().to_owned()).rev().collect()
}

#[cfg(test)]
mod tests;
