//! Files as people write them: good, bad, and those of a CometBFT node.

use std::time::Duration;

use ringwire_core::config::{ListenAddr, PACKET_PAYLOAD_BYTES_MAX};

use super::*;

fn load(text: &str) -> LoadedConfig {
    NodeConfig::from_toml("config.toml", text).expect("a valid file")
}

/// The message about a bad file.
fn refusal(text: &str) -> String {
    NodeConfig::from_toml("config.toml", text)
        .expect_err("a bad file")
        .to_string()
}

#[test]
fn an_empty_file_gives_the_defaults() {
    assert_eq!(
        load(""),
        LoadedConfig {
            config: NodeConfig::default(),
            instrumentation: Instrumentation::default(),
            warnings: Vec::new(),
            sources: Sources::default(),
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
    assert_eq!(config.engine.moniker, "alice");
    assert_eq!(
        config.engine.listen_addrs,
        ["127.0.0.1:36656".parse().expect("an address")]
    );
    assert_eq!(
        config.engine.external_address.as_deref(),
        Some("tcp://example.org:26656")
    );
    assert_eq!(config.engine.persistent_peers.len(), 2);
    assert_eq!(config.engine.unconditional_peer_ids.len(), 1);
    assert_eq!(config.engine.send_rate, 5_120_000);
    assert_eq!(config.engine.dial_timeout, Duration::from_secs(90));
    assert!(config.engine.allow_duplicate_ip);
}

#[test]
fn a_home_of_cometbft_is_read_without_a_word() {
    for (text, moniker) in [
        (
            include_str!("../../../../cli/tests/cli/data/comet-v0.38.toml"),
            "validator-38",
        ),
        (
            include_str!("../../../../cli/tests/cli/data/comet-v1.toml"),
            "validator-1",
        ),
    ] {
        let loaded = load(text);
        let mut expected = NodeConfig::default();
        expected.engine.moniker = moniker.into();
        assert_eq!(loaded.config, expected, "all else is a default of ours too");
        assert!(!loaded.names_network());
        assert_eq!(loaded.warnings, [], "its defaults ask for nothing");
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
    let loaded = load(&text);
    assert!(loaded.names_network());
    let config = loaded.config;
    assert_eq!(config.genesis_file, "g.json");
    assert_eq!(config.node_key_file, "/etc/key.json");
    assert_eq!(config.addr_book_file, "book.json");
    assert_eq!(
        (
            config.engine.discovery.seeds.len(),
            config.engine.discovery.private_peer_ids.len()
        ),
        (1, 1)
    );
    assert_eq!(
        (
            config.engine.discovery.pex,
            config.engine.discovery.seed_mode,
            config.engine.discovery.addr_book_strict
        ),
        (true, true, false)
    );
    assert_eq!(config.engine.discovery.pex_interval, Duration::from_secs(1));
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
    let colour = refusal("[ringwire]\ncolour = 1\n");
    assert!(
        colour.contains("ringwire.colour: there is no such key; remove"),
        "{colour}"
    );
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
    assert!(refusal("p2p = 3\n").contains("must be a section"));
}

#[test]
fn a_value_of_the_wrong_kind_says_what_it_should_have_been() {
    for (line, rule) in [
        (
            "send_rate = \"fast\"",
            "p2p.send_rate: must be a whole number, not a text in quotes",
        ),
        ("send_rate = -1", "p2p.send_rate: must not be negative"),
        (
            "send_rate = 99999999999999999999",
            "p2p.send_rate: is too large",
        ),
        (
            "allow_duplicate_ip = \"yes\"",
            "must be true or false, not a text in quotes",
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
            "p2p.laddr: \"26656\" has no port; write one like",
        ),
        (
            "laddr = [[]]",
            "p2p.laddr: must be a text in quotes, not a list in brackets",
        ),
        (
            "seeds = [[]]",
            "p2p.seeds: must be a text in quotes, not a list in brackets",
        ),
        (
            "private_peer_ids = {}",
            "p2p.private_peer_ids: must be a text in quotes, not a section",
        ),
        (
            "persistent_peers = [\"\", \"127.0.0.1:1\"]",
            "p2p.persistent_peers: \"127.0.0.1:1\": ",
        ),
        (
            "laddr = \"localhost\"",
            "p2p.laddr: \"localhost\" has no port; write one like",
        ),
        (
            "laddr = \"udp://0.0.0.0:26656\"",
            "p2p.laddr: \"udp://0.0.0.0:26656\" asks for udp: a node listens on TCP and on Unix sockets only",
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
fn what_has_commas_in_comets_file_may_be_a_list() {
    let [a, b, c] = ["a", "b", "c"].map(|digit| digit.repeat(40));
    let read = |text: &str| load(&format!("[p2p]\n{text}")).config.engine;
    for (key, [first, second, third]) in [
        ("seeds", [&a, &b, &c].map(|id| format!("{id}@h:1"))),
        (
            "persistent_peers",
            [&a, &b, &c].map(|id| format!("{id}@h:1")),
        ),
        ("private_peer_ids", [&a, &b, &c].map(String::clone)),
        ("unconditional_peer_ids", [&a, &b, &c].map(String::clone)),
    ] {
        let of_list = read(&format!("{key} = [\"{first}\", \" {second}, {third}\"]\n"));
        assert_eq!(
            of_list,
            read(&format!("{key} = \"{first},{second},{third}\"\n"))
        );
        assert_ne!(of_list, read(""), "{key}");
        assert_eq!(read(&format!("{key} = []\n")), read(""), "{key}");
    }
    // What is odd about an entry is told as in a text.
    let loaded = load("[p2p]\nprivate_peer_ids = [\"10.0.0.1\"]\n");
    let notes: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(notes.len(), 1, "{notes:?}");
    let expected = "line 2: p2p.private_peer_ids goes on without \"10.0.0.1\": ";
    assert!(notes[0].starts_with(expected), "{notes:?}");
}

#[test]
fn a_number_up_to_the_largest_is_read() {
    assert_eq!(load("[p2p]\nsend_rate = 0\n").config.engine.send_rate, 0);
    let text = format!("[p2p]\nsend_rate = {}\n", i64::MAX);
    assert_eq!(load(&text).config.engine.send_rate, i64::MAX as u64);
    assert_eq!(
        load("[p2p]\nsend_rate = 0x10\n").config.engine.send_rate,
        16
    );
}

#[test]
fn a_broken_rule_is_traced_to_its_line() {
    assert_eq!(
        refusal("[ringwire]\nping_interval = \"10s\"\npong_timeout = \"10s\"\n"),
        "config.toml:3: ringwire.pong_timeout: must be shorter than ping_interval: it is 10s, and ping_interval 10s"
    );
    // Here the one side stands at its default, so the line of the other is to blame.
    assert_eq!(
        refusal("[ringwire]\nping_interval = \"10s\"\n"),
        "config.toml:2: ringwire.pong_timeout: must be shorter than ping_interval: it is 45s, and ping_interval 10s"
    );
    let told = refusal("genesis_file = \"config/node_key.json\"\n");
    let expected = "config.toml:1: node_key_file: names the same file as genesis_file";
    assert!(told.starts_with(expected), "{told}");
}

#[test]
fn all_faults_are_reported_in_the_order_of_the_file() {
    let message = refusal("[p2p]\nsend_rate = -1\nladr = \"\"\n[ringwire]\nshards = []\n");
    let lines: Vec<_> = message.lines().map(|line| &line[..14]).collect();
    assert_eq!(
        lines,
        ["config.toml:2:", "config.toml:3:", "config.toml:5:"]
    );
}

#[test]
fn rules_are_checked_on_all_that_could_be_read() {
    let message = refusal(
        "[p2p]\nsend_rate = -1\nladr = \"\"\n[ringwire]\nbusy_poll = \"1s\"\nshards = 257\n",
    );
    let lines: Vec<_> = message.lines().map(|line| &line[..14]).collect();
    let expected = [
        "config.toml:2:",
        "config.toml:3:",
        "config.toml:5:",
        "config.toml:6:",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn what_could_not_be_read_breaks_no_rule_of_another_key() {
    for text in [
        // The pause may well be longer than this: it could not be read.
        "[ringwire]\nping_interval = \"5\"\npong_timeout = \"2m\"\n",
        "[p2p]\nseed_mode = true\npex = []\n",
        "node_key_file = []\n[p2p]\naddr_book_file = \"config/node_key.json\"\n",
        "genesis_file = []\nnode_key_file = \"config/genesis.json\"\n",
    ] {
        let message = refusal(text);
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}

#[test]
fn a_name_that_stands_twice_is_told() {
    let told = refusal("[p2p]\npex = true\npex = true\n");
    let expected = "config.toml:3: pex stands here a second time; take one of the two out";
    assert_eq!(told, expected);
    let told = refusal("[p2p]\npex = true\n[ringwire]\n[p2p]\n");
    assert!(told.starts_with("config.toml:4: p2p stands here"), "{told}");
}

#[test]
fn text_that_is_not_toml_is_refused_with_its_line() {
    let message = refusal("[p2p]\nladdr = \n");
    assert!(message.starts_with("config.toml:2: "), "{message}");
    assert_eq!(message.lines().count(), 1);
    assert!(refusal("[p2p]\npex = true\npex = true\n").starts_with("config.toml:3: "));
}

/// Line, key and note of each warning.
fn warned(text: &str) -> Vec<String> {
    let warnings = load(text).warnings;
    warnings.iter().map(ToString::to_string).collect()
}

#[test]
fn values_in_another_type_are_taken_and_told() {
    let text = "\
moniker = 7
[p2p]
send_rate = \"1000\"
pex = \"true\"
allow_duplicate_ip = 1
max_num_inbound_peers = 50.0
persistent_peers_max_dial_period = 0
";
    let loaded = load(text);
    let config = &loaded.config;
    assert_eq!(config.engine.moniker, "7");
    assert_eq!(
        (config.engine.send_rate, config.engine.max_num_inbound_peers),
        (1000, 50)
    );
    assert!(config.engine.discovery.pex && config.engine.allow_duplicate_ip);
    assert_eq!(
        config.engine.persistent_peers_max_dial_period,
        Duration::ZERO
    );
    let expected = [
        "line 1: moniker is a whole number; it is read as 7",
        "line 3: p2p.send_rate is a text in quotes; it is read as 1000",
        "line 4: p2p.pex is a text in quotes; it is read as true",
        "line 5: p2p.allow_duplicate_ip is a whole number; it is read as true",
        "line 6: p2p.max_num_inbound_peers is a number with a point; it is read as 50",
        "line 7: p2p.persistent_peers_max_dial_period is a whole number; it is read as 0s",
    ];
    let told: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(told, expected);
}

#[test]
fn names_are_read_whatever_their_case_and_with_the_dashes_of_older_versions() {
    let text = "\
Moniker = \"a\"
node-key-file = \"key.json\"
[P2P]
LADDR = \"tcp://127.0.0.1:7\"
max-num-inbound-peers = 3
[Ringwire]
Network = \"n\"
";
    let loaded = load(text);
    let config = &loaded.config;
    assert_eq!(
        (
            config.engine.moniker.as_str(),
            config.engine.network.as_str()
        ),
        ("a", "n")
    );
    assert!(loaded.names_network());
    assert_eq!(config.node_key_file, "key.json");
    assert_eq!(config.engine.told_listen_addr().port(), 7);
    assert_eq!(config.engine.max_num_inbound_peers, 3);
    let expected = [
        "line 1: Moniker is read as moniker",
        "line 2: node-key-file is read as node_key_file",
        "line 3: P2P is read as p2p",
        "line 4: p2p.LADDR is read as laddr",
        "line 5: p2p.max-num-inbound-peers is read as max_num_inbound_peers",
        "line 6: Ringwire is read as ringwire",
        "line 7: ringwire.Network is read as network",
    ];
    assert_eq!(warned(text), expected);
}

#[test]
fn of_two_spellings_the_exact_one_holds() {
    let text = "[p2p]\nsend-rate = 1\nSend_Rate = 2\nsend_rate = 3\n[P2P]\nsend_rate = 4\n";
    assert_eq!(load(text).config.engine.send_rate, 3);
    let expected = [
        "line 2: p2p.send-rate is passed over: line 4 sets send_rate",
        "line 3: p2p.Send_Rate is passed over: line 4 sets send_rate",
        "line 5: P2P is read as p2p",
        "line 6: p2p.send_rate is passed over: line 4 sets send_rate",
    ];
    assert_eq!(warned(text), expected);
}

#[test]
fn keys_of_older_versions_are_passed_over_with_what_to_write_instead() {
    let text = "\
[p2p]
max_num_peers = 50
max_msg_packet_payload_size = 1024
max_packet_msg_size = 1024
manual_peers = \"\"
auth_enc = true
skip_upnp = false
flush_throttle_timeout = 100
queue-type = \"priority\"
use-legacy = true
bootstrap-peers = \"00112233445566778899aabbccddeeff00112233@10.0.0.1:1\"
";
    let told = warned(text);
    let keys: Vec<_> = load(text).warnings.into_iter().map(|w| w.key).collect();
    let expected = [
        "p2p.max_num_peers",
        "p2p.max_msg_packet_payload_size",
        "p2p.max_packet_msg_size",
        "p2p.use-legacy",
        "p2p.bootstrap-peers",
    ];
    assert_eq!(keys, expected);
    assert!(told[0].ends_with("is not used: set max_num_inbound_peers and max_num_outbound_peers"));
    assert!(told[1].ends_with("it is called max_packet_msg_payload_size now"));
}

#[test]
fn a_key_of_a_chain_s_own_is_passed_over_and_a_flush_timer_that_was_chosen_is_told() {
    assert_eq!(
        warned("[p2p]\nsame_region = true\n"),
        ["line 2: p2p.same_region is not used: nothing here has that name"]
    );
    let told = warned("[p2p]\nflush_throttle_timeout = \"1s\"\n");
    assert!(
        told[0].contains("is not used: there is no flush timer"),
        "{told:?}"
    );
    assert!(warned("[p2p]\nflush_throttle_timeout = \"100ms\"\n").is_empty());
}

#[test]
fn a_peer_that_cannot_exist_costs_only_itself() {
    let id = "00112233445566778899aabbccddeeff00112233";
    let text = format!(
        "[p2p]\nseeds = \"{id}@10.0.0.1:1,{id}@127.0.0.1.7:1\"\n\
         persistent_peers = \"{id}@node.example:2,{id}@bad host:2,{id}@10.0.0.2:0\"\n\
         private_peer_ids = \"{id},10.0.0.3\"\n"
    );
    let config = load(&text).config;
    assert_eq!(config.engine.discovery.seeds.len(), 1);
    assert_eq!(config.engine.persistent_peers.len(), 1);
    assert_eq!(config.engine.discovery.private_peer_ids.len(), 1);
    let told = warned(&text);
    assert_eq!(told.len(), 4);
    assert!(told[0].contains("p2p.seeds goes on without \"") && told[0].contains("127.0.0.1.7"));
    assert!(told[2].contains("port 0 cannot be dialed"), "{told:?}");
}

#[test]
fn an_address_to_listen_on_may_be_a_name() {
    let config = load("[p2p]\nladdr = \"tcp://localhost:26656\"\n").config;
    let expected = ListenAddr::Name("localhost".into(), 26656);
    assert_eq!(config.engine.listen_addrs, [expected]);
}

#[test]
fn addresses_to_listen_on_are_a_text_with_commas_or_a_list() {
    let listed = |laddr: &str| {
        let config = load(&format!("[p2p]\nladdr = {laddr}\n")).config;
        config.engine.listen_text()
    };
    let expected = "tcp://0.0.0.0:1,tcp://[::]:1,unix:///run/p2p.sock";
    assert_eq!(listed(&format!("\"{expected}\"")), expected);
    assert_eq!(
        listed("[\"tcp://0.0.0.0:1\", \"[::]:1\", \"unix:///run/p2p.sock\"]"),
        expected
    );
    for (laddr, words) in [
        ("[]", "names no address"),
        (
            "[\"tcp://0.0.0.0:1\", \"0.0.0.0:1\"]",
            "names 0.0.0.0:1 twice",
        ),
        ("[\"unix://p\"]", "must begin with '/'"),
        ("[7]", "has no port"),
        ("{ a = 1 }", "must be a text in quotes, not a section"),
    ] {
        let faults = refusal(&format!("[p2p]\nladdr = {laddr}\n"));
        assert!(faults.contains(words), "{laddr}: {faults}");
    }
}

#[test]
fn limits_of_any_size_are_taken_as_those_who_want_no_limit_write_them() {
    let text = "[p2p]\nmax_num_inbound_peers = 1000000\nmax_num_outbound_peers = 2147483647\n";
    let config = load(text).config;
    assert_eq!(config.engine.max_num_inbound_peers, 1_000_000);
    assert_eq!(config.engine.max_num_outbound_peers, i32::MAX as usize);
}

#[test]
fn packets_as_large_as_live_networks_use_are_taken_with_a_word_on_what_is_sent() {
    let payload = |size: &str| {
        let text = format!("[p2p]\nmax_packet_msg_payload_size = {size}\n");
        (
            load(&text).config.engine.max_packet_msg_payload_size,
            warned(&text),
        )
    };
    assert_eq!(payload("64000"), (64_000, Vec::new()));
    let note = "line 2: p2p.max_packet_msg_payload_size counts for packets that come; \
                those that go carry 64000 at most";
    assert_eq!(payload("102400"), (102_400, vec![note.to_owned()]));
    assert_eq!(payload("1000000"), (1_000_000, vec![note.to_owned()]));
    let (taken, told) = payload("100000000");
    assert_eq!((taken, told.len()), (PACKET_PAYLOAD_BYTES_MAX, 2));
    assert!(
        told[0].contains("is read as 16777216, the largest"),
        "{told:?}"
    );
}
