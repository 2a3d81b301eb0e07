//! A man in the middle: passes bytes on in both directions and changes one bit of one of them.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crate::support::loopback;

/// Which bytes are changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Toward {
    /// Those to the node that was dialed.
    Listener,
    /// Those to the node that dialed.
    Dialer,
}

/// One bit of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flip {
    /// In which direction.
    pub(crate) toward: Toward,
    /// How many bytes pass before the one that is changed.
    pub(crate) offset: usize,
    /// The bits changed in it; not zero.
    pub(crate) mask: u8,
}

/// A proxy for one connection.
pub(crate) struct Proxy {
    /// Where to dial it.
    pub(crate) addr: SocketAddr,
    flipped: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Proxy {
    /// Waits for one connection and passes it on to `target`.
    pub(crate) fn start(target: SocketAddr, flip: Flip) -> Proxy {
        let (listener, addr) = loopback::listen();
        let flipped = Arc::new(AtomicBool::new(false));
        let mark = Arc::clone(&flipped);
        let thread = thread::spawn(move || {
            let dialer = loopback::accept(&listener);
            let listener = loopback::connect(target);
            let only = |toward| (flip.toward == toward).then_some(flip);
            thread::scope(|scope| {
                scope.spawn(|| pass(&dialer, &listener, only(Toward::Listener), &mark));
                pass(&listener, &dialer, only(Toward::Dialer), &mark);
            });
        });
        Proxy {
            addr,
            flipped,
            thread,
        }
    }

    /// Waits until both ends have hung up; whether the byte was reached and changed.
    pub(crate) fn finish(self) -> bool {
        self.thread.join().expect("the proxy does not panic");
        self.flipped.load(Ordering::Relaxed)
    }
}

/// Passes bytes on until either side ends, then ends both.
fn pass(mut from: &TcpStream, mut to: &TcpStream, flip: Option<Flip>, flipped: &AtomicBool) {
    let mut bytes = vec![0; 64 << 10];
    let mut passed = 0;
    while let Ok(len @ 1..) = from.read(&mut bytes) {
        if let Some(flip) = flip
            && (passed..passed + len).contains(&flip.offset)
        {
            bytes[flip.offset - passed] ^= flip.mask;
            flipped.store(true, Ordering::Relaxed);
        }
        passed += len;
        if to.write_all(&bytes[..len]).is_err() {
            break;
        }
    }
    // A side that is gone already needs no goodbye.
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
