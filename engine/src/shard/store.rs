//! Where documents are kept: files, written by a plain thread.
//!
//! A shard hands over a [`Document`] and goes on; turning it into bytes, writing and syncing take
//! milliseconds to seconds, and happen on a thread that starts with the first document.
//!
//! ```text
//!   save ──▶ waiting: one document per name, the newest ──▶ thread: render, write, sync, rename
//! ```
//!
//! A file is replaced whole: written under another name, synced, renamed, and its directory
//! synced. Whoever reads it, after `kill -9` at any moment, finds the old content or the new one.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use crate::document::Document;

/// Which document goes to which file.
pub(crate) type Files = BTreeMap<&'static str, PathBuf>;

/// The store of one node. Dropping it waits until what was saved is written.
#[derive(Debug)]
pub(crate) struct Store {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    files: Files,
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    /// The newest of each name: an older one that was not written yet is out of date.
    documents: BTreeMap<&'static str, Document>,
    is_ending: bool,
}

impl Store {
    /// A store that keeps the documents of `files`, and drops others.
    pub(crate) fn new(files: Files) -> Self {
        let shared = Shared {
            files,
            waiting: Mutex::default(),
            changed: Condvar::new(),
        };
        Store {
            shared: Arc::new(shared),
            writer: None,
        }
    }

    /// Has a document written, soon. One that waits under the same name is replaced.
    pub(crate) fn save(&mut self, document: Document) {
        if !self.shared.files.contains_key(document.name()) {
            return;
        }
        if self.writer.is_none() {
            let shared = Arc::clone(&self.shared);
            let spawned = thread::Builder::new()
                .name(String::from("rw-store"))
                .spawn(move || shared.write_until_ended());
            match spawned {
                Ok(writer) => self.writer = Some(writer),
                Err(error) => {
                    tracing::error!(%error, "no thread to save with, will try again");
                    return;
                }
            }
        }
        self.shared
            .lock()
            .documents
            .insert(document.name(), document);
        self.shared.changed.notify_one();
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.shared.lock().is_ending = true;
        self.shared.changed.notify_one();
        if let Some(writer) = self.writer.take() {
            // A writer that panicked has said so; there is nobody else to tell.
            let _ = writer.join();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_until_ended(&self) {
        let mut waiting = self.lock();
        loop {
            if let Some((name, document)) = waiting.documents.pop_first() {
                drop(waiting);
                self.write(name, document);
                waiting = self.lock();
            } else if waiting.is_ending {
                return;
            } else {
                waiting = self
                    .changed
                    .wait(waiting)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    fn write(&self, name: &'static str, document: Document) {
        let path = &self.files[name];
        if let Err(error) = replace(path, &document.render()) {
            let path = path.display();
            tracing::error!(%path, %error, "cannot save; what was saved before is still there");
        }
    }
}

/// Replaces a file whole, or leaves it as it is.
///
/// # Errors
/// What the file system said. The file then has its old content, and the temporary file is gone if
/// that was possible.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Always the same name, so that what a killed process left is overwritten and does not pile up.
    let temporary = directory.join(format!(".{name}.tmp"));
    let written = write_synced(&temporary, content).and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = written {
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    File::open(directory)?.sync_all()
}

fn write_synced(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;
    use std::time::{Duration, Instant};

    use super::*;

    const NAME: &str = "book";
    /// Longest a test waits for something that should take milliseconds.
    const PATIENCE: Duration = Duration::from_secs(60);

    fn store_in(directory: &Path) -> (Store, PathBuf) {
        let path = directory.join("book.json");
        (Store::new(Files::from([(NAME, path.clone())])), path)
    }

    #[test]
    fn dropping_a_store_waits_for_the_newest_document() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (mut store, path) = store_in(directory.path());
        for number in 0..100_u8 {
            store.save(Document::new(NAME, move || vec![number]));
        }
        drop(store);
        assert_eq!(fs::read(&path).expect("the file"), [99]);
        let left = fs::read_dir(directory.path()).expect("the directory");
        assert_eq!(left.count(), 1, "no temporary file is left behind");
    }

    #[test]
    fn a_document_without_a_file_is_dropped() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (mut store, _) = store_in(directory.path());
        store.save(Document::new("other", || unreachable!("nobody renders it")));
        drop(store);
        let left = fs::read_dir(directory.path()).expect("the directory");
        assert_eq!(left.count(), 0);
    }

    /// Where the killed process writes; set by the test that kills it.
    const VICTIM: &str = "RINGWIRE_STORE_VICTIM";
    /// Bytes of each of its documents: enough for a kill to hit the middle of a write.
    const VICTIM_BYTES: usize = 4 << 20;

    #[test]
    #[ignore = "only run by the test that kills it"]
    fn a_process_that_saves_until_it_is_killed() {
        let Some(path) = std::env::var_os(VICTIM) else {
            return;
        };
        let mut store = Store::new(Files::from([(NAME, PathBuf::from(path))]));
        for number in (1..=u8::MAX).cycle() {
            store.save(Document::new(NAME, move || vec![number; VICTIM_BYTES]));
            thread::yield_now();
        }
    }

    #[test]
    fn a_process_killed_while_it_saves_leaves_one_whole_document() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("book.json");
        replace(&path, &vec![0; VICTIM_BYTES]).expect("room to write");
        let mut contents = std::collections::BTreeSet::new();
        for round in 0..12 {
            let mut victim = std::process::Command::new(std::env::current_exe().expect("us"))
                .args(["--ignored", "--exact"])
                .arg("shard::store::tests::a_process_that_saves_until_it_is_killed")
                .env(VICTIM, &path)
                .stdout(std::process::Stdio::null())
                .spawn()
                .expect("our own program runs");
            // It has begun to write when another file has the name; then different moments of a
            // write, not a wait for something.
            let file = || fs::metadata(&path).expect("the file").ino();
            let (before, began) = (file(), Instant::now());
            while file() == before {
                assert!(began.elapsed() < PATIENCE, "it never writes");
                thread::sleep(Duration::from_millis(1));
            }
            thread::sleep(Duration::from_millis(7 * round));
            victim.kill().expect("it runs");
            victim.wait().expect("it was ours");
            let content = fs::read(&path).expect("the file");
            assert_eq!(content.len(), VICTIM_BYTES);
            assert!(content.iter().all(|byte| *byte == content[0]), "torn");
            contents.insert(content[0]);
        }
        assert!(
            contents.len() > 2,
            "the killed processes did write: {contents:?}"
        );
    }

    #[test]
    fn a_file_that_cannot_be_replaced_keeps_its_content() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("book.json");
        replace(&path, b"old").expect("room to write");
        // A directory in the place of the temporary file: writing fails before the rename.
        fs::create_dir(directory.path().join(".book.json.tmp")).expect("room for a directory");
        assert!(replace(&path, b"new").is_err());
        assert_eq!(fs::read(&path).expect("the file"), b"old");
    }
}
