//! A server whose files are sealed starts as what was approved, or does not start.

use std::{fs, os::unix::fs::symlink, path::Path};

use portcullis_core::{Boundary, Digest, LaunchError, LaunchPlan, Launcher};
use portcullis_sandbox::{Draft, ProcessLauncher};
use tokio::io::AsyncReadExt;

use crate::support::{RIG, launch, mark, script};

const APPROVED: &str = "echo approved";

/// A directory whose digest is that of its file `code`, as the rig tells it.
fn plan(directory: &Path, write: Option<&Path>) -> LaunchPlan {
    let mut draft = Draft::new("/usr/bin:/bin".as_ref(), directory);
    draft.execute("/bin/sh".as_ref()).unwrap();
    draft.sealed(directory, Digest::of(APPROVED.as_bytes())).unwrap();
    write.into_iter().for_each(|path| draft.write(path).unwrap());
    let boundary = Boundary::Plan(draft.finish().to_text().into());
    let args = vec![directory.join("code").to_string_lossy().into_owned()];
    LaunchPlan { args, boundary, ..script(&mark(), "") }
}

#[tokio::test]
async fn what_is_executed_is_what_was_approved() {
    let place = std::env::temp_dir().join(mark());
    fs::create_dir(&place).unwrap();
    let directory = place.canonicalize().unwrap().join("tree");
    let write = |directory: &Path, text: &str| {
        fs::create_dir_all(directory).unwrap();
        fs::write(directory.join("code"), text).unwrap();
    };
    write(&directory, APPROVED);
    let settled = plan(&directory, None);
    let mut launched = launch(&settled).await;
    let mut output = String::new();
    launched.stdout.read_to_string(&mut output).await.unwrap();
    assert_eq!(output, "approved\n");

    // Everything after the plan was made, which is when somebody looked.
    let other = directory.with_file_name("other");
    write(&other, "echo other");
    let changes: [(&str, &dyn Fn(), &str); 4] = [
        ("a file changed", &|| write(&directory, "echo other"), "was approved as"),
        (
            "the directory exchanged",
            &|| {
                fs::remove_dir_all(&directory).unwrap();
                fs::rename(&other, &directory).unwrap();
            },
            "was approved as",
        ),
        (
            "a link in its place",
            &|| {
                fs::rename(&directory, &other).unwrap();
                write(&other, APPROVED);
                symlink(&other, &directory).unwrap();
            },
            "`files`",
        ),
        ("nothing in its place", &|| fs::remove_file(&directory).unwrap(), "`files`"),
    ];
    let launcher = ProcessLauncher::with_supervisor(RIG).unwrap();
    for (change, make, reason) in changes {
        make();
        let refused = launcher.launch(&settled).await.map(drop);
        let Err(LaunchError::Setup { reason: said, .. }) = refused else { panic!("{change}: {refused:?}") };
        assert!(said.contains(reason), "{change}: {said}");
    }
    // As it was, it starts again; where it could change itself, it does not.
    write(&directory, APPROVED);
    let mut launched = launch(&settled).await;
    let mut output = String::new();
    launched.stdout.read_to_string(&mut output).await.unwrap();
    assert_eq!(output, "approved\n");
    fs::create_dir(directory.join("data")).unwrap();
    let refused = launcher.launch(&plan(&directory, Some(&directory.join("data")))).await.map(drop);
    let Err(LaunchError::Setup { reason, .. }) = refused else { panic!("{refused:?}") };
    assert!(reason.contains("could be changed by the server itself"), "{reason}");
    fs::remove_dir_all(place).unwrap();
}
