//! Whose tasks are, as lines at the end of a file. What is said last about a task counts.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::{self, BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
};

use parking_lot::Mutex;
use portcullis_core::ServerName;
use portcullis_gateway::{KeptTask, TaskBook};
use serde::{Deserialize, Serialize};

use crate::files::{self, Access, Existing};

/// Lines after which those that no longer count are left out.
const LINES: usize = 200_000;

type Tasks = HashMap<(String, String), KeptTask>;

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    Kept(KeptTask),
    Gone { server: String, gone: String },
}

/// The file, and how many lines it has.
pub(super) struct TaskFile {
    path: PathBuf,
    file: Mutex<(File, usize)>,
}

/// Everything the file says. A line that was cut off by a sudden end says nothing, for its answer was never given out.
pub(super) fn read(path: &Path) -> Result<Tasks, String> {
    let named = |error: io::Error| format!("`{}`: {error}", path.display());
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Tasks::new()),
        Err(error) => return Err(named(error)),
    };
    let mut tasks = Tasks::new();
    for line in BufReader::new(file).lines() {
        match serde_json::from_str(&line.map_err(named)?) {
            Ok(Line::Kept(task)) => drop(tasks.insert((task.server.clone(), task.id.clone()), task)),
            Ok(Line::Gone { server, gone }) => drop(tasks.remove(&(server, gone))),
            Err(_) => {}
        }
    }
    Ok(tasks)
}

impl TaskFile {
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let file = rewritten(path).map_err(|error| format!("`{}`: {error}", path.display()))?;
        Ok(Self { path: path.to_owned(), file: Mutex::new(file) })
    }

    fn append(&self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_vec(line).map_err(io::Error::other)?;
        text.push(b'\n');
        let mut file = self.file.lock();
        if file.1 >= LINES {
            *file = rewritten(&self.path)?;
        }
        file.0.write_all(&text)?;
        file.1 += 1;
        Ok(())
    }
}

/// The file with what counts alone.
fn rewritten(path: &Path) -> io::Result<(File, usize)> {
    let tasks = read(path).map_err(io::Error::other)?;
    let mut text = Vec::new();
    for task in tasks.values() {
        serde_json::to_writer(&mut text, task).map_err(io::Error::other)?;
        text.push(b'\n');
    }
    if path.exists() && fs::metadata(path)?.len() == 0 && tasks.is_empty() {
        return Ok((OpenOptions::new().append(true).open(path)?, 0));
    }
    files::write(path, &text, Access::Private, Existing::Replace)
        .map_err(|failure| io::Error::other(failure.to_line()))?;
    Ok((OpenOptions::new().append(true).open(path)?, tasks.len()))
}

impl TaskBook for TaskFile {
    fn all(&self) -> Vec<KeptTask> {
        let mut tasks: Vec<_> = read(&self.path).map(|it| it.into_values().collect()).unwrap_or_default();
        tasks.sort_by_key(|task: &KeptTask| task.used_ms);
        tasks
    }

    fn add(&self, task: &KeptTask) -> io::Result<()> {
        self.append(&Line::Kept(task.clone()))
    }

    fn remove(&self, server: &ServerName, id: &str) -> io::Result<()> {
        self.append(&Line::Gone { server: server.to_string(), gone: id.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]
    use std::os::unix::fs::PermissionsExt as _;

    use portcullis_core::{AuthMethod, Caller, Grant, Principal, PrincipalKind};

    use super::*;

    fn task(id: &str, used_ms: u64) -> KeptTask {
        let principal = Principal { kind: PrincipalKind::Oauth, id: "corp:alice".into() };
        let grant = Grant {
            issuer: "https://as.test".into(),
            client: Some("editor".into()),
            scopes: ["a".into()].into(),
            token_id: None,
            token: None,
        };
        let method = AuthMethod::BearerToken;
        let caller = Caller { principal, actor: None, tenant: None, method, grant: Some(grant.into()) };
        KeptTask { server: "notes".into(), id: id.into(), tool: Some("slow".into()), caller, used_ms }
    }

    #[test]
    fn what_was_said_last_counts_after_a_restart_and_a_sudden_end() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("tasks.jsonl");
        let book = TaskFile::open(&path).unwrap();
        for kept in [task("a", 1), task("b", 2), task("a", 3)] {
            book.add(&kept).unwrap();
        }
        book.remove(&"notes".parse().unwrap(), "b").unwrap();
        let mut cut = OpenOptions::new().append(true).open(&path).unwrap();
        cut.write_all(b"{\"server\":\"notes\",\"id\":\"c").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(book);
        let book = TaskFile::open(&path).unwrap();
        assert_eq!(book.all(), [task("a", 3)]);
        assert_eq!(
            fs::read_to_string(&path).unwrap().lines().count(),
            1,
            "what no longer counts is left out"
        );
        book.add(&task("d", 4)).unwrap();
        assert_eq!(book.all(), [task("a", 3), task("d", 4)]);
    }
}
