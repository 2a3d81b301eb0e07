//! One question and one answer, a line each.

use std::io::{self, BufRead as _, BufReader, ErrorKind, Read, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::{Value, json};

use super::orders::Order;
use super::place::Place;
use crate::failure::Failure;
use crate::home::Home;

/// Name of the socket in the data directory.
pub(super) const SOCKET: &str = "ringwire.sock";

/// Bytes of the longest question.
pub(super) const QUESTION_BYTES_MAX: usize = 4096;

/// Bytes of the longest answer: a full address book is 6 MB.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// Time in which a node that runs answers.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Time in which a node that runs has carried out an order: a dial takes that of its three steps.
const DONE_WITHIN: Duration = Duration::from_secs(120);

/// Asks the node that runs on `home` for its report; none if no node runs there.
///
/// # Errors
/// The node does not answer, or this user may not ask.
pub(crate) fn ask(home: &Home) -> Result<Option<Value>, Failure> {
    say(home, &json!({ "peers": true }), ANSWER_WITHIN)
}

/// The same without the address book, which is most of a report, and with at most `peers_max` peers,
/// those with the most traffic: for who asks again and again.
///
/// # Errors
/// Those of [`ask`].
pub(crate) fn ask_live(home: &Home, peers_max: usize) -> Result<Option<Value>, Failure> {
    let question = json!({ "peers": true, "address_book": false, "peers_max": peers_max });
    say(home, &question, ANSWER_WITHIN)
}

/// Gives the node that runs on `home` an order, and waits until it is carried out; none if no node
/// runs there.
///
/// # Errors
/// The node does not answer, this user may not ask, or what the order failed by.
pub(crate) fn order(home: &Home, order: &Order) -> Result<Option<Value>, Failure> {
    say(home, &json!({ "order": order }), DONE_WITHIN)
}

fn say(home: &Home, question: &Value, within: Duration) -> Result<Option<Value>, Failure> {
    let data_dir = home.data_dir();
    let at = data_dir.join(SOCKET);
    let connected =
        Place::new(&data_dir, SOCKET).and_then(|place| UnixStream::connect(place.path()));
    let stream = match connected {
        Ok(stream) => stream,
        // Nobody ever listened there, or who did is dead.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::ConnectionRefused
            ) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(Failure::new(format!("{}: {error}", at.display()))),
    };
    let answer = exchange(stream, question, within).map_err(|error| {
        let why = match error.kind() {
            // What a socket's own timeout is called differs between systems.
            ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                format!("within {within:?}: the node is stopped, or has too much to do")
            }
            // It ended while it was asked.
            ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
                String::from("the node has ended")
            }
            _ => error.to_string(),
        };
        Failure::new(format!("{}: no answer: {why}", at.display()))
    })?;
    match answer.get("error").and_then(Value::as_str) {
        Some(error) => Err(Failure::new(format!("{}: {error}", at.display()))),
        None => Ok(Some(answer)),
    }
}

/// Whether a node listens on the socket of `home`.
pub(crate) fn is_answered(home: &Home) -> bool {
    let connected =
        Place::new(&home.data_dir(), SOCKET).and_then(|place| UnixStream::connect(place.path()));
    connected.is_ok()
}

fn exchange(mut stream: UnixStream, question: &Value, within: Duration) -> io::Result<Value> {
    stream.set_read_timeout(Some(within))?;
    stream.set_write_timeout(Some(ANSWER_WITHIN))?;
    writeln!(stream, "{question}")?;
    let mut answer = Vec::new();
    BufReader::new(stream.take(ANSWER_BYTES_MAX)).read_until(b'\n', &mut answer)?;
    if answer.is_empty() {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(serde_json::from_slice(&answer)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_node_that_does_not_answer_is_told_from_one_that_has_ended() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let home = Home::at(directory.path().to_owned());
        std::fs::create_dir(home.data_dir()).expect("room for a directory");
        let listener = UnixListener::bind(home.data_dir().join(SOCKET)).expect("a socket");
        let ask = |within| {
            let asked = say(&home, &json!({ "peers": true }), within);
            asked.expect_err("nobody answers").to_string()
        };
        let told = ask(Duration::from_millis(20));
        assert!(
            told.contains("no answer: within 20ms: the node is stopped"),
            "{told}"
        );
        // The one before and the one that is to come.
        let ends = std::thread::spawn(move || drop((listener.accept(), listener.accept())));
        let told = ask(Duration::from_secs(60));
        assert!(told.ends_with("no answer: the node has ended"), "{told}");
        ends.join().expect("it has ended");
    }
}
