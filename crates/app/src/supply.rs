//! The lock, the store, and whose approvals count.

use std::{
    fs,
    path::{Path, PathBuf},
};

use portcullis_audit::note::{Note, VerifierKey};
use portcullis_core::{Clock as _, Digest, ServerName, SystemClock};
use portcullis_supply::{
    admit::{Admitted, Lock, Store, Tree, rfc3339},
    advisories::Part,
};

use crate::{
    config,
    exit::{Exit, Failure},
    files::{self, Access, Existing},
};

/// The name of the lock.
const LOCK_FILE: &str = "portcullis.lock";

/// Where the lock and the store are.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Place {
    /// File that says which servers are admitted; when absent, `portcullis.lock` here.
    #[arg(long = "lock", value_name = "FILE", id = "lock_file")]
    lock: Option<PathBuf>,
    /// Directory their files are stored in; when absent, ~/.local/state/portcullis/store.
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
}

impl Place {
    /// Where a configuration says they are.
    pub(crate) fn of(supply: &config::Supply) -> Self {
        Self { lock: Some(supply.lock.clone()), store: Some(supply.store.clone()) }
    }

    pub(crate) fn file(&self) -> &Path {
        self.lock.as_deref().unwrap_or(Path::new(LOCK_FILE))
    }

    pub(crate) fn store(&self) -> Result<Store, Failure> {
        self.store_directory().map(Store::at)
    }

    /// The same for a configuration, with the keys of those who may approve.
    pub(crate) fn supply(
        &self,
        of_config: config::Supply,
        approvers: Vec<VerifierKey>,
    ) -> Result<config::Supply, Failure> {
        Ok(config::Supply {
            lock: self.file().to_owned(),
            store: self.store_directory()?,
            approvers,
            ..of_config
        })
    }

    fn store_directory(&self) -> Result<PathBuf, Failure> {
        if let Some(store) = &self.store {
            return Ok(store.clone());
        }
        let home = std::env::home_dir().filter(|home| home.is_absolute());
        home.map(|home| home.join(".local/state/portcullis/store")).ok_or_else(|| {
            Failure::new(Exit::Usage, "the home directory is not known")
                .remedy("name the store with `--store`")
        })
    }

    /// The lock; an empty one when there is none.
    pub(crate) fn read(&self) -> Result<Lock, Failure> {
        let file = self.file();
        let failed = |what: String| {
            Failure::new(Exit::Usage, format!("`{}`: {what}", file.display()))
                .remedy("take the last good one from version control")
        };
        match fs::read_to_string(file) {
            Ok(text) => Lock::read(&text).map_err(|fault| failed(fault.to_string())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Lock::default()),
            Err(error) => Err(failed(error.to_string())),
        }
    }

    pub(crate) fn write(&self, lock: &Lock) -> Result<(), Failure> {
        let text = lock.write().map_err(|fault| Failure::new(Exit::Usage, fault.to_string()))?;
        files::write(self.file(), text.as_bytes(), Access::Usual, Existing::Replace)
    }

    /// The server of that name, which has to be there.
    pub(crate) fn find<'l>(&self, lock: &'l Lock, name: &ServerName) -> Result<&'l Admitted, Failure> {
        lock.find(name).ok_or_else(|| {
            Failure::new(Exit::Usage, format!("`{name}` is not in `{}`", self.file().display()))
                .remedy("`portcullis inventory` lists those that are")
        })
    }
}

/// Now, as it is written into the lock.
pub(crate) fn now() -> String {
    rfc3339(SystemClock.now_ms())
}

/// The account that runs this, by name.
pub(crate) fn account() -> String {
    let id = rustix::process::getuid().as_raw();
    let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| format!("uid {id}"))
}

/// Those approvals of a server that one of the keys signed for exactly what is in the lock, by name of the approver.
/// The submitter's own do not count.
pub(crate) fn approvers(server: &Admitted, keys: &[VerifierKey]) -> Vec<String> {
    let genuine = server.approvals.iter().filter(|approval| {
        approval.by != server.submitted_by
            && Note::parse(approval.note.as_bytes()).is_ok_and(|note| {
                note.text() == server.statement(&approval.at)
                    && keys.iter().any(|key| key.name() == approval.by && note.verify(key).is_ok())
            })
    });
    let mut names: Vec<String> = genuine.map(|approval| approval.by.clone()).collect();
    names.sort();
    names.dedup();
    names
}

/// The digest of a directory's files, for the supervisor of a server.
pub(crate) fn digest_of(root: &Path) -> Result<Digest, String> {
    Tree::of(root).map(|tree| tree.digest).map_err(|fault| fault.to_string())
}

/// How an admitted server is started, and as what it was admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    /// Its program and the first arguments.
    pub(crate) command: Vec<String>,
    /// All its files.
    pub(crate) tree: PathBuf,
    /// Their digest.
    pub(crate) digest: Digest,
    /// Its package, exactly.
    pub(crate) package: String,
    /// Digest of the package's archive.
    pub(crate) artifact: Digest,
    /// Whose approvals count.
    pub(crate) approved_by: Vec<String>,
    /// Every package in it.
    pub(crate) parts: Vec<Part>,
}

/// Whether every file is read once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Files {
    /// Now, by this process.
    Compared,
    /// In the sandbox, when the program is executed.
    ComparedInside,
}

/// Looks at everything again: that the server is approved by a known key as what the lock says, is not retired and not due
/// for review, and that its files are those that were approved.
pub(crate) fn start(
    place: &Place,
    name: &ServerName,
    keys: &[VerifierKey],
    files: Files,
) -> Result<Start, Failure> {
    let refused = |what: String, remedy: &str| {
        Err(Failure::new(Exit::Findings, format!("`{name}` is not started: {what}")).remedy(remedy))
    };
    let lock = place.read()?;
    let server = place.find(&lock, name)?;
    if let Some(package) = lock.retired(server.tree) {
        return refused(format!("{package} is retired"), "submit another version with `portcullis add`");
    }
    let approved_by = approvers(server, keys);
    if approved_by.is_empty() {
        let what = "nobody whose key is known approved what the lock says".to_owned();
        return refused(what, "`portcullis approve`, and name the approver's public key with `--approver`");
    }
    if let Some(day) = server.review.as_ref().filter(|_| server.is_due(&now())) {
        let what = format!("its review was due on {day}");
        return refused(
            what,
            "submit it with a new day of review, `portcullis add --review`, and have it approved",
        );
    }
    let store = place.store()?;
    let tree = match files {
        Files::Compared => store.check(server.tree),
        Files::ComparedInside => Ok(store.place(server.tree)),
    };
    let tree = match tree {
        Ok(tree) => tree.canonicalize().unwrap_or(tree),
        Err(fault) => return refused(fault.to_string(), "submit it again with `portcullis add`"),
    };
    Ok(Start {
        command: command(server, &tree),
        tree,
        digest: server.tree,
        package: server.package.clone(),
        artifact: server.artifact,
        approved_by,
        parts: Part::of(server),
    })
}

fn command(server: &Admitted, tree: &Path) -> Vec<String> {
    let path = |entry: &str| tree.join(entry).to_string_lossy().into_owned();
    match (server.interpreter.as_deref(), server.entry.split_once(':')) {
        (None, _) => vec![path(&server.entry)],
        (Some(python), Some((module, function))) => {
            // Isolated: neither this directory nor the user's own packages are looked at.
            let site = serde_json::Value::from(path("site"));
            let code = format!(
                "import sys; sys.path.insert(0, {site}); from {module} import {function}; sys.exit({function}())"
            );
            vec![python.to_owned(), "-I".to_owned(), "-c".to_owned(), code]
        }
        (Some(interpreter), None) => vec![interpreter.to_owned(), path(&server.entry)],
    }
}
