//! One admitted peer on its home shard, from `init_peer` to `remove_peer`.

pub(crate) mod closing;
pub(crate) mod deliveries;
pub(crate) mod established;
pub(crate) mod probe;
pub(crate) mod recv_budget;
pub(crate) mod send_budget;
pub(crate) mod sends;
