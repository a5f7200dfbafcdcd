//! Reads the configuration again when one of its files changes, or on `SIGHUP`.

use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
    time::Duration,
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use portcullis_core::Digest;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
    time::Instant,
};

use super::{Auth, Code, Config, Credential, Loaded, Parameter, Reach, Report, Source, issuer::Keys, load};

/// Editors and deployment tools write in several steps; nothing is read until they have been quiet this long.
const QUIET: Duration = Duration::from_millis(200);

/// The longest that anything waits for quiet. A log beside the configuration is written to all the time, and must not keep
/// what was taken back in force.
const LONGEST: Duration = Duration::from_secs(2);

/// What a change led to.
#[derive(Debug)]
pub enum Reload {
    /// The new configuration is valid and can take over.
    New {
        /// What was read.
        loaded: Box<Loaded>,
        /// It was asked for, and no file has changed.
        again: bool,
    },
    /// The new configuration has these mistakes, so the old one stays in force.
    Kept(Report),
}

/// Why changes cannot be watched.
#[derive(Debug, thiserror::Error)]
#[error("changes of `{place}` cannot be watched: {reason}")]
pub struct WatchError {
    place: String,
    reason: String,
}

/// A watch over every file a configuration depends on.
#[derive(Debug)]
pub struct Watch {
    file: PathBuf,
    watched: Vec<PathBuf>,
    /// What the files held when they were last read. Events only say that something happened nearby; this
    /// decides whether it concerns us.
    seen: Vec<Option<Digest>>,
    watcher: RecommendedWatcher,
    changed: mpsc::Receiver<()>,
    hangup: Signal,
}

impl Watch {
    /// Watches the files of `config`.
    ///
    /// # Errors
    /// [`WatchError`] when the system offers no notification, or none for one of the directories.
    pub fn start(config: &Config) -> Result<Self, WatchError> {
        let failed = |reason: String| WatchError { place: config.file.display().to_string(), reason };
        let (tell, changed) = mpsc::channel(1);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Reading the files is itself an event, and must not lead to reading them again.
            if !event.is_ok_and(|event| event.kind.is_access()) {
                // A full channel already says that something changed.
                let _ = tell.try_send(());
            }
        });
        let watcher = watcher.map_err(|error| failed(error.to_string()))?;
        let hangup = signal(SignalKind::hangup()).map_err(|error| failed(error.to_string()))?;
        let mut watch = Self {
            file: config.file.clone(),
            watched: Vec::new(),
            seen: Vec::new(),
            watcher,
            changed,
            hangup,
        };
        watch.follow(config)?;
        Ok(watch)
    }

    /// Waits for the next change and says what it led to. Cancel-safe.
    pub async fn next(&mut self) -> Reload {
        loop {
            let asked = tokio::select! {
                _ = self.hangup.recv() => true,
                _ = self.changed.recv() => false,
            };
            // A signal that comes with the change asks for nothing more.
            let asked = self.quiet().await || asked;
            let now = contents(&self.watched);
            let again = now == self.seen;
            if asked || !again {
                self.seen = now;
                return self.reload(again);
            }
        }
    }

    /// Waits until nothing happens any more; says whether a signal came meanwhile.
    async fn quiet(&mut self) -> bool {
        let (end, mut asked) = (Instant::now() + LONGEST, false);
        while Instant::now() < end {
            tokio::select! {
                _ = self.hangup.recv() => asked = true,
                event = self.changed.recv() => if event.is_none() { return asked },
                () = tokio::time::sleep(QUIET) => return asked,
            }
        }
        asked
    }

    fn reload(&mut self, again: bool) -> Reload {
        // A directory that was replaced has lost its watch.
        let _ = self.watch_directories();
        match load(&self.file) {
            Ok(loaded) => {
                // What cannot be watched is still read again on SIGHUP.
                let _ = self.follow(&loaded.config);
                Reload::New { loaded: Box::new(loaded), again }
            }
            Err(report) => Reload::Kept(report),
        }
    }

    fn follow(&mut self, config: &Config) -> Result<(), WatchError> {
        // What was seen before the files were read stays: a change since then is yet to be read.
        let before: HashMap<PathBuf, Option<Digest>> =
            self.watched.drain(..).zip(self.seen.drain(..)).collect();
        self.watched = config.dependencies();
        let seen = |path: &PathBuf| before.get(path).copied().unwrap_or_else(|| content(path));
        self.seen = self.watched.iter().map(seen).collect();
        self.watch_directories()
    }

    /// Directories, because a file that is replaced is no longer the file that was watched.
    fn watch_directories(&mut self) -> Result<(), WatchError> {
        let directories: BTreeSet<&Path> = self.watched.iter().filter_map(|path| path.parent()).collect();
        for directory in directories.iter().filter(|directory| directory.is_dir()) {
            self.watcher.watch(directory, RecursiveMode::NonRecursive).map_err(|error| WatchError {
                place: directory.display().to_string(),
                reason: error.to_string(),
            })?;
        }
        Ok(())
    }
}

impl Config {
    /// Every file whose content matters to a running gateway.
    pub fn dependencies(&self) -> Vec<PathBuf> {
        let mut files = self.sources.clone();
        files.extend(self.policy.files.iter().cloned());
        files.extend(self.tls.iter().flat_map(|tls| [tls.cert.clone(), tls.key.clone()]));
        files.push(self.revocations.clone());
        files.extend(self.signature_keys.clone());
        if let Auth::Oauth(oauth) = &self.auth {
            let logins = oauth.issuers.iter().filter_map(|issuer| issuer.login.as_ref());
            files.extend(logins.filter_map(|(_, secret)| secret.as_ref()?.file().cloned()));
            let asked = oauth.issuers.iter().filter_map(|issuer| issuer.introspection.as_ref());
            files.extend(asked.flat_map(|asked| asked.ca_file.iter().chain(asked.proof.file()).cloned()));
            files.extend(oauth.issuers.iter().filter_map(|issuer| match &issuer.keys {
                Keys::File(file) => Some(file.clone()),
                Keys::Discovered { ca_file, .. } => ca_file.clone(),
            }));
        }
        files.extend(self.credentials.iter().flat_map(Credential::files));
        for server in &self.servers {
            files.extend(server.views.clone());
            let parameters: Vec<&Parameter> = match &server.reach {
                Reach::Command(command) => {
                    if let Code::Admitted(_) = command.code {
                        files.push(self.supply.lock.clone());
                        files.extend(self.supply.osv_exceptions.clone());
                        files.extend(self.supply.vex.clone());
                    }
                    command.args.iter().chain(command.env.iter().map(|(_, value)| value)).collect()
                }
                Reach::Url(remote) => {
                    files.extend(remote.ca_file.clone());
                    files.extend(remote.signature.iter().map(|(key, _)| key.clone()));
                    files.extend(
                        remote.certificate.iter().flat_map(|(chain, key)| [chain.clone(), key.clone()]),
                    );
                    remote.headers.iter().map(|(_, value)| value).collect()
                }
            };
            files.extend(parameters.into_iter().filter_map(|parameter| match parameter {
                Parameter::Fetched { source: Source::File(path), .. } => Some(path.clone()),
                _ => None,
            }));
        }
        files.sort();
        files.dedup();
        files
    }
}

fn contents(files: &[PathBuf]) -> Vec<Option<Digest>> {
    files.iter().map(|path| content(path)).collect()
}

fn content(path: &Path) -> Option<Digest> {
    std::fs::read(path).ok().map(|bytes| Digest::of(&bytes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]
    use std::fs;

    use futures_util::FutureExt as _;

    use super::*;

    /// A signal reaches every watch of the process.
    static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    const PATIENCE: Duration = Duration::from_secs(20);

    fn hang_up() {
        let own = i32::try_from(std::process::id()).unwrap();
        let own = rustix::process::Pid::from_raw(own).unwrap();
        rustix::process::kill_process(own, rustix::process::Signal::HUP).unwrap();
    }

    async fn next(watch: &mut Watch) -> Reload {
        tokio::time::timeout(PATIENCE, watch.next()).await.unwrap()
    }

    #[tokio::test]
    async fn changes_of_every_file_are_noticed_and_bad_ones_keep_the_old() {
        let _alone = ALONE.lock().await;
        let directory = std::env::temp_dir().join(format!("portcullis-watch-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let file = directory.join("portcullis.toml");
        let policy = directory.join("policy.cedar");
        fs::write(&file, "[limits]\njson_depth = 10\n").unwrap();
        fs::write(&policy, "").unwrap();
        let old = load(&file).unwrap().config;
        let mut watch = Watch::start(&old).unwrap();

        fs::write(&file, "[limits]\njson_depth = 20\n[gateway]\nlisten = \"127.0.0.1:1\"\n").unwrap();
        let Reload::New { loaded: new, again: false } = next(&mut watch).await else {
            panic!("a valid file was refused")
        };
        assert_eq!(new.config.limits.json_depth, 20);
        assert_eq!(old.needs_restart(&new.config), ["gateway.listen"]);
        assert_ne!(old.digest(), new.config.digest());

        fs::write(&file, "[limits]\njson_deep = 20\n").unwrap();
        let Reload::Kept(report) = next(&mut watch).await else { panic!("a mistake was accepted") };
        assert!(report.to_string().contains("json_depth"), "{report}");

        // Replaced rather than written, as editors do.
        fs::write(directory.join("new"), "[limits]\njson_depth = 30\n").unwrap();
        fs::rename(directory.join("new"), &file).unwrap();
        let Reload::New { loaded: new, again: false } = next(&mut watch).await else {
            panic!("a valid file was refused")
        };
        assert_eq!(new.config.limits.json_depth, 30);

        fs::write(&policy, "// changed\n").unwrap();
        // The signal that follows a change is part of it.
        hang_up();
        assert!(matches!(next(&mut watch).await, Reload::New { again: false, .. }));
        assert!(watch.hangup.recv().now_or_never().is_none());
        fs::remove_dir_all(&directory).unwrap();
    }

    #[tokio::test]
    async fn a_hangup_reads_again_although_nothing_changed() {
        let _alone = ALONE.lock().await;
        let directory = std::env::temp_dir().join(format!("portcullis-hangup-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let file = directory.join("portcullis.toml");
        fs::write(&file, "").unwrap();
        let mut watch = Watch::start(&load(&file).unwrap().config).unwrap();
        hang_up();
        assert!(matches!(next(&mut watch).await, Reload::New { again: true, .. }));
        fs::remove_dir_all(&directory).unwrap();
    }
}
