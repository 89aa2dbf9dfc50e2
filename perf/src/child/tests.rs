//! Children of every kind: chatty, silent, killed, missing.

use super::*;

const SOON: Duration = Duration::from_secs(20);

fn shell(script: &str) -> Spawn {
    Spawn::new("/bin/sh").args(["-c", script])
}

#[test]
fn lines_code_and_usage_are_collected() {
    let child =
        shell("echo out; echo one >&2; echo $COLOUR >&2; exit 7").env("COLOUR", "blue").start().unwrap();
    let exit = child.wait(SOON).unwrap();
    assert_eq!((exit.code, exit.signal), (Some(7), None));
    assert_eq!(child.stdout(), ["out"]);
    assert_eq!(child.stderr(), ["one", "blue"]);
}

#[test]
fn memory_is_seen_while_it_runs() {
    let child = Spawn::new("/bin/sleep").args(["60"]).start().unwrap();
    let deadline = std::time::Instant::now() + SOON;
    while child.peak_rss_bytes() == 0 {
        assert!(std::time::Instant::now() < deadline, "nothing seen in {SOON:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(child.kill().peak_rss_bytes > 0);
}

#[test]
fn the_environment_is_clean() {
    let child = Spawn::new("/usr/bin/env").env("ONLY", "this").start().unwrap();
    child.wait(SOON).unwrap();
    let names: Vec<String> = child.stdout().iter().map(|l| l.split('=').next().unwrap().to_owned()).collect();
    assert!(names.iter().all(|name| KEPT.contains(&name.as_str()) || name == "ONLY"), "{names:?}");
}

#[test]
fn a_line_is_waited_for_and_a_missing_one_is_an_error_at_the_end() {
    let child = shell("echo ready >&2; read line; echo $line >&2").stdin("bye\n").start().unwrap();
    let (at, _) = child.wait_for_line_from(0, "ready", SOON).unwrap();
    child.wait_for_line_from(at + 1, "bye", SOON).unwrap();
    let error = child.wait_for_line("never", SOON).unwrap_err();
    assert!(error.0.contains("exit 0") && error.0.contains("bye"), "{error}");
}

#[test]
fn signals_end_it_and_later_ones_go_nowhere() {
    let child = shell("echo up >&2; exec sleep 600").start().unwrap();
    child.wait_for_line("up", SOON).unwrap();
    assert!(child.wait(Duration::from_millis(1)).is_none());
    assert!(child.signal(SIGTERM));
    assert_eq!(child.wait(SOON).unwrap().signal, Some(SIGTERM));
    assert!(!child.signal(SIGTERM));
}

#[test]
fn a_missing_program_is_an_error() {
    let error = Spawn::new("/nowhere/gristmill").start().unwrap_err();
    assert!(error.0.contains("/nowhere/gristmill"), "{error}");
}
