//! How many connections one address may hold.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

/// Open connections by address.
#[derive(Debug)]
pub(super) struct Addresses {
    most: usize,
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection that counts until it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    of: Arc<Addresses>,
    address: IpAddr,
}

impl Addresses {
    /// Allows `most` connections for each address.
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            open: Mutex::default(),
        }
    }

    /// Counts a connection from `address`, or refuses it.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Slot> {
        let address = network(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Slot {
            of: self.clone(),
            address,
        })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.of.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

/// What stands for one caller: an IPv4 address, or the /64 that an IPv6 host may choose its addresses from.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gets_its_share_and_no_more() {
        // LIM-10
        let addresses = Arc::new(Addresses::new(2));
        let one: IpAddr = "192.0.2.1".parse().unwrap();
        let first = addresses.enter(one);
        assert!(first.is_some());
        let second = addresses.enter("::ffff:192.0.2.1".parse().unwrap());
        assert!(second.is_some());
        assert!(addresses.enter(one).is_none());
        assert!(addresses.enter("192.0.2.2".parse().unwrap()).is_some());
        drop(first);
        assert!(addresses.enter(one).is_some());
    }

    #[test]
    fn the_addresses_of_one_ipv6_network_count_together() {
        let addresses = Arc::new(Addresses::new(1));
        let held = addresses.enter("2001:db8::1".parse().unwrap());
        assert!(addresses.enter("2001:db8::ffff:2".parse().unwrap()).is_none());
        assert!(addresses.enter("2001:db8:0:1::1".parse().unwrap()).is_some());
        drop(held);
        assert!(addresses.open.lock().unwrap().is_empty());
    }
}
