//! Classes of addresses that a contract can deny. An IPv4-mapped address counts as the IPv4 address it carries.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A class of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AddressClass {
    /// RFC 1918 and fc00::/7 (RFC 4193).
    Private,
    /// 127.0.0.0/8 and ::1.
    Loopback,
    /// 169.254.0.0/16 and fe80::/10.
    LinkLocal,
    /// 224.0.0.0/4 and ff00::/8.
    Multicast,
    /// 0.0.0.0 and ::.
    Unspecified,
}

impl AddressClass {
    /// The words of a contract file.
    pub(super) const NAMES: [&'static str; 5] =
        ["private", "loopback", "link_local", "multicast", "unspecified"];

    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "private" => Self::Private,
            "loopback" => Self::Loopback,
            "link_local" => Self::LinkLocal,
            "multicast" => Self::Multicast,
            "unspecified" => Self::Unspecified,
            _ => return None,
        })
    }

    /// What a rejection says.
    pub(super) const fn detail(self) -> &'static str {
        match self {
            Self::Private => "a private address",
            Self::Loopback => "a loopback address",
            Self::LinkLocal => "a link-local address",
            Self::Multicast => "a multicast address",
            Self::Unspecified => "the unspecified address",
        }
    }

    pub(super) fn holds(self, address: IpAddr) -> bool {
        match (self, address.to_canonical()) {
            (Self::Private, IpAddr::V4(v4)) => v4.is_private(),
            (Self::Private, IpAddr::V6(v6)) => under(v6, 0xfe00, 0xfc00),
            (Self::Loopback, address) => address.is_loopback(),
            (Self::LinkLocal, IpAddr::V4(v4)) => v4.is_link_local(),
            (Self::LinkLocal, IpAddr::V6(v6)) => under(v6, 0xffc0, 0xfe80),
            (Self::Multicast, address) => address.is_multicast(),
            (Self::Unspecified, address) => address.is_unspecified(),
        }
    }
}

/// What `IpAddr::from_str` parses. Its way to an IPv4 address takes three times as long.
#[inline]
pub(super) fn parse_address(text: &[u8]) -> Option<IpAddr> {
    match parse_v4(text) {
        Some(address) => Some(IpAddr::V4(address)),
        None => std::str::from_utf8(text).ok()?.parse().ok(),
    }
}

/// Four numbers up to 255, without leading zeros, a dot after each but the last.
fn parse_v4(text: &[u8]) -> Option<Ipv4Addr> {
    let (first, rest) = part(text)?;
    let (second, rest) = part(rest.strip_prefix(b".")?)?;
    let (third, rest) = part(rest.strip_prefix(b".")?)?;
    let (fourth, rest) = part(rest.strip_prefix(b".")?)?;
    rest.is_empty().then(|| Ipv4Addr::new(first, second, third, fourth))
}

/// The number at the start of `text`, and what follows it.
#[inline(always)]
fn part(text: &[u8]) -> Option<(u8, &[u8])> {
    let digit = |at: usize| text.get(at).map(|byte| byte.wrapping_sub(b'0')).filter(|digit| *digit <= 9);
    let first = digit(0)?;
    let Some(second) = digit(1) else { return Some((first, &text[1..])) };
    if first == 0 {
        return None;
    }
    let Some(third) = digit(2) else { return Some((first * 10 + second, &text[2..])) };
    let value = u16::from(first) * 100 + u16::from(second * 10 + third);
    Some((u8::try_from(value).ok()?, &text[3..]))
}

fn under(address: Ipv6Addr, mask: u16, prefix: u16) -> bool {
    address.segments()[0] & mask == prefix
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_what_the_standard_library_parses() {
        let pieces = [
            "0", "1", "00", "01", "9", "10", "99", "100", "199", "255", "256", "999", "1000", "", " 1", "1 ",
            "+1", "a",
        ];
        let same = |text: &str| assert_eq!(parse_address(text.as_bytes()), text.parse().ok(), "{text:?}");
        for first in pieces {
            for last in pieces {
                for middle in [".2.3.", ".20.255.", ".2.", ".2.3.4.", "..", ".2..", ".02.3.", ".256.1."] {
                    same(&format!("{first}{middle}{last}"));
                }
                same(&format!("{first}:{last}"));
                same(&format!("{first}::{last}"));
                same(&format!("::ffff:1.2.{first}.{last}"));
            }
        }
        for text in [
            "",
            ".",
            "...",
            "....",
            "1.2.3.4.",
            ".1.2.3.4",
            "1.2.3.4\n",
            "fe80::1%eth0",
            "[::1]",
            "::1/8",
            "１.2.3.4",
        ] {
            same(text);
        }
    }

    #[test]
    fn classes_end_where_their_prefixes_end() {
        let cases = [
            (
                AddressClass::Private,
                "10.0.0.0 10.255.255.255 172.16.0.0 172.31.255.255 192.168.0.0 192.168.255.255 fc00:: \
              fdff:ffff::1 ::ffff:10.1.2.3 ::ffff:172.31.255.255 ::ffff:c0a8:1",
                "9.255.255.255 11.0.0.0 172.15.255.255 172.32.0.0 192.167.255.255 192.169.0.0 fbff:: fe00:: ::10.0.0.1 127.0.0.1",
            ),
            (
                AddressClass::Loopback,
                "127.0.0.1 127.255.255.255 ::1 ::ffff:127.0.0.1",
                "126.255.255.255 128.0.0.0 ::2 ::",
            ),
            (
                AddressClass::LinkLocal,
                "169.254.0.0 169.254.255.255 fe80:: febf::1 ::ffff:169.254.1.1",
                "169.253.255.255 169.255.0.0 fe7f:: fec0::",
            ),
            (
                AddressClass::Multicast,
                "224.0.0.0 239.255.255.255 ff00:: ffff::1 ::ffff:224.0.0.1",
                "223.255.255.255 240.0.0.0 feff::",
            ),
            (AddressClass::Unspecified, "0.0.0.0 :: ::ffff:0.0.0.0", "0.0.0.1 ::1"),
        ];
        for (class, inside, outside) in cases {
            for address in inside.split_whitespace() {
                assert!(class.holds(address.parse().unwrap()), "{class:?} {address}");
            }
            for address in outside.split_whitespace() {
                assert!(!class.holds(address.parse().unwrap()), "{class:?} {address}");
            }
        }
        for name in AddressClass::NAMES {
            assert!(AddressClass::named(name).is_some());
        }
    }
}
