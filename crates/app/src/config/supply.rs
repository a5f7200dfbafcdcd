//! `[supply]`: which servers are admitted, and on whose word.

use std::path::PathBuf;

use portcullis_audit::note::VerifierKey;

use super::{
    kind::{FilePath, List},
    section::PUBLIC_KEY,
    setting::settings,
};

settings! {
    /// Which servers are admitted, and on whose word. See `docs/supply.md`.
    pub struct Supply {
        /// The lock: which servers are admitted, as what, on whose word.
        Live lock: PathBuf = FilePath, default r#""portcullis.lock""#;
        /// Directory their files are stored in.
        Live store: PathBuf = FilePath, default r#""~/.local/state/portcullis/store""#;
        /// Public keys of those who may approve. Nobody else's approval counts.
        Live approvers: Vec<VerifierKey> = List(PUBLIC_KEY);
    }
}
