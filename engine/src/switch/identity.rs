//! What a node says of itself: its NodeInfo, made from the configuration and the channels.

use ringwire_codec::extension::EXTENSION_VERSION;
use ringwire_codec::{Extension, NodeId, NodeInfo, NodeInfoOther, ProtocolVersion};

use crate::config::{Config, ConfigError};
use crate::reactor::ChannelDescriptor;

/// The NodeInfo of a node, checked by the rules its peers will apply.
pub(super) fn node_info_of(
    config: &Config,
    node_id: NodeId,
    channels: &[ChannelDescriptor],
) -> Result<NodeInfo, ConfigError> {
    let listen_addr = config
        .external_address
        .clone()
        .unwrap_or_else(|| config.listen_addr.to_string());
    let info = NodeInfo {
        protocol_version: ProtocolVersion::default(),
        node_id,
        listen_addr,
        network: config.network.clone(),
        version: config.version.clone(),
        channels: channels.iter().map(|channel| channel.id).collect(),
        moniker: config.moniker.clone(),
        other: NodeInfoOther::default(),
        extension: config
            .wide_records
            .then(|| extension_of(config))
            .transpose()?,
    };
    info.validate().map_err(|error| ConfigError {
        key: "moniker, version, external_address or network",
        problem: format!("peers would refuse our NodeInfo: {error}"),
    })?;
    Ok(info)
}

/// The largest packet payload we take on wide records: a quarter of a record, so that a vote never
/// waits behind a whole record of one bulk packet.
fn packet_payload_max(record_bytes_max: u32) -> u32 {
    record_bytes_max / 4
}

fn extension_of(config: &Config) -> Result<Extension, ConfigError> {
    let record_bytes_max = u32::try_from(config.wide_record_bytes_max)
        .ok()
        .filter(|bytes| (1024..=65_536).contains(bytes))
        .ok_or_else(|| ConfigError {
            key: "wide_record_bytes_max",
            problem: String::from("must lie between 1024 and 65536"),
        })?;
    Ok(Extension {
        version: EXTENSION_VERSION,
        record_bytes_max,
        packet_payload_max: packet_payload_max(record_bytes_max),
        gossip_features: 0,
    })
}
