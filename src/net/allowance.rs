//! How much memory buffers may take beyond their smallest size, for the whole process.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that buffers may grow by, shared by all streams of the process.
///
/// Every stream always has its smallest buffer. Larger ones are a matter of speed alone, so who gets none just
/// stays small: nothing waits and nothing fails here.
#[derive(Debug)]
pub struct Allowance(AtomicUsize);

/// 128 read buffers of full size. A thousand streams that stand still then hold 32 MiB beyond their smallest
/// buffers, where 256 KiB for each would be 250 MiB.
static PROCESS: Allowance = Allowance::of(32 * 1024 * 1024);

impl Allowance {
    /// An allowance of `bytes`.
    pub const fn of(bytes: usize) -> Self {
        Self(AtomicUsize::new(bytes))
    }

    /// The one that the process shares.
    pub fn process() -> &'static Self {
        &PROCESS
    }

    /// Takes `bytes` until the grant is dropped; `None` if less is left.
    pub fn take(&'static self, bytes: usize) -> Option<Grant> {
        self.0
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(bytes)
            })
            .ok()
            .map(|_| Grant { of: self, bytes })
    }

    /// What is left, in bytes.
    pub fn left(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Bytes taken out of an [`Allowance`]; they return when it is dropped.
#[derive(Debug)]
pub struct Grant {
    of: &'static Allowance,
    bytes: usize,
}

impl Drop for Grant {
    fn drop(&mut self) {
        self.of.0.fetch_add(self.bytes, Ordering::Relaxed);
    }
}
