//! The thread that answers.

use std::fs::{self, Permissions};
use std::io::{self, BufWriter, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ringwire_codec::file::FileKind;
use serde::Serialize;
use serde_json::{Value, json};
use tracing::warn;

use super::lock::Lock;
use super::orders::{Foreman, Order};
use super::place::Place;
use super::report::{Parts, Reporter};
use super::wire::{QUESTION_BYTES_MAX, SOCKET};
use crate::node::Node;
use crate::reload::Reloader;
use crate::threads;

/// Time in which a question must have come. Others wait meanwhile, so it is short.
const QUESTION_WITHIN: Duration = Duration::from_secs(2);

/// Time in which each piece of an answer must have been taken.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Pause after a failed accept, so that a lack of descriptors does not become a lack of CPU.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Name of the directories in which sockets are made, before what makes each unique.
const CLOSET_PREFIX: &str = ".ringwire.";

/// Entries of the data directory that are looked at for what dead nodes left; it has three.
const ENTRIES_MAX: usize = 4096;

/// The socket of a running node. Dropped, it is gone, and the home is free.
pub(crate) struct Control {
    lock: Lock,
    is_ending: Arc<AtomicBool>,
    /// Which socket is ours; none without one.
    socket: Option<Identity>,
}

/// Device and inode.
type Identity = (u64, u64);

impl Control {
    /// Begins to answer. Without a socket the node runs all the same, so what is wrong with it is
    /// a warning.
    pub(crate) fn serve(lock: Lock, node: &Node, reloader: Reloader) -> Control {
        let is_ending = Arc::new(AtomicBool::new(false));
        let (reporter, ending) = (Reporter::new(node), Arc::clone(&is_ending));
        let foreman = Foreman::new(node.handle(), reloader);
        if lock.is_exclusive() {
            remove_closets(lock.data_dir());
        }
        let served = listen(lock.data_dir()).and_then(|listener| {
            thread::Builder::new()
                .name(String::from("rw-control"))
                .spawn(move || answer_all(&listener, &reporter, &foreman, &ending))
        });
        let path = lock.data_dir().join(SOCKET);
        if let Err(error) = &served {
            warn!(
                "{}: {error}; `ringwire peers` cannot ask this node",
                path.display()
            );
        }
        let socket = served.ok().and_then(|_| identity(&path));
        Control {
            lock,
            is_ending,
            socket,
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.is_ending.store(true, Ordering::Relaxed);
        let path = self.lock.data_dir().join(SOCKET);
        // Without a lock another node may have put its own socket there.
        if self.socket.is_none() || identity(&path) != self.socket {
            return;
        }
        // Wakes the thread, which then looks at the flag. Nobody waits for it: it may be in the
        // middle of an answer, and has nothing that must be put away.
        if let Ok(place) = Place::new(self.lock.data_dir(), SOCKET) {
            let _ = UnixStream::connect(place.path());
        }
        // One that stays is taken for that of a dead node, which is what it is.
        let _ = fs::remove_file(path);
    }
}

fn identity(path: &Path) -> Option<Identity> {
    let metadata = path.symlink_metadata().ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// Listens on the socket, in place of one that a dead node left. It is made in a directory that
/// nobody else may enter and moved once its mode is right, so that nobody else ever reaches it.
fn listen(data_dir: &Path) -> io::Result<UnixListener> {
    let path = data_dir.join(SOCKET);
    match FileKind::at(&path) {
        Ok(FileKind::Socket) => {}
        Ok(kind) => {
            let rule = format!("this is {kind}, not a socket: move it away");
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, rule));
        }
        // Nothing, or a link that leads nowhere, which the socket replaces.
        Err(_) => {}
    }
    // A name that no other process has, nor had: process ids come again, in a container at once.
    let closet = tempfile::Builder::new()
        .prefix(CLOSET_PREFIX)
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(data_dir)?;
    let place = Place::new(closet.path(), SOCKET)?;
    let listener = UnixListener::bind(place.path())?;
    let made = closet.path().join(SOCKET);
    fs::set_permissions(&made, Permissions::from_mode(0o600))?;
    fs::rename(made, path)?;
    Ok(listener)
}

/// Removes what nodes left that were killed while they made their socket.
fn remove_closets(data_dir: &Path) {
    let entries = fs::read_dir(data_dir).into_iter().flatten();
    for entry in entries.take(ENTRIES_MAX).flatten() {
        let name = entry.file_name();
        let is_closet = name.to_string_lossy().starts_with(CLOSET_PREFIX)
            && entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_closet {
            // One that stays does no harm.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn answer_all(
    listener: &UnixListener,
    reporter: &Reporter,
    foreman: &Foreman,
    is_ending: &AtomicBool,
) {
    for connection in listener.incoming() {
        if is_ending.load(Ordering::Relaxed) {
            return;
        }
        match connection {
            // Whoever asks sees what went wrong; the node has no part in it.
            Ok(stream) => drop(answer(
                stream,
                &|parts| reporter.report(parts),
                &|stream, order| carry_out(stream, order, foreman),
            )),
            Err(_) => thread::sleep(ACCEPT_PAUSE),
        }
    }
}

/// Reads one question and answers it, or has its order carried out.
fn answer<R: Serialize>(
    mut stream: UnixStream,
    report: &dyn Fn(Parts) -> R,
    carry_out: &dyn Fn(UnixStream, Order) -> io::Result<()>,
) -> io::Result<()> {
    stream.set_write_timeout(Some(ANSWER_WITHIN))?;
    let error = match read_question(&mut stream)?.as_deref().map(Question::read) {
        Some(Ok(Question::Peers(parts))) => return write_line(stream, &report(parts)),
        Some(Ok(Question::Order(order))) => return carry_out(stream, order),
        Some(Err(error)) => error,
        None => format!("a question has at most {QUESTION_BYTES_MAX} bytes"),
    };
    write_line(stream, &json!({ "error": error }))
}

/// Has an order carried out on a thread of its own: others ask meanwhile.
fn carry_out(stream: UnixStream, order: Order, foreman: &Foreman) -> io::Result<()> {
    let Some(place) = foreman.admit() else {
        let error = "too many orders are being carried out; try again";
        return write_line(stream, &json!({ "error": error }));
    };
    let foreman = foreman.clone();
    threads::spawn("rw-order", move || {
        let _place = place;
        // Who asked may be gone; what was ordered is done all the same.
        let _ = write_line(stream, &foreman.carry_out(order));
    })
}

/// What can be asked.
enum Question {
    Peers(Parts),
    Order(Order),
}

impl Question {
    fn read(line: &[u8]) -> Result<Question, String> {
        let mut question: Value = serde_json::from_slice(line)
            .map_err(|error| format!("a question is one line of JSON: {error}"))?;
        if question["peers"] == true {
            return Ok(Question::Peers(Parts {
                address_book: question["address_book"] != false,
                peers_max: question["peers_max"]
                    .as_u64()
                    .map(|max| usize::try_from(max).unwrap_or(usize::MAX)),
            }));
        }
        match question.get_mut("order").map(Value::take) {
            Some(order) => serde_json::from_value(order)
                .map(Question::Order)
                .map_err(|error| format!("order: {error}")),
            None => Err(String::from(
                "a question is {\"peers\":true} or {\"order\":{…}}",
            )),
        }
    }
}

/// Writes a value as one line of JSON, piece by piece: the largest book makes several megabytes.
fn write_line(stream: UnixStream, value: &impl Serialize) -> io::Result<()> {
    let mut stream = BufWriter::new(stream);
    serde_json::to_writer(&mut stream, value)?;
    stream.write_all(b"\n")?;
    stream.flush()
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
        let echo = |stream, order| write_line(stream, &json!({ "order": order }));
        let report = |parts: Parts| match (parts.address_book, parts.peers_max) {
            (true, None) => json!({ "peers": [], "address_book": null }),
            (_, peers_max) => json!({ "peers": [], "peers_max": peers_max }),
        };
        answer(stream, &report, &echo).expect("a question and an answer");
        let mut said = String::new();
        asker.read_to_string(&mut said).expect("an answer");
        assert!(said.ends_with('\n'));
        serde_json::from_str(&said).expect("a line of JSON")
    }

    #[test]
    fn the_question_for_peers_is_answered_and_others_are_refused() {
        let whole = json!({ "peers": [], "address_book": null });
        assert_eq!(heard(b"{\"peers\":true}\n"), whole);
        assert_eq!(heard(b"{\"peers\":true,\"address_book\":true}\n"), whole);
        let without = heard(b"{\"peers\":true,\"address_book\":false}\n");
        assert_eq!(without, json!({ "peers": [], "peers_max": null }));
        let few = heard(b"{\"peers\":true,\"address_book\":false,\"peers_max\":7}\n");
        assert_eq!(few, json!({ "peers": [], "peers_max": 7 }));
        for question in [&b"{\"peers\":false}\n"[..], b"[]\n", b"\xff\n", b"\n"] {
            assert!(heard(question)["error"].is_string());
        }
    }

    #[test]
    fn an_order_is_handed_on_and_one_that_is_none_is_named() {
        let bans = heard(b"{\"order\":{\"bans\":{}}}\n");
        assert_eq!(bans, json!({ "order": { "bans": {} } }));
        let error = heard(b"{\"order\":{\"shout\":{}}}\n");
        let error = error["error"].as_str().expect("it is none");
        assert!(
            error.starts_with("order: unknown variant `shout`"),
            "{error}"
        );
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

    #[test]
    fn what_a_killed_node_left_of_our_own_process_id_costs_no_socket() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        // In a container every node is process 1.
        for id in [String::from("1"), std::process::id().to_string()] {
            let closet = directory.path().join(format!("{CLOSET_PREFIX}{id}"));
            fs::create_dir(&closet).expect("room for a directory");
            drop(UnixListener::bind(closet.join(SOCKET)).expect("a socket"));
        }
        let _listener = listen(directory.path()).expect("a socket all the same");
        remove_closets(directory.path());
        let left = fs::read_dir(directory.path()).expect("the directory");
        assert_eq!(left.count(), 1, "nothing but the socket is left");
        UnixStream::connect(directory.path().join(SOCKET)).expect("somebody listens");
    }

    #[test]
    fn a_file_in_the_place_of_the_socket_is_not_replaced() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join(SOCKET);
        fs::write(&path, "mine").expect("room to write");
        let refused = listen(directory.path()).expect_err("that is a file");
        assert!(refused.to_string().contains("a regular file"), "{refused}");
        assert_eq!(fs::read_to_string(&path).expect("the file"), "mine");
    }
}
