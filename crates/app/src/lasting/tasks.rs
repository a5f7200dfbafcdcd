//! Whose tasks are, as lines at the end of a file. What is said last about a task counts.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::{self, BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;
use portcullis_core::{Clock, ServerName};
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
    clock: Arc<dyn Clock>,
    file: Mutex<(File, usize)>,
}

/// Everything the file says about tasks whose time is not over. A line that was cut off by a sudden end says nothing,
/// for its answer was never given out.
pub(super) fn read(path: &Path, now_ms: u64) -> Result<Tasks, String> {
    let named = |error: io::Error| format!("`{}`: {error}", path.display());
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Tasks::new()),
        Err(error) => return Err(named(error)),
    };
    let mut tasks = Tasks::new();
    for line in BufReader::new(file).split(b'\n') {
        match serde_json::from_slice(&line.map_err(named)?) {
            Ok(Line::Kept(task)) => drop(tasks.insert((task.server.clone(), task.id.clone()), task)),
            Ok(Line::Gone { server, gone }) => drop(tasks.remove(&(server, gone))),
            Err(_) => {}
        }
    }
    tasks.retain(|_, task| task.is_kept(now_ms));
    Ok(tasks)
}

impl TaskFile {
    pub(super) fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, String> {
        let file =
            rewritten(path, clock.now_ms()).map_err(|error| format!("`{}`: {error}", path.display()))?;
        Ok(Self { path: path.to_owned(), clock, file: Mutex::new(file) })
    }

    fn append(&self, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_vec(line).map_err(io::Error::other)?;
        text.push(b'\n');
        let mut file = self.file.lock();
        if file.1 >= LINES {
            *file = rewritten(&self.path, self.clock.now_ms())?;
        }
        put(&mut file, |mut file| file.write_all(&text))
    }
}

/// One more line, or the file as it was: what is left of a line would spoil the next one.
fn put((file, lines): &mut (File, usize), write: impl FnOnce(&File) -> io::Result<()>) -> io::Result<()> {
    let before = file.metadata()?.len();
    if let Err(error) = write(file) {
        if file.set_len(before).is_err() {
            // Nothing is added before the file is written anew.
            *lines = LINES;
        }
        return Err(error);
    }
    *lines += 1;
    Ok(())
}

/// The file with what counts alone.
fn rewritten(path: &Path, now_ms: u64) -> io::Result<(File, usize)> {
    let tasks = read(path, now_ms).map_err(io::Error::other)?;
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
        let tasks = read(&self.path, self.clock.now_ms());
        let mut tasks: Vec<_> = tasks.map(|it| it.into_values().collect()).unwrap_or_default();
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

    use portcullis_core::{AuthMethod, Caller, FakeClock, Grant, Principal, PrincipalKind};

    use super::*;

    const DAY_MS: u64 = 24 * 60 * 60 * 1000;

    fn open(path: &Path, now_ms: u64) -> TaskFile {
        TaskFile::open(path, Arc::new(FakeClock::at(now_ms))).unwrap()
    }

    fn lines(path: &Path) -> usize {
        fs::read_to_string(path).unwrap().lines().count()
    }

    fn task(id: &str, used_ms: u64) -> KeptTask {
        let principal = Principal { kind: PrincipalKind::Oauth, id: "corp:alice".into() };
        let grant = Grant {
            issuer: "https://as.test".into(),
            client: Some("editor".into()),
            scopes: ["a".into()].into(),
            details: portcullis_core::Details::default(),
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
        let book = open(&path, 5);
        for kept in [task("a", 1), task("b", 2), task("a", 3)] {
            book.add(&kept).unwrap();
        }
        book.remove(&"notes".parse().unwrap(), "b").unwrap();
        let mut cut = OpenOptions::new().append(true).open(&path).unwrap();
        cut.write_all(b"{\"server\":\"notes\",\"id\":\"c").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        drop(book);
        let book = open(&path, 5);
        assert_eq!(book.all(), [task("a", 3)]);
        assert_eq!(lines(&path), 1, "what no longer counts is left out");
        book.add(&task("d", 4)).unwrap();
        assert_eq!(book.all(), [task("a", 3), task("d", 4)]);
    }

    #[test]
    fn a_task_whose_time_is_over_is_left_out() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("tasks.jsonl");
        let clock = Arc::new(FakeClock::at(3));
        let book = TaskFile::open(&path, clock.clone()).unwrap();
        for kept in [task("a", 1), task("b", 2), task("c", 3)] {
            book.add(&kept).unwrap();
        }
        clock.advance_ms(DAY_MS - 2);
        assert_eq!(book.all(), [task("b", 2), task("c", 3)]);
        // As if there were as many lines as there may be.
        book.file.lock().1 = LINES;
        book.add(&task("d", 4)).unwrap();
        assert_eq!((lines(&path), book.file.lock().1), (3, 3));
        drop(book);
        assert_eq!(open(&path, DAY_MS + 3).all(), [task("d", 4)]);
        assert_eq!(lines(&path), 1);
    }

    #[test]
    fn a_line_that_could_not_be_written_spoils_no_other() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("tasks.jsonl");
        let book = open(&path, 5);
        book.add(&task("a", 1)).unwrap();
        let cut = |mut file: &File| {
            file.write_all(b"{\"server\":\"notes\",\"id\":\"b")?;
            Err(io::ErrorKind::StorageFull.into())
        };
        assert_eq!(put(&mut book.file.lock(), cut).unwrap_err().kind(), io::ErrorKind::StorageFull);
        book.add(&task("c", 3)).unwrap();
        assert_eq!(book.all(), [task("a", 1), task("c", 3)]);
        assert_eq!((lines(&path), book.file.lock().1), (2, 2));
    }

    #[test]
    fn a_line_that_is_no_text_takes_no_other_with_it() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("tasks.jsonl");
        let line = |id| serde_json::to_vec(&task(id, 1)).unwrap();
        fs::write(&path, [&*line("a"), b"\n\xff\xfe\n", &*line("b"), b"\n"].concat()).unwrap();
        assert_eq!(open(&path, 5).all().len(), 2);
    }
}
