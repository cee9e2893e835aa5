//! The conditions that are understood: what a listing asks for, where the caller is, and TLS.

use super::Ask;
use super::pattern::Pattern;
use std::net::IpAddr;

/// One operator on one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    operator: Operator,
    /// Holds also if the request says nothing about its key.
    if_exists: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Operator {
    /// `s3:prefix` is one of them, or none of them.
    Prefix { patterns: Vec<Pattern>, negated: bool },
    /// `aws:SourceIp` is in one of them, or in none of them.
    SourceIp { networks: Vec<Network>, negated: bool },
    /// `aws:SecureTransport`, which is always true here.
    SecureTransport(bool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    bits: u8,
}

/// What can be said about conditions, for whoever wrote another one.
pub(super) const SUPPORTED: &str = "supported are StringEquals, StringNotEquals, StringLike and StringNotLike on \
     `s3:prefix`, IpAddress and NotIpAddress on `aws:SourceIp`, Bool on `aws:SecureTransport`";

impl Condition {
    /// Reads one operator with its key and values, or says nothing if it is none that is supported.
    pub(super) fn read(operator: &str, key: &str, values: &[&str]) -> Option<Self> {
        let (operator, if_exists) = match operator.strip_suffix("IfExists") {
            Some(operator) => (operator, true),
            None => (operator, false),
        };
        let key = key.to_ascii_lowercase();
        let operator = match (operator, &*key) {
            ("StringLike" | "StringNotLike", "s3:prefix") => Operator::Prefix {
                patterns: values.iter().map(|value| Pattern::new(value)).collect(),
                negated: operator == "StringNotLike",
            },
            ("StringEquals" | "StringNotEquals", "s3:prefix") => {
                // Without wildcards a pattern is a name. With them it would have another meaning here.
                if values.iter().any(|value| value.contains(['*', '?'])) {
                    return None;
                }
                Operator::Prefix {
                    patterns: values.iter().map(|value| Pattern::new(value)).collect(),
                    negated: operator == "StringNotEquals",
                }
            }
            ("IpAddress" | "NotIpAddress", "aws:sourceip") => Operator::SourceIp {
                networks: values
                    .iter()
                    .map(|value| Network::read(value))
                    .collect::<Option<_>>()?,
                negated: operator == "NotIpAddress",
            },
            ("Bool", "aws:securetransport") => match values {
                ["true"] => Operator::SecureTransport(true),
                ["false"] => Operator::SecureTransport(false),
                _ => return None,
            },
            _ => return None,
        };
        Some(Self { operator, if_exists })
    }

    pub(super) fn holds(&self, ask: &Ask<'_>) -> bool {
        match &self.operator {
            Operator::Prefix { patterns, negated } => match ask.prefix {
                Some(prefix) => patterns.iter().any(|pattern| pattern.matches(prefix)) != *negated,
                // As in IAM: a key that is not there equals nothing.
                None => *negated || self.if_exists,
            },
            Operator::SourceIp { networks, negated } => {
                let address = ask.source_ip.to_canonical();
                networks.iter().any(|network| network.contains(address)) != *negated
            }
            Operator::SecureTransport(wanted) => *wanted,
        }
    }
}

impl Network {
    /// `203.0.113.0/24`, or a single address.
    fn read(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) if bits.len() <= 3 && bits.bytes().all(|b| b.is_ascii_digit()) => {
                (address, Some(bits.parse::<u8>().ok()?))
            }
            Some(_) => return None,
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        (bits <= most).then_some(Self { address, bits })
    }

    fn contains(self, other: IpAddr) -> bool {
        match (self.address, other) {
            (IpAddr::V4(network), IpAddr::V4(other)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                network.to_bits() & mask == other.to_bits() & mask
            }
            (IpAddr::V6(network), IpAddr::V6(other)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                network.to_bits() & mask == other.to_bits() & mask
            }
            _ => false,
        }
    }
}
