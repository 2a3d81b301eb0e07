//! Where metrics are served, and which: flags, else what CometBFT's `[instrumentation]` says.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr, ToSocketAddrs as _};

use clap::Args;

use crate::config::Instrumentation;
use crate::failure::Failure;
use crate::flag_values::within;

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
    #[arg(long, value_name = "N", default_value_t = PEERS_MAX, value_parser = within::<usize, 0, { u64::MAX }>)]
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

impl Settings {
    /// Everything is served at `addr` by its usual names.
    pub(crate) fn at(addr: SocketAddr) -> Self {
        Settings {
            addr,
            namespace: Instrumentation::default().namespace,
            peers_max: PEERS_MAX,
        }
    }

    /// What flags and home say together; `None` if nothing is served.
    ///
    /// # Errors
    /// An address that is none, or a name that no metric can have, and where it stands.
    pub(crate) fn new(
        args: &MetricsArgs,
        instrumentation: &Instrumentation,
    ) -> Result<Option<Self>, Failure> {
        let (what, listen) = match &args.metrics {
            Some(text) if text == "off" => return Ok(None),
            Some(text) => ("--metrics", text),
            None if instrumentation.prometheus => (
                "config.toml: instrumentation.prometheus_listen_addr",
                &instrumentation.listen_addr,
            ),
            None => return Ok(None),
        };
        let addr = parse_listen(listen).map_err(|error| {
            // A name that nobody knows now is no fault of the call.
            let is_form = error.kind() == ErrorKind::InvalidInput;
            match args.metrics.is_some() && is_form {
                true => Failure::misused(format!(
                    "{what}: {listen:?}: {error}; expected HOST:PORT, :PORT or off"
                )),
                false => Failure::new(format!("{what}: {listen:?}: {error}")),
            }
        })?;
        // Where the file asks for no metrics its namespace may be anything.
        if let Some(fault) = instrumentation.namespace_fault() {
            let what = "config.toml: instrumentation.namespace";
            return Err(Failure::new(format!("{what}: {fault}")));
        }
        Ok(Some(Settings {
            addr,
            namespace: instrumentation.namespace.clone(),
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

/// Whether the address at which a home wants its metrics makes sense.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn check_address(instrumentation: &Instrumentation) -> Result<(), String> {
    match instrumentation.prometheus {
        true => match parse_listen(&instrumentation.listen_addr) {
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        },
        false => Ok(()),
    }
}

/// Reads `host:port`, or `:port` for every address of the machine, as Go does.
///
/// # Errors
/// `InvalidInput` if it is neither; else what the resolver says.
fn parse_listen(text: &str) -> io::Result<SocketAddr> {
    if let Some(port) = text.strip_prefix(':') {
        let port = port.parse().map_err(|_| {
            let rule = "the port is no number up to 65535";
            io::Error::new(ErrorKind::InvalidInput, rule)
        })?;
        return Ok((Ipv4Addr::UNSPECIFIED, port).into());
    }
    let found = text.to_socket_addrs()?.next();
    found.ok_or_else(|| io::Error::new(ErrorKind::NotFound, "the name has no address"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::NodeConfig;

    fn settings(metrics: Option<&str>, config: &str) -> Result<Option<Settings>, String> {
        let loaded = NodeConfig::from_toml("config.toml", config);
        let loaded = loaded.map_err(|error| error.to_string())?;
        let args = MetricsArgs {
            metrics: metrics.map(str::to_owned),
            metrics_peers: 3,
        };
        let settings = Settings::new(&args, &loaded.instrumentation);
        settings.map_err(|failure| failure.to_string())
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
        let on = format!("{named}prometheus = true\n");
        let wrong = settings(None, &on).expect_err("no metric has a dash");
        let expected = "config.toml:2: instrumentation.namespace: \"a-b\"";
        assert!(wrong.starts_with(expected), "{wrong}");
        let wrong = settings(Some(":9"), named).expect_err("no metric has a dash");
        assert!(wrong.contains("instrumentation.namespace"), "{wrong}");
        // Nothing is served under it.
        assert_eq!(found(None, named), None);
    }

    #[test]
    fn the_section_is_read_as_the_rest_of_the_file() {
        let odd = "[Instrumentation]\nPrometheus = \"true\"\nprometheus-listen-addr = \":7\"\n";
        assert_eq!(found(None, odd), pair("0.0.0.0:7", "cometbft"));
        assert_eq!(found(None, "[instrumentation]\nprometheus = 0\n"), None);
        let both = "[instrumentation]\nPrometheus = false\nprometheus = 1\nnamespace = 7\n";
        let wrong = settings(None, both).expect_err("the exact name holds, and 7 is no name");
        assert!(
            wrong.starts_with("config.toml:4: instrumentation.namespace"),
            "{wrong}"
        );
        let faults = "[p2p]\nsend_rate = []\n[instrumentation]\nprometheus = []\n";
        let wrong = settings(None, faults).expect_err("neither can be read");
        assert_eq!(wrong.lines().count(), 2, "{wrong}");
    }
}
