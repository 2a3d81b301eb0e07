//! Measures an idle network.
use ringwire::sim::{LinkProfile, Scenario};
use std::time::{Duration, Instant};

fn main() {
    let nodes: u32 = std::env::args().nth(1).map_or(1000, |t| t.parse().unwrap());
    let minutes: u64 = std::env::args().nth(2).map_or(60, |t| t.parse().unwrap());
    let start = Instant::now();
    let mut scenario = Scenario::new(7)
        .nodes(nodes)
        .shards_up_to(4)
        .link(LinkProfile::wan());
    for step in [1, 7, 31, 101, 211, 307, 401, 499, 613, 751] {
        scenario = scenario.chords(step);
    }
    let mut world = scenario.build();
    println!("built {:?}", start.elapsed());
    world.run_for(Duration::from_secs(60));
    println!(
        "connected {:?} made {} entries {}",
        start.elapsed(),
        world.connections_made(),
        world.trace().entries()
    );
    world.run_for(Duration::from_secs(60 * minutes));
    println!(
        "idle {:?} entries {}",
        start.elapsed(),
        world.trace().entries()
    );
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    for line in status
        .lines()
        .filter(|l| l.starts_with("VmHWM") || l.starts_with("VmRSS"))
    {
        println!("{line}");
    }
}
