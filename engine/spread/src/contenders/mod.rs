//! Other gossip protocols, each as its authors describe it.

mod cat;
mod crds;
mod dog;
mod flood;
mod gossipsub;
mod links;
mod pbbt;
mod plumtree;
mod protobuf;
mod seen;

pub use cat::Cat;
pub use crds::{Crds, CrdsFilter, CrdsMessage, CrdsValue};
pub use dog::{Dog, DogConfig, DogMessage, Reset};
pub use flood::Flood;
pub use gossipsub::{Gossipsub, GossipsubConfig};
pub use pbbt::Pbbt;
pub use plumtree::{Announcement, Plumtree, PlumtreeConfig, PlumtreeMessage};
