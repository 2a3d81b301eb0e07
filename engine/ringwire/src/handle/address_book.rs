//! The address book between two lives of an engine: read at the start, and given to the peer
//! exchange of shard 0, which has it written from then on.
//!
//! A damaged address book is set aside under another name, with a word in the log, and the node
//! starts with an empty book: it finds its peers again, and whoever wants to know what happened has
//! the file. What was set aside before is never overwritten.
//!
//! A file that never was an address book is left where it is, and the node does not start: whoever
//! misses their key or their genesis the next morning looks for it under its own name.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use ringwire_codec::file::{self, FileKind};
use ringwire_codec::net_address::parse_listen_address;
use ringwire_codec::{NetAddress, NodeId};
use ringwire_core::config::{Config, ListenAddr};
use ringwire_core::peer::ShardId;
use ringwire_core::pex::{
    AddrBook, BOOK_FILE_BYTES_MAX, BookConfig, BookSecret, Pex, PexConfig, Timestamp,
};
use ringwire_core::reactor::erase;
use ringwire_core::switch::ReactorFactory;
use ringwire_core::time::Instant;
use serde::de::IgnoredAny;

use crate::shard::error::StartError;

/// The name of a book's list, as it stands in the file.
const ADDRESSES: &[u8] = b"\"addrs\"";

/// Bytes of a book within which that name stands: only the book's key comes before it.
const HEAD_BYTES: usize = 4096;

/// Files set aside within one second at most; more mean that something else is wrong.
const ASIDE_PER_SECOND: usize = 100;

/// Makes the peer exchange of each shard: shard 0 takes `book`, which is asked for once. `seeds` has
/// one for each shard.
pub(super) fn pex_factory(
    config: PexConfig,
    seeds: Vec<[u8; 32]>,
    book: AddrBook,
) -> ReactorFactory {
    let config = Arc::new(config);
    let book = Mutex::new(Some(book));
    Box::new(move |shard| {
        let book = match shard {
            ShardId::COORDINATOR => take(&book),
            _ => None,
        };
        let seed = seeds[usize::from(shard.0)];
        erase(Pex::new(Arc::clone(&config), seed, book))
    })
}

fn take(book: &Mutex<Option<AddrBook>>) -> Option<AddrBook> {
    book.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// What the peer exchange needs to know of a node whose clock shows `now`.
pub(super) fn pex_config(config: &Config, id: NodeId, now: Instant) -> PexConfig {
    let listens = config.listen_addrs.iter();
    let mut ours: Vec<_> = listens
        .filter_map(ListenAddr::socket_addr)
        .map(|at| NetAddress::from_ip(id, at.ip(), at.port()))
        .collect();
    let external = config.external_address.as_deref();
    if let Some(Ok((host, port))) = external.map(parse_listen_address) {
        ours.push(NetAddress { id, host, port });
    }
    PexConfig::new(config, wall_clock_at_zero(now), ours)
}

/// The wall-clock time at which a clock that shows `now` stood at zero. The address book's times
/// follow the engine's clock from there, so they never run backwards.
fn wall_clock_at_zero(now: Instant) -> Timestamp {
    let nanos = unix_time_at_zero(now).as_nanos();
    Timestamp::from_unix_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// The same as the time since 1970.
pub(super) fn unix_time_at_zero(now: Instant) -> std::time::Duration {
    unix_time().saturating_sub(std::time::Duration::from_nanos(now.as_nanos()))
}

/// Time since 1970; none on a machine whose clock stands before that.
pub(super) fn unix_time() -> std::time::Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// Whether the operator wants no book kept: the file is the null device. Said once.
pub(super) fn is_none(path: &Path) -> bool {
    let is_none = FileKind::at(path).is_ok_and(|kind| kind == FileKind::Null);
    if is_none {
        tracing::info!(path = %path.display(), "keeping no address book");
    }
    is_none
}

/// Reads the book, or makes an empty one where there is no file or a damaged one.
///
/// # Errors
/// [`StartError::AddrBook`] if the file is there and cannot be read, is something else than an
/// address book, or cannot be set aside.
pub(super) fn load(
    path: &Path,
    config: BookConfig,
    secret: &BookSecret,
    seed: [u8; 32],
) -> Result<AddrBook, StartError> {
    let failed = |source| StartError::AddrBook {
        path: path.to_path_buf(),
        source,
    };
    let bytes = match file::read_at_most(path, BOOK_FILE_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(AddrBook::new(config, secret, seed));
        }
        Err(error) => return Err(failed(error)),
    };
    match AddrBook::from_json(config, secret, seed, &bytes) {
        // Other documents may read as a book without addresses; the next save would end them.
        Ok(book) if !book.is_empty() || was_a_book(&bytes) => {
            let (addresses, skipped) = (book.len(), book.skipped_entries());
            tracing::info!(path = %path.display(), addresses, skipped, "read the address book");
            Ok(book)
        }
        Err(error) if was_a_book(&bytes) => {
            let aside = set_aside(path).map_err(failed)?;
            tracing::warn!(
                path = %path.display(),
                aside = %aside.display(),
                %error,
                "the address book is damaged: it is set aside, and the node starts with an empty one"
            );
            Ok(AddrBook::new(config, secret, seed))
        }
        Ok(_) | Err(_) => {
            // Why it is none is not told: that may quote a secret.
            let rule = "it holds something else than an address book and is left alone";
            Err(failed(io::Error::new(io::ErrorKind::InvalidData, rule)))
        }
    }
}

/// Whether bytes are an address book, or may have been one before something damaged them: one that was cut off or torn, or what a loss of power leaves, nothing or zeros. Whole JSON without
/// addresses, or a long text without them, is another document; what does not begin as JSON is, too.
fn was_a_book(bytes: &[u8]) -> bool {
    let is_blank = |byte: &u8| *byte == 0 || byte.is_ascii_whitespace();
    let Some(begin) = bytes.iter().position(|byte| !is_blank(byte)) else {
        return true;
    };
    let names_addresses = |bytes: &[u8]| {
        let head = &bytes[..bytes.len().min(HEAD_BYTES)];
        head.windows(ADDRESSES.len()).any(|name| name == ADDRESSES)
    };
    let text = &bytes[begin..];
    // What the reference takes for a book without addresses, and what holds nothing else either.
    if text.starts_with(b"null") || text.iter().filter(|byte| !is_blank(byte)).eq(b"{}") {
        return true;
    }
    let is_other = || text.len() > HEAD_BYTES || serde_json::from_slice::<IgnoredAny>(text).is_ok();
    text[0] == b'{' && (names_addresses(text) || !is_other())
}

/// Gives a file a name that no file has yet: `NAME.damaged-SECONDS`, with a number behind it where
/// that is taken.
///
/// Of a symbolic link it is what the link leads to, so that the next book is written there again.
fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let path = fs::canonicalize(path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let seconds = unix_time().as_secs();
    for number in 0..ASIDE_PER_SECOND {
        let suffix = match number {
            0 => String::new(),
            number => format!("-{number}"),
        };
        let aside = path.with_file_name(format!("{name}.damaged-{seconds}{suffix}"));
        // The empty file is ours, so that the renaming cannot cost anybody else's.
        match OpenOptions::new().write(true).create_new(true).open(&aside) {
            Ok(_) => {
                return match fs::rename(&path, &aside) {
                    Ok(()) => Ok(aside),
                    Err(error) => {
                        let _ = fs::remove_file(&aside);
                        Err(error)
                    }
                };
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: BookConfig = BookConfig { strict: false };
    const SECRET: BookSecret = BookSecret::from_bytes([9; 32]);

    fn address(number: u8) -> NetAddress {
        NetAddress::from_ip(
            NodeId::from_bytes([number; 20]),
            [10, 0, 0, number].into(),
            26_656,
        )
    }

    fn entries(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).expect("the directory").flatten();
        let mut names: Vec<_> = entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_book_that_was_written_is_read_and_none_is_an_empty_one() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("addrbook.json");
        let mut book = load(&path, CONFIG, &SECRET, [1; 32]).expect("no file is no error");
        assert!(book.is_empty());
        book.add(&address(1), &address(2)).expect("a good address");
        fs::write(&path, book.to_json()).expect("written");
        let again = load(&path, CONFIG, &SECRET, [2; 32]).expect("read");
        assert!(again.contains(&address(1).id));
        assert_eq!(entries(directory.path()), ["addrbook.json"]);
    }

    #[test]
    fn a_damaged_book_is_set_aside_whole_and_no_earlier_one_is_lost() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("addrbook.json");
        for round in 0..3 {
            fs::write(&path, format!("{{damaged {round}")).expect("written");
            assert!(
                load(&path, CONFIG, &SECRET, [1; 32])
                    .expect("started")
                    .is_empty()
            );
            assert!(!path.exists());
        }
        let aside = entries(directory.path());
        assert_eq!(aside.len(), 3, "{aside:?}");
        let kept: Vec<_> = aside
            .iter()
            .map(|name| fs::read_to_string(directory.path().join(name)).expect("kept"))
            .collect();
        for round in 0..3 {
            assert!(kept.contains(&format!("{{damaged {round}")), "{kept:?}");
        }
    }

    #[test]
    fn what_a_loss_of_power_leaves_was_a_book_and_another_document_was_none() {
        let whole = br#"{"key":"00","addrs":[],"banned":[]}"#;
        for end in 0..whole.len() {
            assert!(was_a_book(&whole[..end]), "cut off after {end} bytes");
        }
        let damaged = [
            &b"\0\0\0\0"[..],
            b"",
            b"\n",
            b"null\n",
            b"{ }",
            br#"{"key":7,"addrs":[]}"#,
        ];
        let torn = [&br#"{"addrs":["#[..], &[b'x'; 5000]].concat();
        for bytes in damaged.into_iter().chain([&torn[..]]) {
            assert!(was_a_book(bytes), "{:?}", String::from_utf8_lossy(bytes));
        }
        let long = format!("{{\"app_state\":\"{}", "x".repeat(5000));
        for other in [
            r#"{"priv_key":{"type":"tendermint/PrivKeyEd25519","value":"x"}}"#,
            r#"{"chain_id":"net-7"}"#,
            "moniker = \"mine\"\n",
            "-----BEGIN KEY-----",
            "[]",
            &long,
        ] {
            assert!(!was_a_book(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn a_file_that_never_was_a_book_is_left_alone_and_named() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("priv_validator_key.json");
        let key = r#"{"address":"00","priv_key":{"value":"secret"}}"#;
        fs::write(&path, key).expect("written");
        let Err(error) = load(&path, CONFIG, &SECRET, [1; 32]) else {
            panic!("a key is no book");
        };
        let text = error.to_string();
        assert!(
            text.contains("priv_validator_key.json") && text.contains("left alone"),
            "{text}"
        );
        assert!(!text.contains("secret"), "{text}");
        assert_eq!(fs::read_to_string(&path).expect("still there"), key);
        assert_eq!(entries(directory.path()), ["priv_validator_key.json"]);
    }

    #[test]
    fn the_null_device_is_a_word_for_no_book_and_no_other_device_is() {
        assert!(is_none(Path::new("/dev/null")));
        for path in ["/dev/zero", "/absent/addrbook.json"] {
            assert!(!is_none(Path::new(path)), "{path}");
        }
        let Err(error) = load(Path::new("/dev/zero"), CONFIG, &SECRET, [1; 32]) else {
            panic!("a device is no book");
        };
        assert!(error.to_string().contains("a character device"), "{error}");
    }

    #[test]
    fn a_link_stays_when_the_damaged_book_behind_it_is_set_aside() {
        let (near, far) = (
            tempfile::tempdir().expect("a temporary directory"),
            tempfile::tempdir().expect("a temporary directory"),
        );
        let link = near.path().join("addrbook.json");
        let real = far.path().join("real.json");
        fs::write(&real, "{damaged").expect("written");
        std::os::unix::fs::symlink(&real, &link).expect("a link");
        assert!(
            load(&link, CONFIG, &SECRET, [1; 32])
                .expect("started")
                .is_empty()
        );
        assert!(link.symlink_metadata().expect("the link").is_symlink());
        assert!(!real.exists());
        let aside = entries(far.path());
        assert!(
            aside.len() == 1 && aside[0].starts_with("real.json.damaged-"),
            "{aside:?}"
        );
    }

    #[test]
    fn a_book_that_cannot_be_read_is_an_error_that_names_the_file() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        // A directory cannot be read as a file, whoever runs the test.
        let Err(error) = load(directory.path(), CONFIG, &SECRET, [1; 32]) else {
            panic!("a directory is no book");
        };
        let text = error.to_string();
        assert!(matches!(error, StartError::AddrBook { .. }));
        assert!(
            text.contains(&*directory.path().to_string_lossy()),
            "{text}"
        );
    }

    #[test]
    fn the_node_knows_its_own_addresses_and_the_date() {
        let config = Config {
            external_address: Some(String::from("node.example:443")),
            ..Config::default()
        };
        let id = NodeId::from_bytes([7; 20]);
        let now = Instant::from_nanos(5_000_000_000);
        let text = format!("{:?}", pex_config(&config, id, now));
        assert!(text.contains("node.example"), "{text}");
        let began = wall_clock_at_zero(now).as_unix_nanos();
        let unix = u64::try_from(unix_time().as_nanos()).expect("before the year 2554");
        assert!(unix - began >= 5_000_000_000);
    }
}
