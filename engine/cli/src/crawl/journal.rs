//! The file of a crawl: JSON lines, added to and never rewritten, from which a later run goes on.
//!
//! ```text
//!   {"event":"heard","time":T,"address":"ID@HOST:PORT","from":"ID"}       the first time that somebody tells
//!   {"event":"visited","time":T,"address":"ID@HOST:PORT","ok":true, …}    as `ringwire probe --json` has it
//! ```

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ringwire_core::pex::Timestamp;
use serde_json::{Value, json};

use super::map::{Found, Map};
use crate::failure::Failure;
use crate::probe::visit_json;
use crate::visit::{Target, Visit};

/// Bytes of a line that are read; ours are below 4 KiB.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// What mends a file that is none of ours.
const OWN_FILE: &str = "a crawl goes on only from a file of its own";

/// The file, open for adding and locked.
pub(super) struct Journal {
    file: File,
    path: PathBuf,
}

impl Journal {
    /// Opens or makes the file and tells `map` what it knows. A last line that was cut short is dropped,
    /// behind others of a crawl only: whatever else the file is, nothing is taken from it.
    ///
    /// # Errors
    /// It cannot be read or written, another crawl adds to it, or a line is none of a crawl, with its number.
    pub(super) fn open(path: &Path, map: &mut Map) -> Result<Self, Failure> {
        let at =
            |error: &dyn std::fmt::Display| Failure::new(format!("{}: {error}", path.display()));
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        let mut file = options.open(path).map_err(|error| at(&error))?;
        if !file.metadata().map_err(|error| at(&error))?.is_file() {
            return Err(at(&"it is not a regular file"));
        }
        // A file system without locks has the operator alone to keep two crawls apart.
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Err(at(&"another crawl adds to it; give each a file of its own"));
        }
        let whole = read_lines(&mut file, map).map_err(|problem| at(&problem))?;
        file.set_len(whole).map_err(|error| at(&error))?;
        Ok(Journal {
            file,
            path: path.to_owned(),
        })
    }

    /// Adds an event.
    ///
    /// # Errors
    /// The file takes no more.
    pub(super) fn add(&mut self, event: &Value) -> Result<(), Failure> {
        let mut line = event.to_string();
        line.push('\n');
        let written = self.file.write_all(line.as_bytes());
        written.map_err(|error| Failure::new(format!("{}: {error}", self.path.display())))
    }
}

/// Somebody told of a place for the first time.
pub(super) fn heard(target: &Target, from: Option<&str>, now: Timestamp) -> Value {
    json!({
        "event": "heard",
        "time": now.to_string(),
        "address": target.to_string(),
        "from": from,
    })
}

/// A visit ended.
pub(super) fn visited(visit: &Visit, now: Timestamp) -> Value {
    let mut event = visit_json(visit);
    event["event"] = json!("visited");
    event["time"] = json!(now.to_string());
    event
}

/// What a visit, ours or one of an earlier run, says for the map.
pub(super) fn found(event: &Value) -> Found {
    let text = |key: &str| event[key].as_str().map(str::to_owned);
    Found {
        id: event["id"].as_str().and_then(|id| id.parse().ok()),
        chain: text("chain"),
        version: text("version"),
        reachable: event["ok"] == true,
        answers_pex: event["answers_pex"] == true,
        round_trip: event["round_trip_seconds"]
            .as_f64()
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
    }
}

/// Reads all lines; the bytes of those that are whole.
fn read_lines(file: &mut File, map: &mut Map) -> Result<u64, String> {
    let mut reader = BufReader::new(file);
    let (mut whole, mut number) = (0, 0_u64);
    let mut line = Vec::new();
    loop {
        line.clear();
        number += 1;
        let read = read_line(&mut reader, &mut line).map_err(|error| error.to_string())?;
        if line.pop() != Some(b'\n') {
            if read >= LINE_BYTES_MAX {
                return Err(format!(
                    "line {number} is longer than {LINE_BYTES_MAX} bytes"
                ));
            }
            if whole == 0 && read > 0 {
                // Such a file may be anything: a key of one line without an end, for example.
                return Err(format!("line 1 has no end; {OWN_FILE}"));
            }
            return Ok(whole);
        }
        apply(&line, map).map_err(|problem| format!("line {number}: {problem}; {OWN_FILE}"))?;
        whole += read;
    }
}

fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<u64> {
    let read = reader.take(LINE_BYTES_MAX).read_until(b'\n', line)?;
    Ok(read as u64)
}

fn apply(line: &[u8], map: &mut Map) -> Result<(), String> {
    let event: Value = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let text = |key: &str| event[key].as_str().ok_or(format!("it has no \"{key}\""));
    let target: Target = text("address")?
        .parse()
        .map_err(|error| format!("address: {error}"))?;
    let time: Timestamp = text("time")?
        .parse()
        .map_err(|error| format!("time: {error}"))?;
    match text("event")? {
        "heard" => {
            map.learn(&target, time);
        }
        "visited" => map.visited(&target, found(&event), time),
        other => return Err(format!("{other:?} is no event")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEARD: &str =
        r#"{"event":"heard","time":"2026-01-02T03:04:05Z","address":"192.0.2.1:1","from":null}"#;
    const VISITED: &str = r#"{"event":"visited","time":"2026-01-02T03:05:05Z","address":"192.0.2.1:1","ok":true,"chain":"a-1","version":"0.38","answers_pex":true,"round_trip_seconds":0.5}"#;

    fn opened(text: &str) -> (Result<Journal, Failure>, Map, String) {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("crawl.jsonl");
        std::fs::write(&path, text).expect("room to write");
        let mut map = Map::new(Duration::from_secs(60), 10);
        let journal = Journal::open(&path, &mut map);
        let left = std::fs::read_to_string(&path).expect("it is there");
        (journal, map, left)
    }

    #[test]
    fn a_later_run_knows_what_an_earlier_one_found() {
        let (journal, map, _) = opened(&format!("{HEARD}\n{VISITED}\n"));
        assert!(journal.is_ok());
        let (target, place) = map.places().next().expect("one place");
        assert_eq!(target.to_string(), "192.0.2.1:1");
        assert_eq!(place.first_heard.to_string(), "2026-01-02T03:04:05Z");
        assert_eq!(place.last_reached.to_string(), "2026-01-02T03:05:05Z");
        let found = place.found.as_ref().expect("it was visited");
        assert_eq!(found.chain.as_deref(), Some("a-1"));
        assert_eq!(found.round_trip, Some(Duration::from_millis(500)));
    }

    #[test]
    fn a_line_that_was_cut_short_is_dropped_and_a_wrong_one_named() {
        let (journal, map, left) = opened(&format!("{HEARD}\n{}", &VISITED[..40]));
        assert!(journal.is_ok());
        assert_eq!((map.len(), left), (1, format!("{HEARD}\n")));
        let wrong = format!("{HEARD}\n{{\"event\":\"else\"}}\n");
        let (journal, _, left) = opened(&wrong);
        let Err(Failure::Message(message)) = journal else {
            panic!("the second line is none");
        };
        assert!(
            message.contains("line 2: it has no \"address\""),
            "{message}"
        );
        assert_eq!(left, wrong);
    }

    #[test]
    fn a_file_of_one_line_without_an_end_is_left_as_it_is() {
        for text in [r#"{"priv_key":{"value":"c2VjcmV0"}}"#, &VISITED[..40]] {
            let (journal, _, left) = opened(text);
            let refused = journal
                .err()
                .expect("that is no file of a crawl")
                .to_string();
            assert!(refused.contains("line 1 has no end"), "{refused}");
            assert_eq!(left, text);
        }
        let (journal, map, left) = opened("");
        assert!(journal.is_ok());
        assert_eq!((map.len(), left.as_str()), (0, ""));
    }

    #[test]
    fn two_crawls_never_add_to_one_file() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("crawl.jsonl");
        let open = || Journal::open(&path, &mut Map::new(Duration::from_secs(60), 10));
        let mut first = open().expect("nobody has it");
        let refused = open().err().expect("the first one has it").to_string();
        assert!(refused.contains("another crawl adds to it"), "{refused}");
        let event: Value = serde_json::from_str(HEARD).expect("an event");
        first.add(&event).expect("room to write");
        drop(first);
        assert!(open().is_ok());
    }
}
