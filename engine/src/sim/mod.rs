//! stub
pub mod clock;
pub mod fault;
pub mod link;
pub mod rng;
pub mod trace;
