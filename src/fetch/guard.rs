//! Which addresses are reached: what somebody else's document names never leads inside.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Which addresses may be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// All: for a host that the operator configured.
    Any,
    /// No loopback, private, link-local, shared, metadata or v4-mapped address: for a host that someone else named.
    PublicOnly,
}

impl Guard {
    /// Whether it lets a connection to `address` be made.
    pub(super) fn allows(self, address: IpAddr) -> bool {
        self == Self::Any || is_public(address)
    }
}

/// Whether an address is one of the public Internet.
///
/// Spec: the IANA special-purpose address registries.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    match address.octets() {
        [0 | 10 | 127 | 224.., ..]
        | [169, 254, ..]
        | [192, 168, ..]
        | [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [198, 51, 100, _]
        | [203, 0, 113, _] => false,
        [100, b, ..] if b & 0xc0 == 64 => false,
        [172, b, ..] if b & 0xf0 == 16 => false,
        [198, b, ..] if b & 0xfe == 18 => false,
        // Azure's metadata and agent service lives on a public address.
        [168, 63, 129, 16] => false,
        _ => true,
    }
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        // NAT64 leads to the IPv4 address in its last four bytes.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            is_public_v4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)))
        }
        // Teredo and other protocol assignments, documentation, 6to4.
        [0x2001, 0x0000..=0x01ff, ..]
        | [0x2001, 0x0db8, ..]
        | [0x2002, ..]
        | [0x3fff, 0x0000..=0x0fff, ..] => false,
        // Global unicast is 2000::/3; everything else is loopback, local, mapped, multicast or unassigned.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}
