//! A dry run in a bucket, and what a refusal means there.

use super::reach::SET_CLOCK;
use super::{Line, Side};
use crate::bridge::{Step, Tried, canary, dry_run};
use crate::clock::Clock;
use crate::config::{Bucket, CredentialSource, Profile};
use crate::error::with_causes;
use crate::generation::TargetSide;
use crate::operation::Action;
use crate::setup::{AwsPartition, Document, Names, Place, RoleArn, aws};
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
    // With a folder, the right to list has a condition that `HEAD` never meets.
    let is_beyond = |step: Step, tried: &Tried| {
        let is_listed = matches!(steps.get(1), Some((Step::List, Tried::Done)));
        let is_denied = step == Step::Head && matches!(tried, Tried::Refused(403, _));
        is_denied && is_listed && !bucket.prefix.is_empty()
    };
    let note = match steps.iter().any(|(step, tried)| is_beyond(*step, tried)) {
        true => "; HEAD is refused, as it is to rights that end at a folder",
        false => "",
    };
    let failed: Vec<Line> = steps
        .iter()
        .filter(|(step, tried)| !explained(*step) && !is_beyond(*step, tried))
        .filter_map(|(step, tried)| of_step(bucket, *step, tried))
        .collect();
    let place = format!("`{}` at target `{}`", bucket.target_bucket, bucket.target.name);
    match (failed.is_empty(), done.is_empty()) {
        (true, _) => vec![Line::ok(
            "bucket",
            name,
            format!("{} in {place}{note}", done.join(", ")),
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
        (401, _) => (
            Side::TokenService,
            format!(
                "`targets.{target}.credentials`: the target does not take this credential at all, whatever it may do"
            ),
        ),
        (403, _) => (Side::Target, permission(bucket, step)),
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

/// What lets our credential do this one thing, at the bucket's own place and nowhere else.
fn permission(bucket: &Bucket, step: Step) -> String {
    let Bucket { name, target, .. } = bucket;
    let all = |cloud: &str| {
        format!("`tidegate setup {cloud} --bucket {name} --config FILE` prints everything that it needs")
    };
    let action = match (target.profile, step) {
        (Profile::Gcs, _) => {
            let permission = match step {
                Step::Head => "storage.buckets.get",
                Step::List => "storage.objects.list",
                Step::Put => "storage.objects.create",
                Step::Get => "storage.objects.get",
                Step::Delete => "storage.objects.delete",
            };
            return format!("the credential lacks `{permission}`; {}", all("gcp"));
        }
        (Profile::Aws | Profile::Plain, Step::Head | Step::List) => Action::ListBucket,
        (Profile::Aws | Profile::Plain, Step::Put) => Action::PutObject,
        (Profile::Aws | Profile::Plain, Step::Get) => Action::GetObject,
        (Profile::Aws | Profile::Plain, Step::Delete) => Action::DeleteObject,
    };
    let role = match &target.credentials {
        CredentialSource::Role(role) => RoleArn::parse(&role.role_arn).ok(),
        CredentialSource::Static(_)
        | CredentialSource::AccessToken { .. }
        | CredentialSource::WorkloadIdentity(_)
        | CredentialSource::Metadata(_)
        | CredentialSource::ServiceAccountFile(_) => None,
    };
    let partition = match &role {
        Some(role) => role.partition,
        None => AwsPartition::of(Names::REGION.parse(&target.region).ok().as_ref()),
    };
    let remedy = format!(
        "allow the credential {}",
        aws_statement(bucket, action, partition)
    );
    match (target.profile, role) {
        (Profile::Aws, Some(_)) => format!("{remedy}; {}", all("aws")),
        (Profile::Aws | Profile::Plain | Profile::Gcs, _) => remedy,
    }
}

/// As `tidegate setup` has it: with the folder's condition, and nothing in its name a wildcard.
fn aws_statement(bucket: &Bucket, action: Action, partition: AwsPartition) -> String {
    let place = Place {
        name: bucket.name.clone(),
        target: bucket.target.name.clone(),
        bucket: bucket.target_bucket.clone(),
        prefix: bucket.prefix.clone(),
        actions: vec![action],
    };
    let lines = aws::statements(&place, partition, false);
    lines.iter().map(Document::line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::{Outcome, is_well};
    use std::sync::Arc;

    /// Bucket `lake`, with these lines; `target` and `credentials` are of its target.
    fn bucket(lines: &str, target: &str, credentials: &str) -> Arc<Bucket> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("tidegate.toml");
        let text = format!(
            r#"
[server]
listen = "127.0.0.1:0"
domains = ["s3.acme.example"]
[server.tls]
certificate = "server.pem"
key = "server.key"
[admin]
listen = "127.0.0.1:0"
[sessions]
keys = "keys.toml"
[audit]
file = "audit.jsonl"
[issuer]
url = "https://s3.acme.example"
keys = "issuer-keys.toml"
[[issuers]]
name = "google"
preset = "google"
audiences = ["https://s3.acme.example"]
[targets.store]
{target}
[targets.store.credentials]
{credentials}
[buckets.lake]
target = "store"
bucket = "acme-lake"
{lines}
"#
        );
        std::fs::write(&file, text).unwrap();
        let config = crate::config::load(&file).unwrap();
        let (_, bucket) = config.buckets.iter().next().unwrap();
        Arc::clone(bucket)
    }

    const AWS: &str = "kind = \"s3\"\nprofile = \"aws\"\nendpoint = \"https://s3.cn-north-1.amazonaws.com.cn\"\nregion = \"cn-north-1\"";
    const ROLE: &str = "kind = \"aws-web-identity\"\nrole_arn = \"arn:aws-cn:iam::123456789012:role/a\"\n\
         sts_endpoint = \"https://sts.cn-north-1.amazonaws.com.cn\"";
    const GOOGLE: &str = "kind = \"google-workload-identity\"\naudience = \"//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/p/providers/q\"";

    fn refused(status: u16, code: &str) -> Tried {
        Tried::Refused(status, Some(code.to_owned()).filter(|code| !code.is_empty()))
    }

    fn remedy(bucket: &Bucket, steps: &[(Step, Tried)]) -> String {
        let lines = lines(bucket, steps);
        assert!(!is_well(&lines), "{lines:?}");
        lines.first().and_then(|line| line.remedy.clone()).unwrap()
    }

    #[test]
    fn a_folder_whose_bucket_may_not_be_looked_at_is_well_if_it_can_be_listed() {
        for bucket in [
            bucket("prefix = \"a/\"", AWS, ROLE),
            bucket("prefix = \"a/\"", "kind = \"gcs-xml\"", GOOGLE),
        ] {
            let seen = lines(
                &bucket,
                &[(Step::Head, refused(403, "")), (Step::List, Tried::Done)],
            );
            assert!(is_well(&seen) && seen.len() == 1, "{seen:?}");
            assert!(
                seen[0].outcome == Outcome::Ok && seen[0].said.contains("HEAD"),
                "{seen:?}"
            );
        }
        let whole = bucket("", AWS, ROLE);
        let seen = lines(
            &whole,
            &[(Step::Head, refused(403, "")), (Step::List, Tried::Done)],
        );
        assert!(!is_well(&seen), "nothing explains it there");
    }

    #[test]
    fn no_remedy_is_wider_than_the_folder() {
        let bucket = bucket("prefix = \"a*/\"", AWS, ROLE);
        let denied = || refused(403, "AccessDenied");
        let list = remedy(&bucket, &[(Step::Head, refused(403, "")), (Step::List, denied())]);
        for part in [
            r#""Resource": "arn:aws-cn:s3:::acme-lake""#,
            r#""Condition": {"StringLike": {"s3:prefix": "a${*}/*"}}"#,
            "`tidegate setup aws --bucket lake --config FILE`",
        ] {
            assert!(list.contains(part), "{list}");
        }
        let put = remedy(&bucket, &[(Step::Put, denied())]);
        assert!(
            put.contains(r#""Resource": "arn:aws-cn:s3:::acme-lake/a${*}/*""#),
            "{put}"
        );
    }

    #[test]
    fn what_lacks_at_google_is_one_permission_and_no_role_on_the_bucket() {
        let bucket = bucket("prefix = \"a/\"", "kind = \"gcs-xml\"", GOOGLE);
        let said = remedy(&bucket, &[(Step::List, refused(403, "AccessDenied"))]);
        assert!(
            said.contains("`storage.objects.list`") && !said.contains("roles/"),
            "{said}"
        );
        assert!(
            said.contains("`tidegate setup gcp --bucket lake --config FILE`"),
            "{said}"
        );
    }

    #[test]
    fn a_credential_that_is_not_taken_is_no_matter_of_permissions() {
        let bucket = bucket("", AWS, ROLE);
        let said = remedy(&bucket, &[(Step::List, refused(401, "AccessDenied"))]);
        assert!(
            said.contains("`targets.store.credentials`") && !said.contains("allow"),
            "{said}"
        );
    }
}
