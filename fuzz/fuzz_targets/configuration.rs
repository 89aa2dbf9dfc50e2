//! Configuration: the text as a file of `--env-file`, resolved to a configuration or to mistakes; and as a value, for every parser of
//! values, of which sizes and times have to survive being shown.

#![no_main]

use gristmill::config::settings::{Command, SETTINGS};
use gristmill::config::{Resolver, Sources, values};
use gristmill::kafka::properties;
use libfuzzer_sys::fuzz_target;
use std::path::Path;
use std::time::Duration;

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else { return };
    one_value(text);
    // A name by its number saves the search for names.
    if let [number, rest @ ..] = input
        && let Ok(value) = std::str::from_utf8(rest)
    {
        let mut sources = named();
        let setting = &SETTINGS[usize::from(*number) % SETTINGS.len()];
        sources.set_flag(setting.variable, value.to_owned());
        resolve(&sources);
    }
    let mut sources = Sources::default();
    match sources.take_env_file(Path::new("f"), text) {
        Ok(()) => resolve(&sources),
        Err(mistakes) => assert!(!mistakes.mistakes.is_empty()),
    }
});

/// With what has no default.
fn named() -> Sources {
    let mut sources = Sources::default();
    for (variable, value) in [
        ("KAFKA_BOOTSTRAP_SERVERS", "localhost:9092"),
        ("KAFKA_INPUT_TOPIC", "in"),
        ("KAFKA_OUTPUT_TOPIC", "out"),
        ("KAFKA_DLQ_TOPIC", "dlq"),
        ("KAFKA_CONSUMER_GROUP", "group"),
    ] {
        sources.set_flag(variable, value.to_owned());
    }
    sources
}

fn resolve(sources: &Sources) {
    let mut resolver = Resolver::new(sources, properties::judge);
    let config = resolver.config(false);
    match resolver.finish(Command::Run, config) {
        Ok((config, _)) => {
            let limits = &config.limits;
            assert!(limits.held_bytes_max > 0 && limits.batch_records_max > 0);
            assert!(!format!("{config:?}").is_empty());
        }
        Err(mistakes) => assert!(!mistakes.to_string().is_empty()),
    }
}

fn one_value(text: &str) {
    let every = Duration::MAX;
    if let Ok(time) = values::duration(Duration::ZERO, every)(text) {
        assert_eq!(values::duration(Duration::ZERO, every)(&values::show_duration(time)), Ok(time), "{text}");
    }
    if let Ok(bytes) = values::size(0, usize::MAX)(text) {
        assert_eq!(values::size(0, usize::MAX)(&values::show_size(bytes)), Ok(bytes), "{text}");
    }
    if let Ok(servers) = values::servers(text) {
        assert_eq!(values::servers(&servers).as_ref(), Ok(&servers));
        let _loopback = servers.split(',').filter(|server| values::is_loopback(server)).count();
    }
    let _verdicts = (
        values::integer(0, u64::MAX)(text).is_ok(),
        values::milliseconds(1, 1000)(text).is_ok(),
        values::boolean(text).is_ok(),
        values::topic(text).is_ok(),
        values::group(text).is_ok(),
        values::host(text).is_ok(),
    );
}
