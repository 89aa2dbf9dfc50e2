//! What the binary says about itself.

use super::Gristmill;

#[test]
fn every_command_explains_itself() {
    for (call, snapshot) in [
        (&["--help"][..], "help"),
        (&["run", "--help"], "help-run"),
        (&["demo", "--help"], "help-demo"),
        (&["try", "--help"], "help-try"),
        (&["generate", "--help"], "help-generate"),
        (&["check", "--help"], "help-check"),
        (&["topics", "--help"], "help-topics"),
        (&["topics", "create", "--help"], "help-topics-create"),
        (&["offsets", "--help"], "help-offsets"),
        (&["offsets", "show", "--help"], "help-offsets-show"),
        (&["offsets", "reset", "--help"], "help-offsets-reset"),
        (&["alerts", "--help"], "help-alerts"),
        (&["healthcheck", "--help"], "help-healthcheck"),
        (&["completions", "--help"], "help-completions"),
    ] {
        Gristmill::new(call).run().is(snapshot);
    }
}

#[test]
fn the_version_names_the_client_and_what_it_can() {
    let answer = Gristmill::new(&["--version"]).run();
    answer.succeeds();
    let mut lines = answer.stdout.lines();
    assert_eq!(lines.next(), Some(concat!("gristmill ", env!("CARGO_PKG_VERSION"))));
    let client = lines.next().expect("a second line");
    for part in ["librdkafka 2.", "ssl", "zstd", "sasl_scram"] {
        assert!(client.contains(part), "{client}");
    }
    assert!(Gristmill::new(&["-V"]).run().stdout.contains("librdkafka"));
}

#[test]
fn what_cannot_be_understood_is_64() {
    Gristmill::new(&[]).run().fails_with(64, "Usage: gristmill <COMMAND>");
    Gristmill::new(&["frob"]).run().is("usage-unknown-command");
    Gristmill::new(&["run", "--batch-siz", "5"]).run().is("usage-unknown-flag");
    Gristmill::new(&["generate", "--invalid", "1.5"]).run().is("usage-bad-share");
    Gristmill::new(&["generate", "--rate", "0"]).run().fails_with(64, "takes a whole number from 1");
    Gristmill::new(&["try", "--now", "yesterday"]).run().is("usage-bad-time");
    Gristmill::new(&["offsets", "reset"]).run().is("usage-reset-to-nowhere");
    Gristmill::new(&["offsets", "reset", "--to-latest", "--to-offset", "3"])
        .run()
        .is("usage-reset-to-two-places");
    Gristmill::new(&["offsets", "reset", "--to-offset", "-3"]).run().fails_with(64, "--to-offset");
    Gristmill::new(&["offsets", "reset", "--to-time", "yesterday"])
        .run()
        .fails_with(64, "takes a time such as");
    Gristmill::new(&["try", "--input-topic", "x"]).run().fails_with(64, "--input-topic");
}

#[test]
fn shells_get_their_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let answer = Gristmill::new(&["completions", shell]).run();
        answer.succeeds();
        assert!(answer.stdout.contains("memory-limit"), "{shell}");
    }
}

#[test]
fn no_colours_where_there_is_no_terminal() {
    let answer = Gristmill::new(&["run", "--help"]).run();
    assert!(!answer.stdout.contains('\u{1b}'));
}
