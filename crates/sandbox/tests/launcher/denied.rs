//! System calls that are refused: each is told with the program that made it and how often, and none is carried out.

use crate::stage::{Stage, User, users};

#[test]
fn what_is_refused_is_told_and_what_is_allowed_is_not() {
    for user in users() {
        let stage = Stage::new(user);
        let plan = stage.draft().finish();
        for (attempt, refused, told) in [
            ("keyring", true, Some("1 time `keyctl`")),
            ("ptrace", true, Some("1 time `ptrace`")),
            ("new-user", true, Some("1 time `unshare`")),
            ("socket 40 1 0", true, Some("1 time `socket`")),
            ("x32", true, Some("1 time `number 1073741863`")),
            ("flood 20000", true, Some("`keyctl`")),
            ("socket 1 1 0", false, None),
            ("list /tmp", false, None),
            ("threads 4", false, None),
            // Refused by other boundaries, which have nobody to tell.
            ("list /root", true, None),
        ] {
            let attempted = stage.contain(&plan, attempt);
            assert_eq!(attempted.refused(), refused, "{attempt} as {user:?}: {attempted:?}");
            let lines: Vec<_> =
                attempted.said.lines().filter_map(|it| it.strip_prefix("refused: ")).collect();
            assert_eq!(lines.is_empty(), told.is_none(), "{attempt} as {user:?}: {attempted:?}");
            let by = format!("by `{}`", stage.path("rig").display());
            let matching =
                lines.iter().filter(|it| it.contains(told.unwrap_or_default()) && it.contains(&by));
            assert_eq!(matching.count(), lines.len(), "{attempt} as {user:?}: {attempted:?}");
        }
    }
}

/// None is lost, however fast they come, and nobody waits for long.
#[test]
fn a_flood_is_counted() {
    let stage = Stage::new(User::Ordinary);
    let attempted = stage.contain(&stage.draft().finish(), "flood 20000");
    assert!(attempted.said.contains("refused: 20000 times `keyctl`"), "{attempted:?}");
}

/// Whoever has to be killed is told of to the end.
#[test]
fn what_is_untold_is_told_before_the_end() {
    let stage = Stage::new(User::Ordinary);
    let mut draft = stage.draft();
    draft.limits().seconds = Some(1);
    let attempted = stage.contain(&draft.finish(), "flood-and-wait 500");
    assert_eq!(attempted.status, 124, "{attempted:?}");
    assert!(attempted.said.contains("refused: 500 times `keyctl`"), "{attempted:?}");
}
