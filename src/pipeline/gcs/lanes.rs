//! Several things at once, but not all of them.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// Runs `waiting`, at most `most` at a time; gives what they gave, in their order.
pub(super) async fn in_lanes<F: Future>(most: usize, waiting: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut waiting = waiting.enumerate();
    let mut running: Vec<(usize, Pin<Box<F>>)> = Vec::with_capacity(most);
    let mut done: Vec<(usize, F::Output)> = Vec::new();
    poll_fn(|cx| {
        loop {
            let free = most.saturating_sub(running.len());
            running.extend(
                waiting
                    .by_ref()
                    .take(free)
                    .map(|(nth, future)| (nth, Box::pin(future))),
            );
            let before = done.len();
            running.retain_mut(|(nth, future)| match future.as_mut().poll(cx) {
                Poll::Ready(output) => {
                    done.push((*nth, output));
                    false
                }
                Poll::Pending => true,
            });
            if running.is_empty() && done.len() == before {
                return Poll::Ready(());
            }
            // Where something is done there is room for what waits.
            if done.len() == before {
                return Poll::Pending;
            }
        }
    })
    .await;
    done.sort_by_key(|(nth, _)| *nth);
    done.into_iter().map(|(_, output)| output).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn no_more_run_than_may_and_all_come_back_in_order() {
        let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let one = |n: usize| {
            let (running, most) = (&running, &most);
            async move {
                most.fetch_max(running.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                // Later ones are done sooner.
                for _ in 0..100 - n {
                    tokio::task::yield_now().await;
                }
                running.fetch_sub(1, Ordering::Relaxed);
                n
            }
        };
        let all: Vec<usize> = (0..100).collect();
        assert_eq!(in_lanes(8, all.iter().map(|n| one(*n))).await, all);
        assert_eq!(most.load(Ordering::Relaxed), 8);
        assert_eq!(in_lanes(8, (0..0).map(one)).await, [0; 0]);
    }
}
