//! Other gossip protocols, each as its authors describe it.

mod flood;

pub use flood::Flood;
