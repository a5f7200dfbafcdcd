//! Pins on a disk: one file a server, in a directory that only its owner can enter.
//!
//! Several gateways and `portcullis pins` may use a directory at once. Whoever changes a file holds the lock beside
//! it, and writes a new file in its place, so that a reader sees the old or the new one whole.

mod book_file;
mod signed;
mod watch;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;
use portcullis_audit::note::VerifierKey;
use portcullis_core::{BoxFuture, Offer, PinKind, PinNote, Pins, PinsUnavailable, Review, ServerName};
use portcullis_inspect::pins::{Book, Trust};

use crate::config;
use book_file::{BookFile, Stamp};
pub(crate) use watch::follow;

/// The pins of every server of a gateway.
#[derive(Clone)]
pub(crate) struct PinFiles(Arc<Inner>);

struct Inner {
    directory: PathBuf,
    /// What follows a server's name in the name of its file.
    suffix: String,
    trust: Trust,
    /// Whose signed lists are believed.
    keys: Vec<VerifierKey>,
    books: Mutex<HashMap<ServerName, Kept>>,
}

/// A book as it was when its file had this stamp.
#[derive(Clone)]
struct Kept {
    stamp: Option<Stamp>,
    book: Arc<Book>,
}

impl PinFiles {
    pub(crate) fn new(settings: &config::Pins) -> Self {
        let config::Pins { directory, suffix, trust, keys } = settings.clone();
        let books = Mutex::default();
        Self(Arc::new(Inner { directory, suffix, trust, keys, books }))
    }

    /// The servers whose file was changed by somebody else, with what may be used now and could not before, or
    /// the other way round.
    fn changed_elsewhere(&self) -> Vec<(ServerName, Vec<(PinKind, PinNote)>)> {
        let mut changed = Vec::new();
        let mut books = self.0.books.lock();
        for (server, kept) in books.iter_mut() {
            // A file that cannot be read is told by the next review, which is refused.
            if let Ok(now) = self.0.file(server).read_unless(kept.stamp.as_ref()) {
                let Some((stamp, book)) = now else { continue };
                let notes = book.changes_since(&kept.book);
                *kept = Kept { stamp, book: Arc::new(book) };
                if !notes.is_empty() {
                    changed.push((server.clone(), notes));
                }
            }
        }
        changed
    }
}

impl Inner {
    fn file(&self, server: &ServerName) -> BookFile {
        BookFile::new(self.directory.join(format!("{server}{}.json", self.suffix)))
    }

    /// The book as it is on the disk, read again only if its file is another one.
    fn book(&self, server: &ServerName) -> Result<Arc<Book>, PinsUnavailable> {
        let mut books = self.books.lock();
        let known = books.get(server).and_then(|kept| kept.stamp.as_ref());
        match self.file(server).read_unless(known)? {
            Some((stamp, book)) => {
                let book = Arc::new(book);
                books.insert(server.clone(), Kept { stamp, book: book.clone() });
                Ok(book)
            }
            None => Ok(books.get(server).map(|kept| kept.book.clone()).unwrap_or_default()),
        }
    }

    fn review(
        &self,
        server: &ServerName,
        kind: PinKind,
        offers: &[Offer],
        now_ms: u64,
    ) -> Result<Review, PinsUnavailable> {
        let name = format!("{server}{}", self.suffix);
        let signed = signed::read(&self.directory.join(format!("{name}.signed")), &name, &self.keys)?;
        let judgement = self.book(server)?.judge(kind, offers, self.trust, signed.as_ref(), now_ms);
        if !judgement.changes_the_book() {
            return Ok(judgement.into_review());
        }
        // Somebody else may have changed the book meanwhile, so it is judged again under the lock.
        let mut books = self.books.lock();
        let (review, stamp, book) = self.file(server).update(|book| {
            let judgement = book.judge(kind, offers, self.trust, signed.as_ref(), now_ms);
            book.apply(judgement)
        })?;
        books.insert(server.clone(), Kept { stamp, book: Arc::new(book) });
        Ok(review)
    }
}

impl Pins for PinFiles {
    fn review<'a>(
        &'a self,
        server: &'a ServerName,
        kind: PinKind,
        offers: Vec<Offer>,
        now_ms: u64,
    ) -> BoxFuture<'a, Result<Review, PinsUnavailable>> {
        let (inner, server) = (self.0.clone(), server.clone());
        let place = self.0.directory.display().to_string();
        Box::pin(async move {
            let reviewing = tokio::task::spawn_blocking(move || inner.review(&server, kind, &offers, now_ms));
            reviewing.await.unwrap_or_else(|e| Err(PinsUnavailable { place, reason: e.to_string() }))
        })
    }
}

/// Every book in a directory, by the name of its file, sorted.
pub(crate) fn books_in(directory: &Path) -> Result<Vec<(String, Book)>, PinsUnavailable> {
    let mut books = Vec::new();
    for path in book_file::in_directory(directory)? {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let book = BookFile::new(path).read_unless(None)?.map(|(_, book)| book);
        books.push((name, book.unwrap_or_default()));
    }
    books.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(books)
}

/// Changes one book under its lock.
pub(crate) fn change<R>(
    directory: &Path,
    name: &str,
    act: impl FnOnce(&mut Book) -> R,
) -> Result<R, PinsUnavailable> {
    BookFile::new(directory.join(format!("{name}.json"))).update(act).map(|(result, ..)| result)
}

#[cfg(test)]
mod tests;
