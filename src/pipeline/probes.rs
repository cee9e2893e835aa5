//! Probes for what a caller may not read: does it exist?
//!
//! Hadoop's S3A asks HEAD for every parent of a path before it writes there, and takes a 403 for the end of its job:
//! it only wants to hear that a parent is no file. Whoever may list knows that already, so it is told, with S3's own
//! 404. AUZ-15: nobody learns anything here that a listing of its own would not show, and to everybody else a denial
//! looks the same whether or not there is an object.
//!
//! | the caller may list | answer |
//! |---|---|
//! | the key as a prefix | what such a listing shows: 404 if the object is not there, the denial if it is |
//! | only what is under `key/` | 404: the key is a parent of what it may use, and nothing else to it |
//! | neither | the denial |

use super::{Caller, Pipeline, Way};
use crate::audit::Trail;
use crate::authz::{DenyReason, NotPermitted, Permit};
use crate::credentials::Scope;
use crate::dialect::s3::{
    documents, forward,
    response::{self, Addressee},
};
use crate::error::Error;
use crate::generation::Generation;
use crate::operation::{Api, Detail, ObjectName, Operation, Protocol, Resource};

impl Pipeline {
    /// What a denial becomes for a caller that asked for `probed`.
    pub(super) async fn explained(
        &self,
        generation: &Generation,
        caller: Caller<'_>,
        probed: Option<ObjectName>,
        denial: NotPermitted,
        trail: &mut Trail,
    ) -> Error {
        // A prohibition is told as one, and so is a policy that cannot be evaluated.
        let (Some(object), NotPermitted::Denied(denied)) = (probed, &denial) else {
            return denial.into();
        };
        if !matches!(denied.reason, DenyReason::NoPermit | DenyReason::SessionPolicy) {
            return denial.into();
        }
        let object = &object;
        let may_list = |prefix: &str| {
            let listing = listing(object, prefix).ok()?;
            let circumstances = caller.circumstances(self.clock.now());
            generation
                .policies
                .authorize(caller.principal, listing, &circumstances)
                .ok()
        };
        let absent = match may_list(object.key.as_str()) {
            Some(permit) => self.is_absent(generation, caller, permit, object, trail).await,
            None => may_list(&format!("{}/", object.key)).is_some(),
        };
        match (absent, denial) {
            (true, NotPermitted::Denied(denied)) => Error::Absent(denied),
            (_, denial) => denial.into(),
        }
    }

    /// Whether the caller's own listing shows that there is no such object. Doubt is not absence.
    async fn is_absent(
        &self,
        generation: &Generation,
        caller: Caller<'_>,
        permit: Permit,
        object: &ObjectName,
        trail: &mut Trail,
    ) -> bool {
        let side = permit
            .bucket()
            .and_then(|bucket| generation.targets.get(&bucket.target.name));
        let (Some(side), Some(bucket)) = (side, permit.bucket()) else {
            return false;
        };
        let profile = side.known.now().profile;
        let Some(outgoing) = forward::anew(permit.operation(), bucket, profile) else {
            return false;
        };
        let handles = caller.handles(generation, self.clock.now());
        let listed = async {
            let scope = Scope::of(caller.principal, &permit);
            let credential = side.credentials.get(scope).await?;
            let way = Way {
                side,
                profile,
                // No listing says where it is.
                to: Addressee {
                    url: "",
                    handles: &handles,
                    speaks: Protocol::S3,
                },
            };
            let answer = self.exchange(way, &permit, outgoing, &credential, trail).await?;
            response::whole(answer.into_body()).await
        };
        match listed.await {
            Ok(document) => match documents::first_key(&document) {
                Ok(None) => true,
                Ok(Some(first)) => {
                    first.len() > object.key.as_str().len() && first.starts_with(object.key.as_str())
                }
                Err(_) => false,
            },
            Err(error) => {
                tracing::info!(error = &error as &dyn std::error::Error, "a probe got no listing");
                false
            }
        }
    }
}

/// The listing of at most one object whose key begins with `prefix`. It is the object itself if that is there: no key
/// that begins with it comes before it.
fn listing(object: &ObjectName, prefix: &str) -> Result<Operation, crate::operation::OperationError> {
    Operation::new(
        Api::ListObjectsV2,
        Resource::Bucket(object.bucket.clone()),
        vec![
            ("list-type", "2".into()),
            ("max-keys", "1".into()),
            ("prefix", prefix.into()),
        ],
        Vec::new(),
        Detail::None,
    )
}

/// The object that may be probed for: its current version is read, or asked for.
pub(super) fn object(operation: &Operation) -> Option<ObjectName> {
    let reads = matches!(operation.api(), Api::HeadObject | Api::GetObject);
    let current = reads && operation.parameter("versionId").is_none();
    operation.object().filter(|_| current).cloned()
}
