//! From text to values. A parser's error says what it takes; the caller knows the name and what it got.

use std::time::Duration;

/// What a parser answers: the value, or what it takes.
pub type Parsed<T> = Result<T, String>;

/// A whole number within bounds.
pub fn integer(min: u64, max: u64) -> impl Fn(&str) -> Parsed<u64> {
    move |text| {
        let value = text.parse().ok().filter(|value| (min..=max).contains(value));
        value.ok_or_else(|| match max {
            u64::MAX => format!("a whole number from {min}"),
            _ => format!("a whole number from {min} to {max}"),
        })
    }
}

/// A time with its unit: `us`, `ms`, `s`, `m`, `h`.
pub fn duration(min: Duration, max: Duration) -> impl Fn(&str) -> Parsed<Duration> {
    move |text| {
        let value = parse_duration(text).filter(|value| (min..=max).contains(value));
        value.ok_or_else(|| {
            format!(
                "a time with its unit (5ms, 10s, 2m) from {} to {}",
                show_duration(min),
                show_duration(max)
            )
        })
    }
}

/// Plain milliseconds, as the `KAFKA_…` variables have them.
pub fn milliseconds(min: u64, max: u64) -> impl Fn(&str) -> Parsed<Duration> {
    move |text| {
        let parsed = integer(min, max)(text);
        parsed
            .map(Duration::from_millis)
            .map_err(|_| format!("milliseconds without a unit, from {min} to {max}"))
    }
}

/// A number of bytes, with `KiB`, `MiB` or `GiB` or without.
pub fn size(min: usize, max: usize) -> impl Fn(&str) -> Parsed<usize> {
    move |text| {
        let value = parse_size(text).filter(|value| (min..=max).contains(value));
        value.ok_or_else(|| {
            format!("a size (65536, 512KiB, 256MiB) from {} to {}", show_size(min), show_size(max))
        })
    }
}

/// A truth value in any case.
pub fn boolean(text: &str) -> Parsed<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err("true or false".to_owned()),
    }
}

/// One of a few words, in any case.
pub fn word<T: Copy>(words: &'static [(&'static str, T)]) -> impl Fn(&str) -> Parsed<T> {
    move |text| {
        let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
        found.map(|(_, value)| *value).ok_or_else(|| {
            let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            format!("one of {}", all.join(", "))
        })
    }
}

/// A topic's name, as Kafka allows it.
pub fn topic(text: &str) -> Parsed<String> {
    const CHARS_MAX: usize = 249;
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if text.len() <= CHARS_MAX && text.chars().all(legal) && !matches!(text, "" | "." | "..") {
        return Ok(text.to_owned());
    }
    Err(format!("a topic name: up to {CHARS_MAX} letters, digits, dots, underscores and hyphens"))
}

/// A consumer group's name.
pub fn group(text: &str) -> Parsed<String> {
    if !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Ok(text.to_owned());
    }
    Err("a name without white space".to_owned())
}

/// `host:port,…`; a missing port is 9092.
pub fn servers(text: &str) -> Parsed<String> {
    let legal = |server: &str| match host_and_port(server) {
        Some((host, port)) => {
            is_host(host) && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
        }
        None => false,
    };
    let servers: Vec<&str> = text.split(',').map(str::trim).collect();
    if servers.iter().all(|server| legal(server)) {
        return Ok(servers.join(","));
    }
    Err("a list like kafka-1:9092,kafka-2:9092".to_owned())
}

/// A name or address of a host, without a port.
pub fn host(text: &str) -> Parsed<String> {
    if is_host(text) {
        return Ok(text.to_owned());
    }
    Err("a host name or address, without a port".to_owned())
}

/// Whether a `host:port` names this machine itself.
pub fn is_loopback(server: &str) -> bool {
    let Some((host, _)) = host_and_port(server) else { return false };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let address = bare.parse::<std::net::IpAddr>();
    bare.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

fn host_and_port(server: &str) -> Option<(&str, Option<&str>)> {
    if server.starts_with('[') {
        let end = server.find(']')? + 1;
        let (host, rest) = server.split_at(end);
        return if rest.is_empty() {
            Some((host, None))
        } else {
            Some((host, Some(rest.strip_prefix(':')?)))
        };
    }
    match server.split_once(':') {
        Some((host, port)) => Some((host, Some(port))),
        None => Some((server, None)),
    }
}

fn is_host(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    if let Some(bare) = bare {
        return bare.parse::<std::net::Ipv6Addr>().is_ok();
    }
    !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
}

fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u64 = text[..digits].parse().ok()?;
    match text[digits..].trim_start() {
        "us" => Some(Duration::from_micros(number)),
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3600).map(Duration::from_secs),
        _ => None,
    }
}

fn parse_size(text: &str) -> Option<usize> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: usize = text[..digits].parse().ok()?;
    let unit: usize = match text[digits..].trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(unit)
}

/// A size in the largest unit that divides it.
pub fn show_size(bytes: usize) -> String {
    match bytes {
        0 => "0".to_owned(),
        _ if bytes.is_multiple_of(1 << 30) => format!("{}GiB", bytes >> 30),
        _ if bytes.is_multiple_of(1 << 20) => format!("{}MiB", bytes >> 20),
        _ if bytes.is_multiple_of(1 << 10) => format!("{}KiB", bytes >> 10),
        _ => bytes.to_string(),
    }
}

/// A time in the largest unit that divides it.
pub fn show_duration(time: Duration) -> String {
    let micros = time.as_micros();
    match micros {
        0 => "0ms".to_owned(),
        _ if micros.is_multiple_of(3_600_000_000) => format!("{}h", micros / 3_600_000_000),
        _ if micros.is_multiple_of(60_000_000) => format!("{}m", micros / 60_000_000),
        _ if micros.is_multiple_of(1_000_000) => format!("{}s", micros / 1_000_000),
        _ if micros.is_multiple_of(1_000) => format!("{}ms", micros / 1_000),
        _ => format!("{micros}us"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_need_a_unit_and_keep_within_bounds() {
        let parse = duration(Duration::ZERO, Duration::from_secs(3600));
        assert_eq!(parse("5ms"), Ok(Duration::from_millis(5)));
        assert_eq!(parse("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(parse("1h"), Ok(Duration::from_secs(3600)));
        for wrong in
            ["5", "ms", "-5ms", "5 parsecs", "61m", "99999999999999999999s", "18446744073709551615h", "1.5s"]
        {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        assert!(milliseconds(1, 100)("45s").is_err());
    }

    #[test]
    fn sizes_take_binary_units() {
        let parse = size(1, usize::MAX);
        assert_eq!(parse("64"), Ok(64));
        assert_eq!(parse("512KiB"), Ok(512 * 1024));
        assert_eq!(parse("1 mib"), Ok(1024 * 1024));
        for wrong in ["", "KiB", "0", "5MB", "99999999999999999999", "18446744073709551615GiB"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_shown_can_be_typed() {
        for bytes in [1, 1024, 3 << 20, 5 << 30, 1_048_588] {
            assert_eq!(size(1, usize::MAX)(&show_size(bytes)), Ok(bytes));
        }
        for ms in [0, 5, 1_000, 90_000, 120_000, 7_200_000] {
            let time = Duration::from_millis(ms);
            assert_eq!(duration(Duration::ZERO, Duration::MAX)(&show_duration(time)), Ok(time));
        }
    }

    #[test]
    fn servers_are_hosts_with_or_without_ports() {
        for right in ["a", "a:1", "a:9092,b:9093", "10.0.0.1:9092", "[::1]:9092", "kafka_1.x-y:1"] {
            assert_eq!(servers(right), Ok(right.to_owned()));
        }
        assert_eq!(servers("a:1, b:2"), Ok("a:1,b:2".to_owned()));
        for wrong in
            ["", ",", "a:", "a:0", "a:65536", "a:b", "a b", "http://a:1", "user:secret@a:1", "[::1", "::1:9"]
        {
            assert!(servers(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for own in ["localhost", "LOCALHOST:1", "127.0.0.1:9092", "127.9.9.9", "[::1]:9092"] {
            assert!(is_loopback(own), "{own}");
        }
        for foreign in
            ["kafka:9092", "10.0.0.1:9092", "localhost.example.org", "[2001:db8::1]:9092", "127.0.0.1.nip.io"]
        {
            assert!(!is_loopback(foreign), "{foreign}");
        }
    }

    #[test]
    fn topic_names_are_kafkas() {
        assert!(topic("user-login_2.v1").is_ok());
        assert!(topic(&"x".repeat(249)).is_ok());
        for wrong in ["", ".", "..", "a b", "a/b", "ü", &"x".repeat(250)] {
            assert!(topic(wrong).is_err(), "{wrong}");
        }
    }
}
