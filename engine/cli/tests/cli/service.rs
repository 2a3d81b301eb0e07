//! A service manager that listens, as systemd does for a unit of Type=notify.

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::program::{can_run_nodes, command, run_at, send_signal, terminate};

/// Time in which a word must come, with all cores busy.
const WITHIN: Duration = Duration::from_secs(90);

/// The manager's end of the socket, and the node it watches; a failed test ends the node, too.
struct Manager {
    socket: UnixDatagram,
    node: Child,
    /// Gone with the test.
    _home: tempfile::TempDir,
}

impl Manager {
    fn start(name: &str, surroundings: impl FnOnce(&mut Command, &Path)) -> Manager {
        let home = tempfile::tempdir().expect("a temporary directory");
        run_at(home.path(), "init", &["--network", "service"]).succeeded();
        let path = home.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_read_timeout(Some(WITHIN)).expect("a time");
        let mut program = command(&[name, "--laddr", "tcp://127.0.0.1:0", "--shards", "1"]);
        program
            .env("RINGWIRE_HOME", home.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        surroundings(&mut program, &path);
        Manager {
            socket,
            node: program.spawn().expect("the program starts"),
            _home: home,
        }
    }

    /// The next word.
    fn hears(&self) -> String {
        let mut word = [0; 1024];
        let length = loop {
            match self.socket.recv(&mut word) {
                // A wait with a limit is not taken up again by itself.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                heard => break heard.expect("the node has a word to say"),
            }
        };
        String::from_utf8_lossy(&word[..length]).into_owned()
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        // Fails when the process has ended already, and then there is nothing to end.
        let _ = self.node.kill();
        let _ = self.node.wait();
    }
}

#[test]
fn a_manager_hears_that_a_node_listens_that_it_lives_and_that_it_ends() {
    if !can_run_nodes() {
        return;
    }
    for name in ["start", "seed"] {
        let mut manager = Manager::start(name, |program, socket| {
            program
                .env("NOTIFY_SOCKET", socket)
                .env("WATCHDOG_USEC", "300000");
        });
        let ready = manager.hears();
        assert!(ready.starts_with("READY=1\nSTATUS=listens on "), "{ready}");
        for _ in 0..3 {
            assert_eq!(manager.hears(), "WATCHDOG=1\n");
        }
        terminate(&manager.node);
        let last = std::iter::repeat_with(|| manager.hears()).find(|word| word != "WATCHDOG=1\n");
        assert_eq!(last.as_deref(), Some("STOPPING=1\n"));
        let ended = manager.node.wait().expect("it ends");
        assert!(ended.success(), "{name}: {ended}");
    }
}

#[test]
fn a_manager_without_a_watchdog_hears_no_beats_and_hears_of_a_reload() {
    if !can_run_nodes() {
        return;
    }
    let mut manager = Manager::start("start", |program, socket| {
        // The watch is for another process.
        program
            .env("NOTIFY_SOCKET", socket)
            .env("WATCHDOG_USEC", "60000")
            .env("WATCHDOG_PID", "1");
    });
    assert!(manager.hears().starts_with("READY=1\n"));
    send_signal(manager.node.id(), "HUP");
    let reloading = manager.hears();
    let expected = "RELOADING=1\nMONOTONIC_USEC=";
    assert!(reloading.starts_with(expected), "{reloading}");
    assert_eq!(manager.hears(), "READY=1\n");
    terminate(&manager.node);
    assert_eq!(manager.hears(), "STOPPING=1\n");
    assert!(manager.node.wait().expect("it ends").success());
}

#[test]
fn a_node_whose_manager_is_gone_runs_and_ends_all_the_same() {
    if !can_run_nodes() {
        return;
    }
    let mut manager = Manager::start("start", |program, _| {
        program.env("NOTIFY_SOCKET", "/nobody/listens/here");
        program.stdout(Stdio::piped());
    });
    let shown = manager.node.stdout.take().expect("a pipe");
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(shown), &mut line).expect("UTF-8");
    assert!(line.contains('@'), "{line}");
    terminate(&manager.node);
    assert!(manager.node.wait().expect("it ends").success());
}
