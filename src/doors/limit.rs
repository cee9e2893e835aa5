//! How often one address may knock at the doors that ask for no session.
//!
//! A token costs its holder nothing and us a signature to verify, so that guesses and loops are slowed down. The
//! default is generous: behind one address stand all machines of a cluster, each of which refreshes a session once
//! an hour. What an authenticated caller does with its session is not counted here.

use governor::{
    Quota, RateLimiter, clock::Clock, middleware::NoOpMiddleware, state::keyed::HashMapStateStore,
};
use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    time::Duration,
};
use tokio::time::Instant;

/// One allowance for each address.
pub(crate) struct DoorLimit {
    per_minute: NonZeroU32,
    limiter: RateLimiter<u16, HashMapStateStore<u16>, Ticks, NoOpMiddleware<Duration>>,
    /// With a key of its own, so that nobody can choose whose allowance it shares.
    slots: RandomState,
    ticks: Ticks,
}

/// Too many requests from one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more than {per_minute} requests a minute from one address; the next one is accepted in {wait:?}")]
pub(crate) struct Busy {
    /// The limit.
    pub(crate) per_minute: NonZeroU32,
    /// Until the next request is accepted.
    pub(crate) wait: Duration,
}

impl Busy {
    /// Whole seconds, for `Retry-After`.
    pub(crate) fn seconds(&self) -> u64 {
        self.wait.as_secs().saturating_add(1)
    }
}

impl DoorLimit {
    pub(crate) fn new(per_minute: NonZeroU32) -> Self {
        let ticks = Ticks(Instant::now());
        Self {
            per_minute,
            limiter: RateLimiter::hashmap_with_clock(Quota::per_minute(per_minute), ticks),
            slots: RandomState::new(),
            ticks,
        }
    }

    pub(crate) fn per_minute(&self) -> NonZeroU32 {
        self.per_minute
    }

    /// Counts a request from `address`.
    ///
    /// # Errors
    /// [`Busy`] if there were too many.
    pub(crate) fn admit(&self, address: IpAddr) -> Result<(), Busy> {
        // INVARIANT: memory is bounded by the number of slots, however many addresses there are. Two that share a slot
        // share its allowance.
        let slot = (self.slots.hash_one(network(address)) & u64::from(u16::MAX)) as u16;
        self.limiter.check_key(&slot).map_err(|not_until| Busy {
            per_minute: self.per_minute,
            wait: not_until.wait_time_from(self.ticks.now()),
        })
    }
}

impl fmt::Debug for DoorLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DoorLimit").field(&self.per_minute).finish()
    }
}

/// Whoever has one address of IPv6 has the 2^64 beside it.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

/// Time since the limit was made, by the runtime's clock, so that tests can stop it.
#[derive(Clone, Copy, Debug)]
struct Ticks(Instant);

impl Clock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(per_minute: u32) -> DoorLimit {
        DoorLimit::new(NonZeroU32::new(per_minute).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_has_its_allowance_and_gets_it_back() {
        let limit = limit(6);
        let address = "192.0.2.1".parse().unwrap();
        for _ in 0..6 {
            assert_eq!(limit.admit(address), Ok(()));
        }
        let busy = limit.admit(address).unwrap_err();
        assert!(busy.wait > Duration::from_secs(9) && busy.wait <= Duration::from_secs(10));
        assert_eq!(busy.seconds(), busy.wait.as_secs() + 1);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(limit.admit(address), Ok(()));
        assert!(limit.admit(address).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn others_do_not_pay_for_it_and_a_network_of_ipv6_is_one_address() {
        let limit = limit(1);
        assert!(limit.admit("2001:db8::1".parse().unwrap()).is_ok());
        assert!(limit.admit("2001:db8::2".parse().unwrap()).is_err());
        // Of many addresses, only those that share a slot by chance are refused.
        let refused = (0..2000u32).filter(|n| limit.admit(IpAddr::V4((*n).into())).is_err());
        assert!(refused.count() < 200);
        let mapped = limit.slots.hash_one(network("::ffff:192.0.2.1".parse().unwrap()));
        assert_eq!(
            mapped,
            limit.slots.hash_one(network("192.0.2.1".parse().unwrap()))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn however_many_addresses_there_are_memory_is_bounded() {
        let limit = limit(1);
        for n in 0..200_000u32 {
            let _ = limit.admit(IpAddr::V4(n.into()));
        }
        assert!(limit.limiter.len() <= 1 << 16);
    }
}
