//! How much of batches is in memory at a time, of all callers together.
//!
//! A batch cannot be answered before it is whole, so until then it is held. One has 10 MiB at most; how many there are is up
//! to whoever has a token, so all of them share what there is, by the bytes that really came.

use crate::dialect::gcs::error::GcsError;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that all batches under way may have. The usual batch of 100 deletions has less than 50 KB.
const BYTES: usize = 64 << 20;
/// Seconds until it may be tried again.
const RETRY_AFTER: u64 = 5;

/// The room for batches of one process.
pub(in crate::pipeline) struct BatchRoom(Arc<Semaphore>);

/// The room that one batch has, until it is dropped.
#[derive(Default)]
pub(super) struct Held(Option<OwnedSemaphorePermit>);

impl BatchRoom {
    pub(in crate::pipeline) fn new() -> Self {
        Self(Arc::new(Semaphore::new(BYTES)))
    }

    /// Takes more of it for a batch.
    ///
    /// # Errors
    /// `backendError` with the time after which to try again, if there is not as much.
    pub(super) fn take(&self, bytes: usize, held: &mut Held) -> Result<(), GcsError> {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let more = Arc::clone(&self.0).try_acquire_many_owned(bytes);
        let more = more.map_err(|_| GcsError {
            retry_after: Some(RETRY_AFTER),
            ..GcsError::new(
                503,
                "backendError",
                "there are too many large batches under way: try again, with fewer calls at once",
            )
        })?;
        match &mut held.0 {
            Some(held) => held.merge(more),
            None => held.0 = Some(more),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_batch_has_no_other_gets_until_it_is_answered() {
        let room = BatchRoom::new();
        let mut large = Held::default();
        for _ in 0..64 {
            room.take(1 << 20, &mut large).unwrap();
        }
        let mut other = Held::default();
        let refusal = room.take(1, &mut other).unwrap_err();
        assert_eq!((refusal.status, refusal.retry_after), (503, Some(RETRY_AFTER)));
        drop(large);
        room.take(BYTES, &mut other).unwrap();
        assert!(room.take(usize::MAX, &mut other).is_err());
    }
}
