//! Whether the files of a server are those that were approved, asked as late as can be.
//!
//! The question is asked by the first process of the sandbox, of the mounts the server will read, when nothing of the
//! old root is left: a directory that was exchanged, or a link that was put in its place, after somebody looked outside
//! is what is looked at here. What remains is whoever may write those files outside, as the gateway's own user or as
//! root: they can still change one between this and the moment it is read.

use std::path::Path;

use portcullis_core::Digest;

use super::StartError;
use crate::Plan;

/// The digest of all files of a directory, or why there is none.
pub type DigestOf = fn(&Path) -> Result<Digest, String>;

const BOUNDARY: &str = "approved-files";

pub(super) fn check(plan: &Plan, digest_of: Option<DigestOf>) -> Result<(), StartError> {
    let unmet = |reason: String| Err(StartError::unmet(BOUNDARY, reason));
    for (path, expected) in &plan.sealed {
        let shown = path.display();
        // What is around it could be renamed, with all that is in it.
        if let Some(over) = plan.write.iter().find(|it| it.starts_with(path) || path.starts_with(it)) {
            return unmet(format!(
                "`{shown}` could be changed by the server itself, through `{}`",
                over.display()
            ));
        }
        let Some(digest_of) = digest_of else {
            return unmet(format!("nothing here can tell what `{shown}` holds"));
        };
        match digest_of(path) {
            Ok(found) if found == *expected => {}
            Ok(found) => return unmet(format!("`{shown}` is {found} and was approved as {expected}")),
            Err(reason) => return unmet(reason),
        }
    }
    Ok(())
}
