//! A plan as an OCI bundle (OCI runtime specification 1.0.2).

use std::{
    ffi::OsString,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::SELF;
use crate::{
    door::PROXY_ENV,
    plan::{OWN_ENV, Plan, SCRATCH, Tier},
};

/// The users inside, and as the machine sees them: the server's, and one that sets up the container and is nobody outside.
const USERS: [(u32, u32); 2] = [(0, 60_002), (1000, 60_001)];

/// What of the kernel a container has no business with (as runtimes' own defaults).
const MASKED: &[&str] = &[
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/kallsyms",
    "/proc/modules",
    "/proc/net",
    "/sys/firmware",
];
const READ_ONLY: &[&str] = &["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Writes it. It holds the environment of the server and is for its owner only.
pub(super) fn write(
    place: &Path,
    plan: &Plan,
    id: &str,
    what: &str,
    told: &[OsString],
    env: &[(OsString, OsString)],
) -> io::Result<()> {
    let text = |word: &OsString| {
        word.to_str().map(str::to_owned).ok_or_else(|| io::Error::other("the command is not Unicode"))
    };
    let mut args = vec![SELF.to_owned(), what.to_owned(), plan.to_text()];
    for word in told {
        args.push(text(word)?);
    }
    let mut variables = Vec::new();
    for (name, value) in env {
        variables.push((text(name)?, text(value)?));
    }
    let mut config = config(plan, id, &args, variables);
    if matches!(plan.tier, Tier::Gvisor { .. })
        && let Some(mounts) = config.get_mut("mounts").and_then(Value::as_array_mut)
    {
        mounts.extend(told_again(place, plan));
    }
    let mut file = std::fs::OpenOptions::new();
    let mut file = file.write(true).create_new(true).mode(0o600).open(place.join("config.json"))?;
    file.write_all(config.to_string().as_bytes())
}

/// gVisor sees one file system where there are many mounts, and so not what is forbidden at each: it is told of those in
/// which nothing may be executed, and of what is in them and may.
fn told_again(place: &Path, plan: &Plan) -> Vec<Value> {
    let scratch = Path::new(SCRATCH);
    let changed: Vec<&Path> = plan.write.iter().map(PathBuf::as_path).chain([scratch]).collect();
    let inside = |path: &&PathBuf| changed.iter().any(|it| path.starts_with(it));
    let read =
        plan.read.iter().chain(&plan.execute).filter(inside).map(|path| (path.as_path(), "ro", "exec"));
    let write = changed.iter().map(|path| (*path, "rw", "noexec"));
    let mut all: Vec<_> = write.chain(read).collect();
    all.sort_unstable();
    let told = |(path, access, execution): (&Path, &str, &str)| {
        let source = place.join("rootfs").join(path.strip_prefix("/").unwrap_or(path));
        let options = ["rbind", access, "nosuid", "nodev", execution];
        json!({ "destination": path, "type": "bind", "source": source, "options": options })
    };
    all.into_iter().map(told).collect()
}

fn environment(plan: &Plan, mut given: Vec<(String, String)>) -> Vec<String> {
    if !plan.egress.is_closed() {
        // Whatever was configured: no other proxy can be reached.
        given.retain(|(name, _)| !PROXY_ENV.iter().any(|(proxy, _)| name == proxy));
        given.extend(PROXY_ENV.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    }
    for (name, value) in OWN_ENV {
        if !given.iter().any(|(set, _)| set == name) {
            given.push(((*name).to_owned(), (*value).to_owned()));
        }
    }
    given.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
}

fn config(plan: &Plan, id: &str, args: &[String], env: Vec<(String, String)>) -> Value {
    let limits = &plan.limits;
    let mapped =
        USERS.map(|(inside, outside)| json!({ "containerID": inside, "hostID": outside, "size": 1 }));
    let namespaces = ["pid", "ipc", "uts", "mount", "user"].map(|kind| json!({ "type": kind }));
    let scratch = format!("size={}", limits.scratch);
    let plain = ["nosuid", "nodev", "noexec"];
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "terminal": false,
            "user": { "uid": 1000, "gid": 1000 },
            "args": args,
            "env": environment(plan, env),
            "cwd": plan.cwd,
            "capabilities": { "bounding": [], "effective": [], "permitted": [], "inheritable": [], "ambient": [] },
            "noNewPrivileges": true,
            "rlimits": [{ "type": "RLIMIT_NOFILE", "hard": limits.open_files, "soft": limits.open_files }],
        },
        "root": { "path": "rootfs", "readonly": true },
        "hostname": "sandbox",
        "mounts": [
            { "destination": "/proc", "type": "proc", "source": "proc", "options": plain },
            {
                "destination": "/dev", "type": "tmpfs", "source": "tmpfs",
                "options": ["nosuid", "noexec", "strictatime", "mode=755", "size=64k"],
            },
            {
                "destination": "/dev/shm", "type": "tmpfs", "source": "shm",
                "options": [plain[0], plain[1], plain[2], "mode=1777", scratch],
            },
        ],
        "linux": {
            "namespaces": namespaces,
            "uidMappings": mapped,
            "gidMappings": mapped,
            "maskedPaths": MASKED,
            "readonlyPaths": READ_ONLY,
            "cgroupsPath": format!("/{id}-inside"),
            "resources": {
                "devices": [{ "allow": false, "access": "rwm" }],
                "memory": { "limit": limits.memory },
                "pids": { "limit": limits.processes },
                "cpu": { "quota": limits.cpu * 1000, "period": 100_000 },
            },
        },
    })
}
