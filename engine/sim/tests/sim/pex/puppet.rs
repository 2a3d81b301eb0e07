//! A peer that says what the test wants it to say, on the channel of the peer exchange.

use std::cell::RefCell;
use std::rc::Rc;

use bytes::Bytes;
use ringwire_codec::pex::PEX_CHANNEL;
use ringwire_codec::{NetAddress, PexMessage};
use ringwire_core::reactor::{
    ChannelDescriptor, Context, Envelope, Instance, Reactor, ReactorError, erase,
};
use ringwire_sim::{Scenario, World};

/// What puppets heard: which node, and what.
pub(crate) type Heard = Rc<RefCell<Vec<(u32, PexMessage)>>>;

/// Says nothing by itself and writes down what it hears.
struct Puppet {
    node: u32,
    heard: Heard,
}

impl Reactor for Puppet {
    type Peer = ();
    type Note = ();
    type Timer = ();

    fn channels(&self) -> Vec<ChannelDescriptor> {
        vec![ChannelDescriptor {
            send_queue_capacity: 10,
            ..ChannelDescriptor::new(PEX_CHANNEL, 1)
        }]
    }

    fn receive(
        &mut self,
        _cx: &mut Context<'_, Self>,
        envelope: Envelope<'_>,
        _: &mut (),
    ) -> Result<(), ReactorError> {
        let message = PexMessage::decode(&envelope.message).expect("we send what can be read");
        self.heard.borrow_mut().push((self.node, message));
        Ok(())
    }
}

/// A reactor of nodes that have the peer exchange themselves: it owns no channel.
pub(crate) struct Idle;

impl Reactor for Idle {
    type Peer = ();
    type Note = ();
    type Timer = ();

    fn channels(&self) -> Vec<ChannelDescriptor> {
        Vec::new()
    }

    fn receive(
        &mut self,
        _: &mut Context<'_, Self>,
        _: Envelope<'_>,
        _: &mut (),
    ) -> Result<(), ReactorError> {
        Ok(())
    }
}

/// Makes puppets of the nodes from `first` on; the others exchange addresses by the engine's
/// reactor, looking for peers as often as it does by default.
pub(crate) fn with_puppets(scenario: Scenario, first: u32) -> (Scenario, Heard) {
    let heard = Heard::default();
    let shared = Rc::clone(&heard);
    let scenario = scenario
        .config(move |node, config| config.discovery.pex = node < first)
        .reactor("puppet", move |node, _| -> Box<dyn Instance> {
            let heard = Rc::clone(&shared);
            match node < first {
                true => erase(Idle),
                false => erase(Puppet { node, heard }),
            }
        });
    (scenario, heard)
}

/// Lets a puppet say something to all its peers.
pub(crate) fn say(world: &mut World, puppet: u32, message: &PexMessage) {
    let mut bytes = Vec::new();
    message.encode(&mut bytes);
    world.publish_bytes(puppet, PEX_CHANNEL, Bytes::from(bytes));
}

/// Lets a puppet ask all its peers.
pub(crate) fn ask(world: &mut World, puppet: u32) {
    say(world, puppet, &PexMessage::Request);
}

/// Lets a puppet tell its peers of nodes.
pub(crate) fn tell(world: &mut World, puppet: u32, addresses: Vec<NetAddress>) {
    say(world, puppet, &PexMessage::Addrs(addresses));
}
