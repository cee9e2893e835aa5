//! A dry run in a bucket, and what a refusal means there.

use super::reach::SET_CLOCK;
use super::{Line, Side};
use crate::bridge::{Step, Tried, canary, dry_run};
use crate::clock::Clock;
use crate::config::{Bucket, Profile};
use crate::error::with_causes;
use crate::generation::TargetSide;
use std::time::Duration;

/// For all steps in one bucket.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// How far a dry run goes.
#[derive(Clone, Debug, Default)]
pub(super) struct Trial {
    /// Whether an object is put, read and deleted.
    pub(super) write: bool,
    /// Below which prefix of the bucket, as callers see it.
    pub(super) prefix: Option<String>,
}

/// Tries what callers will ask for.
pub(super) async fn examine(side: &TargetSide, bucket: &Bucket, trial: &Trial, clock: &Clock) -> Vec<Line> {
    let below = trial.prefix.as_deref().unwrap_or(canary::PREFIX);
    let write = trial.write.then(|| bucket.prefix.prepend(below));
    let steps = dry_run(
        side.line(clock),
        &bucket.target_bucket,
        bucket.prefix.as_str(),
        write.as_deref(),
    )
    .await;
    lines(bucket, &steps)
}

fn lines(bucket: &Bucket, steps: &[(Step, Tried)]) -> Vec<Line> {
    let name = bucket.name.as_str();
    let done: Vec<&str> = steps
        .iter()
        .filter(|(_, tried)| matches!(tried, Tried::Done))
        .map(|(step, _)| step.name())
        .collect();
    // What a listing is refused for is why `HEAD` is, and has a code.
    let explained = |step: Step| {
        step == Step::Head && matches!(steps.get(1), Some((Step::List, Tried::Refused(_, Some(_)))))
    };
    let failed: Vec<Line> = steps
        .iter()
        .filter(|(step, _)| !explained(*step))
        .filter_map(|(step, tried)| of_step(bucket, *step, tried))
        .collect();
    let place = format!("`{}` at target `{}`", bucket.target_bucket, bucket.target.name);
    match (failed.is_empty(), done.is_empty()) {
        (true, _) => vec![Line::ok(
            "bucket",
            name,
            format!("{} in {place}", done.join(", ")),
        )],
        (false, true) => failed,
        (false, false) => failed
            .into_iter()
            .map(|line| Line {
                said: format!("{}; {} worked", line.said, done.join(", ")),
                ..line
            })
            .collect(),
    }
}

fn of_step(bucket: &Bucket, step: Step, tried: &Tried) -> Option<Line> {
    let name = bucket.name.as_str();
    let fail = |said: String, (side, remedy): (Side, String)| {
        Some(Line::fail(
            "bucket",
            name,
            format!("{}: {said}", step.name()),
            side,
            remedy,
        ))
    };
    match tried {
        Tried::Done => None,
        Tried::Altered => fail(
            "what it gives back is not what was put".to_owned(),
            (Side::Target, "do not use it".to_owned()),
        ),
        Tried::Failed(error) => fail(
            with_causes(error),
            (Side::Target, "see how the target is reached, above".to_owned()),
        ),
        Tried::Refused(status, code) => {
            let said = match code {
                Some(code) => format!("{status} {}", code.escape_debug()),
                None => status.to_string(),
            };
            fail(
                said,
                diagnosis(bucket, step, *status, code.as_deref().unwrap_or_default()),
            )
        }
    }
}

/// Whose it is that a target refuses, and what mends it.
fn diagnosis(bucket: &Bucket, step: Step, status: u16, code: &str) -> (Side, String) {
    let (target, there) = (&bucket.target.name, &bucket.target_bucket);
    match (status, code) {
        (_, "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidSecurity") => (
            Side::Tidegate,
            format!(
                "`targets.{target}.credentials`: the target does not know this key, or another secret belongs to it"
            ),
        ),
        (_, "ExpiredToken" | "InvalidToken" | "TokenRefreshRequired") => (
            Side::TokenService,
            "the target does not take what this token service gives out: are they of one cloud?".to_owned(),
        ),
        (_, "RequestTimeTooSkewed" | "RequestExpired") => (Side::ThisMachine, SET_CLOCK.to_owned()),
        (_, "NoSuchBucket") | (404, _) => (
            Side::Tidegate,
            format!(
                "`buckets.{}.bucket`, which names none there; or make it: `{}`",
                bucket.name,
                match bucket.target.profile {
                    Profile::Gcs => format!("gcloud storage buckets create gs://{there}"),
                    Profile::Aws | Profile::Plain => format!("aws s3api create-bucket --bucket {there}"),
                }
            ),
        ),
        (_, "AuthorizationHeaderMalformed" | "PermanentRedirect" | "IncorrectEndpoint") | (301 | 307, _) => (
            Side::Tidegate,
            format!("`targets.{target}.region` and `endpoint`: the bucket is elsewhere"),
        ),
        (401 | 403, _) => (Side::Target, permission(bucket, step)),
        (408 | 429 | 500.., _) => (
            Side::Target,
            "it is busy or broken; try again, and see its own log".to_owned(),
        ),
        _ => (
            Side::Target,
            format!("`tidegate check --targets` says what it understands (`targets.{target}.profile`)"),
        ),
    }
}

/// The line of a policy that lets our credential do this.
fn permission(bucket: &Bucket, step: Step) -> String {
    let there = &bucket.target_bucket;
    if bucket.target.profile == Profile::Gcs {
        let role = match step {
            Step::Head | Step::List | Step::Get => "roles/storage.objectViewer",
            Step::Put => "roles/storage.objectCreator",
            Step::Delete => "roles/storage.objectUser",
        };
        return format!(
            "`gcloud storage buckets add-iam-policy-binding gs://{there} --role={role} --member=` and the credential's principal"
        );
    }
    let (action, objects) = match step {
        Step::Head | Step::List => ("s3:ListBucket", false),
        Step::Put => ("s3:PutObject", true),
        Step::Get => ("s3:GetObject", true),
        Step::Delete => ("s3:DeleteObject", true),
    };
    let resource = match objects {
        false => format!("arn:aws:s3:::{there}"),
        true => format!("arn:aws:s3:::{there}/{}*", bucket.prefix.as_str()),
    };
    format!(
        "allow the credential {{\"Effect\": \"Allow\", \"Action\": \"{action}\", \"Resource\": \"{resource}\"}}"
    )
}
