//! A dry run: may our credential do at a bucket what callers will ask for?
//!
//! The bucket is looked at and listed. Only if somebody says so is an object put, read and deleted: one of our own, with
//! a random name under a prefix that was named, which is never put over another one.

use super::CanaryError;
use super::canary::{Canary, Line, raw};
use super::errands::Told;
use crate::config::Canary as Place;
use crate::operation::BucketName;
use bytes::Bytes;
use std::time::Duration;

/// One request of a dry run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Whether the bucket is there.
    Head,
    /// One key of a listing.
    List,
    /// An object of our own.
    Put,
    /// The same, read again.
    Get,
    /// The same, deleted.
    Delete,
}

/// What a target said of one step.
#[derive(Debug)]
pub(crate) enum Tried {
    /// It did it.
    Done,
    /// It refused: status, and its code if it gave one.
    Refused(u16, Option<String>),
    /// It gave back other bytes than it got.
    Altered,
    /// There was no answer.
    Failed(CanaryError),
}

impl Step {
    /// In one word.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Head => "HEAD",
            Self::List => "list",
            Self::Put => "put",
            Self::Get => "get",
            Self::Delete => "delete",
        }
    }
}

const CONTENT: &[u8] = b"tidegate doctor";

/// For all steps, and then for what has to be deleted.
const PATIENCE: Duration = Duration::from_secs(20);
const PATIENCE_TO_DELETE: Duration = Duration::from_secs(5);

/// Looks at `bucket`, lists what begins with `prefix` there, and puts, reads and deletes an object below `write` if there
/// is one. What follows from a step that failed is left out.
pub(crate) async fn dry_run(
    line: Line<'_>,
    bucket: &BucketName,
    prefix: &str,
    write: Option<&str>,
) -> Vec<(Step, Tried)> {
    let place = Place {
        bucket: bucket.clone(),
        prefix: write.unwrap_or_default().trim_end_matches('/').into(),
    };
    let mut canary = Canary::new(line, &place, None);
    let mut steps = Vec::new();
    let trying = take(&mut canary, prefix, write.is_some(), &mut steps);
    if tokio::time::timeout(PATIENCE, trying).await.is_err() {
        // The one that was under way.
        let next = match steps.last() {
            None => Step::Head,
            Some((Step::Head, _)) => Step::List,
            Some((Step::List, _)) => Step::Put,
            Some((Step::Put, _)) => Step::Get,
            Some((Step::Get | Step::Delete, _)) => Step::Delete,
        };
        steps.push((next, Tried::Failed(CanaryError::TimedOut(PATIENCE))));
    }
    // Whatever happened above: what may be there is deleted, as far as that goes.
    if tokio::time::timeout(PATIENCE_TO_DELETE, canary.clear())
        .await
        .is_err()
    {
        tracing::warn!(%bucket, prefix = %place.prefix, "an object of the dry run may be left there");
    }
    steps
}

async fn take(canary: &mut Canary<'_>, prefix: &str, writes: bool, steps: &mut Vec<(Step, Tried)>) {
    let head = tried(canary.ask("HEAD", "", &[]).await);
    // Refusals of `HEAD` have no body: why, is said to the next step.
    let goes_on = matches!(&head, Tried::Done | Tried::Refused(400..=403, _));
    steps.push((Step::Head, head));
    if !goes_on {
        return;
    }
    let query = [("max-keys", "1"), ("prefix", prefix)];
    steps.push((Step::List, tried(canary.ask("GET", "", &query).await)));
    if !writes {
        return;
    }
    let (key, content) = (canary.key(), Bytes::from_static(CONTENT));
    let mut put = canary.put(&key, raw(content.clone()), true).await;
    if matches!(&put, Ok(told) if matches!(told.status, 400 | 501)) {
        // The condition itself may be what it does not know; a random name is as good.
        put = canary.put(&key, raw(content.clone()), false).await;
    }
    let stored = matches!(&put, Ok(told) if told.is_success());
    steps.push((Step::Put, tried(put)));
    if stored {
        let got = match canary.ask("GET", &key, &[]).await {
            Ok(told) if told.is_success() && told.body() != &content => Tried::Altered,
            other => tried(other),
        };
        steps.push((Step::Get, got));
        steps.push((Step::Delete, tried(canary.delete_noted(&key).await)));
    }
}

fn tried(outcome: Result<Told, CanaryError>) -> Tried {
    match outcome {
        Ok(told) if told.is_success() => Tried::Done,
        Ok(told) => Tried::Refused(told.status, told.code().map(str::to_owned)),
        Err(error) => Tried::Failed(error),
    }
}
