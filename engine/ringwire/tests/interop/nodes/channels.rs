//! Our table of CometBFT's channels beside what its own reactors declare.

use std::process::Command;

use ringwire::comet::channels::{self, CometChannel};
use serde_json::Value;

use crate::golang::{Program, say_skipped};

/// Prints the channels of each reactor; see `go/node/v0.38/channels`. Of the other releases the
/// sources were read, and the ids are compared with what a node announces.
const PRINTER: Program = Program {
    module: "node/v0.38",
    package: "./channels",
};

/// A channel of the table, as the program prints one.
fn printed(channel: &CometChannel) -> Value {
    serde_json::json!({
        "reactor": channel.reactor,
        "id": channel.id.0,
        "priority": channel.priority,
        "send_queue_capacity": channel.send_queue_capacity,
        "recv_buffer_capacity": channel.recv_buffer_capacity,
        "recv_message_capacity": channel.recv_message_capacity,
    })
}

#[test]
fn the_table_of_channels_is_what_the_reactors_of_comet_declare() {
    let program = match PRINTER.build() {
        Ok(program) => program,
        Err(reason) => return say_skipped("reactors of CometBFT", &reason),
    };
    let output = Command::new(program)
        .output()
        .expect("what was built can be run");
    let declared: Vec<Value> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect();
    let ours: Vec<Value> = channels::ALL.iter().map(printed).collect();
    assert_eq!(declared, ours);
}
