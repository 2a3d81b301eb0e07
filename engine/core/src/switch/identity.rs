//! What a node says of itself: its NodeInfo, made from the configuration and the channels.

use ringwire_codec::extension::EXTENSION_VERSION;
use ringwire_codec::{Extension, NodeId, NodeInfo, NodeInfoOther, ProtocolVersion};

use crate::config::{Config, ConfigError};
use crate::reactor::ChannelDescriptor;

/// The NodeInfo of a node, checked by the rules its peers will apply.
pub(crate) fn node_info_of(
    config: &Config,
    node_id: NodeId,
    channels: &[ChannelDescriptor],
) -> Result<NodeInfo, ConfigError> {
    let listen_addr = config
        .external_address
        .clone()
        .unwrap_or_else(|| config.listen_addr.to_string());
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
    info.validate().map_err(|error| ConfigError {
        key: "moniker, version, external_address, network, tx_index or rpc_address",
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
    fn what_peers_would_refuse_is_refused_at_the_start() {
        let config = Config {
            tx_index: String::from("perhaps"),
            ..Config::default()
        };
        let error = info(&config).expect_err("it is neither on nor off");
        assert!(error.to_string().contains("tx_index"), "{error}");
    }
}
