//! Conversations written down: who says what to whom, and what goes into the log.
//!
//! A file holds several, each under a line `## title`. `#` begins a comment, an indented line continues the
//! one before it.
//!
//! | line | meaning |
//! |---|---|
//! | `over direct http stdio` | the doors it is played over; these three when absent |
//! | `policy CEDAR` | in force instead of one that permits everything |
//! | `settings JSON` | differences from the usual settings; see `play::settings` |
//! | `server NAME VERSION JSON` | a server; see `fake::Spec` |
//! | `client NAME VERSION ENDPOINT JSON` | a client with its capabilities; `*` is the aggregate, version `none` sends nothing by itself |
//! | `NAME -> JSON` | a client or server sends; servers answer the newest request, or the one with that `id` |
//! | `NAME ->! TEXT` | a client sends exactly this, a line feed for each `↵` |
//! | `NAME <- [STATUS] JSON` | a client or server gets this next; `NAME/2` is a server's second link |
//! | `NAME => JSON` | a server says something that belongs to no request |
//! | `NAME hears nothing` | nothing is under way to it |
//! | `NAME breaks`, `NAME down`, `NAME up` | a server's links end; it cannot be connected to; it can again |
//! | `NAME offers JSON` | a server offers other tools |
//! | `NAME leaves`, `NAME vanishes`, `NAME drops ID` | a client ends; goes away without a word; cuts one request off |
//! | `NAME resumes ID` | a client asks for the rest of the stream of that request |
//! | `headers NAME JSON` | the headers of the message the server got last |
//! | `time MS`, `sweep` | time passes; the gateway tidies up |
//! | `reload [CEDAR]`, `replace NAME` | another configuration, with this policy or with that server anew |
//! | `log fails`, `log recovers` | the log takes no records |
//! | `= TEXT` | the next decision or outcome in the log |
//!
//! In a pattern `"<any>"` stands for anything, `"<x>"` for anything that is the same wherever it stands,
//! `"~text"` for a string with that text in it, and a member `"..."` for any further members.

mod parse;
mod pattern;
mod play;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::client::Door;

/// Plays a file of conversations; fails with all that went another way.
pub(crate) fn play(file: &str) {
    let path = format!("{}/tests/spine/transcripts/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let only = std::env::var("SPINE_ONLY").unwrap_or_default();
    let mut failed = Vec::new();
    for case in parse::cases(&text).iter().filter(|case| case.title.contains(&only)) {
        for door in &case.doors {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .start_paused(*door != Door::Loopback)
                .build()
                .unwrap();
            let played = catch_unwind(AssertUnwindSafe(|| runtime.block_on(play::check(case, *door))));
            if played.is_err() {
                failed.push(format!("`{}` over {door:?}", case.title));
            }
        }
    }
    assert!(failed.is_empty(), "{file}: {}", failed.join("; "));
}
