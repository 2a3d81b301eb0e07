//! Other gossip protocols, each as its authors describe it.

mod crds;
mod dog;
mod flood;
mod plumtree;

pub use crds::{Crds, CrdsFilter, CrdsMessage, CrdsValue};
pub use dog::{Dog, DogConfig, DogMessage, Reset};
pub use flood::Flood;
pub use plumtree::{Announcement, Plumtree, PlumtreeConfig, PlumtreeMessage};
