//! The thread that answers.

use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tracing::warn;

use super::lock::Lock;
use super::place::Place;
use super::report::Reporter;
use super::wire::{QUESTION_BYTES_MAX, SOCKET};
use crate::node::Node;

/// Time in which a question must have come. Others wait meanwhile, so it is short.
const QUESTION_WITHIN: Duration = Duration::from_secs(2);

/// Time in which each piece of an answer must have been taken.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Pause after a failed accept, so that a lack of descriptors does not become a lack of CPU.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The socket of a running node. Dropped, it is gone, and the home is free.
pub(crate) struct Control {
    lock: Lock,
    is_ending: Arc<AtomicBool>,
}

impl Control {
    /// Begins to answer. Without a socket the node runs all the same, so what is wrong with it is
    /// a warning.
    pub(crate) fn serve(lock: Lock, node: &Node) -> Control {
        let is_ending = Arc::new(AtomicBool::new(false));
        let (reporter, ending) = (Reporter::new(node), Arc::clone(&is_ending));
        let served = listen(lock.data_dir()).and_then(|listener| {
            thread::Builder::new()
                .name(String::from("rw-control"))
                .spawn(move || answer_all(&listener, &reporter, &ending))
        });
        if let Err(error) = served {
            warn!(
                "{}: {error}; `ringwire peers` cannot ask this node",
                lock.data_dir().join(SOCKET).display()
            );
        }
        Control { lock, is_ending }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.is_ending.store(true, Ordering::Relaxed);
        // Wakes the thread, which then looks at the flag. Nobody waits for it: it may be in the
        // middle of an answer, and has nothing that must be put away.
        if let Ok(place) = Place::new(self.lock.data_dir(), SOCKET) {
            let _ = UnixStream::connect(place.path());
        }
        // One that stays is taken for that of a dead node, which is what it is.
        let _ = fs::remove_file(self.lock.data_dir().join(SOCKET));
    }
}

/// Listens on the socket, in place of one that a dead node left. It is made in a directory that
/// nobody else may enter and moved once its mode is right, so that nobody else ever reaches it.
fn listen(data_dir: &Path) -> io::Result<UnixListener> {
    let closet = data_dir.join(format!(".ringwire.{}", process::id()));
    DirBuilder::new().mode(0o700).create(&closet)?;
    let listener = Place::new(&closet, SOCKET).and_then(|place| {
        let listener = UnixListener::bind(place.path())?;
        fs::set_permissions(closet.join(SOCKET), Permissions::from_mode(0o600))?;
        fs::rename(closet.join(SOCKET), data_dir.join(SOCKET))?;
        Ok(listener)
    });
    if listener.is_err() {
        // It may not be there; then the directory is empty already.
        let _ = fs::remove_file(closet.join(SOCKET));
    }
    fs::remove_dir(&closet)?;
    listener
}

fn answer_all(listener: &UnixListener, reporter: &Reporter, is_ending: &AtomicBool) {
    for connection in listener.incoming() {
        if is_ending.load(Ordering::Relaxed) {
            return;
        }
        match connection {
            // Whoever asks sees what went wrong; the node has no part in it.
            Ok(stream) => drop(answer(stream, &|| reporter.report())),
            Err(_) => thread::sleep(ACCEPT_PAUSE),
        }
    }
}

/// Reads one question and answers it.
fn answer(mut stream: UnixStream, report: &dyn Fn() -> Value) -> io::Result<()> {
    stream.set_write_timeout(Some(ANSWER_WITHIN))?;
    let answer = match read_question(&mut stream)? {
        Some(question) if wants_peers(&question) => report(),
        Some(_) => json!({ "error": "the one question is {\"peers\":true}" }),
        None => json!({ "error": format!("a question has at most {QUESTION_BYTES_MAX} bytes") }),
    };
    stream.write_all(format!("{answer}\n").as_bytes())
}

fn wants_peers(question: &[u8]) -> bool {
    let question: Option<Value> = serde_json::from_slice(question).ok();
    question.is_some_and(|question| question["peers"] == true)
}

/// A line without its newline; none if it is too long.
fn read_question(stream: &mut UnixStream) -> io::Result<Option<Vec<u8>>> {
    let deadline = Instant::now() + QUESTION_WITHIN;
    let (mut question, mut chunk) = (Vec::new(), [0; 512]);
    while question.len() <= QUESTION_BYTES_MAX {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        let read = stream.read(&mut chunk)?;
        let line_end = chunk[..read].iter().position(|byte| *byte == b'\n');
        question.extend_from_slice(&chunk[..line_end.unwrap_or(read)]);
        if line_end.is_some() || read == 0 {
            return Ok(Some(question).filter(|line| line.len() <= QUESTION_BYTES_MAX));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What somebody hears who says `question` and then nothing more.
    fn heard(question: &[u8]) -> Value {
        let (mut asker, stream) = UnixStream::pair().expect("a pair of sockets");
        asker.write_all(question).expect("room for the question");
        answer(stream, &|| json!({ "peers": [] })).expect("a question and an answer");
        let mut said = String::new();
        asker.read_to_string(&mut said).expect("an answer");
        assert!(said.ends_with('\n'));
        serde_json::from_str(&said).expect("a line of JSON")
    }

    #[test]
    fn the_one_question_is_answered_and_others_are_refused() {
        assert_eq!(heard(b"{\"peers\":true}\n"), json!({ "peers": [] }));
        for question in [&b"{\"peers\":false}\n"[..], b"[]\n", b"\xff\n", b"\n"] {
            assert!(heard(question)["error"].is_string());
        }
    }

    #[test]
    fn a_question_up_to_the_limit_passes_and_one_byte_more_does_not() {
        let question = |bytes: usize| {
            let mut line = b"{\"peers\":true}".to_vec();
            line.resize(bytes, b' ');
            line.push(b'\n');
            line
        };
        assert_eq!(heard(&question(QUESTION_BYTES_MAX))["peers"], json!([]));
        assert!(heard(&question(QUESTION_BYTES_MAX + 1))["error"].is_string());
    }

    #[test]
    fn a_socket_is_made_for_its_owner_alone_in_place_of_a_stale_one() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let stale = listen(directory.path()).expect("a socket");
        drop(stale);
        let _listener = listen(directory.path()).expect("a socket in place of the stale one");
        let path = directory.path().join(SOCKET);
        let mode = fs::metadata(&path)
            .expect("the socket")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        UnixStream::connect(&path).expect("somebody listens");
        let left = fs::read_dir(directory.path())
            .expect("the directory")
            .count();
        assert_eq!(left, 1, "nothing but the socket is left");
    }
}
