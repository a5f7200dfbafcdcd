//! The spine from end to end, in one process: clients of every transport, the gateway, and servers that are
//! data. Time is paused: it moves when nobody has anything left to do.
//!
//! | module | what it holds |
//! |---|---|
//! | `fake` | servers, and the journal of what they were sent |
//! | `house` | a gateway in front of them |
//! | `client` | clients of every transport |
//! | `transcript` | conversations in `transcripts/`, played over every transport |
//! | `channels` | a marker in every channel from a server leaves a record |
//! | `ownership` | whose sessions and calls are, which no conversation can say |
//! | `belongings` | nothing of one caller's gets to another, from a seed |
//! | `sim` | random clients, servers and operators, from a seed |

#![allow(
    dead_code,
    unused_imports,
    clippy::disallowed_methods,
    reason = "the fakes serve tests that come one by one, and the gateway sends the bodies they read"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stderr,
    reason = "test code"
)]

mod asking;
mod belongings;
mod channels;
mod client;
mod fake;
mod house;
mod leaks;
mod ownership;
mod promises;
mod sim;
mod tokens;
mod transcript;
mod views;

/// Plays every conversation of a file over every door it is meant for.
macro_rules! transcripts {
    ($($name:ident $file:literal;)*) => {$(
        #[test]
        fn $name() {
            transcript::play($file);
        }
    )*};
}

transcripts! {
    legacy_client_at_a_legacy_server "legacy_legacy.txt";
    modern_client_at_a_modern_server "modern_modern.txt";
    legacy_client_at_a_modern_server "legacy_modern.txt";
    modern_client_at_a_legacy_server "modern_legacy.txt";
    all_servers_behind_one_endpoint "aggregate.txt";
    what_is_refused_reaches_no_server "refusals.txt";
}
