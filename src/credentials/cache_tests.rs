use super::super::keeper::Tally;
use super::super::scope::CloudSession;
use super::super::{AccessKey, Credential, Fetching, Material, Source};
use super::*;
use crate::clock::Clock;
use crate::secret::Secret;
use jiff::SignedDuration;
use proptest::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Gives everybody a credential for an hour.
struct Hourly(Clock, AtomicUsize);

impl Source for Hourly {
    fn fetch<'a>(&'a self, _: &'a CloudSession) -> Fetching<'a> {
        Box::pin(async move {
            let nth = self.1.fetch_add(1, Ordering::SeqCst);
            Ok(Credential {
                material: Material::AccessKey(AccessKey {
                    id: format!("ASIA{nth}").into(),
                    secret: Secret::new("secret"),
                    session_token: None,
                }),
                expires_at: Some(self.0.now() + SignedDuration::from_hours(1)),
                version: None,
            })
        })
    }
}

fn key(inputs: &[&[u8]]) -> Key {
    inputs.iter().fold(Key::default(), |key, input| key.and(input))
}

fn clock() -> Clock {
    Clock::fixed("2026-11-22T00:00:00Z".parse().unwrap())
}

fn keeper(source: &Arc<Hourly>) -> Keeper {
    let session = CloudSession {
        principal: None,
        places: Vec::new(),
    };
    Keeper::temporary(
        "store",
        source.clone(),
        session,
        source.0.clone(),
        Arc::<Tally>::default(),
    )
}

// CRD-01
#[test]
fn no_two_lists_of_inputs_give_the_same_key() {
    let check = |one: &[&[u8]], other: &[&[u8]]| assert_ne!(key(one), key(other), "{one:?} {other:?}");
    check(&[b"ab", b"c"], &[b"a", b"bc"]);
    check(&[b"abc"], &[b"abc", b""]);
    check(&[b"", b"a"], &[b"a", b""]);
    check(&[], &[b""]);
    proptest!(|(one: Vec<Vec<u8>>, other: Vec<Vec<u8>>)| {
        let of = |list: &[Vec<u8>]| key(&list.iter().map(Vec::as_slice).collect::<Vec<_>>());
        prop_assert_eq!(of(&one) == of(&other), one == other);
    });
}

// CRD-04
#[tokio::test]
async fn it_is_bounded_and_the_least_used_go_first() {
    let cache = CredentialCache::with_most(20);
    let source = Arc::new(Hourly(clock(), AtomicUsize::new(0)));
    let id = |n: u8| {
        let keeper = cache.keeper(key(&[&[n]]), || keeper(&source));
        async move { keeper.get().await.unwrap().access_key().unwrap().id.clone() }
    };
    let first = id(0).await;
    for n in 1..=100 {
        id(n).await;
        assert_eq!(id(0).await, first, "it is in use");
        assert!(cache.held().entries.len() <= 20);
    }
    assert_eq!(source.1.load(Ordering::SeqCst), 101);
    id(1).await;
    assert_eq!(source.1.load(Ordering::SeqCst), 102, "it had gone");
}

// CRD-03, CRD-04
#[tokio::test]
async fn what_is_used_is_renewed_in_the_background_and_what_is_not_goes() {
    let clock = clock();
    let cache = CredentialCache::new();
    let source = Arc::new(Hourly(clock.clone(), AtomicUsize::new(0)));
    for n in 0..2 {
        let keeper = cache.keeper(key(&[&[n]]), || keeper(&source));
        keeper.get().await.unwrap();
        keeper.get().await.unwrap();
    }
    assert_eq!(cache.beginning_with(&Key::default()).len(), 2);
    clock.advance(SignedDuration::from_mins(52));
    cache.tend();
    while source.1.load(Ordering::SeqCst) < 4 {
        tokio::task::yield_now().await;
    }
    cache.find(&key(&[&[0]])).unwrap().get().await.unwrap();
    clock.advance(SignedDuration::from_mins(52));
    cache.tend();
    while source.1.load(Ordering::SeqCst) < 5 {
        tokio::task::yield_now().await;
    }
    clock.advance(SignedDuration::from_mins(10));
    cache.tend();
    assert!(cache.find(&key(&[&[0]])).is_some());
    assert!(cache.find(&key(&[&[1]])).is_none(), "nobody asked for it again");
    assert_eq!(source.1.load(Ordering::SeqCst), 5);
}
