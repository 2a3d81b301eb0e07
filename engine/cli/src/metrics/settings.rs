//! Where metrics are served, and which: flags, else what CometBFT's `[instrumentation]` says.

use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs as _};

use clap::Args;
use ringwire_codec::file;
use serde::Deserialize;

use crate::failure::Failure;
use crate::home::Home;

/// Bytes of a config.toml that are read, as for the rest of it.
const CONFIG_BYTES_MAX: usize = 4 << 20;

/// CometBFT's own defaults, in force where `prometheus = true` stands alone.
const LISTEN_ADDR: &str = ":26660";
const NAMESPACE: &str = "cometbft";

/// Peers with series of their own if nothing else is said.
const PEERS_MAX: usize = 50;

/// Flags of every command that runs a node.
#[derive(Args, Clone)]
pub(crate) struct MetricsArgs {
    /// Serve http://ADDR/metrics for Prometheus, and /health; instead of the section instrumentation. `off`
    /// serves nothing.
    #[arg(long, value_name = "HOST:PORT|off")]
    metrics: Option<String>,
    /// Peers that have metrics of their own: those with the most traffic.
    #[arg(long, value_name = "N", default_value_t = PEERS_MAX)]
    metrics_peers: usize,
}

/// What is served and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Where to listen.
    pub(super) addr: SocketAddr,
    /// What stands before `_p2p_` in CometBFT's names.
    pub(super) namespace: String,
    /// Peers with series of their own.
    pub(super) peers_max: usize,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    instrumentation: Instrumentation,
}

#[derive(Default, Deserialize)]
struct Instrumentation {
    #[serde(default)]
    prometheus: bool,
    prometheus_listen_addr: Option<String>,
    namespace: Option<String>,
}

impl Settings {
    /// Everything is served at `addr` by its usual names.
    pub(crate) fn at(addr: SocketAddr) -> Self {
        Settings {
            addr,
            namespace: String::from(NAMESPACE),
            peers_max: PEERS_MAX,
        }
    }

    /// What flags and home say together; `None` if nothing is served.
    ///
    /// # Errors
    /// An address that is none, or a name that no metric can have, and where it stands.
    pub(crate) fn new(args: &MetricsArgs, home: &Home) -> Result<Option<Self>, Failure> {
        let path = home.config_file();
        let place = path.display().to_string();
        // What else is wrong with the file was told when the node's own part was read.
        let text = file::read_at_most(&path, CONFIG_BYTES_MAX)?;
        let document = String::from_utf8_lossy(&text);
        let Document { instrumentation } = toml::from_str(&document)
            .map_err(|error| Failure::new(format!("{place}: [instrumentation]: {error}")))?;
        let namespace = instrumentation.namespace();
        if !is_metric_name(&namespace) {
            return Err(Failure::new(format!(
                "{place}: instrumentation.namespace: {namespace:?} must be letters, digits and _, and \
                 begin with none of the digits"
            )));
        }
        let (what, listen) = match &args.metrics {
            Some(text) if text == "off" => return Ok(None),
            Some(text) => (String::from("--metrics"), text.clone()),
            None if instrumentation.prometheus => (
                format!("{place}: instrumentation.prometheus_listen_addr"),
                instrumentation.listen_addr(),
            ),
            None => return Ok(None),
        };
        let addr = parse_listen(&listen)
            .map_err(|problem| Failure::new(format!("{what}: {listen:?}: {problem}")))?;
        Ok(Some(Settings {
            addr,
            namespace,
            peers_max: args.metrics_peers,
        }))
    }
}

/// Where metrics are served and under which name, in a word.
pub(crate) fn words(settings: Option<&Settings>) -> String {
    settings.map_or_else(
        || String::from("off"),
        |settings| format!("{} as {}", settings.addr, settings.namespace),
    )
}

/// Whether what the home says of metrics makes sense.
///
/// # Errors
/// Those of [`Settings::new`].
pub(crate) fn check(home: &Home) -> Result<(), Failure> {
    let no_flags = MetricsArgs {
        metrics: None,
        metrics_peers: 0,
    };
    Settings::new(&no_flags, home).map(drop)
}

impl Instrumentation {
    fn namespace(&self) -> String {
        let named = self.namespace.clone().filter(|name| !name.is_empty());
        named.unwrap_or_else(|| String::from(NAMESPACE))
    }

    fn listen_addr(&self) -> String {
        let named = self.prometheus_listen_addr.clone();
        named
            .filter(|addr| !addr.is_empty())
            .unwrap_or_else(|| String::from(LISTEN_ADDR))
    }
}

/// Reads `host:port`, or `:port` for every address of the machine, as Go does.
fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    if let Some(port) = text.strip_prefix(':') {
        let port = port
            .parse()
            .map_err(|_| String::from("the port is no number up to 65535"))?;
        return Ok((Ipv4Addr::UNSPECIFIED, port).into());
    }
    let mut found = text.to_socket_addrs().map_err(|error| error.to_string())?;
    found
        .next()
        .ok_or_else(|| String::from("the name has no address"))
}

fn is_metric_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    name.bytes().all(allowed) && !name.starts_with(|first: char| first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(metrics: Option<&str>, config: &str) -> Result<Option<Settings>, String> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::create_dir(directory.path().join("config")).expect("room");
        std::fs::write(directory.path().join("config/config.toml"), config).expect("room");
        let args = MetricsArgs {
            metrics: metrics.map(str::to_owned),
            metrics_peers: 3,
        };
        let settings = Settings::new(&args, &Home::at(directory.path().to_owned()));
        settings.map_err(|failure| match failure {
            Failure::Message(message) => message,
            Failure::StdoutClosed => unreachable!("nothing is printed"),
        })
    }

    fn found(metrics: Option<&str>, config: &str) -> Option<(String, String)> {
        let settings = settings(metrics, config).expect("it is in order");
        settings.map(|settings| (settings.addr.to_string(), settings.namespace))
    }

    fn pair(addr: &str, namespace: &str) -> Option<(String, String)> {
        Some((addr.to_owned(), namespace.to_owned()))
    }

    #[test]
    fn the_home_of_a_cometbft_node_is_served_as_its_config_says() {
        assert_eq!(found(None, ""), None);
        assert_eq!(found(None, "[instrumentation]\nprometheus = false\n"), None);
        let on = "[instrumentation]\nprometheus = true\n";
        assert_eq!(found(None, on), pair("0.0.0.0:26660", "cometbft"));
        let named = format!("{on}prometheus_listen_addr = \"127.0.0.1:7\"\nnamespace = \"gaia\"\n");
        assert_eq!(found(None, &named), pair("127.0.0.1:7", "gaia"));
    }

    #[test]
    fn the_flag_stands_above_the_file() {
        let on = "[instrumentation]\nprometheus = true\n";
        assert_eq!(found(Some("off"), on), None);
        assert_eq!(
            found(Some("127.0.0.1:0"), ""),
            pair("127.0.0.1:0", "cometbft")
        );
        assert_eq!(found(Some(":9"), on), pair("0.0.0.0:9", "cometbft"));
    }

    #[test]
    fn what_is_wrong_says_where_it_stands() {
        let wrong = settings(Some("9"), "").expect_err("there is no host");
        assert!(wrong.starts_with("--metrics: \"9\": "), "{wrong}");
        let named = "[instrumentation]\nnamespace = \"a-b\"\n";
        let wrong = settings(None, named).expect_err("no metric has a dash");
        assert!(
            wrong.contains("instrumentation.namespace: \"a-b\""),
            "{wrong}"
        );
    }
}
