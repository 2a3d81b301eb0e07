//! Files as people write them: good, bad, and those of a CometBFT node.

use std::time::Duration;

use super::*;

fn load(text: &str) -> LoadedConfig {
    Config::from_toml("config.toml", text).expect("a valid file")
}

/// The message about a bad file.
fn refusal(text: &str) -> String {
    Config::from_toml("config.toml", text)
        .expect_err("a bad file")
        .to_string()
}

#[test]
fn an_empty_file_gives_the_defaults() {
    assert_eq!(
        load(""),
        LoadedConfig {
            config: Config::default(),
            warnings: Vec::new(),
            names_network: false,
        }
    );
}

#[test]
fn the_keys_of_cometbft_are_taken_over() {
    let id = "00112233445566778899aabbccddeeff00112233";
    let text = format!(
        "moniker = \"alice\"\n\
         [p2p]\n\
         laddr = \"tcp://127.0.0.1:36656\"\n\
         external_address = \"tcp://example.org:26656\"\n\
         persistent_peers = \"{id}@127.0.0.1:1, {id}@example.org:2,\"\n\
         unconditional_peer_ids = \"{id}\"\n\
         send_rate = 5_120_000\n\
         dial_timeout = \"1m30s\"\n\
         allow_duplicate_ip = true\n"
    );
    let config = load(&text).config;
    assert_eq!(config.moniker, "alice");
    assert_eq!(
        config.listen_addr,
        "127.0.0.1:36656".parse().expect("an address")
    );
    assert_eq!(
        config.external_address.as_deref(),
        Some("tcp://example.org:26656")
    );
    assert_eq!(config.persistent_peers.len(), 2);
    assert_eq!(config.unconditional_peer_ids.len(), 1);
    assert_eq!(config.send_rate, 5_120_000);
    assert_eq!(config.dial_timeout, Duration::from_secs(90));
    assert!(config.allow_duplicate_ip);
}

#[test]
fn a_home_of_cometbft_is_read_with_a_word_about_the_flush_timer_only() {
    for (text, moniker) in [
        (
            include_str!("../../../tests/cli/data/comet-v0.38.toml"),
            "validator-38",
        ),
        (
            include_str!("../../../tests/cli/data/comet-v1.toml"),
            "validator-1",
        ),
    ] {
        let loaded = load(text);
        let expected = Config {
            moniker: moniker.into(),
            ..Config::default()
        };
        assert_eq!(loaded.config, expected, "all else is a default of ours too");
        assert!(!loaded.names_network);
        let warned: Vec<_> = loaded.warnings.iter().map(|w| w.key.as_str()).collect();
        assert_eq!(warned, ["p2p.flush_throttle_timeout"]);
    }
}

#[test]
fn unused_keys_are_named_where_they_ask_for_something() {
    let text = "\
filter_peers = true
[p2p]
upnp = true
test_fuzz = false
test_dial_fail = true
[p2p.libp2p]
enabled = false
[p2p.test_fuzz_config]
mode = \"drop\"
";
    let loaded = load(text);
    let warned: Vec<_> = loaded
        .warnings
        .iter()
        .map(|w| (w.line, w.key.as_str()))
        .collect();
    let expected = [
        (1, "filter_peers"),
        (3, "p2p.upnp"),
        (5, "p2p.test_dial_fail"),
        (8, "p2p.test_fuzz_config"),
    ];
    assert_eq!(warned, expected);
}

#[test]
fn the_keys_of_discovery_are_taken_over() {
    let id = "00112233445566778899aabbccddeeff00112233";
    let text = format!(
        "genesis_file = \"g.json\"\n\
         node_key_file = \"/etc/key.json\"\n\
         [p2p]\n\
         seeds = \"{id}@example.org:1\"\n\
         pex = true\n\
         seed_mode = true\n\
         addr_book_file = \"book.json\"\n\
         addr_book_strict = false\n\
         private_peer_ids = \"{id}\"\n\
         [ringwire]\n\
         network = \"n\"\n\
         pex_interval = \"1s\"\n"
    );
    let LoadedConfig {
        config,
        names_network,
        ..
    } = load(&text);
    assert!(names_network);
    assert_eq!(config.genesis_file, "g.json");
    assert_eq!(config.node_key_file, "/etc/key.json");
    assert_eq!(config.addr_book_file, "book.json");
    assert_eq!((config.seeds.len(), config.private_peer_ids.len()), (1, 1));
    assert_eq!(
        (config.pex, config.seed_mode, config.addr_book_strict),
        (true, true, false)
    );
    assert_eq!(config.pex_interval, Duration::from_secs(1));
}

#[test]
fn an_unknown_key_names_its_line_and_the_nearest_known_key() {
    assert_eq!(
        refusal("[p2p]\n\nladdres = \"x\"\n"),
        "config.toml:3: p2p.laddres: there is no such key; did you mean laddr?"
    );
    assert_eq!(
        refusal("[ringwire]\nwide_record = true\n"),
        "config.toml:2: ringwire.wide_record: there is no such key; did you mean wide_records?"
    );
    assert!(refusal("[p2p]\ncolour = 1\n").contains("p2p.colour: there is no such key; remove"));
}

#[test]
fn a_key_in_the_wrong_section_is_sent_to_the_right_one() {
    assert_eq!(
        refusal("[p2p]\nnetwork = \"n\"\n"),
        "config.toml:2: p2p.network: belongs to the section [ringwire]"
    );
    assert!(refusal("[p2p]\nmoniker = \"n\"\n").contains("belongs to the top of the file"));
}

#[test]
fn a_misspelt_section_of_ours_is_noticed() {
    assert_eq!(
        refusal("[ringwir]\nnetwork = \"n\"\n"),
        "config.toml:1: ringwir: there is no such section; did you mean [ringwire]?"
    );
    assert!(refusal("[P2P]\n").contains("did you mean [p2p]?"));
    assert!(refusal("p2p = 3\n").contains("must be a section"));
}

#[test]
fn a_value_of_the_wrong_kind_says_what_it_should_have_been() {
    for (line, rule) in [
        (
            "send_rate = \"fast\"",
            "p2p.send_rate: must be a whole number, not a string",
        ),
        ("send_rate = -1", "p2p.send_rate: must not be negative"),
        (
            "send_rate = 99999999999999999999",
            "p2p.send_rate: is too large",
        ),
        (
            "allow_duplicate_ip = 1",
            "must be true or false, not an integer",
        ),
        (
            "dial_timeout = 3",
            "must be a duration in quotes, like \"10ms\" or \"3s\"",
        ),
        (
            "dial_timeout = \"3\"",
            "p2p.dial_timeout: each number of a duration needs a unit",
        ),
        (
            "laddr = 26656",
            "p2p.laddr: must be a text in quotes, not an integer",
        ),
        (
            "laddr = \"localhost\"",
            "\"localhost\" is not an IP address with a port",
        ),
        (
            "persistent_peers = \"127.0.0.1:1\"",
            "p2p.persistent_peers: \"127.0.0.1:1\": ",
        ),
        (
            "unconditional_peer_ids = \"xy\"",
            "p2p.unconditional_peer_ids: \"xy\": ",
        ),
    ] {
        let message = refusal(&format!("[p2p]\n{line}\n"));
        assert!(message.starts_with("config.toml:2: "), "{message}");
        assert!(message.contains(rule), "{message}");
    }
}

#[test]
fn a_number_up_to_the_largest_is_read() {
    assert_eq!(load("[p2p]\nsend_rate = 0\n").config.send_rate, 0);
    let text = format!("[p2p]\nsend_rate = {}\n", i64::MAX);
    assert_eq!(load(&text).config.send_rate, i64::MAX as u64);
    assert_eq!(load("[p2p]\nsend_rate = 0x10\n").config.send_rate, 16);
}

#[test]
fn a_broken_rule_is_traced_to_its_line() {
    assert_eq!(
        refusal("[ringwire]\nping_interval = \"10s\"\npong_timeout = \"10s\"\n"),
        "config.toml:3: ringwire.pong_timeout: must be shorter than ping_interval"
    );
    // Here the faulty side is a default, so no line is to blame.
    assert_eq!(
        refusal("[ringwire]\nping_interval = \"10s\"\n"),
        "config.toml: ringwire.pong_timeout: must be shorter than ping_interval"
    );
}

#[test]
fn all_faults_are_reported_in_the_order_of_the_file() {
    let message = refusal("[p2p]\nsend_rate = -1\nladr = \"\"\n[ringwire]\nshards = true\n");
    let lines: Vec<_> = message.lines().map(|line| &line[..14]).collect();
    assert_eq!(
        lines,
        ["config.toml:2:", "config.toml:3:", "config.toml:5:"]
    );
}

#[test]
fn text_that_is_not_toml_is_refused_with_its_line() {
    let message = refusal("[p2p]\nladdr = \n");
    assert!(message.starts_with("config.toml:2: "), "{message}");
    assert_eq!(message.lines().count(), 1);
    assert!(refusal("[p2p]\npex = true\npex = true\n").starts_with("config.toml:3: "));
}
