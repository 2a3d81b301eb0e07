//! What is in force, and where each value came from.

use serde_json::{Value, json};

use crate::console;
use crate::control::{self, Order};
use crate::failure::Failure;
use crate::genesis;
use crate::home::Home;
use crate::reload;
use crate::table::{Align, Table};

/// Runs the command: asks the running node, or reads what a start would read.
pub(super) fn run(home: &Home, json: bool) -> Result<(), Failure> {
    let answer = match control::order(home, &Order::Config {})? {
        Some(mut answer) => {
            answer["running"] = json!(true);
            answer
        }
        None => {
            let loaded = genesis::with_network(home, home.load_config()?, None)?;
            json!({
                "running": false,
                "home": home.root().display().to_string(),
                "config": reload::to_json(&reload::of_file(loaded)),
            })
        }
    };
    match json {
        true => console::print_json(&json!({
            "running": answer["running"],
            "home": answer["home"],
            "config": answer["config"],
        })),
        false => console::print(&text(&answer)),
    }
}

fn text(answer: &Value) -> String {
    let home = answer["home"].as_str().unwrap_or_default();
    let head = match answer["running"] == true {
        true => format!("in force on the node that runs on {home}:"),
        false => format!("no node runs on {home}; one that is started there goes by:"),
    };
    let mut table = Table::new([
        ("KEY", Align::Left),
        ("VALUE", Align::Left),
        ("FROM", Align::Left),
    ]);
    for row in answer["config"].as_array().into_iter().flatten() {
        let word = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        table.push([word("key"), word("value"), from(row)]);
    }
    format!("{head}\n\n{}", table.lines().join("\n"))
}

/// Where a value came from, with what is known of the place.
fn from(row: &Value) -> String {
    let from = row["from"].as_str().unwrap_or_default();
    match (&row["line"], &row["name"]) {
        (Value::Number(line), _) => format!("{from}:{line}"),
        (_, Value::String(name)) => format!("{from} {name}"),
        _ => from.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_is_a_row_that_says_where_its_value_came_from() {
        let answer = json!({
            "running": true,
            "home": "/var/lib/ringwire",
            "config": [
                { "key": "p2p.pex", "value": "true", "from": "default" },
                { "key": "p2p.send_rate", "value": "7", "from": "config.toml", "line": 3 },
                { "key": "p2p.laddr", "value": "\"x\"", "from": "flag", "name": "--laddr" },
            ],
        });
        let expected = "in force on the node that runs on /var/lib/ringwire:\n\n\
            KEY            VALUE  FROM\n\
            p2p.pex        true   default\n\
            p2p.send_rate  7      config.toml:3\n\
            p2p.laddr      \"x\"    flag --laddr";
        assert_eq!(text(&answer), expected);
    }
}
