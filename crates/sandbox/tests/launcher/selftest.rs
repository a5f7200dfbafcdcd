//! The self-test: everything holds in a sandbox, and each hole is found.

use std::path::Path;

use portcullis_sandbox::{
    Draft, Plan,
    selftest::{Proof, Verdict},
};

use crate::stage::{Stage, User, users};

/// What a directory lets do that may be read. Sockets are connected to by whoever may read the directory: a mount that
/// is read-only does not hold there.
const READ: &[&str] = &[
    "read a file of Portcullis",
    "list a directory of Portcullis",
    "connect to a socket beside it",
    "read it by way of a directory above",
    "nothing has arrived at a Unix socket outside",
];

/// A plan that is wider by this, and attempts that then have their effect.
type Row = (fn(&Stage, &mut Draft), &'static [&'static str]);

const ROWS: &[Row] = &[
    (|_, _| {}, &[]),
    (|stage, draft| draft.read(&stage.path("outside")).unwrap(), READ),
    (
        |stage, draft| draft.write(&stage.path("")).unwrap(),
        &[
            "read a file of Portcullis",
            "list a directory of Portcullis",
            "change a file of Portcullis",
            "make a file beside it",
            "connect to a socket beside it",
            "read it by way of a directory above",
            "nothing has changed outside",
            "nothing has arrived at a Unix socket outside",
        ],
    ),
    (
        |_, draft| draft.danger_host_network(),
        &["connect to a service of this machine", "send a datagram to a service of this machine", "listen"],
    ),
];

fn prove(stage: &Stage, plan: &Plan) -> Proof {
    let said = stage.prove(plan, &stage.path("outside/selftest"));
    Proof::parse(said.trim()).unwrap_or_else(|| panic!("{said}"))
}

#[test]
fn every_boundary_of_a_plan_holds_and_each_rule_too_many_is_found() {
    for user in users() {
        for (index, (widen, expected)) in ROWS.iter().enumerate() {
            let stage = Stage::new(user);
            let mut draft = stage.draft();
            widen(&stage, &mut draft);
            let proof = prove(&stage, &draft.finish());
            assert!(proof.probes.len() > 100, "{} attempts", proof.probes.len());
            let not_held: Vec<_> = proof.probes.iter().filter(|it| it.verdict != Verdict::Held).collect();
            let missing: Vec<_> =
                expected.iter().filter(|name| !not_held.iter().any(|it| it.probe == **name)).collect();
            assert!(missing.is_empty(), "row {index} as {user:?}: {missing:?} are held");
            let beyond: Vec<_> =
                not_held.iter().filter(|it| !expected.contains(&it.probe.as_str())).collect();
            assert!(beyond.is_empty() || index == 3, "row {index} as {user:?}: {beyond:?}");
            let network =
                not_held.iter().all(|it| it.boundary == "network" && it.verdict == Verdict::Granted);
            assert!(index != 3 || network, "as {user:?}: {not_held:?}");
            assert_eq!(proof.open().count() == 0, expected.is_empty() || index == 3);
            assert!(!Path::new(&stage.path("outside/selftest")).join("canary").exists());
        }
    }
}

/// The same attempts where nothing is put up against them.
#[test]
fn outside_of_a_sandbox_the_attempts_have_their_effect() {
    let stage = Stage::new(User::Ordinary);
    let proof = Proof::parse(stage.unproved(&stage.path("outside/selftest")).trim()).unwrap();
    let held = |name: &str| proof.probes.iter().find(|it| it.probe == name).unwrap().verdict == Verdict::Held;
    for name in [
        "read a file of Portcullis",
        "change a file of Portcullis",
        "connect to a socket beside it",
        "connect to a service of this machine",
        "listen",
        "see a process of the machine",
        "connect to an abstract socket of the machine",
        "have more processes than planned",
        "a socket of the family netlink",
        "clone3",
        "clone into a new user namespace",
        "unshare",
        "memfd_create",
        "keyctl",
        "add_key",
        "io_uring_setup",
        "process_vm_readv",
        "execveat",
        "pidfd_getfd",
        "mount",
        "ptrace",
        "nothing has changed outside",
        "no connection has arrived outside",
        "no datagram has arrived outside",
        "nothing has arrived at a Unix socket outside",
        "nothing has arrived at an abstract socket outside",
    ] {
        assert!(!held(name), "{name}");
    }
}
