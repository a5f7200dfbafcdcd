//! A client that is gone without a word.

use std::{future::pending, thread};

use rustix::event::{PollFd, PollFlags, poll};
use tokio::sync::oneshot;

/// Resolves when nobody is left to read standard output.
///
/// The end of input alone does not mean that: whoever closes it may still wait for answers. A client that was
/// killed closes both, and what it asked for would otherwise be waited for, with its servers kept alive.
pub(super) async fn unread() {
    let (tell, told) = oneshot::channel();
    thread::spawn(move || {
        let output = std::io::stdout();
        // Errors and hangups are reported without being asked for, and nothing else is of interest. A file
        // has no reader that could go, and its wait has no end.
        let mut watched = [PollFd::new(&output, PollFlags::empty())];
        if poll(&mut watched, None).is_ok() {
            let _ = tell.send(());
        }
    });
    if told.await.is_err() {
        pending().await
    }
}
