//! What the path of a request names. An object's name is one segment of it: a slash in it is `%2F`.

use super::Refusal;

/// What the path of a request names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Buckets,
    Bucket(String),
    /// A call about a whole bucket: `iam`, `storageLayout`, ...
    OfBucket(String, BucketCall),
    Objects(String),
    Object(String, String),
    /// `/download/...`, which is for media alone.
    Download(String, String),
    Upload(String),
    Compose(String, String),
    Restore(String, String),
    Copy(Pair),
    Rewrite(Pair),
    Move(Pair),
    /// `/acl` and `/acl/ENTITY` of an object.
    ObjectAcl(String, String, Option<String>),
    ObjectIam(String, String),
    ObjectIamTest(String, String),
    ServiceAccount(String),
    Batch,
}

/// Two objects: the one that is read, and the one that is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    pub(super) from: (String, String),
    pub(super) to: (String, String),
}

/// What there is of a bucket besides objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BucketCall {
    Iam,
    IamTest,
    StorageLayout,
    Folders(Option<String>),
    ManagedFolders(Option<String>),
    Acl(Option<String>),
    DefaultAcl(Option<String>),
    Notifications(Option<String>),
}

impl Target {
    /// Reads a path.
    ///
    /// # Errors
    /// 404 for what there is not, 400 for broken encoding.
    pub(super) fn parse(path: &str) -> Result<Self, Refusal> {
        let mut segments = Vec::new();
        for segment in path.strip_prefix('/').unwrap_or(path).split('/') {
            segments.push(decoded(segment)?);
        }
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let own = |text: &str| text.to_owned();
        let target = match segments.as_slice() {
            ["upload" | "resumable", rest @ ..] => {
                let rest = match rest {
                    ["upload", rest @ ..] => rest,
                    rest => rest,
                };
                match rest {
                    ["storage", "v1", "b", bucket, "o"] => Self::Upload(own(bucket)),
                    _ => return Err(nowhere()),
                }
            }
            ["download", "storage", "v1", "b", bucket, "o", name] => Self::Download(own(bucket), own(name)),
            ["batch", "storage", "v1"] | ["batch"] => Self::Batch,
            ["storage", "v1", rest @ ..] => match rest {
                ["b"] => Self::Buckets,
                ["b", bucket] => Self::Bucket(own(bucket)),
                ["b", bucket, "o"] => Self::Objects(own(bucket)),
                ["b", bucket, "o", name] => Self::Object(own(bucket), own(name)),
                ["b", bucket, "o", name, "compose"] => Self::Compose(own(bucket), own(name)),
                ["b", bucket, "o", name, "restore"] => Self::Restore(own(bucket), own(name)),
                ["b", bucket, "o", name, "acl"] => Self::ObjectAcl(own(bucket), own(name), None),
                ["b", bucket, "o", name, "acl", entity] => {
                    Self::ObjectAcl(own(bucket), own(name), Some(own(entity)))
                }
                ["b", bucket, "o", name, "iam"] => Self::ObjectIam(own(bucket), own(name)),
                ["b", bucket, "o", name, "iam", "testPermissions"] => {
                    Self::ObjectIamTest(own(bucket), own(name))
                }
                ["b", bucket, "o", name, "moveTo", "o", to] => Self::Move(Pair {
                    from: (own(bucket), own(name)),
                    to: (own(bucket), own(to)),
                }),
                [
                    "b",
                    bucket,
                    "o",
                    name,
                    call @ ("copyTo" | "rewriteTo"),
                    "b",
                    to_bucket,
                    "o",
                    to,
                ] => {
                    let pair = Pair {
                        from: (own(bucket), own(name)),
                        to: (own(to_bucket), own(to)),
                    };
                    if *call == "copyTo" {
                        Self::Copy(pair)
                    } else {
                        Self::Rewrite(pair)
                    }
                }
                ["b", bucket, call @ ..] => Self::OfBucket(own(bucket), BucketCall::parse(call)?),
                ["projects", project, "serviceAccount"] => Self::ServiceAccount(own(project)),
                _ => return Err(nowhere()),
            },
            _ => return Err(nowhere()),
        };
        Ok(target)
    }
}

impl BucketCall {
    fn parse(segments: &[&str]) -> Result<Self, Refusal> {
        let own = |text: &str| Some(text.to_owned());
        Ok(match segments {
            ["iam"] => Self::Iam,
            ["iam", "testPermissions"] => Self::IamTest,
            ["storageLayout"] => Self::StorageLayout,
            ["folders"] => Self::Folders(None),
            ["folders", name] => Self::Folders(own(name)),
            ["managedFolders"] => Self::ManagedFolders(None),
            ["managedFolders", name] => Self::ManagedFolders(own(name)),
            ["acl"] => Self::Acl(None),
            ["acl", entity] => Self::Acl(own(entity)),
            ["defaultObjectAcl"] => Self::DefaultAcl(None),
            ["defaultObjectAcl", entity] => Self::DefaultAcl(own(entity)),
            ["notificationConfigs"] => Self::Notifications(None),
            ["notificationConfigs", id] => Self::Notifications(own(id)),
            _ => return Err(nowhere()),
        })
    }
}

fn nowhere() -> Refusal {
    Refusal::not_found("Not Found")
}

pub(super) fn decoded(segment: &str) -> Result<String, Refusal> {
    let broken = || Refusal::invalid("The path is not percent-encoded UTF-8");
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || {
            let digit = char::from(rest.next()?).to_digit(16)?;
            u8::try_from(digit).ok()
        };
        let (high, low) = (digit().ok_or_else(broken)?, digit().ok_or_else(broken)?);
        bytes.push(high << 4 | low);
    }
    String::from_utf8(bytes).map_err(|_| broken())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_segment() {
        let check =
            |path: &str, expected: Option<Target>| assert_eq!(Target::parse(path).ok(), expected, "{path}");
        let object = |name: &str| Some(Target::Object("b".into(), name.into()));
        check("/storage/v1/b/b/o/a%2Fb", object("a/b"));
        check("/storage/v1/b/b/o/a%252Fb", object("a%2Fb"));
        check("/storage/v1/b/b/o/a+b%3F", object("a+b?"));
        check("/storage/v1/b/b/o/%C3%A4", object("ä"));
        check("/storage/v1/b/b/o/a/b", None);
        check("/storage/v1/b/b/o/%C3", None);
        check("/storage/v1/b/b/o/%4", None);
        check("/storage/v1/b/b/o/%+4", None);
        check("/storage/v2/b/b/o/a", None);
        check("/upload/storage/v1/b/b/o", Some(Target::Upload("b".into())));
        check(
            "/resumable/upload/storage/v1/b/b/o",
            Some(Target::Upload("b".into())),
        );
        check("/b/o", None);
    }
}
