//! The book and its file.

use proptest::prelude::*;

use super::*;
use crate::pex::{BOOK_FILE_BYTES_MAX, BookFileError};

const CONFIG: BookConfig = BookConfig { strict: true };

fn load(bytes: &[u8]) -> Result<AddrBook, BookFileError> {
    AddrBook::from_json(CONFIG, &SECRET, [7; 32], bytes)
}

fn reloaded(book: &AddrBook) -> AddrBook {
    let again = load(&book.to_json()).unwrap();
    again.invariants();
    assert_eq!(again.skipped_entries(), 0);
    again
}

/// A file as the reference writes it: no fields of ours, buckets by a hash that nobody kept.
const FOREIGN: &str = r#"{
	"key": "0123456789abcdef01234567",
	"addrs": [
		{
			"addr": {
				"id": "1111111111111111111111111111111111111111",
				"ip": "12.1.2.3",
				"port": 26656
			},
			"src": {
				"id": "2222222222222222222222222222222222222222",
				"ip": "173.1.2.3",
				"port": 26656
			},
			"buckets": [
				3,
				250
			],
			"attempts": 2,
			"bucket_type": 1,
			"last_attempt": "2026-11-22T10:05:07.123456789+01:00",
			"last_success": "0001-01-01T00:00:00Z",
			"last_ban_time": "0001-01-01T00:00:00Z"
		},
		{
			"addr": {
				"id": "3333333333333333333333333333333333333333",
				"ip": "2602:100::1",
				"port": 1
			},
			"src": null,
			"buckets": [
				63
			],
			"attempts": 0,
			"bucket_type": 2,
			"last_attempt": "2026-11-22T09:05:07Z",
			"last_success": "2026-11-22T09:05:07Z",
			"last_ban_time": "0001-01-01T00:00:00Z",
			"a_field_of_later_days": {}
		}
	]
}"#;

// Conformance item 83.
#[test]
fn an_empty_book_and_one_of_a_hundred_come_back_from_their_files() {
    for book in [strict_book(), book_of(100, 0), book_of(60, 40)] {
        let again = reloaded(&book);
        assert_eq!(again.entries_by_id(), book.entries_by_id());
        assert_eq!(again.to_json(), reloaded(&again).to_json());
    }
}

#[test]
fn addresses_come_back_into_the_very_buckets_they_were_in() {
    let mut book = book_of(300, 100);
    for n in 0..300 {
        for source in 0..20 {
            book.add(&address(n), &address(source)).unwrap();
        }
    }
    let in_several = book.entries().filter(|known| known.buckets.len() > 1);
    assert!(in_several.count() > 200);
    let again = reloaded(&book);
    assert_eq!(again.entries_by_id(), book.entries_by_id());
}

#[test]
fn bans_are_kept_until_they_end() {
    let mut book = book_of(10, 10);
    book.mark_bad(&address(3), DAY, NOW);
    book.mark_bad(&address(13), 2 * DAY, NOW);
    let mut again = reloaded(&book);
    assert!(again.banned().eq(book.banned()));
    assert!(again.is_banned(&id(3)) && !again.contains(&id(3)));
    assert_eq!(again.reinstate_bad(NOW + DAY), 1);
    assert!(again.contains(&id(3)) && again.is_banned(&id(13)));
}

#[test]
fn a_file_of_the_reference_is_read_and_its_places_are_computed_anew() {
    let book = load(FOREIGN.as_bytes()).unwrap();
    book.invariants();
    assert_eq!((book.new_len(), book.old_len()), (1, 1));
    assert_eq!(book.skipped_entries(), 0);
    let new = book.known(&NodeId::from_bytes([0x11; 20])).unwrap();
    assert_eq!(new.source().id, NodeId::from_bytes([0x22; 20]));
    assert_eq!(new.attempts(), 2);
    assert_eq!(
        new.last_attempt().to_string(),
        "2026-11-22T09:05:07.123456789Z"
    );
    assert!(new.last_success().is_never());
    assert_eq!(new.buckets.len(), 1, "the place of its first source");
    let old = book.known(&NodeId::from_bytes([0x33; 20])).unwrap();
    assert_eq!(old.class(), Class::Old);
    assert_eq!(
        old.source(),
        old.address(),
        "without a source it is its own"
    );
    let written = String::from_utf8(book.to_json()).unwrap();
    assert!(written.starts_with("{\n\t\"key\": \"0123456789abcdef01234567\",\n\t\"addrs\": ["));
}

/// The addresses of a file by id, without the buckets that each side computes for itself.
fn entries_of(text: &[u8]) -> std::collections::BTreeMap<String, serde_json::Value> {
    let mut file: serde_json::Value = serde_json::from_slice(text).unwrap();
    let entries = std::mem::take(file["addrs"].as_array_mut().unwrap());
    let by_id = entries.into_iter().map(|mut entry| {
        entry["buckets"] = serde_json::Value::Null;
        (entry["addr"]["id"].to_string(), entry)
    });
    by_id.collect()
}

#[test]
fn books_that_the_reference_saved_come_through_with_every_entry_as_it_was() {
    for text in [
        include_str!("../../../../tests/data/comet-addrbook-v0.38.json"),
        include_str!("../../../../tests/data/comet-addrbook-v1.json"),
    ] {
        let book = load(text.as_bytes()).unwrap();
        book.invariants();
        assert_eq!(book.skipped_entries(), 0);
        assert_eq!((book.new_len(), book.old_len()), (13, 7));
        let tried_in_vain = book.entries().filter(|known| known.attempts() > 0);
        assert_eq!(tried_in_vain.count(), 3);
        assert_eq!(entries_of(&book.to_json()), entries_of(text.as_bytes()));
    }
}

#[test]
fn what_the_reference_reads_is_written_as_it_writes_it() {
    // The foreign file without the field of later days and with the places and source we give.
    let book = load(FOREIGN.as_bytes()).unwrap();
    let bucket = |byte| book.known(&NodeId::from_bytes([byte; 20])).unwrap().buckets;
    let (new, old) = (bucket(0x11).as_slice()[0], bucket(0x33).as_slice()[0]);
    let itself = "{
				\"id\": \"3333333333333333333333333333333333333333\",
				\"ip\": \"2602:100::1\",
				\"port\": 1
			}";
    let expected = FOREIGN
        .replace("3,\n\t\t\t\t250", &new.to_string())
        .replace("\t\t\t\t63\n", &format!("\t\t\t\t{old}\n"))
        .replace(
            "2026-11-22T10:05:07.123456789+01:00",
            "2026-11-22T09:05:07.123456789Z",
        )
        .replace("null", itself)
        .replace(",\n\t\t\t\"a_field_of_later_days\": {}", "");
    let written = String::from_utf8(book.to_json()).unwrap();
    let (theirs, ours) = written.split_once(",\n\t\"bucket_hash\"").unwrap();
    assert_eq!(format!("{theirs}\n}}"), expected);
    assert!(ours.ends_with("\"banned\": []\n}"));
}

#[test]
fn places_by_another_key_or_strictness_are_not_trusted() {
    let book = book_of(50, 50);
    let text = String::from_utf8(book.to_json()).unwrap();
    let key = hex::encode(book.table.key().book_key());
    let other_key = load(text.replace(&key, &"00".repeat(12)).as_bytes()).unwrap();
    other_key.invariants();
    assert_eq!(other_key.len(), 100);
    let moved = other_key
        .entries()
        .filter(|known| known.buckets != book.known(&known.id()).unwrap().buckets);
    assert!(moved.count() > 60);
    let loose = AddrBook::from_json(
        BookConfig { strict: false },
        &SECRET,
        [1; 32],
        text.as_bytes(),
    );
    loose.unwrap().invariants();
}

#[test]
fn impossible_places_are_computed_anew() {
    let book = book_of(1, 0);
    let text = String::from_utf8(book.to_json()).unwrap();
    let bucket = book.known(&id(0)).unwrap().buckets.as_slice()[0];
    for places in ["", "256", "-1", "70000", "1, 1", "1, 2, 3, 4, 5"] {
        let changed = text.replace(
            &format!("[\n\t\t\t\t{bucket}\n\t\t\t]"),
            &format!("[{places}]"),
        );
        assert_ne!(changed, text);
        let again = load(changed.as_bytes()).unwrap();
        again.invariants();
        assert_eq!(again.entries_by_id(), book.entries_by_id(), "{places}");
    }
}

#[test]
fn a_damaged_entry_costs_only_itself_and_is_counted() {
    let good = FOREIGN.find("\t\t{\n").unwrap();
    for damaged in [
        "17",
        "null",
        "{}",
        "[[[[]]]]",
        r#"{"addr": {"id": "11", "ip": "12.1.2.3", "port": 1}, "bucket_type": 1}"#,
        r#"{"addr": {"id": "4444444444444444444444444444444444444444", "ip": "12.1", "port": 1}, "bucket_type": 1}"#,
        r#"{"addr": {"id": "4444444444444444444444444444444444444444", "ip": "12.1.2.3", "port": 65536}, "bucket_type": 1}"#,
        r#"{"addr": {"id": "4444444444444444444444444444444444444444", "ip": "10.1.2.3", "port": 1}, "bucket_type": 1}"#,
        r#"{"addr": {"id": "4444444444444444444444444444444444444444", "ip": "2001:db8::1", "port": 1}, "bucket_type": 1}"#,
        r#"{"addr": null, "src": null, "bucket_type": 1}"#,
    ] {
        let mut text = FOREIGN.to_string();
        text.insert_str(good, &format!("{damaged},\n"));
        let book = load(text.as_bytes()).unwrap();
        assert_eq!((book.len(), book.skipped_entries()), (2, 1), "{damaged}");
    }
    let twice = FOREIGN.replace("33333333", "11111111");
    let twice = twice.replace(&"33".repeat(4), &"11".repeat(4));
    let book = load(twice.as_bytes()).unwrap();
    assert_eq!((book.len(), book.skipped_entries()), (1, 1), "told twice");
}

/// A file with this key and these entries.
fn file(key: &str, entries: &[&str]) -> String {
    format!("{{ {key} \"addrs\": [{}] }}", entries.join(","))
}

const FOURTH: &str =
    r#"{"id": "4444444444444444444444444444444444444444", "ip": "12.1.2.3", "port": 1}"#;

#[test]
fn an_entry_needs_no_more_than_an_address_and_keeps_it_whatever_else_is_damaged() {
    for rest in [
        "",
        r#", "bucket_type": 1, "src": null, "buckets": null, "attempts": null, "last_attempt": null"#,
        r#", "src": {"id": "44", "ip": "12.1.2.3", "port": 1}"#,
        r#", "src": {"id": "5555555555555555555555555555555555555555", "ip": "?", "port": 1}"#,
        r#", "src": 3, "bucket_type": 3, "buckets": "1", "attempts": -1"#,
        r#", "last_attempt": "yesterday", "last_success": 7, "last_ban_time": {}"#,
        r#", "Bucket_Type": 1, "ATTEMPTS": 1, "attempts": 0"#,
    ] {
        let text = file("", &[&format!(r#"{{"addr": {FOURTH}{rest}}}"#)]);
        let book = load(text.as_bytes()).unwrap();
        book.invariants();
        assert_eq!((book.new_len(), book.skipped_entries()), (1, 0), "{rest}");
        let known = book.known(&NodeId::from_bytes([0x44; 20])).unwrap();
        assert_eq!(known.source(), known.address(), "it is its own source");
        assert_eq!(known.attempts(), 0);
        assert!(known.last_success().is_never() && known.last_attempt().is_never());
    }
}

#[test]
fn a_ban_without_an_end_is_no_ban() {
    let entry = |end: &str| format!(r#"{{"addr": {FOURTH}, "last_ban_time": {end}}}"#);
    let banned = |end: &str| {
        let text = format!(r#"{{"addrs": null, "banned": [{}]}}"#, entry(end));
        let book = load(text.as_bytes()).unwrap();
        (book.banned().count(), book.skipped_entries())
    };
    assert_eq!(banned(r#""2026-11-22T09:05:07Z""#), (1, 0));
    assert_eq!(banned(r#""soon""#), (0, 1));
}

#[test]
fn whatever_the_key_is_the_addresses_are_kept() {
    let entry = format!(r#"{{"addr": {FOURTH}}}"#);
    for key in [
        "",
        r#""key": "","#,
        r#""key": null,"#,
        r#""key": 17,"#,
        r#""key": "YOUR_KEY","#,
        r#""key": "1111111111111111111111111111111111111111","#,
        r#""key": "0123456789abcdef01234567", "KEY": "g","#,
    ] {
        let book = load(file(key, &[&entry]).as_bytes()).unwrap();
        assert_eq!((book.len(), book.skipped_entries()), (1, 0), "{key}");
        // The key that was drawn in its place is kept from then on.
        assert_eq!(reloaded(&book).to_json(), book.to_json(), "{key}");
    }
    let mut damaged = file("\"key\": \"?\",", &[&entry]).into_bytes();
    let at = damaged.iter().position(|byte| *byte == b'?').unwrap();
    damaged[at] = 0xff;
    assert_eq!(load(&damaged).unwrap().len(), 1, "a key that is not UTF-8");
}

#[test]
fn what_go_reads_as_an_empty_book_is_one_and_what_follows_the_end_is_passed_over() {
    for text in [
        "null",
        "{}",
        r#"{"addrs": null}"#,
        r#"{"addrs": []}"#,
        r#"{"key": null, "addrs": null, "banned": null, "bucket_hash": null}"#,
        r#"{"Addrs": [null]}"#,
    ] {
        assert!(load(text.as_bytes()).unwrap().is_empty(), "{text}");
    }
    for rest in ["\n", "}", "and so on", "{\"key\": 1}", "\0\0"] {
        let book = load(format!("{FOREIGN}{rest}").as_bytes()).unwrap();
        assert_eq!(book.len(), 2, "{rest}");
    }
}

#[test]
fn a_published_book_is_placed_differently_by_each_node_and_the_same_in_each_life() {
    let published = book_of(300, 100).to_json();
    let at = |secret: u8, seed: u8| {
        let secret = BookSecret::from_bytes([secret; 32]);
        let book = AddrBook::from_json(CONFIG, &secret, [seed; 32], &published).unwrap();
        book.invariants();
        let again = AddrBook::from_json(CONFIG, &secret, [77; 32], &book.to_json()).unwrap();
        assert_eq!(again.entries_by_id(), book.entries_by_id());
        book
    };
    let (one, same, other) = (at(1, 1), at(1, 2), at(2, 1));
    assert_eq!(one.entries_by_id(), same.entries_by_id());
    let moved = one.entries().filter(|known| {
        let elsewhere = other.known(&known.id());
        elsewhere.is_none_or(|elsewhere| elsewhere.buckets != known.buckets)
    });
    // By chance one in 64 or in 256 stays where it was.
    assert!(moved.count() > 380);
    assert_ne!(
        one.table.key().index_key(),
        other.table.key().index_key(),
        "nor can anybody tell which ids meet in the index"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_book_that_this_node_wrote_keeps_its_places_and_no_other_node_has_them(
        ours: [u8; 32],
        theirs: [u8; 32],
        key in "[0-9a-zA-Z]{0,40}",
        nodes in 40_u32..120,
    ) {
        prop_assume!(ours != theirs);
        let (ours, theirs) = (BookSecret::from_bytes(ours), BookSecret::from_bytes(theirs));
        let told: Vec<_> = (0..nodes)
            .map(|n| format!(
                r#"{{"addr": {{"id": "{}", "ip": "{}", "port": 1}}}}"#,
                id(n),
                address(n).host
            ))
            .collect();
        let told: Vec<_> = told.iter().map(String::as_str).collect();
        let text = file(&format!("\"key\": \"{key}\","), &told);
        let load = |secret: &BookSecret, seed: u8, text: &[u8]| {
            AddrBook::from_json(CONFIG, secret, [seed; 32], text).unwrap()
        };
        let mut book = load(&ours, 1, text.as_bytes());
        for n in 0..nodes {
            for source in 0..8 {
                book.add(&address(n), &address(1000 + source)).unwrap();
            }
        }
        let again = load(&ours, 2, &book.to_json());
        prop_assert_eq!(again.entries_by_id(), book.entries_by_id());
        let copied = load(&theirs, 3, &book.to_json());
        copied.invariants();
        let stayed = copied.entries().filter(|known| {
            book.known(&known.id()).is_some_and(|ours| ours.buckets == known.buckets)
        });
        prop_assert!(stayed.count() < nodes as usize / 4);
    }
}

#[test]
fn what_is_no_address_book_is_an_error() {
    let malformed = |text: &str| matches!(load(text.as_bytes()), Err(BookFileError::Malformed(_)));
    for text in [
        "",
        "[]",
        "3",
        r#"{"addrs": 3}"#,
        r#"{"addrs": {}}"#,
        "moniker = \"a\"",
    ] {
        assert!(malformed(text), "{text}");
    }
    let cut = &FOREIGN[..FOREIGN.len() - 1];
    assert!(malformed(cut));
    // The files that stand beside it: whoever names one of them as the book keeps it.
    for text in [
        r#"{"priv_key": {"type": "tendermint/PrivKeyEd25519", "value": "AA=="}}"#,
        r#"{"genesis_time": "2026-01-01T00:00:00Z", "chain_id": "a"}"#,
        r#"{"key": "0123456789abcdef01234567"}"#,
    ] {
        let refused = load(text.as_bytes());
        assert!(matches!(refused, Err(BookFileError::NoAddresses)), "{text}");
    }
}

#[test]
fn a_file_over_the_limits_is_an_error() {
    let with = |entries: usize| {
        let list = vec!["0"; entries].join(",");
        let text = format!(r#"{{"key": "0123456789abcdef01234567", "addrs": [{list}]}}"#);
        load(text.as_bytes()).map(|book| book.skipped_entries())
    };
    assert_eq!(with(20_800).unwrap(), 20_800);
    assert!(matches!(with(20_801), Err(BookFileError::Malformed(_))));
    let mut long = FOREIGN.as_bytes().to_vec();
    long.resize(BOOK_FILE_BYTES_MAX, b' ');
    assert!(load(&long).is_ok());
    long.push(b' ');
    let len = long.len();
    assert!(matches!(load(&long), Err(BookFileError::TooLong { len: found }) if found == len));
}

#[test]
fn the_document_has_the_name_and_bytes_of_the_book() {
    let book = book_of(20, 5);
    let document = book.document();
    assert_eq!(document.name(), "addr_book");
    assert_eq!(document.render(), book.to_json());
}

#[test]
fn a_source_with_a_name_counts_as_no_network() {
    let mut book = strict_book();
    let source = format!("{}@seed.example.com:26656", id(9)).parse().unwrap();
    book.add(&address(0), &source).unwrap();
    let kept = book.known(&id(0)).unwrap().source().clone();
    assert_eq!(kept.to_string(), format!("{}@0.0.0.0:26656", id(9)));
    assert_eq!(reloaded(&book).entries_by_id(), book.entries_by_id());
}

#[test]
fn the_fuzz_entry_holds_on_a_few_inputs() {
    fuzz_addr_book(b"");
    fuzz_addr_book(FOREIGN.as_bytes());
    let mut book = book_of(100, 30);
    book.mark_bad(&address(1), DAY, NOW);
    let text = book.to_json();
    fuzz_addr_book(&text);
    let mut chance = Chance::new([3; 32]);
    for _ in 0..300 {
        let mut edited = text.clone();
        for _ in 0..3 {
            let at = chance.below(u32::try_from(edited.len()).unwrap()) as usize;
            edited[at] = b"0123456789abcdef\",:[]{} "[chance.below(24) as usize];
        }
        fuzz_addr_book(&edited);
    }
}
