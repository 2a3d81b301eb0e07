//! The end of a node, carried out on one shard as `shutdown` plans it.

use std::time::Duration;

use crate::error::CloseReason;
use crate::switch::io::Event;
use crate::switch::peer::closing::close_all;
use crate::switch::reactors::context::call;
use crate::switch::shard::{Parts, Shard};

/// The application wants the node to end.
pub(crate) fn shut_down(shard: &mut Shard, within: Duration) {
    let Parts { core, shutdown, .. } = shard.parts();
    if !shutdown.begin(core, within) {
        return;
    }
    if let Some((coordinator, mut desk)) = shard.coordination() {
        coordinator.stop(&mut desk);
    }
    let Parts {
        core,
        links,
        entrance,
        shutdown,
        ..
    } = shard.parts();
    entrance.refuse_all(core, links);
    shutdown.advance_rounds(core, links);
}

/// Half of the time, or all of it, is over.
pub(crate) fn handle_timeout(shard: &mut Shard) {
    let Parts {
        core,
        links,
        shutdown,
        ..
    } = shard.parts();
    shutdown.flush_peers(links);
    if shutdown.is_over(core.now()) {
        close_all(shard, &CloseReason::Shutdown);
        let Parts { core, links, .. } = shard.parts();
        links.close_all_parting(core);
    }
}

/// Reports the end once the last link is closed.
pub(crate) fn finish(shard: &mut Shard) {
    let Parts {
        links, shutdown, ..
    } = shard.parts();
    if !shutdown.take_end(links) {
        return;
    }
    for index in 0..shard.reactors().len() {
        // A panic here is counted; the node ends all the same.
        let _ = call(shard, index, |reactor, cx| reactor.stop(cx));
    }
    shard.parts().core.event(Event::Stopped);
}
