//! Connections that move to their home shard.
//!
//! A socket can leave its transport only when the kernel holds no operation of it any more. The switch
//! asks for a move when it has nothing in flight, but a cancelled receive may still be on its way
//! back: then the departure waits here for a turn or two.

use ringwire_core::peer::ShardId;
use ringwire_core::switch::{LinkId, Parcel};

use crate::shard::mesh::{Letter, Mesh};
use crate::transport::Transport;

/// A connection on its way out, as long as the kernel still holds an operation of its socket.
struct Departure {
    link: LinkId,
    to: ShardId,
    parcel: Box<Parcel>,
}

/// The connections on their way out.
#[derive(Default)]
pub(super) struct Departures(Vec<Departure>);

impl Departures {
    /// A connection is to move to another shard.
    pub(super) fn begin(&mut self, link: LinkId, to: ShardId, parcel: Box<Parcel>) {
        self.0.push(Departure { link, to, parcel });
    }

    /// A link has failed. If it was about to depart it goes nowhere any more: gives what the switch
    /// had packed, to be told.
    pub(super) fn take_failed(&mut self, link: LinkId) -> Option<Box<Parcel>> {
        let place = self.0.iter().position(|it| it.link == link)?;
        Some(self.0.remove(place).parcel)
    }

    /// Sends off the connections that are free to go.
    pub(super) fn depart(&mut self, transport: &mut Transport, mesh: &mut Mesh) {
        for departure in std::mem::take(&mut self.0) {
            let Some((carried, remote)) = transport.release(departure.link) else {
                self.0.push(departure);
                continue;
            };
            let Departure { to, parcel, .. } = departure;
            let moved = Letter::Moved {
                carried,
                remote,
                parcel,
            };
            mesh.send(to, moved);
        }
    }
}
