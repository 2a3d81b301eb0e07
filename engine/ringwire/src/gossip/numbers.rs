//! The numbers of a gossip between two lives of its node: a file, read and replaced before the engine starts, and
//! replaced again, behind the shards' back, long before its bound is reached.
//!
//! | the file | what follows |
//! |---|---|
//! | is not there | numbers begin at the time |
//! | is damaged | the same, and a warning: the time is right more often than not |
//! | is something else, or cannot be read | the engine does not start, and the file is left alone |
//! | cannot be written | a warning: this life is as good as any, the next one may begin too low |

use std::borrow::Cow;
use std::io;
use std::path::Path;
use std::time::Duration;

use ringwire_codec::ChannelId;
use ringwire_codec::file;
use ringwire_core::gossip::{KeptNumbers, NUMBERS_BYTES_MAX, NotNumbers, Numbers};

use crate::shard::error::StartError;

/// The name of the file in its directory, and of the document, for the bodies of this channel.
pub(super) fn file_name(bodies: ChannelId) -> String {
    format!("ringwire-gossip-{:02x}.numbers", bodies.0)
}

/// Begins a life so long after 1970, by a clock that may be wrong.
///
/// # Errors
/// [`StartError::GossipNumbers`] if the file cannot be read, or is something else.
pub(crate) fn begin(
    path: &Path,
    document: impl Into<Cow<'static, str>>,
    since_1970: Duration,
) -> Result<KeptNumbers, StartError> {
    let kept = read(path).map_err(|source| StartError::GossipNumbers {
        path: path.to_path_buf(),
        source,
    })?;
    let numbers = Numbers::begin(since_1970, kept);
    if let Err(error) = file::replace(path, &numbers.to_bytes()) {
        tracing::warn!(
            path = %path.display(),
            %error,
            "cannot keep the numbers of this node's gossip: after the next start it may not be heard before the time \
             is past them"
        );
    }
    Ok(KeptNumbers {
        numbers,
        document: document.into(),
    })
}

fn read(path: &Path) -> io::Result<Option<u64>> {
    // One byte more than is allowed tells a longer file from ours.
    let bytes = match file::read_at_most(path, NUMBERS_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match Numbers::kept_in(&bytes) {
        Ok(kept) => Ok(Some(kept)),
        Err(NotNumbers::Torn) => {
            tracing::warn!(
                path = %path.display(),
                "the numbers of this node's gossip are damaged: they begin at the time"
            );
            Ok(None)
        }
        Err(foreign @ NotNumbers::Foreign) => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{foreign}, and is left alone"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const NOW: Duration = Duration::from_secs(1_800_000_000);
    const DAY: Duration = Duration::from_secs(86_400);

    fn begun(path: &Path, since_1970: Duration) -> Result<Numbers, StartError> {
        begin(path, file_name(ChannelId(0x71)), since_1970).map(|kept| kept.numbers)
    }

    fn at(directory: &tempfile::TempDir) -> std::path::PathBuf {
        directory.path().join(file_name(ChannelId(0x71)))
    }

    #[test]
    fn each_life_begins_where_the_one_before_had_reserved_whatever_the_clock_says() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = at(&directory);
        let ahead = begun(&path, NOW + DAY).expect("no file is no error");
        assert_eq!(ahead, Numbers::begin(NOW + DAY, None));
        // It may have ended at any moment: its bound was kept before it began.
        let right = begun(&path, NOW).expect("kept");
        assert_eq!(right.first(), ahead.bound());
        let back = begun(&path, Duration::ZERO).expect("kept");
        assert_eq!(back.first(), right.bound());
        let later = begun(&path, NOW + 2 * DAY).expect("kept");
        assert_eq!(
            later,
            Numbers::begin(NOW + 2 * DAY, None),
            "the clock is ahead of all"
        );
    }

    #[test]
    fn a_damaged_file_is_as_good_as_none_and_is_whole_again_afterwards() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = at(&directory);
        let whole = Numbers::begin(NOW, None).to_bytes();
        for damaged in [&b""[..], &[0; 50], &whole[..whole.len() - 1]] {
            fs::write(&path, damaged).expect("room to write");
            let numbers = begun(&path, NOW).expect("it is damaged");
            assert_eq!(numbers, Numbers::begin(NOW, None));
            assert_eq!(fs::read(&path).expect("kept"), whole);
        }
    }

    #[test]
    fn what_never_was_a_bound_is_left_alone_and_named() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = at(&directory);
        for other in ["{\"priv_key\":\"secret\"}".to_owned(), "x".repeat(1000)] {
            fs::write(&path, &other).expect("room to write");
            let error = begun(&path, NOW).expect_err("another document").to_string();
            assert!(error.contains("gossip-71.numbers"), "{error}");
            assert!(!error.contains("secret"), "{error}");
            assert_eq!(fs::read_to_string(&path).expect("still there"), other);
        }
        // A directory cannot be read as a file, whoever runs the test.
        let error = begun(directory.path(), NOW).expect_err("no file");
        assert!(matches!(error, StartError::GossipNumbers { .. }), "{error}");
    }

    #[test]
    fn where_nothing_can_be_written_the_node_goes_by_what_was_kept_or_by_the_time() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let absent = directory.path().join("absent").join("numbers");
        let numbers = begun(&absent, NOW).expect("a node runs all the same");
        assert_eq!(numbers, Numbers::begin(NOW, None));
    }
}
