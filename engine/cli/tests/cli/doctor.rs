//! What the doctor says of the machine that runs the tests.

use crate::program::{Run, run};

/// Doctor's findings. On a machine that cannot run a node it ends with one, and that is right.
fn doctor(args: &[&str]) -> Run {
    let ran = run(&[&["doctor"], args].concat());
    assert!(
        matches!(ran.code, Some(0 | 1)),
        "{:?}: {}",
        ran.code,
        ran.stderr
    );
    ran
}

#[test]
fn the_doctor_tells_the_same_to_eyes_and_programs() {
    let (table, object) = (
        doctor(&["--shards", "1"]),
        doctor(&["--shards", "1", "--json"]),
    );
    assert_eq!(table.code, object.code);
    let findings = object.json()["findings"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    assert!(!findings.is_empty());
    for finding in findings {
        let what = finding["what"].as_str().expect("each finding has a name");
        assert!(
            table.stdout.contains(what),
            "{what:?} is not in {:?}",
            table.stdout
        );
        let sound = finding["verdict"] == "ok";
        assert_eq!(sound, finding["mend"].as_str() == Some(""), "{finding}");
    }
}

#[test]
fn the_exit_code_is_the_gravest_verdict() {
    let ran = doctor(&["--json"]);
    let fails = ran.json()["verdict"] == "fail";
    assert_eq!(ran.code, Some(i32::from(fails)));
}
