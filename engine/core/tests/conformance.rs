//! The conformance list: what the reference's own tests ask of a peer-to-peer layer, item by item,
//! and where it is asked of this one.
//!
//! Each item names the tests that cover it, or says why it does not apply. The tests below fail when
//! a named test is gone, when an item has no entry, and when a test claims (`// Conformance item N.`)
//! an item that is not on the list.
//!
//! docs/conformance.md is the same table for readers, with the files where the tests stand. It is
//! printed from here and never written by hand:
//! `RINGWIRE_CONFORMANCE=write cargo test -p ringwire-core --test conformance`.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this test reads the sources"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Items of the list, all of which this table must account for: connection, secret connection,
/// values, transport, switch, peer exchange, address book, libraries.
const ITEM_MAX: u16 = 98;
/// Faults of the reference, numbered in docs/quirks.md.
const QUIRK_MAX: u16 = 30;
/// Lines between a claim and the test it stands above: attributes and a doc.
const CLAIM_REACH: usize = 6;

/// The variable that has docs/conformance.md written instead of compared, when it says `write`.
const REWRITE: &str = "RINGWIRE_CONFORMANCE";

/// The page's words before its tables.
const PREFACE: &str = "\
# Conformance

The reference's tests ask 98 things of a connection, its encryption, its values, its transport, its switch, its peer
exchange, its address book and its libraries. Each has a number here, and beside it our tests that ask the same, as
`file::name`, or the reason why it does not apply.

This page is printed by `engine/core/tests/conformance.rs`, which holds the table, and which fails when an item has no
entry, when a named test is gone or does not claim the item (`// Conformance item N.` above it), and when this page is
not what it prints. After a change there: `RINGWIRE_CONFORMANCE=write cargo test -p ringwire-core --test conformance`.

Several tests of one item ask it at several levels: of a pure value, of a switch, of a simulated network
(`engine/sim/tests/sim`), of a running engine under attack (`engine/ringwire/tests/hostile`), against two other
implementations of the protocol (`engine/ringwire/tests/interop`), and against CometBFT's own code, v0.38 and v1
(`engine/ringwire/tests/interop/comet`).
";

/// The page's tables: the first item of each, and its heading.
const SECTIONS: &[(u16, &str)] = &[
    (1, "Connection"),
    (17, "Secret connection"),
    (26, "Addresses, keys, NodeInfo, peers"),
    (37, "Transport"),
    (50, "Switch"),
    (67, "Peer exchange"),
    (82, "Address book"),
    (96, "Libraries"),
];

/// How an item is met.
enum Met {
    /// By these tests.
    By(&'static [&'static str]),
    /// It does not apply, and this is why.
    Not(&'static str),
}

use Met::{By, Not};

/// Item, what it asks, how it is met.
const TABLE: &[(u16, &str, Met)] = &[
    (
        1,
        "stop after flush delivers what was sent",
        By(&[
            "a_flush_sends_all_that_was_queued_whatever_the_rate_and_takes_nothing_more",
            "a_shutdown_sends_what_was_accepted_and_leaves_nothing_open",
            "a_stopped_peer_gets_what_was_queued_and_is_not_dialed_again",
            "a_shutdown_is_seen_by_comet_as_an_orderly_end_behind_the_last_message",
        ]),
    ),
    (
        2,
        "send and try_send; unknown channels refused",
        By(&["what_is_sent_arrives_and_an_unknown_channel_is_an_answer"]),
    ),
    (
        3,
        "a sent message is received",
        By(&[
            "what_is_sent_arrives_and_an_unknown_channel_is_an_answer",
            "messages_of_every_size_come_back_from_comet_as_they_went",
        ]),
    ),
    (
        4,
        "status of a connection",
        By(&["the_status_has_each_channel_with_its_queue_and_what_was_sent"]),
    ),
    (
        5,
        "a late pong is an error",
        By(&[
            "a_peer_that_never_answers_is_given_up_at_the_deadline_and_not_before",
            "a_peer_that_never_answers_a_ping_is_given_up",
            "a_peer_that_falls_silent_is_given_up_after_its_pong_is_late",
        ]),
    ),
    (
        6,
        "unsolicited pongs are harmless",
        By(&[
            "pongs_that_nobody_asked_for_are_harmless_and_answer_no_later_ping",
            "pings_are_answered_pongs_are_harmless_and_the_connection_stays_up",
            "a_flood_of_pings_and_unasked_pongs_costs_nobody_anything",
        ]),
    ),
    (
        7,
        "many pings are harmless",
        By(&[
            "pings_that_pile_up_share_one_pong",
            "pings_are_answered_pongs_are_harmless_and_the_connection_stays_up",
            "a_flood_of_pings_and_unasked_pongs_costs_nobody_anything",
            "an_engine_answers_every_oracle_that_dials_it",
            "an_idle_connection_lives_through_many_pings_from_both_sides",
        ]),
    ),
    (
        8,
        "ping and pong go on",
        By(&[
            "ping_and_pong_go_on_for_ever",
            "pings_are_answered_pongs_are_harmless_and_the_connection_stays_up",
            "an_engine_pings_and_takes_the_oracles_pong",
            "an_idle_connection_lives_through_many_pings_from_both_sides",
        ]),
    ),
    (
        9,
        "a remote close is reported once",
        By(&[
            "a_peer_whose_socket_is_lost_is_removed_exactly_once_on_both_sides",
            "a_comet_node_that_stops_is_a_peer_that_closed_its_side",
        ]),
    ),
    (
        10,
        "bytes that are no packet",
        By(&[
            "bytes_that_are_no_packet_are_refused",
            "bytes_that_are_no_packet_end_the_connection",
            "a_peer_that_breaks_a_rule_is_closed_by_name_and_disturbs_nobody",
        ]),
    ),
    (
        11,
        "packets on unknown channels",
        By(&[
            "a_packet_on_an_unregistered_channel_ends_the_connection",
            "a_peer_that_breaks_a_rule_is_closed_by_name_and_disturbs_nobody",
        ]),
    ),
    (
        12,
        "packets over the maximum",
        By(&[
            "a_full_packet_passes_on_every_channel_and_a_longer_one_is_refused",
            "a_full_payload_is_accepted_and_a_longer_one_is_refused_before_it_came",
            "a_peer_that_breaks_a_rule_is_closed_by_name_and_disturbs_nobody",
        ]),
    ),
    (
        13,
        "delimited messages that are no packet",
        By(&[
            "a_body_without_a_known_packet_is_refused",
            "bytes_that_are_no_packet_end_the_connection",
            "a_peer_that_breaks_a_rule_is_closed_by_name_and_disturbs_nobody",
        ]),
    ),
    (
        14,
        "a full queue refuses",
        By(&["a_full_queue_hands_the_message_back_until_it_is_drained"]),
    ),
    (
        15,
        "bytes of the packets",
        By(&[
            "ping_and_pong_have_the_bytes_of_the_reference",
            "a_message_packet_has_the_bytes_of_the_reference",
            "the_bytes_in_a_frame_are_the_references",
            "packets_of_comet_read_as_what_they_were_and_write_the_same_bytes",
        ]),
    ),
    (
        16,
        "channel numbers do not alias",
        By(&[
            "a_channel_over_255_does_not_alias_to_a_smaller_one",
            "a_channel_number_over_a_byte_is_not_cut_to_one",
            "a_peer_that_breaks_a_rule_is_closed_by_name_and_disturbs_nobody",
        ]),
    ),
    (
        17,
        "each learns the other's key",
        By(&[
            "both_sides_learn_each_others_key_however_the_bytes_are_cut",
            "both_sides_prove_their_keys_whoever_dials",
            "a_comet_node_that_dials_us_becomes_a_peer",
            "a_comet_node_that_we_dial_becomes_a_peer",
        ]),
    ),
    (
        18,
        "concurrent writers do not interleave",
        Not("a connection belongs to one shard and has one writer; nothing can interleave"),
    ),
    (
        19,
        "concurrent readers",
        Not("a connection belongs to one shard and has one reader"),
    ),
    (
        20,
        "messages of random sizes in both directions",
        By(&[
            "a_stream_of_any_writes_comes_out_equal",
            "the_sessions_frames_flow_in_both_directions",
            "messages_of_any_size_arrive_whole_and_in_order_whatever_the_reads",
            "bulk_of_mixed_sizes_travels_both_ways_at_once_unchanged",
        ]),
    ),
    (
        21,
        "golden rows of derived secrets",
        By(&["all_golden_rows_of_the_reference_come_out"]),
    ),
    (
        22,
        "keys that are missing or not ed25519",
        By(&[
            "a_missing_key_is_refused",
            "a_key_that_is_not_ed25519_is_refused",
        ]),
    ),
    (
        23,
        "evil peers of the handshake",
        By(&[
            "a_peer_that_stops_is_reported_with_the_stage_it_stopped_at",
            "a_malformed_ephemeral_key_is_refused_at_its_first_wrong_byte",
            "a_malformed_authentication_is_refused",
            "who_breaks_the_secret_connection_is_closed_by_name_and_disturbs_nobody",
        ]),
    ),
    (
        24,
        "ephemeral keys of low order",
        By(&[
            "ephemeral_keys_of_low_order_are_refused",
            "who_breaks_the_secret_connection_is_closed_by_name_and_disturbs_nobody",
        ]),
    ),
    (
        25,
        "random data through a pair",
        By(&[
            "a_stream_of_any_writes_comes_out_equal",
            "fuzz_entry_holds_on_a_few_inputs",
            "bulk_of_mixed_sizes_travels_both_ways_at_once_unchanged",
        ]),
    ),
    (
        26,
        "an address from a socket address",
        By(&["an_address_is_made_from_id_ip_and_port"]),
    ),
    (
        27,
        "addresses as text",
        By(&[
            "an_address_is_read_with_or_without_a_protocol",
            "what_is_no_address_is_refused_with_its_reason",
        ]),
    ),
    (
        28,
        "lists of addresses",
        By(&["a_list_gives_its_good_and_its_bad_ones_separately"]),
    ),
    (
        29,
        "properties of addresses",
        By(&[
            "a_loopback_address_is_valid_and_local_but_not_routable",
            "a_public_name_or_ip_is_valid_and_routable_but_not_local",
        ]),
    ),
    (
        30,
        "reachability",
        By(&["reachability_has_the_scores_of_the_reference"]),
    ),
    (
        31,
        "the node key's file",
        By(&[
            "the_first_start_makes_a_key_and_the_second_loads_it",
            "loading_a_missing_file_names_it",
        ]),
    ),
    (
        32,
        "validity of NodeInfo",
        By(&[
            "what_the_reference_finds_valid_is_valid",
            "what_the_reference_finds_invalid_is_refused",
        ]),
    ),
    (
        33,
        "compatibility of NodeInfo",
        By(&[
            "nodes_with_a_common_channel_are_compatible",
            "another_block_format_network_or_set_of_channels_is_incompatible",
        ]),
    ),
    (
        34,
        "a set of peers holds an id once",
        By(&["of_twenty_candidates_with_one_id_exactly_one_is_admitted"]),
    ),
    (
        35,
        "peers: start, stop, send",
        By(&[
            "messages_of_any_size_arrive_whole_and_in_order_whatever_the_reads",
            "sending_on_a_channel_the_peer_lacks_is_a_typed_error",
        ]),
    ),
    (
        36,
        "errors print and classify",
        By(&["why_a_peer_was_closed_prints_and_says_whose_fault_it_was"]),
    ),
    (
        37,
        "a connection filter refuses",
        By(&["a_connection_filter_refuses_an_address_before_its_handshake"]),
    ),
    (
        38,
        "a connection filter takes too long",
        Not("filters are functions that answer at once, so there is no answer to wait for"),
    ),
    (
        39,
        "incoming connections at most",
        By(&["five_inbound_peers_fit_the_rest_is_refused_and_unconditional_ones_still_pass"]),
    ),
    (
        40,
        "many dials at once",
        By(&["many_dials_at_once_are_all_accepted_beside_those_that_are_refused"]),
    ),
    (
        41,
        "a stalled handshake delays nobody",
        By(&["a_peer_that_stalls_its_handshake_does_not_delay_a_good_one"]),
    ),
    (
        42,
        "an invalid NodeInfo is refused",
        By(&[
            "a_node_info_that_breaks_a_rule_is_refused",
            "who_introduces_itself_wrongly_is_closed_by_name_and_disturbs_nobody",
        ]),
    ),
    (
        43,
        "an id that is not the key's is refused",
        By(&[
            "a_node_info_with_another_id_than_the_key_is_refused",
            "who_introduces_itself_wrongly_is_closed_by_name_and_disturbs_nobody",
        ]),
    ),
    (
        44,
        "another node than the dialed one is refused",
        By(&[
            "another_node_than_the_one_that_was_dialed_is_refused_by_both_ids",
            "a_dial_that_meets_another_node_than_it_was_told_is_refused",
            "an_engine_that_dialed_another_node_says_which_it_found",
            "an_oracle_that_is_not_the_node_we_dialed_is_refused_by_name",
            "a_comet_node_that_meets_another_node_than_it_dialed_hangs_up",
            "a_comet_node_that_is_not_the_one_we_dialed_is_refused_by_both_ids",
        ]),
    ),
    (
        45,
        "another network is refused",
        By(&[
            "a_node_of_another_network_is_refused",
            "nodes_of_different_networks_do_not_become_peers",
            "who_introduces_itself_wrongly_is_closed_by_name_and_disturbs_nobody",
            "a_comet_node_of_another_network_is_refused_whoever_dials",
        ]),
    ),
    (
        46,
        "our own key is refused",
        By(&[
            "meeting_ourselves_is_refused",
            "our_own_id_is_refused_as_ourselves",
            "who_comes_as_the_engine_or_as_one_of_its_peers_is_refused_by_name",
        ]),
    ),
    (
        47,
        "a second connection from an address is refused",
        By(&[
            "a_second_socket_from_an_address_is_refused_once_the_first_cannot_be_its_twin",
            "a_second_id_at_one_address_is_refused_unless_allowed",
        ]),
    ),
    (
        48,
        "NodeInfo over the secret connection",
        By(&[
            "the_channels_of_all_reactors_show_in_node_info",
            "an_engine_answers_every_oracle_that_dials_it",
            "a_comet_node_that_dials_us_becomes_a_peer",
            "a_comet_node_that_we_dial_becomes_a_peer",
        ]),
    ),
    (
        49,
        "channels show in NodeInfo",
        By(&["the_channels_of_all_reactors_show_in_node_info"]),
    ),
    (
        50,
        "messages reach the right reactor and channel",
        By(&[
            "each_message_reaches_the_reactor_that_owns_its_channel_with_its_bytes",
            "an_engine_answers_every_oracle_that_dials_it",
            "messages_of_every_size_come_back_from_comet_as_they_went",
        ]),
    ),
    (
        51,
        "dialing oneself",
        By(&[
            "dialing_ourselves_is_never_tried_again",
            "dialing_oneself_makes_no_peer_and_is_not_tried_again",
        ]),
    ),
    (
        52,
        "a peer filter refuses",
        By(&["a_peer_filter_refuses_an_authenticated_peer"]),
    ),
    (
        53,
        "a peer filter takes too long",
        Not("filters are functions that answer at once, so there is no answer to wait for"),
    ),
    (
        54,
        "the same peer twice",
        By(&[
            "an_id_is_refused_until_its_former_connection_has_left",
            "a_second_dial_to_a_connected_peer_is_refused",
            "who_comes_as_the_engine_or_as_one_of_its_peers_is_refused_by_name",
        ]),
    ),
    (
        55,
        "a peer whose socket closes is removed",
        By(&[
            "a_peer_whose_socket_is_lost_is_removed_exactly_once_on_both_sides",
            "a_comet_node_that_stops_is_a_peer_that_closed_its_side",
        ]),
    ),
    (
        56,
        "a peer is removed exactly once",
        By(&[
            "a_reactor_that_complains_costs_its_peer_once_and_hears_nothing_more_of_it",
            "a_peer_whose_socket_is_lost_is_removed_exactly_once_on_both_sides",
        ]),
    ),
    (
        57,
        "outbound persistent peers come back",
        By(&[
            "twenty_steady_dials_are_followed_by_growing_ones_and_no_last_one",
            "a_persistent_peer_is_dialed_again_after_a_failed_dial_and_after_a_loss",
            "an_outbound_persistent_peer_is_dialed_again_whenever_it_is_lost",
            "a_persistent_peer_that_is_down_at_first_is_dialed_until_it_answers",
        ]),
    ),
    (
        58,
        "inbound persistent peers come back",
        By(&[
            "a_persistent_peer_that_came_inbound_is_dialed_when_it_is_lost",
            "an_inbound_persistent_peer_is_dialed_when_it_is_lost",
        ]),
    ),
    (
        59,
        "transient errors bring a peer back",
        By(&[
            "a_transient_fault_brings_a_dialed_peer_back_and_a_lasting_one_does_not",
            "a_transient_error_brings_a_dialed_peer_back_and_a_lasting_one_does_not",
        ]),
    ),
    (60, "dials connect", By(&["a_dial_connects_and_says_whom"])),
    (
        61,
        "a full mesh of three",
        By(&["three_nodes_make_a_full_mesh"]),
    ),
    (
        62,
        "inbound budget and unconditional peers",
        By(&[
            "five_inbound_peers_fit_the_sixth_is_refused_and_unconditional_ones_still_pass",
            "five_inbound_peers_fit_the_rest_is_refused_and_unconditional_ones_still_pass",
        ]),
    ),
    (
        63,
        "accepting survives refusals",
        By(&[
            "refusals_do_not_end_accepting",
            "many_dials_at_once_are_all_accepted_beside_those_that_are_refused",
        ]),
    ),
    (
        64,
        "init_peer waits for remove_peer",
        By(&[
            "a_peer_that_comes_back_is_never_initialised_before_it_was_removed",
            "a_crashed_node_comes_back_to_peers_that_remember_it",
        ]),
    ),
    (
        65,
        "a peer that could not be removed",
        By(&[
            "an_id_is_refused_until_its_former_connection_has_left",
            "a_peer_that_comes_back_is_never_initialised_before_it_was_removed",
        ]),
    ),
    (
        66,
        "a message filter refuses before receive",
        By(&[
            "a_reactor_that_complains_costs_its_peer_once_and_hears_nothing_more_of_it",
            "a_message_that_the_filter_refuses_is_never_received_and_costs_the_peer",
            "a_peer_that_breaks_a_rule_is_closed_by_name_and_disturbs_nobody",
        ]),
    ),
    (
        67,
        "peers and the size of the book",
        By(&["an_inbound_peer_enters_the_book_and_stays_there_and_an_outbound_one_does_not_enter"]),
    ),
    (
        68,
        "partial books become a full mesh",
        By(&["three_nodes_that_know_one_neighbour_each_become_a_full_mesh"]),
    ),
    (
        69,
        "addresses are taken after a request",
        By(&["addresses_that_were_asked_for_enter_the_book_and_are_dialed"]),
    ),
    (
        70,
        "too many requests",
        By(&[
            "two_requests_are_free_and_the_third_is_answered_when_the_pause_since_the_second_is_over",
            "a_third_request_after_ten_seconds_is_answered",
            "a_third_request_too_soon_is_answered_when_its_time_has_come",
        ]),
    ),
    (
        71,
        "addresses unasked",
        By(&[
            "an_answer_is_taken_once_per_request_and_never_without_one",
            "addresses_that_nobody_asked_for_cost_the_peer_its_connection_and_more_each_time",
        ]),
    ),
    (
        72,
        "seeds at the start",
        By(&[
            "a_round_tries_seeds_until_one_answers_and_no_longer",
            "a_round_without_a_seed_that_answers_ends_after_each_was_tried_once",
            "a_node_whose_seeds_cannot_be_resolved_runs_and_finds_them_when_they_can",
            "one_seed_that_can_be_resolved_is_enough",
        ]),
    ),
    (
        73,
        "an empty book turns to the seeds at once",
        By(&["a_node_that_knows_nobody_turns_to_its_seeds_at_once"]),
    ),
    (
        74,
        "a seed's addresses are dialed at once, within the limits",
        By(&["who_is_learned_from_a_seed_is_dialed_within_a_second_and_no_limit_is_passed"]),
    ),
    (
        75,
        "a seed crawls, and disconnects after its wait",
        By(&["a_seed_visits_whom_it_knows_and_sends_those_away_who_only_wait"]),
    ),
    (
        76,
        "a seed keeps persistent peers",
        By(&["a_seed_keeps_its_persistent_and_unconditional_peers"]),
    ),
    (
        77,
        "an address is given up after sixteen attempts",
        By(&[
            "sixteen_failures_rest_ever_longer_and_one_more_gives_the_address_up",
            "a_seed_gives_an_address_up_after_seventeen_dials_in_vain",
        ]),
    ),
    (
        78,
        "a seed's goodbye and another end at once",
        By(&["a_seed_that_answers_while_the_connection_ends_for_another_reason_lives_on"]),
    ),
    (
        79,
        "private ids never enter the book",
        By(&["private_ids_never_enter_the_book_whoever_tells_them"]),
    ),
    (
        80,
        "a failed dial rests",
        By(&["a_second_dial_is_too_early_at_first_and_due_after_three_seconds"]),
    ),
    (
        81,
        "the bytes of the messages",
        By(&[
            "a_request_has_the_bytes_of_the_reference",
            "an_address_has_the_bytes_of_the_reference",
        ]),
    ),
    (
        82,
        "picking an address",
        By(&["an_empty_book_gives_nothing_and_one_address_is_picked_whatever_the_bias"]),
    ),
    (
        83,
        "a book saved and loaded",
        By(&["an_empty_book_and_one_of_a_hundred_come_back_from_their_files"]),
    ),
    (
        84,
        "addresses are found",
        By(&["every_address_of_a_hundred_is_found"]),
    ),
    (
        85,
        "good addresses become old",
        By(&[
            "addresses_that_proved_good_are_old_and_a_selection_shows_23_per_cent_and_at_least_32",
            "a_selection_shows_all_of_a_few_and_part_of_many",
        ]),
    ),
    (
        86,
        "an id told by many is one entry",
        By(&["an_id_that_many_tell_of_is_one_entry_in_four_buckets_at_most"]),
    ),
    (
        87,
        "an address removed",
        By(&["a_removed_address_is_gone_and_may_come_back"]),
    ),
    (
        88,
        "selections: sizes, order, no duplicates",
        By(&[
            "a_selection_never_tells_a_node_twice_and_has_new_ones_first",
            "a_selection_of_one_has_it_and_of_none_is_empty",
            "a_selection_with_bias_has_new_ones_first_and_fills_up_from_the_other_class",
        ]),
    ),
    (
        89,
        "a selection with bias",
        By(&["a_bias_of_thirty_per_cent_leaves_seventy_for_old_addresses"]),
    ),
    (
        90,
        "whether an address is in the book",
        By(&["an_address_is_had_while_it_is_in_the_book"]),
    ),
    (
        91,
        "bans",
        By(&["a_banned_node_leaves_the_book_and_comes_back_as_new_when_its_ban_has_ended"]),
    ),
    (
        92,
        "own and private addresses leave a book empty",
        By(&["own_and_private_addresses_leave_the_book_empty"]),
    ),
    (
        93,
        "private ids",
        By(&["a_private_node_is_neither_told_of_nor_believed"]),
    ),
    (
        94,
        "gossip never changes an old address",
        By(&["gossip_never_changes_the_address_of_a_known_node"]),
    ),
    (
        95,
        "groups of addresses",
        By(&[
            "a_strict_book_puts_what_the_internet_does_not_reach_into_two_groups",
            "an_address_belongs_to_the_network_that_somebody_pays_for",
        ]),
    ),
    (
        96,
        "delimited messages",
        By(&[
            "bodies_of_any_length_come_back_one_after_the_other",
            "a_body_at_the_limit_passes_and_one_byte_more_is_refused",
            "a_length_over_the_limit_is_refused_before_the_body_has_come",
            "every_proper_prefix_asks_for_more",
            "a_length_that_is_no_varint_is_an_error",
        ]),
    ),
    (
        97,
        "the throttle timer",
        Not("there is no flush timer: output exists from the moment it is queued"),
    ),
    (
        98,
        "rates are kept",
        By(&[
            "the_rate_holds_in_the_long_run_whatever_the_size_of_a_take",
            "the_send_rate_counts_bytes_of_packets_in_either_framing_and_fills_the_frames",
            "the_receive_rate_counts_bytes_of_packets_in_either_framing",
            "control_packets_never_wait_for_a_rate",
        ]),
    ),
];

/// A claim found in the sources: which items, which test, where.
struct Claim {
    items: Vec<u16>,
    test: Option<String>,
    place: String,
}

fn root() -> &'static Path {
    let core = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut above = core.ancestors();
    above
        .nth(2)
        .expect("the core lies in engine/ of the workspace")
}

fn source_files() -> Vec<PathBuf> {
    let root = root();
    let mut files = Vec::new();
    let mut folders = vec![
        root.join("codec/src"),
        root.join("codec/tests"),
        root.join("engine/core"),
        root.join("engine/sim"),
        root.join("engine/ringwire"),
        root.join("engine/cli"),
    ];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match path.is_dir() {
                true => folders.push(path),
                false if path.extension().is_some_and(|extension| extension == "rs") => {
                    files.push(path);
                }
                false => {}
            }
        }
    }
    files
}

/// The names of all tests in the sources: functions under a `#[test]` or inside `proptest!`.
fn test_names() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in source_files() {
        let text = fs::read_to_string(file).expect("a source is readable UTF-8");
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            if line == "#[test]" || line.starts_with("#[test]") {
                is_test = true;
            } else if let Some(name) = function_name(line) {
                if std::mem::take(&mut is_test) {
                    names.insert(name);
                }
            } else if !line.starts_with("#[") && !line.starts_with("//") {
                is_test = false;
            }
        }
    }
    names
}

fn function_name(line: &str) -> Option<String> {
    let rest = line
        .strip_prefix("fn ")
        .or_else(|| line.strip_prefix("async fn "))?;
    let end = rest.find(['(', '<'])?;
    Some(rest[..end].to_string())
}

fn claims() -> Vec<Claim> {
    let mut claims = Vec::new();
    for file in source_files() {
        let text = fs::read_to_string(&file).expect("a source is readable UTF-8");
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for (index, line) in lines.iter().enumerate() {
            let Some(items) = claimed_items(line) else {
                continue;
            };
            let below = lines.iter().skip(index + 1).take(CLAIM_REACH);
            let test = below.copied().find_map(function_name);
            let place = format!("{}:{}", file.display(), index + 1);
            claims.push(Claim { items, test, place });
        }
    }
    claims
}

/// The numbers of `// Conformance item 5.` or `// Conformance items 5, 6 and 9: words.`
fn claimed_items(line: &str) -> Option<Vec<u16>> {
    let rest = line.strip_prefix("// Conformance item")?;
    let list = rest.strip_prefix('s').unwrap_or(rest);
    let list = list.split(['.', ':', '(']).next().unwrap_or_default();
    let words = list
        .split([' ', ','])
        .filter(|word| !word.is_empty() && *word != "and");
    Some(words.map(|word| word.parse().unwrap_or(0)).collect())
}

#[test]
fn every_item_has_an_entry_and_every_named_test_exists() {
    let tests = test_names();
    let mut problems = Vec::new();
    for item in 1..=ITEM_MAX {
        if TABLE.iter().filter(|(number, ..)| *number == item).count() != 1 {
            problems.push(format!("item {item} has no entry, or more than one"));
        }
    }
    for (item, asks, met) in TABLE {
        match met {
            By([]) => problems.push(format!("item {item} names no test")),
            By(names) => {
                for name in names.iter().filter(|name| !tests.contains(**name)) {
                    problems.push(format!("item {item} ({asks}): there is no test `{name}`"));
                }
            }
            Not(reason) if reason.len() < 20 => problems.push(format!("item {item}: why not?")),
            Not(_) => {}
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn items_stand_in_their_order_and_every_heading_has_its_first() {
    assert!(TABLE.iter().map(|(item, ..)| *item).eq(1..=ITEM_MAX));
    let firsts = SECTIONS.iter().map(|(first, _)| first);
    assert!(firsts.is_sorted_by(|a, b| a < b) && SECTIONS[0].0 == 1);
}

#[test]
fn every_claim_of_an_item_stands_above_a_test_and_names_items_of_the_list() {
    let mut problems = Vec::new();
    for claim in claims() {
        if claim.items.is_empty()
            || claim
                .items
                .iter()
                .any(|item| !(1..=ITEM_MAX).contains(item))
        {
            problems.push(format!("{}: claims {:?}", claim.place, claim.items));
        }
        if claim.test.is_none() {
            problems.push(format!("{}: no test follows", claim.place));
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn what_the_table_names_is_claimed_where_it_stands() {
    let mut claimed: BTreeMap<u16, BTreeSet<String>> = BTreeMap::new();
    for claim in claims() {
        for item in claim.items {
            claimed.entry(item).or_default().extend(claim.test.clone());
        }
    }
    let mut problems = Vec::new();
    for (item, _, met) in TABLE {
        let By(names) = met else { continue };
        let known = claimed.get(item);
        for name in *names {
            if !known.is_some_and(|tests| tests.contains(*name)) {
                problems.push(format!("item {item}: `{name}` does not claim it"));
            }
        }
    }
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

/// docs/conformance.md as it should be.
fn page() -> String {
    let claims = claims();
    let mut page = String::from(PREFACE);
    for (item, asks, met) in TABLE {
        if let Some((_, heading)) = SECTIONS.iter().find(|(first, _)| first == item) {
            page += &format!(
                "\n## {heading}\n\n| item | what is asked | where it is kept |\n|---|---|---|\n"
            );
        }
        let kept = match met {
            By(names) => names
                .iter()
                .flat_map(|name| places_of(*item, name, &claims))
                .collect::<Vec<_>>()
                .join("<br>"),
            Not(reason) => format!("does not apply: {reason}"),
        };
        page += &format!("| {item} | {asks} | {kept} |\n");
    }
    page
}

/// Where tests of that name claim an item, as `file::name`, in order.
fn places_of(item: u16, name: &str, claims: &[Claim]) -> BTreeSet<String> {
    let claims = claims.iter().filter(|claim| claim.items.contains(&item));
    let claims = claims.filter(|claim| claim.test.as_deref() == Some(name));
    let places = claims.filter_map(|claim| {
        let (file, _line) = claim.place.rsplit_once(':')?;
        let file = Path::new(file).strip_prefix(root()).ok()?;
        Some(format!("`{}::{name}`", file.display()))
    });
    places.collect()
}

#[test]
fn the_document_is_the_table() {
    let path = root().join("docs/conformance.md");
    let (page, kept) = (page(), fs::read_to_string(&path).unwrap_or_default());
    if std::env::var_os(REWRITE).is_some_and(|value| value == "write") {
        fs::write(&path, page).expect("the document can be written");
        return;
    }
    let differs = page.lines().zip(kept.lines()).find(|(new, old)| new != old);
    assert!(
        page == kept,
        "docs/conformance.md is not what the table says (run this test with {REWRITE}=write): {differs:#?}"
    );
}

#[test]
fn every_fault_of_the_reference_has_a_row_and_every_test_that_it_names_exists() {
    let document = fs::read_to_string(root().join("docs/quirks.md")).expect("the document");
    let mut numbers = Vec::new();
    let mut problems = Vec::new();
    for line in document.lines() {
        let Some(Ok(number)) = line
            .split('|')
            .nth(1)
            .map(|cell| cell.trim().parse::<u16>())
        else {
            continue;
        };
        numbers.push(number);
        let tests: Vec<_> = line
            .split('`')
            .filter_map(|word| word.split_once("::"))
            .filter(|(file, _)| file.ends_with(".rs"))
            .collect();
        if line.contains("| fixed:") && tests.is_empty() {
            problems.push(format!("quirk {number} is fixed, and no test says so"));
        }
        for (file, test) in tests {
            let text = fs::read_to_string(root().join(file)).unwrap_or_default();
            if !text.contains(&format!("fn {test}(")) {
                problems.push(format!("quirk {number}: there is no {file}::{test}"));
            }
        }
    }
    assert!(numbers.iter().copied().eq(1..=QUIRK_MAX), "{numbers:?}");
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

#[test]
fn claims_are_read_with_one_number_or_several() {
    assert_eq!(claimed_items("// Conformance item 5."), Some(vec![5]));
    assert_eq!(
        claimed_items("// Conformance items 6, 7 and 8."),
        Some(vec![6, 7, 8])
    );
    assert_eq!(
        claimed_items("// Conformance item 23: the honest row."),
        Some(vec![23])
    );
    assert_eq!(claimed_items("// Conformance item x."), Some(vec![0]));
    assert_eq!(claimed_items("// nothing"), None);
}
