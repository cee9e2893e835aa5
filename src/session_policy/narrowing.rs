//! The other direction: the policy by which a session of ours at a cloud may do no more than it is for.
//!
//! The hazard is text that means more than it says: a `*` in the name of a folder that opens its neighbours, a `${…}`
//! that a cloud fills in (CRD-05). So there is nothing of a caller in it, only buckets and folders of the
//! configuration; what is special in patterns is escaped, and JSON is made by a JSON writer.
//!
//! It allows less than it could: listings outside of a folder are not listed, not even by HeadBucket, for which IAM
//! has no right of its own. What the role itself may not do stays out: the cloud takes the intersection.
//!
//! Spec: <https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session>,
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html>

use super::MAX_POLICY;
use crate::operation::{BucketName, KeyPrefix};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Whose policies they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dialect {
    /// Of the role: `aws`, `aws-cn`, `aws-us-gov`.
    partition: Box<str>,
    /// Whether it is Amazon's own, which has KMS and variables.
    is_amazon: bool,
}

/// Why there is no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NarrowingError {
    /// More than [`MAX_POLICY`] characters.
    #[error("the session policy would have {0} characters, of which {MAX_POLICY} are allowed")]
    TooLong(usize),
    /// A folder whose name a store would take for a pattern.
    #[error(
        "`{0}` in a folder's name is a pattern in a session policy, and only Amazon's have a way to say it"
    )]
    Pattern(char),
}

const LISTS: [&str; 2] = ["s3:ListBucket", "s3:ListBucketVersions"];
/// What is read of a bucket as a whole by way of a folder; its settings are not changed that way. Nothing of an object is
/// among it, as the resource is a bucket. Uploads under way are there because AWS asks no prefix of that listing.
const OF_BUCKETS: [&str; 2] = ["s3:Get*", "s3:ListBucketMultipartUploads"];

impl Dialect {
    /// That of whoever gives the role.
    pub(crate) fn of_role(role_arn: &str, is_amazon: bool) -> Self {
        // Other stores name roles as they like, and their buckets as Amazon does.
        let named = role_arn.split(':').nth(1).unwrap_or_default();
        let partition = match named == "aws" || named.starts_with("aws-") {
            true => named,
            false => "aws",
        };
        Self {
            partition: partition.into(),
            is_amazon,
        }
    }

    /// A policy that allows what the role allows at these places, and nothing elsewhere.
    ///
    /// # Errors
    /// [`NarrowingError`] for names that cannot be said, or not at such length.
    pub(crate) fn narrowed<'a>(
        &self,
        places: impl IntoIterator<Item = (&'a BucketName, &'a KeyPrefix)>,
    ) -> Result<String, NarrowingError> {
        let partition = &self.partition;
        let (mut all, mut objects, mut buckets, mut lists) = (vec![], vec![], vec![], vec![]);
        for (bucket, prefix) in places {
            let bucket = format!("arn:{partition}:s3:::{bucket}");
            if prefix.is_empty() {
                all.push(format!("{bucket}/*"));
                all.push(bucket);
                continue;
            }
            let prefix = self.literal(prefix.as_str())?;
            objects.push(format!("{bucket}/{prefix}*"));
            lists.push(json!({
                "Effect": "Allow",
                "Action": LISTS,
                "Resource": bucket,
                "Condition": { "StringLike": { "s3:prefix": format!("{prefix}*") } },
            }));
            buckets.push(bucket);
        }
        let mut statements = Vec::new();
        if !all.is_empty() || !objects.is_empty() {
            all.extend(objects);
            statements.push(json!({ "Effect": "Allow", "Action": "s3:*", "Resource": all }));
        }
        if !buckets.is_empty() {
            statements.push(json!({ "Effect": "Allow", "Action": OF_BUCKETS, "Resource": buckets }));
        }
        statements.extend(lists);
        if self.is_amazon {
            // Encrypted objects are read and written with the rights of whoever asks, by way of S3 alone.
            let suffix = if **partition == *"aws-cn" { ".cn" } else { "" };
            statements.push(json!({
                "Effect": "Allow",
                "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
                "Resource": "*",
                "Condition": { "StringLike": { "kms:ViaService": format!("s3.*.amazonaws.com{suffix}") } },
            }));
        }
        let policy = ascii(&json!({ "Version": "2012-10-17", "Statement": statements }));
        match policy.len() {
            length if length > MAX_POLICY => Err(NarrowingError::TooLong(length)),
            _ => Ok(policy),
        }
    }

    /// `text` as a pattern that matches nothing else.
    fn literal(&self, text: &str) -> Result<String, NarrowingError> {
        let mut out = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                '*' | '?' | '$' if self.is_amazon => {
                    out.push_str("${");
                    out.push(c);
                    out.push('}');
                }
                '*' | '?' | '$' => return Err(NarrowingError::Pattern(c)),
                c => out.push(c),
            }
        }
        Ok(out)
    }
}

/// JSON in ASCII: STS takes no character beyond U+00FF in a policy.
fn ascii(value: &Value) -> String {
    let mut out = String::new();
    let mut units = [0; 2];
    for c in value.to_string().chars() {
        if c.is_ascii() {
            out.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut units) {
            // Writing to a string does not fail.
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::SessionPolicy;
    use super::*;
    use proptest::prelude::*;

    fn bucket(name: &str) -> BucketName {
        BucketName::parse(name).unwrap()
    }

    fn folder(prefix: &str) -> KeyPrefix {
        match prefix {
            "" => KeyPrefix::default(),
            _ => KeyPrefix::parse(prefix).unwrap(),
        }
    }

    fn amazon() -> Dialect {
        Dialect::of_role("arn:aws:iam::123456789012:role/tidegate", true)
    }

    fn narrowed(places: &[(&str, &str)]) -> Value {
        let places: Vec<_> = places.iter().map(|(b, p)| (bucket(b), folder(p))).collect();
        let policy = amazon().narrowed(places.iter().map(|(b, p)| (b, p))).unwrap();
        serde_json::from_str(&policy).unwrap()
    }

    #[test]
    fn a_whole_bucket_and_nothing_else() {
        let kms = json!({ "Effect": "Allow", "Action": ["kms:Decrypt", "kms:GenerateDataKey"], "Resource": "*",
            "Condition": { "StringLike": { "kms:ViaService": "s3.*.amazonaws.com" } } });
        let expected = json!({ "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Action": "s3:*", "Resource": ["arn:aws:s3:::acme-lake/*", "arn:aws:s3:::acme-lake"] },
            kms,
        ] });
        assert_eq!(narrowed(&[("acme-lake", "")]), expected);
    }

    #[test]
    fn a_folder_is_listed_by_its_prefix_and_a_copy_has_both_places() {
        let policy = narrowed(&[("acme-lake", "teams/a/"), ("acme-raw", "")]);
        let statements = policy["Statement"].as_array().unwrap();
        let objects = [
            "arn:aws:s3:::acme-raw/*",
            "arn:aws:s3:::acme-raw",
            "arn:aws:s3:::acme-lake/teams/a/*",
        ];
        assert_eq!(statements[0]["Resource"], json!(objects));
        assert_eq!(statements[1]["Resource"], json!(["arn:aws:s3:::acme-lake"]));
        assert_eq!(
            statements[1]["Action"],
            json!(["s3:Get*", "s3:ListBucketMultipartUploads"])
        );
        assert_eq!(statements[2]["Condition"]["StringLike"]["s3:prefix"], "teams/a/*");
        assert_eq!(statements.len(), 4);
    }

    #[test]
    fn arns_and_services_are_those_of_the_partition() {
        let check = |role: &str, amazon: bool, arn: &str, kms: Option<&str>| {
            let (name, all) = (bucket("acme-lake"), folder(""));
            let policy = Dialect::of_role(role, amazon).narrowed([(&name, &all)]).unwrap();
            let policy: Value = serde_json::from_str(&policy).unwrap();
            assert_eq!(policy["Statement"][0]["Resource"][1], arn, "{role}");
            let via = &policy["Statement"][1]["Condition"]["StringLike"]["kms:ViaService"];
            assert_eq!(via.as_str(), kms, "{role}");
        };
        check(
            "arn:aws:iam::1:role/r",
            true,
            "arn:aws:s3:::acme-lake",
            Some("s3.*.amazonaws.com"),
        );
        check(
            "arn:aws-cn:iam::1:role/r",
            true,
            "arn:aws-cn:s3:::acme-lake",
            Some("s3.*.amazonaws.com.cn"),
        );
        check(
            "arn:aws-us-gov:iam::1:role/r",
            true,
            "arn:aws-us-gov:s3:::acme-lake",
            Some("s3.*.amazonaws.com"),
        );
        check("arn:minio:iam:::role/r", false, "arn:aws:s3:::acme-lake", None);
    }

    // CRD-05
    #[test]
    fn nothing_in_the_name_of_a_folder_is_a_pattern_or_ends_its_text() {
        let check = |prefix: &str, objects: &str, lists: &str| {
            let policy = narrowed(&[("acme-lake", prefix)]);
            let found = &policy["Statement"][0]["Resource"][0];
            assert_eq!(*found, format!("arn:aws:s3:::acme-lake/{objects}"), "{prefix}");
            assert_eq!(
                policy["Statement"][2]["Condition"]["StringLike"]["s3:prefix"], *lists,
                "{prefix}"
            );
            assert_eq!(policy["Statement"].as_array().unwrap().len(), 4, "{prefix}");
        };
        check("a*/", "a${*}/*", "a${*}/*");
        check("a?b/", "a${?}b/*", "a${?}b/*");
        check("${aws:username}/", "${$}{aws:username}/*", "${$}{aws:username}/*");
        check("$/", "${$}/*", "${$}/*");
        check(
            "\"],\"Resource\":[\"*/",
            "\"],\"Resource\":[\"${*}/*",
            "\"],\"Resource\":[\"${*}/*",
        );
        check("a\\b/", "a\\b/*", "a\\b/*");
        check("josé/\u{1f30a}/", "josé/\u{1f30a}/*", "josé/\u{1f30a}/*");
    }

    #[test]
    fn what_cannot_be_said_is_an_error() {
        let minio = Dialect::of_role("arn:minio:iam:::role/r", false);
        let name = bucket("acme-lake");
        for c in ['*', '?', '$'] {
            let prefix = folder(&format!("a{c}/"));
            assert_eq!(
                minio.narrowed([(&name, &prefix)]),
                Err(NarrowingError::Pattern(c))
            );
        }
        let long = folder(&format!("{}/", "*".repeat(511)));
        assert!(matches!(
            amazon().narrowed([(&name, &long)]),
            Err(NarrowingError::TooLong(2049..))
        ));
    }

    proptest! {
        // CRD-05: read by the other half of this room, it allows what is below the folder and nothing beside it.
        #[test]
        fn a_narrowed_policy_is_plain_json_of_one_shape(prefix in "[a*?$\\\\{}\":ä/ ]{1,40}") {
            let prefix = format!("{}/", prefix.replace('/', "_"));
            if let Ok(prefix) = KeyPrefix::parse(&prefix) {
                let name = bucket("acme-lake");
                let policy = amazon().narrowed([(&name, &prefix)]).unwrap();
                prop_assert!(policy.is_ascii());
                let value: Value = serde_json::from_str(&policy).unwrap();
                let pattern = value["Statement"][0]["Resource"][0].as_str().unwrap();
                let pattern = pattern.strip_prefix("arn:aws:s3:::acme-lake/").unwrap();
                // Undone, the escapes give the folder and one star.
                let undone = pattern.replace("${*}", "\u{1}").replace("${?}", "\u{2}").replace("${$}", "\u{3}");
                prop_assert_eq!(undone.matches(['*', '?', '$']).count(), 1, "{}", pattern);
                let literal = undone.replace('\u{1}', "*").replace('\u{2}', "?").replace('\u{3}', "$");
                prop_assert_eq!(literal, format!("{}*", prefix.as_str()));
            }
        }
    }

    #[test]
    fn session_policies_of_callers_have_the_same_limit() {
        assert!(SessionPolicy::parse(&" ".repeat(MAX_POLICY + 1)).is_err());
    }
}
