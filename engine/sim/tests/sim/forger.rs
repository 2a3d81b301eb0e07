//! [`Forger`]: a node that says what a test wants, and tells the test what it has heard.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use ringwire_codec::ChannelId;
use ringwire_core::reactor::{
    ChannelDescriptor, Context, Envelope, Instance, Reactor, ReactorError, erase,
};
use ringwire_sim::{Scenario, World};

/// How long what is said takes to be heard.
pub(crate) const MOMENT: Duration = Duration::from_secs(1);

/// The origin, who hears it, and the forger.
pub(crate) const ORIGIN: u32 = 0;
pub(crate) const HEARER: u32 = 1;
pub(crate) const FORGER: u32 = 2;

/// What a forger has heard on any channel, and shall say to all; shared with the test.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) heard: Vec<(ChannelId, Bytes)>,
    pub(crate) to_say: Vec<Bytes>,
}

struct Forger {
    channels: Vec<ChannelDescriptor>,
    says_on: ChannelId,
    script: Rc<RefCell<Script>>,
}

impl Reactor for Forger {
    type Peer = ();
    type Note = ();
    type Timer = ();

    fn channels(&self) -> Vec<ChannelDescriptor> {
        self.channels.clone()
    }

    fn start(&mut self, cx: &mut Context<'_, Self>) {
        cx.set_timer(MOMENT / 10, ());
    }

    fn receive(
        &mut self,
        _cx: &mut Context<'_, Self>,
        envelope: Envelope<'_>,
        (): &mut (),
    ) -> Result<(), ReactorError> {
        let heard = (envelope.channel, envelope.message);
        self.script.borrow_mut().heard.push(heard);
        Ok(())
    }

    fn handle_timeout(&mut self, cx: &mut Context<'_, Self>, (): ()) {
        for message in self.script.borrow_mut().to_say.drain(..) {
            cx.try_broadcast(self.says_on, message);
        }
        cx.set_timer(MOMENT / 10, ());
    }
}

/// Two honest nodes with the reactor `honest`, and a forger with its `channels`, who speaks on `says_on`.
pub(crate) fn world<R: Reactor>(
    channels: [ChannelDescriptor; 2],
    says_on: ChannelId,
    honest: impl Fn() -> R + 'static,
) -> (World, Rc<RefCell<Script>>) {
    let script = Rc::new(RefCell::new(Script::default()));
    let of_forger = Rc::clone(&script);
    let make = move |node, _| -> Box<dyn Instance> {
        match node {
            FORGER => erase(Forger {
                channels: channels.to_vec(),
                says_on,
                script: Rc::clone(&of_forger),
            }),
            _ => erase(honest()),
        }
    };
    let world = Scenario::new(3).nodes(3).reactor("gossip", make).build();
    (world, script)
}
