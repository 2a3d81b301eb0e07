//! Orders to a running node.

use tempfile::TempDir;

use crate::node::{Running, count, report_when};
use crate::program::{Run, can_run_nodes, run_at};

fn home() -> TempDir {
    let home = tempfile::tempdir().expect("a temporary directory");
    run_at(home.path(), "init", &["--network", "ctl-test"]).succeeded();
    home
}

fn start(home: &TempDir) -> (Running, String) {
    let mut node = Running::start(home.path(), "start", &["--log", "warn"]);
    let address = node.line();
    (node, address)
}

fn ctl(home: &TempDir, args: &[&str]) -> Run {
    run_at(home.path(), "ctl", args)
}

#[test]
fn a_node_dials_drops_and_bans_as_it_is_told() {
    if !can_run_nodes() {
        return;
    }
    let homes = [home(), home()];
    let ((here, _), (there, address)) = (start(&homes[0]), start(&homes[1]));
    let (id, _) = address.split_once('@').expect("an id before the host");
    let peers =
        |wanted: usize| report_when(homes[0].path(), |report| count(&report["peers"]) == wanted);

    let told = ctl(&homes[0], &["dial", &address]).succeeded().stdout;
    assert_eq!(told, format!("connected to {id}\n"));
    peers(1);
    let told = ctl(&homes[0], &["drop", &id[..8]]).succeeded().stdout;
    assert_eq!(told, format!("hung up on {id}\n"));
    peers(0);
    ctl(&homes[0], &["drop", &id[..8]]).failed(1, "no peer is connected whose id begins with");

    let told = ctl(&homes[0], &["ban", id, "--for", "1h"])
        .succeeded()
        .stdout;
    assert!(
        told.starts_with(&format!("banned {id}, by the operator, for 3")),
        "{told}"
    );
    ctl(&homes[0], &["dial", &address]).failed(1, "banned");
    let bans = ctl(&homes[0], &["bans"]).succeeded().stdout;
    assert!(bans.contains(id) && bans.contains("operator"), "{bans}");
    let bans = ctl(&homes[0], &["bans", "--json"]).succeeded().json();
    assert_eq!(
        (count(&bans["bans"]), &bans["bans"][0]["target"]),
        (1, &id.into())
    );
    ctl(&homes[0], &["unban", id]).succeeded();
    ctl(&homes[0], &["unban", id]).failed(1, "was not banned");
    assert_eq!(
        ctl(&homes[0], &["bans"]).succeeded().stdout,
        "nobody is banned\n"
    );

    // A persistent peer comes back by itself.
    ctl(&homes[0], &["dial", "--persistent", &address]).succeeded();
    let report = peers(1);
    assert_eq!(report["peers"][0]["persistent"], true);
    here.terminated().succeeded();
    there.terminated().succeeded();
}

#[test]
fn a_node_logs_more_when_it_is_told() {
    if !can_run_nodes() {
        return;
    }
    let homes = [home(), home()];
    let ((here, _), (there, address)) = (start(&homes[0]), start(&homes[1]));
    ctl(&homes[0], &["log", "inof"]).failed(1, "did you mean \"info\"?");
    ctl(&homes[0], &["log", "info"]).succeeded();
    ctl(&homes[0], &["dial", &address]).succeeded();
    let said = here.terminated().succeeded().stderr;
    let (id, _) = address.split_once('@').expect("an id before the host");
    assert!(said.contains(" INFO ") && said.contains(id), "{said}");
    there.terminated().succeeded();
}

#[test]
fn an_order_to_nobody_fails() {
    let home = home();
    ctl(&home, &["bans"]).failed(1, "no node runs on");
    ctl(&home, &["ban", "x", "--for=-1s"]).failed(2, "--for");
    ctl(&home, &["dial", "192.0.2.1:1"]).failed(2, "no node id");
    ctl(&home, &[]).failed(2, "Usage");
}
