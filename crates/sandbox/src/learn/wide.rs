//! The sandbox in which a server is watched.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use crate::plan::{MADE, Plan};

/// Directories of the system that hold nothing of anybody.
const SYSTEM: &[&str] = &["/usr", "/opt", "/srv", "/nix"];

/// Programs it may execute while it is watched.
const PROGRAMS: &[&str] = &["/usr/bin", "/usr/local/bin", "/bin"];

/// Settings of the system, of which those are shown that everybody may read.
const SETTINGS: &str = "/etc";

/// What holds secrets below a home directory, and what for.
const SECRETS: &[(&str, &str)] = &[
    (".ssh", "keys of SSH"),
    (".gnupg", "keys of GnuPG"),
    (".aws", "credentials of AWS"),
    (".azure", "credentials of Azure"),
    (".config/gcloud", "credentials of Google Cloud"),
    (".oci", "credentials of Oracle Cloud"),
    (".kube", "credentials of Kubernetes"),
    (".docker", "credentials of container registries"),
    (".config/containers", "credentials of container registries"),
    (".config/gh", "tokens of GitHub"),
    (".config/hub", "tokens of GitHub"),
    (".config/glab-cli", "tokens of GitLab"),
    (".git-credentials", "passwords of Git"),
    (".config/git/credentials", "passwords of Git"),
    // Headers for servers, and passwords in rewritten addresses (git-config(1), `http.extraHeader`, `url.*.insteadOf`).
    (".gitconfig", "headers and addresses with passwords, perhaps"),
    (".config/git/config", "headers and addresses with passwords, perhaps"),
    (".netrc", "passwords"),
    (".npmrc", "tokens of npm"),
    (".pypirc", "tokens of PyPI"),
    (".cargo/credentials.toml", "tokens of crates.io"),
    (".config/pip", "passwords of indices"),
    (".config/uv", "passwords of indices"),
    (".local/share/uv/credentials", "passwords of indices"),
    (".terraform.d", "tokens of Terraform"),
    (".vault-token", "a token of Vault"),
    (".pgpass", "passwords of PostgreSQL"),
    (".my.cnf", "passwords of MySQL"),
    (".password-store", "passwords"),
    (".config/op", "passwords of 1Password"),
    (".config/Bitwarden", "passwords of Bitwarden"),
    (".local/share/keyrings", "passwords of the desktop"),
    (".local/share/kwalletd", "passwords of the desktop"),
    (".mozilla", "a browser's profile"),
    (".config/google-chrome", "a browser's profile"),
    (".config/chromium", "a browser's profile"),
    (".config/BraveSoftware", "a browser's profile"),
    (".config/microsoft-edge", "a browser's profile"),
    (".thunderbird", "mail and passwords"),
    (".bash_history", "what was typed"),
    (".zsh_history", "what was typed"),
    (".python_history", "what was typed"),
    (".config/Claude", "settings of a client, with tokens of servers"),
    (".claude", "settings of a client, with tokens of servers"),
    (".claude.json", "settings of a client, with tokens of servers"),
    (".cursor", "settings of a client, with tokens of servers"),
    (".codex", "settings of a client, with tokens of servers"),
    (".electrum", "a wallet"),
    (".bitcoin", "a wallet"),
    (".ethereum", "a wallet"),
];

/// Hidden parts of a home directory that are shown while a server is watched: runtimes, and how they behave.
const HARMLESS: &[&str] =
    &[".nvm", ".pyenv", ".volta", ".local/lib", ".local/bin", ".local/share/uv", ".config/git"];

/// The surroundings of a server that is watched.
#[derive(Clone, Debug, Default)]
pub struct Around {
    /// The home directory, when it is known.
    pub home: Option<PathBuf>,
    /// Where it is started.
    pub cwd: PathBuf,
    /// What is kept from it besides secrets, and what that is.
    pub kept: Vec<(PathBuf, String)>,
}

impl Around {
    /// What a path holds that is never shown.
    pub(super) fn secret(&self, path: &Path) -> Option<String> {
        self.secrets()
            .find(|(secret, _)| path.starts_with(secret))
            .map(|(_, what)| format!("it holds {what}"))
    }

    fn secrets(&self) -> impl Iterator<Item = (PathBuf, String)> {
        let below = |home: &PathBuf| {
            SECRETS.iter().map(|(path, what)| (home.join(path), (*what).to_owned())).collect()
        };
        let own: Vec<_> = self.home.as_ref().map(below).unwrap_or_default();
        own.into_iter().chain(self.kept.iter().cloned())
    }

    /// Whether a directory is too much to be given because something in it was used.
    pub(super) fn is_broad(&self, path: &Path) -> bool {
        let depth = path.components().count();
        let is_above = |it: &PathBuf| it.starts_with(path);
        depth <= 2
            || self.home.iter().any(is_above)
            || self.secrets().any(|(secret, _)| secret.starts_with(path))
    }
}

/// The plan a server is watched in: what `base` says, and to read most of what is no secret.
pub fn widened(base: &Plan, around: &Around) -> Plan {
    let mut plan = base.clone();
    let hidden: Vec<PathBuf> = around.secrets().map(|(path, _)| path).collect();
    let mut show = |path: &Path| {
        // Only what it is without links, see the invariant of plans.
        if path.canonicalize().is_ok_and(|real| real == path) {
            without(path, &hidden, &mut plan);
        }
    };
    SYSTEM.iter().for_each(|path| show(Path::new(path)));
    if let Some(home) = &around.home {
        let plain =
            |path: &PathBuf| !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        children(home).into_iter().filter(plain).for_each(|path| show(&path));
        HARMLESS.iter().for_each(|path| show(&home.join(path)));
    }
    if !around.is_broad(&around.cwd) {
        show(&around.cwd);
    }
    settings(&mut plan);
    for programs in PROGRAMS {
        plan.execute.extend(Path::new(programs).canonicalize().ok().filter(|it| it.is_dir()));
    }
    plan
}

/// Grants a file or directory to be read, without what is hidden in it.
fn without(path: &Path, hidden: &[PathBuf], plan: &mut Plan) {
    if hidden.iter().any(|it| path.starts_with(it)) {
        return;
    }
    if hidden.iter().any(|it| it.starts_with(path)) {
        children(path).iter().for_each(|child| without(child, hidden, plan));
        return;
    }
    match fs::read_link(path) {
        Ok(target) => drop(plan.links.insert(path.to_owned(), target)),
        Err(_) => drop(plan.read.insert(path.to_owned())),
    }
}

fn settings(plan: &mut Plan) {
    for path in children(Path::new(SETTINGS)) {
        let made = MADE.iter().any(|(at, _)| path == Path::new(at));
        let about = path.symlink_metadata();
        let shown = about.is_ok_and(|it| it.is_symlink() || it.permissions().mode() & 0o004 != 0);
        // Of directories only names are for everybody, perhaps.
        if shown && !made && !path.is_dir() {
            without(&path, &[], plan);
        }
    }
}

fn children(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.to_str().is_some()).collect()
}
