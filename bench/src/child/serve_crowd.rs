//! A crowd alone in its process.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{Request, framing, serve as answer_all};
use crate::crowd::Crowd;
use crate::engine::Failure;
use crate::measure::{pin_to_all, process_cpu, raise_open_files, run_when_idle};

pub(super) fn serve(
    wide: bool,
    address: SocketAddr,
    cpus: &[usize],
    humble: bool,
) -> Result<(), Failure> {
    pin_to_all(cpus);
    raise_open_files();
    if humble {
        run_when_idle();
    }
    let mut crowd = Crowd::new(framing(wide), address);
    answer_all(|request| {
        let (start, cpu) = (Instant::now(), process_cpu());
        match request {
            Request::Sample => return Err("a crowd does not tell how it is".into()),
            Request::Connect(count) => crowd.connect(count)?,
            Request::Exchange(bytes) => crowd.exchange(bytes)?,
            Request::Flood { bytes, secs } => {
                crowd.flood(bytes, Duration::from_secs_f64(secs))?;
                return Ok((process_cpu() - cpu).as_secs_f64());
            }
        }
        Ok(start.elapsed().as_secs_f64())
    })
}
