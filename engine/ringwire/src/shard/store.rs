//! Where documents are kept: files, written by a plain thread.
//!
//! A shard hands over a [`Document`] and goes on; turning it into bytes, writing and syncing take
//! milliseconds to seconds, and happen on a thread that starts with the first document.
//!
//! ```text
//!   save ──▶ waiting: one document per name, the newest ──▶ thread: render ──▶ write whole ──▶ done
//!                                                             ▲                   │ refused
//!                                                             └── pause, doubled ◀┘
//! ```
//!
//! A file is replaced whole ([`ringwire_codec::file`]): whoever reads it, after `kill -9` at any
//! moment, finds the old content or the new one. A save that the disk refuses is told once, tried
//! again until it works or something newer is to be saved, and tried a last time at the end.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ringwire_codec::file::{self, Durability};
use ringwire_core::document::Document;

use crate::shard::error::panic_message;
use crate::transport::affinity;

/// What a document is called.
type Name = Cow<'static, str>;

/// Which document goes to which file.
pub(crate) type Files = BTreeMap<Name, PathBuf>;

/// Pause before a save that was refused is tried again; doubled from one time to the next.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// The longest such pause: somebody who has made room wants to see it used.
const RETRY_MAX: Duration = Duration::from_secs(60);

/// The store of one node. Dropping it waits until what was saved is written, or was refused once
/// more.
#[derive(Debug)]
pub(crate) struct Store {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// Taken along by the thread; here as long as there is none.
    writer: Option<Writer>,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    /// The newest of each name: an older one that was not written yet is out of date.
    documents: BTreeMap<Name, Document>,
    is_ending: bool,
}

impl Store {
    /// A store that keeps the documents of `files`. Others are not to be saved: the switch has
    /// refused them.
    pub(crate) fn new(files: Files) -> Self {
        Store::with_pause(files, RETRY_FIRST)
    }

    fn with_pause(files: Files, retry_first: Duration) -> Self {
        Store {
            shared: Arc::default(),
            thread: None,
            writer: Some(Writer::new(files, retry_first)),
        }
    }

    /// Has a document written, soon. One that waits under the same name is replaced.
    pub(crate) fn save(&mut self, document: Document) {
        self.shared
            .lock()
            .documents
            .insert(document.name().clone(), document);
        self.start();
        self.shared.changed.notify_one();
    }

    /// Starts the thread if there is none.
    fn start(&mut self) {
        let Some(writer) = self.writer.take() else {
            return;
        };
        // Handed over once the thread is there: a thread that does not start would drop it.
        let (hand, taken) = std::sync::mpsc::sync_channel::<Writer>(1);
        let shared = Arc::clone(&self.shared);
        let spawned = affinity::spawn("rw-store", move || {
            if let Ok(writer) = taken.recv() {
                shared.write_until_ended(writer);
            }
        });
        match spawned {
            Ok(thread) => {
                self.thread = Some(thread);
                hand.send(writer).expect("the thread waits for it");
            }
            Err(error) => {
                tracing::warn!(%error, "no thread to save with, will try again with the next save");
                self.writer = Some(writer);
            }
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.shared.lock().is_ending = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was told where it happened; there is nobody else to tell.
            let _ = thread.join();
        }
        if let Some(writer) = self.writer.take() {
            // There never was a thread: what waits is written here and now.
            self.shared.write_until_ended(writer);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_until_ended(&self, mut writer: Writer) {
        let mut waiting = self.lock();
        loop {
            let now = Instant::now();
            if let Some((_, document)) = waiting.documents.pop_first() {
                drop(waiting);
                writer.save(document, now);
                waiting = self.lock();
            } else if waiting.is_ending {
                drop(waiting);
                return writer.finish();
            } else if writer.next_retry().is_some_and(|at| at <= now) {
                drop(waiting);
                writer.retry(now);
                waiting = self.lock();
            } else {
                waiting = self.wait(waiting, writer.next_retry().map(|at| at - now));
            }
        }
    }

    /// Waits for a change, at most for `pause`.
    fn wait<'a>(
        &'a self,
        waiting: MutexGuard<'a, Waiting>,
        pause: Option<Duration>,
    ) -> MutexGuard<'a, Waiting> {
        match pause {
            None => self
                .changed
                .wait(waiting)
                .unwrap_or_else(PoisonError::into_inner),
            Some(pause) => {
                let waited = self.changed.wait_timeout(waiting, pause);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }
}

/// Writes documents, and remembers what it could not write.
#[derive(Debug)]
struct Writer {
    files: Files,
    retry_first: Duration,
    /// What was refused, by name: the newest, and at most one for each file.
    refused: BTreeMap<Name, Refused>,
    /// Whether it was said that the file system does not sync.
    has_told_unsynced: bool,
}

#[derive(Debug)]
struct Refused {
    content: Vec<u8>,
    /// Times in a row, this one included.
    times: u32,
    retry_at: Instant,
}

impl Writer {
    fn new(files: Files, retry_first: Duration) -> Self {
        Writer {
            files,
            retry_first,
            refused: BTreeMap::new(),
            has_told_unsynced: false,
        }
    }

    /// Makes a document's bytes and writes them.
    fn save(&mut self, document: Document, now: Instant) {
        let name = document.name().clone();
        match catch_unwind(AssertUnwindSafe(|| document.render())) {
            Ok(content) => self.write(name, content, now),
            Err(panic) => {
                let panic = panic_message(&*panic);
                tracing::error!(document = &*name, %panic, "a document panicked while it was made; what was saved before is still there");
            }
        }
    }

    fn write(&mut self, name: Name, content: Vec<u8>, now: Instant) {
        let Some(path) = self.files.get(&name) else {
            return;
        };
        let shown = path.display();
        let before = self
            .refused
            .remove(&name)
            .map_or(0, |refused| refused.times);
        match file::replace(path, &content) {
            Ok(durability) => {
                if before > 0 {
                    tracing::info!(path = %shown, tries = before + 1, "saved again");
                }
                if durability == Durability::Unsynced && !self.has_told_unsynced {
                    self.has_told_unsynced = true;
                    tracing::warn!(path = %shown, "saved, but this file system does not sync: a loss of power may cost the file");
                }
            }
            Err(error) => {
                tell_refused(path, &error, before);
                let pause = self.retry_first * 2_u32.saturating_pow(before.min(16));
                let refused = Refused {
                    content,
                    times: before.saturating_add(1),
                    retry_at: now + pause.min(RETRY_MAX),
                };
                self.refused.insert(name, refused);
            }
        }
    }

    /// When something is to be tried again.
    fn next_retry(&self) -> Option<Instant> {
        self.refused.values().map(|refused| refused.retry_at).min()
    }

    /// Tries again what is due.
    fn retry(&mut self, now: Instant) {
        let due = self.refused.iter().find(|(_, it)| it.retry_at <= now);
        if let Some(name) = due.map(|(name, _)| name.clone())
            && let Some(refused) = self.refused.get_mut(&name)
        {
            let content = std::mem::take(&mut refused.content);
            self.write(name, content, now);
        }
    }

    /// Tries everything a last time.
    fn finish(mut self) {
        let names: Vec<_> = self.refused.keys().cloned().collect();
        for name in names {
            let content = self
                .refused
                .get_mut(&name)
                .map(|it| std::mem::take(&mut it.content));
            self.write(name, content.unwrap_or_default(), Instant::now());
        }
        for (name, path) in self
            .files
            .iter()
            .filter(|(name, _)| self.refused.contains_key(*name))
        {
            tracing::error!(document = &**name, path = %path.display(), "ended without saving; what was saved before is still there");
        }
    }
}

/// Says once why a save was refused, however often it is tried again.
fn tell_refused(path: &std::path::Path, error: &io::Error, times_before: u32) {
    let path = path.display();
    match times_before {
        0 => {
            tracing::warn!(%path, %error, "cannot save, will try again; what was saved before is still there")
        }
        _ => tracing::debug!(%path, %error, times_before, "still cannot save"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt as _;
    use std::path::Path;
    use std::thread;

    use super::*;

    const NAME: Name = Cow::Borrowed("book");
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
    fn a_document_that_panics_costs_itself_and_not_the_next_one() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (mut store, path) = store_in(directory.path());
        store.save(Document::new(NAME, || b"first".to_vec()));
        wait_until(|| fs::read(&path).is_ok_and(|content| content == b"first"));
        store.save(Document::new(NAME, || panic!("no bytes today")));
        wait_until(|| store.shared.lock().documents.is_empty());
        store.save(Document::new(NAME, || b"second".to_vec()));
        drop(store);
        assert_eq!(fs::read(&path).expect("the file"), b"second");
    }

    /// A store whose directory is not there yet, so that every save is refused.
    fn refused_store(root: &Path, retry_first: Duration) -> (Store, PathBuf) {
        let path = root.join("later").join("book.json");
        let files = Files::from([(NAME, path.clone())]);
        (Store::with_pause(files, retry_first), path)
    }

    #[test]
    fn a_save_that_is_refused_is_tried_again_until_it_works() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let (mut store, path) = refused_store(root.path(), Duration::from_millis(1));
        store.save(Document::new(NAME, || b"kept".to_vec()));
        wait_until(|| store.shared.lock().documents.is_empty());
        fs::create_dir(root.path().join("later")).expect("room for a directory");
        wait_until(|| fs::read(&path).is_ok_and(|content| content == b"kept"));
        drop(store);
    }

    #[test]
    fn a_save_that_was_refused_is_tried_a_last_time_at_the_end() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let (mut store, path) = refused_store(root.path(), Duration::from_secs(3600));
        for content in [&b"old"[..], b"newest"] {
            store.save(Document::new(NAME, move || content.to_vec()));
            wait_until(|| store.shared.lock().documents.is_empty());
        }
        assert!(!path.exists());
        fs::create_dir(root.path().join("later")).expect("room for a directory");
        drop(store);
        assert_eq!(fs::read(&path).expect("the file"), b"newest");
    }

    #[test]
    fn pauses_between_tries_double_up_to_their_longest() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let files = Files::from([(NAME, root.path().join("absent/book.json"))]);
        let (mut writer, mut now) = (Writer::new(files, RETRY_FIRST), Instant::now());
        writer.save(Document::new(NAME, || b"kept".to_vec()), now);
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            let retry_at = writer.next_retry().expect("it was refused");
            assert_eq!(retry_at - now, Duration::from_secs(seconds));
            writer.retry(retry_at - Duration::from_nanos(1));
            assert_eq!(writer.next_retry(), Some(retry_at), "not before its time");
            now = retry_at;
            writer.retry(now);
        }
        assert_eq!(writer.refused[&NAME].content, b"kept");
    }

    /// Waits for another thread, which needs milliseconds.
    fn wait_until(is_so: impl Fn() -> bool) {
        let began = Instant::now();
        while !is_so() {
            assert!(began.elapsed() < PATIENCE, "it never happens");
            thread::sleep(Duration::from_millis(1));
        }
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
        let _ = file::replace(&path, &vec![0; VICTIM_BYTES]).expect("room to write");
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
            let inode = || fs::metadata(&path).expect("the file").ino();
            let (before, began) = (inode(), Instant::now());
            while inode() == before {
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
}
