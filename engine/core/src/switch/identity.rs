//! What a shard's switch is from its start to its end: the node's key and NodeInfo, the
//! configuration, the channels. Nothing here changes but the configuration, as far as that can change
//! while the node runs.

use std::sync::Arc;
use std::time::Duration;

use ringwire_codec::extension::RECORD_BYTES_MIN;
use ringwire_codec::key::SIGNATURE_BYTES;
use ringwire_codec::secret::RECORD_PLAIN_MAX;
use ringwire_codec::{Extension, LocalKey, NodeId, NodeInfo, NodeInfoOther, ProtocolVersion};

use crate::config::{Config, ConfigError};
use crate::conn::MConnectionConfig;
use crate::document::Kept;
use crate::peer::ShardId;
use crate::reactor::{ChannelDescriptor, Instance};
use crate::switch::links::filter::Filters;
use crate::switch::reactors::channel_table::ChannelTable;

/// What a switch is made of.
pub struct SwitchConfig {
    /// Checked configuration of the node.
    pub config: Arc<Config>,
    /// The node's identity. One that is elsewhere signs by [`Output::Sign`](super::io::Output::Sign).
    pub node_key: LocalKey,
    /// This shard.
    pub shard: ShardId,
    /// Shards of the node.
    pub shard_count: u16,
    /// Time since 1970 at which a clock that shows the switch's time stood at zero.
    pub unix_time_at_zero: Duration,
    /// Source of all chance on this shard: ephemeral keys, jitter. Never the same twice.
    pub seed: [u8; 32],
    /// The application's say in who may connect.
    pub filters: Filters,
    /// Which documents of reactors have a place.
    pub kept: Kept,
}

/// The identity of one shard of a node.
pub(crate) struct Identity {
    shard: ShardId,
    shard_count: u16,
    config: Arc<Config>,
    conn_config: MConnectionConfig,
    node_key: LocalKey,
    unix_time_at_zero: Duration,
    node_info: NodeInfo,
    filters: Filters,
    kept: Kept,
    channels: ChannelTable,
    reactor_names: Vec<String>,
}

impl Identity {
    /// The identity of a shard that has these reactors.
    pub(crate) fn new(
        parts: SwitchConfig,
        reactors: &[(String, Box<dyn Instance>)],
    ) -> Result<Self, ConfigError> {
        let SwitchConfig {
            config,
            node_key,
            shard,
            shard_count,
            unix_time_at_zero,
            seed: _,
            filters,
            kept,
        } = parts;
        let declared = reactors
            .iter()
            .map(|(name, reactor)| (name.clone(), reactor.channels()));
        let channels = ChannelTable::new(declared)?;
        check_signing(&node_key, reactors)?;
        Ok(Identity {
            shard,
            shard_count,
            conn_config: MConnectionConfig::new(&config)?,
            node_info: node_info_of(&config, node_key.id(), channels.descriptors())?,
            config,
            node_key,
            unix_time_at_zero,
            filters,
            kept,
            channels,
            reactor_names: reactors.iter().map(|(name, _)| name.clone()).collect(),
        })
    }

    /// This shard.
    pub(crate) fn shard(&self) -> ShardId {
        self.shard
    }

    /// Shards of the node.
    pub(crate) fn shard_count(&self) -> u16 {
        self.shard_count
    }

    /// All shards but this one.
    pub(crate) fn other_shards(&self) -> impl Iterator<Item = ShardId> + use<> {
        let here = self.shard;
        (0..self.shard_count)
            .map(ShardId)
            .filter(move |shard| *shard != here)
    }

    /// The node's checked configuration.
    pub(crate) fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// Goes by another configuration, checked as the first one was. What peers were told stays: who
    /// the node is does not change while it runs.
    pub(crate) fn set_config(&mut self, config: Arc<Config>) {
        let conn_config = MConnectionConfig::new(&config);
        self.conn_config = conn_config.expect("its rules were checked by whoever changed it");
        self.config = config;
    }

    /// How connections of this node are.
    pub(crate) fn conn_config(&self) -> MConnectionConfig {
        self.conn_config
    }

    /// The node's key.
    pub(crate) fn node_key(&self) -> &LocalKey {
        &self.node_key
    }

    /// Time since 1970 when the switch's time was zero.
    pub(crate) fn unix_time_at_zero(&self) -> Duration {
        self.unix_time_at_zero
    }

    /// Signs for a reactor.
    ///
    /// # Panics
    /// If the key is elsewhere: a reactor that says that it signs is not let in then.
    pub(crate) fn sign(&self, message: &[u8]) -> [u8; SIGNATURE_BYTES] {
        match &self.node_key {
            LocalKey::Held(key) => key.sign(message),
            LocalKey::Elsewhere(_) => {
                panic!("a reactor signs that did not say so (Reactor::signs)")
            }
        }
    }

    /// The node's id.
    pub(crate) fn node_id(&self) -> NodeId {
        self.node_info.node_id
    }

    /// What the node says of itself.
    pub(crate) fn node_info(&self) -> &NodeInfo {
        &self.node_info
    }

    /// The application's say in who may connect.
    pub(crate) fn filters(&self) -> &Filters {
        &self.filters
    }

    /// Which documents of reactors have a place.
    pub(crate) fn kept(&self) -> &Kept {
        &self.kept
    }

    /// The channels of the node.
    #[inline]
    pub(crate) fn channels(&self) -> &ChannelTable {
        &self.channels
    }

    /// The name of a reactor, by its index.
    pub(crate) fn reactor_name(&self, index: usize) -> &str {
        &self.reactor_names[index]
    }
}

/// A reactor signs within its turn, and only a key that is at hand can do that.
fn check_signing(
    key: &LocalKey,
    reactors: &[(String, Box<dyn Instance>)],
) -> Result<(), ConfigError> {
    let LocalKey::Elsewhere(_) = key else {
        return Ok(());
    };
    match reactors.iter().find(|(_, reactor)| reactor.signs()) {
        None => Ok(()),
        Some((name, _)) => Err(ConfigError::new(
            "reactors",
            format!(
                "`{name}` signs with the node's key, and this node's key is with a signer, which signs handshakes alone: \
                 give the engine the key itself, or a reactor that does not sign (FeedsConfig::signed)"
            ),
        )),
    }
}

/// What one shard has of a limit of the node, rounded up.
pub(crate) fn share_of(limit: usize, shard_count: u16) -> usize {
    limit.div_ceil(usize::from(shard_count.max(1)))
}

/// The NodeInfo of a node, checked by the rules its peers will apply.
fn node_info_of(
    config: &Config,
    node_id: NodeId,
    channels: &[ChannelDescriptor],
) -> Result<NodeInfo, ConfigError> {
    let listen_addr = config
        .external_address
        .clone()
        .unwrap_or_else(|| config.told_listen_addr().to_string());
    let info = NodeInfo {
        protocol_version: ProtocolVersion {
            app: config.app_version,
            ..ProtocolVersion::default()
        },
        node_id,
        listen_addr,
        network: config.network.clone(),
        version: config.version.clone(),
        channels: channels.iter().map(|channel| channel.id).collect(),
        moniker: config.moniker.clone(),
        other: NodeInfoOther {
            tx_index: config.tx_index.clone(),
            rpc_address: config.rpc_address.clone(),
        },
        extension: config
            .wide_records
            .then(|| extension_of(config))
            .transpose()?,
    };
    info.validate().map_err(|error| {
        ConfigError::new(
            "moniker, version, external_address, network, tx_index or rpc_address",
            format!("peers would refuse our NodeInfo: {error}"),
        )
    })?;
    Ok(info)
}

fn extension_of(config: &Config) -> Result<Extension, ConfigError> {
    let record_bytes_max = u32::try_from(config.wide_record_bytes_max)
        .ok()
        .filter(|bytes| (RECORD_BYTES_MIN..=RECORD_PLAIN_MAX as u32).contains(bytes))
        .ok_or_else(|| {
            let rule = format!("must lie between {RECORD_BYTES_MIN} and {RECORD_PLAIN_MAX}");
            ConfigError::new("wide_record_bytes_max", rule)
        })?;
    Ok(Extension::of_records(record_bytes_max))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(config: &Config) -> Result<NodeInfo, ConfigError> {
        node_info_of(config, NodeId::from_bytes([7; 20]), &[])
    }

    #[test]
    fn what_an_application_tells_of_itself_is_announced() {
        let config = Config {
            app_version: 3,
            tx_index: String::from("on"),
            rpc_address: String::from("tcp://0.0.0.0:26657"),
            ..Config::default()
        };
        let info = info(&config).expect("nothing is wrong with it");
        assert_eq!(
            (info.protocol_version.app, info.other.tx_index.as_str()),
            (3, "on")
        );
        assert_eq!(info.other.rpc_address, config.rpc_address);
    }

    #[test]
    fn a_packet_may_fill_the_largest_record_that_is_accepted() {
        let with = |wide_record_bytes_max| Config {
            wide_record_bytes_max,
            ..Config::default()
        };
        let offered = info(&Config::default()).expect("nothing is wrong with it");
        let agreed = offered
            .extension
            .and_then(|ours| Extension::agree(&ours, &ours));
        let payload = agreed.expect("it is offered").packet_payload_max as usize;
        assert!(
            (64 * 1024 + 1000..RECORD_PLAIN_MAX).contains(&payload),
            "{payload}"
        );
        for (bytes, is_good) in [(1023, false), (1024, true), (66_560, true), (66_561, false)] {
            assert_eq!(info(&with(bytes)).is_ok(), is_good, "{bytes}");
        }
    }

    #[test]
    fn what_peers_would_refuse_is_refused_at_the_start() {
        let config = Config {
            tx_index: String::from("perhaps"),
            ..Config::default()
        };
        let error = info(&config).expect_err("it is neither on nor off");
        assert!(error.to_string().contains("tx_index"), "{error}");
    }
}
