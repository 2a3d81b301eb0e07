//! Connections that move to their home shard.
//!
//! A socket can leave its ring only when the kernel holds no operation of it any more. The switch
//! asks for a move when it has nothing in flight, but a cancelled receive may still be on its way
//! back: then the departure waits here for a turn or two.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use ringwire_core::peer::ShardId;
use ringwire_core::switch::{LinkId, Parcel};

use crate::shard::driver::Driver;
use crate::shard::mesh::Letter;

/// A connection on its way out, as long as the kernel still holds an operation of its socket.
pub(super) struct Departure {
    link: LinkId,
    to: ShardId,
    parcel: Box<Parcel>,
    /// The link failed meanwhile: its socket cannot move any more.
    has_failed: bool,
}

impl Departure {
    pub(super) fn new(link: LinkId, to: ShardId, parcel: Box<Parcel>) -> Self {
        Departure {
            link,
            to,
            parcel,
            has_failed: false,
        }
    }
}

impl Driver {
    /// A link has failed. Returns whether it was about to depart; then its new home is told.
    pub(super) fn fail_departure(&mut self, link: LinkId) -> bool {
        let Some(departure) = self.moves.iter_mut().find(|moved| moved.link == link) else {
            return false;
        };
        departure.has_failed = true;
        self.ring.close(link);
        true
    }

    /// Sends off the connections that are free to go.
    pub(super) fn depart(&mut self) {
        for departure in std::mem::take(&mut self.moves) {
            if let Some(departure) = self.try_depart(departure) {
                self.moves.push(departure);
            }
        }
    }

    fn try_depart(&mut self, departure: Departure) -> Option<Departure> {
        let Departure {
            link,
            to,
            parcel,
            has_failed,
        } = departure;
        let released = if has_failed {
            broken_socket()
        } else {
            self.ring.release(link)
        };
        match released {
            Some((socket, remote)) => {
                self.mesh.send(
                    to,
                    Letter::Moved {
                        socket,
                        remote,
                        parcel,
                    },
                );
                None
            }
            None => Some(Departure {
                link,
                to,
                parcel,
                has_failed,
            }),
        }
    }
}

/// A socket whose other end is gone. It stands in for one that failed on its way, so that its new
/// home sees the end as it would see any other and tells the coordinator.
fn broken_socket() -> Option<(OwnedFd, SocketAddr)> {
    let (socket, _) = UnixStream::pair().ok()?;
    Some((socket.into(), SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0))))
}
