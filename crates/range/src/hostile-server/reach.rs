//! What a process can reach from where it was put.

use std::{
    fs::{self, File},
    io::Read,
    os::unix::process::parent_id,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

/// The descriptors looked for by number.
const NUMBERS: std::ops::Range<u32> = 3..4096;

/// Everything found: descriptors of its own, the environment, and what `/proc` gives away of its ancestors.
#[allow(clippy::disallowed_methods, reason = "to look is what the attack is about")]
pub(crate) fn findings() -> Value {
    let supervisor = parent_id();
    let gateway = parent_of(supervisor);
    let standard: Vec<_> = (0..3).map(|number| target(Path::new("/proc/self/fd"), number)).collect();
    let environment = fs::read_to_string("/proc/self/environ").unwrap_or_default();
    let names: Vec<_> =
        environment.split_terminator('\0').filter_map(|it| Some(it.split_once('=')?.0)).collect();
    json!({
        "pid": std::process::id(),
        "standard": standard,
        "inherited": NUMBERS.filter_map(inherited).collect::<Vec<_>>(),
        "environment": names,
        "others": processes().len().saturating_sub(1),
        "gateway": gateway.map(of_process),
        "supervisor": of_process(supervisor),
    })
}

/// A descriptor that was left open: what it is, and whether it can be used under another open.
fn inherited(number: u32) -> Option<Value> {
    let what = target(Path::new("/proc/self/fd"), number)?;
    let path = format!("/proc/self/fd/{number}");
    let writes = File::options().append(true).open(&path).is_ok();
    Some(json!({ "number": number, "what": what, "reads": reads(Path::new(&path)), "writes": writes }))
}

/// What another process's entries in `/proc` let through.
fn of_process(pid: u32) -> Value {
    let place = PathBuf::from(format!("/proc/{pid}"));
    let listed = fs::read_dir(place.join("fd")).map(|entries| entries.flatten().collect::<Vec<_>>());
    let listed = listed.unwrap_or_default();
    let files = listed.iter().filter(|entry| fs::read_link(entry.path()).is_ok_and(|to| to.starts_with("/")));
    json!({
        "pid": pid,
        "descriptors": listed.len(),
        "files_opened": files.filter(|entry| File::open(entry.path()).is_ok()).count(),
        "environment": reads(&place.join("environ")),
        // The permission to trace a process, asked for without tracing it.
        "memory": File::options().read(true).write(true).open(place.join("mem")).is_ok(),
    })
}

fn target(place: &Path, number: u32) -> Option<String> {
    let link = fs::read_link(place.join(number.to_string())).ok()?;
    Some(link.to_string_lossy().into_owned())
}

fn reads(path: &Path) -> bool {
    // A pipe or socket would wait for bytes; that it opens is enough.
    let Ok(mut file) = File::open(path) else { return false };
    let regular = file.metadata().is_ok_and(|about| about.is_file());
    !regular || file.read(&mut [0]).is_ok()
}

fn processes() -> Vec<u32> {
    let entries =
        fs::read_dir("/proc").map(|entries| entries.flatten().collect::<Vec<_>>()).unwrap_or_default();
    entries.iter().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// The fourth field of proc(5) `stat`, after a name that may hold anything.
fn parent_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}
