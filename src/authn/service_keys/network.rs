//! The networks from which a service key may be used.

use std::{fmt, net::IpAddr, str::FromStr};

/// A block of addresses: `192.0.2.0/24`, `2001:db8::/32`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Canonical, with nothing set beyond `bits`.
    address: IpAddr,
    bits: u32,
}

impl Network {
    /// Whether `address` is in it. An IPv4 address is one, also where it is written as IPv6.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && masked(address, self.bits) == self.address
    }
}

fn masked(address: IpAddr, bits: u32) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - bits.min(32)).unwrap_or(0);
            IpAddr::V4((v4.to_bits() & mask).into())
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - bits.min(128)).unwrap_or(0);
            IpAddr::V6((v6.to_bits() & mask).into())
        }
    }
}

impl FromStr for Network {
    type Err = String;

    /// Says what is wrong, and for an address within a block, which block is meant.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| "not an IP address".to_owned())?;
        if address != address.to_canonical() {
            return Err(format!(
                "an IPv4 address in disguise; write `{}`",
                address.to_canonical()
            ));
        }
        let width = if address.is_ipv4() { 32 } else { 128 };
        let plain =
            |bits: &str| bits == "0" || !bits.starts_with('0') && bits.bytes().all(|b| b.is_ascii_digit());
        let bits = match bits {
            None => width,
            Some(bits) => (plain(bits).then(|| bits.parse().ok()).flatten())
                .filter(|bits| *bits <= width)
                .ok_or_else(|| format!("`/{bits}` is not from /0 to /{width}"))?,
        };
        let network = Self {
            address: masked(address, bits),
            bits,
        };
        if network.address != address {
            return Err(format!("an address within a block; the block is `{network}`"));
        }
        Ok(network)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = if self.address.is_ipv4() { 32 } else { 128 };
        match self.bits {
            bits if bits == width => self.address.fmt(f),
            bits => write!(f, "{}/{bits}", self.address),
        }
    }
}

impl<'de> serde::Deserialize<'de> for Network {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text: String = serde::Deserialize::deserialize(deserializer)?;
        text.parse()
            .map_err(|wrong| serde::de::Error::custom(format!("`{text}`: {wrong}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(network: &str, inside: &[&str], outside: &[&str]) {
        let parsed: Network = network.parse().unwrap();
        assert_eq!(parsed.to_string(), network);
        for (addresses, expected) in [(inside, true), (outside, false)] {
            for address in addresses {
                assert_eq!(
                    parsed.contains(address.parse().unwrap()),
                    expected,
                    "{address} in {network}"
                );
            }
        }
    }

    #[test]
    fn a_network_has_its_addresses_and_no_others() {
        check(
            "192.0.2.7",
            &["192.0.2.7", "::ffff:192.0.2.7"],
            &["192.0.2.6", "::1", "::c000:207"],
        );
        check("10.0.0.0/8", &["10.255.1.2"], &["11.0.0.0", "9.255.255.255"]);
        check(
            "192.0.2.128/25",
            &["192.0.2.128", "192.0.2.255"],
            &["192.0.2.127"],
        );
        check(
            "0.0.0.0/0",
            &["1.2.3.4", "::ffff:1.2.3.4"],
            &["::", "2001:db8::1"],
        );
        check(
            "2001:db8::/33",
            &["2001:db8:7fff::1"],
            &["2001:db8:8000::", "10.0.0.1"],
        );
        check("::/0", &["::", "2001:db8::1"], &["1.2.3.4"]);
        check("2001:db8::1", &["2001:db8::1"], &["2001:db8::2"]);
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for (text, because) in [
            ("", "not an IP address"),
            ("example.com", "not an IP address"),
            ("10.0.0.0/33", "`/33` is not from /0 to /32"),
            ("10.0.0.0/", "`/` is not"),
            ("10.0.0.0/+8", "`/+8` is not"),
            ("10.0.0.0/08", "`/08` is not"),
            ("10.0.0.0/-1", "`/-1` is not"),
            ("2001:db8::/129", "/128"),
            ("10.1.2.3/8", "the block is `10.0.0.0/8`"),
            ("::ffff:10.0.0.1", "write `10.0.0.1`"),
            ("010.0.0.1", "not an IP address"),
        ] {
            let wrong = text.parse::<Network>().unwrap_err();
            assert!(wrong.contains(because), "{text}: {wrong}");
        }
    }
}
