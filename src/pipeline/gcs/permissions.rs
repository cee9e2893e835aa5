//! Google's permissions, answered from the bucket's policy: what a client tests before it begins, and what it is shown
//! of its own rights.
//!
//! Nobody learns anything of others here, and of a bucket that does not exist the answer is that of one where nothing is
//! allowed.

use super::super::Caller;
use crate::authz::Circumstances;
use crate::config::Profile;
use crate::generation::Generation;
use crate::operation::gcs::Call;
use crate::operation::{Access, AccessResource, Action, Resource, Scope};

/// The permissions that stand for an action here, and what they are to.
const PERMISSIONS: [(&str, Action); 17] = [
    ("storage.objects.get", Action::GetObject),
    ("storage.objects.list", Action::ListBucket),
    ("storage.objects.create", Action::PutObject),
    ("storage.objects.update", Action::PutObject),
    ("storage.objects.delete", Action::DeleteObject),
    ("storage.objects.restore", Action::PutObject),
    ("storage.objects.getIamPolicy", Action::GetObjectAcl),
    ("storage.objects.setIamPolicy", Action::PutObjectAcl),
    ("storage.objects.setRetention", Action::PutObjectRetention),
    (
        "storage.objects.overrideUnlockedRetention",
        Action::BypassGovernanceRetention,
    ),
    ("storage.multipartUploads.create", Action::PutObject),
    ("storage.multipartUploads.abort", Action::AbortMultipartUpload),
    (
        "storage.multipartUploads.listParts",
        Action::ListMultipartUploadParts,
    ),
    (
        "storage.multipartUploads.list",
        Action::ListBucketMultipartUploads,
    ),
    ("storage.buckets.create", Action::CreateBucket),
    ("storage.buckets.delete", Action::DeleteBucket),
    ("storage.buckets.setIamPolicy", Action::PutBucketPolicy),
];

/// To be told that the bucket is there, which whoever may do anything in it is.
const TO_KNOW: &str = "storage.buckets.get";

/// The roles that a policy is shown in, each with all of its permissions that are looked at.
const ROLES: [(&str, &[&str]); 3] = [
    (
        "roles/storage.objectViewer",
        &["storage.objects.get", "storage.objects.list"],
    ),
    ("roles/storage.objectCreator", &["storage.objects.create"]),
    (
        "roles/storage.objectUser",
        &[
            "storage.objects.get",
            "storage.objects.list",
            "storage.objects.create",
            "storage.objects.update",
            "storage.objects.delete",
        ],
    ),
];

/// Whether the caller has a permission on what `call` names. Of a bucket it says whether there may be an object for which
/// it has: who has a folder only is not told that it has nothing.
pub(super) fn has(
    generation: &Generation,
    caller: Caller<'_>,
    call: &Call,
    permission: &str,
    circumstances: &Circumstances,
) -> bool {
    let policies = &generation.policies;
    // What cannot be asked for in these words is not promised in them.
    let bucket = call
        .bucket()
        .and_then(|bucket| generation.config.buckets.get(bucket));
    if bucket.is_none_or(|bucket| bucket.target.profile != Profile::Gcs) {
        return false;
    }
    if permission == TO_KNOW {
        let reaches = |bucket, action: &Action| policies.may_reach(caller.principal, bucket, *action);
        return call
            .bucket()
            .is_some_and(|bucket| Action::ALL.iter().any(|action| reaches(bucket, action)));
    }
    let Some((_, action)) = PERMISSIONS.into_iter().find(|(name, _)| *name == permission) else {
        return false;
    };
    let resource = match (call.resource(), action.scope()) {
        (Resource::Object(object), Scope::Object) => AccessResource::Object(object),
        (Resource::Bucket(bucket), _) => return policies.may_reach(caller.principal, bucket, action),
        (Resource::Object(object), Scope::Bucket) => AccessResource::Bucket(&object.bucket),
        (Resource::Object(_), Scope::Service) | (Resource::Service, _) => return false,
    };
    policies.allows(
        caller.principal,
        call,
        &Access { action, resource },
        circumstances,
    )
}

/// The roles that come to what the caller may do somewhere in the bucket.
pub(super) fn roles(
    generation: &Generation,
    caller: Caller<'_>,
    call: &Call,
    circumstances: &Circumstances,
) -> Vec<&'static str> {
    let holds = |permission: &&str| has(generation, caller, call, permission, circumstances);
    let all = ROLES.into_iter();
    all.filter(|(_, permissions)| permissions.iter().all(&holds))
        .map(|(role, _)| role)
        .collect()
}
