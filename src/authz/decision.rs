//! Deciding: every access of an operation is asked of the policies of its bucket, and all must allow it.

use super::index::{Index, Standing};
use super::load::{BucketPolicies, Policies};
use super::permit::{Denied, DenyReason, NotPermitted, Permit};
use super::request::{Circumstances, Facts};
use super::tagging;
use crate::authn::Principal;
use crate::config::Bucket;
use crate::operation::gcs::{self, Call};
use crate::operation::{
    Access, AccessResource, Action, Asked, BucketName, ContextKind, Detail, ObjectTags, Operation, Right,
    Speech,
};
use crate::session_policy::{Ask, Verdict};
use cedar_policy::{AuthorizationError, Decision};
use std::fmt::Display;
use std::sync::Arc;

/// Ids of policies, in the order of their file.
type Ids = Vec<Box<str>>;

impl Policies {
    /// Decides on `operation`.
    ///
    /// # Errors
    /// [`NotPermitted`] says why it does not go on. Of a DeleteObjects call each deletion is decided on its own, so
    /// that it is never refused as a whole (see [`Permit::refused`]).
    pub fn authorize(
        &self,
        principal: &Principal,
        operation: Operation,
        circumstances: &Circumstances,
    ) -> Result<Permit, NotPermitted> {
        let tags = tagging::tags(&operation)?;
        let facts = Facts::of(principal, &operation, &tags, circumstances);
        let rights = operation.api().row().rights;
        if rights.contains(&Right::Visible) {
            let visible_buckets = self.visible_buckets(&facts)?;
            return Ok(Permit {
                operation,
                bucket: None,
                source_bucket: None,
                policies: Vec::new(),
                refused: Vec::new(),
                visible_buckets,
            });
        }
        if !rights.contains(&Right::Deletions) {
            let policies = self.all_accesses(&facts)?;
            return self.permit(operation, policies);
        }
        let Deletions { verdicts, policies } = self.delete_objects(&facts, &operation);
        let mut denied = Vec::new();
        let mut verdicts = verdicts.into_iter();
        // INVARIANT: a deletion without a verdict is refused with the others, not kept.
        let (operation, others) = operation.split_deletions(|_| match verdicts.next() {
            Some(Ok(())) => true,
            Some(Err(why)) => {
                denied.push(why);
                false
            }
            None => false,
        });
        let mut permit = self.permit(operation, policies)?;
        permit.refused = others.into_iter().zip(denied).collect();
        Ok(permit)
    }

    /// Decides on a call of the JSON API, by the same policies.
    ///
    /// # Errors
    /// As [`Policies::authorize`].
    pub fn authorize_call(
        &self,
        principal: &Principal,
        call: Call,
        circumstances: &Circumstances,
    ) -> Result<Permit<Call>, NotPermitted> {
        let facts = Facts::of(principal, &call, call.wishes().tags(), circumstances);
        let rights = call.row().rights;
        let mut visible_buckets = Vec::new();
        let policies = if rights.contains(&gcs::Right::Visible) {
            // What is answered about an object or a bucket says itself what is allowed there.
            if call.bucket().is_none() {
                visible_buckets = self.visible_buckets(&facts)?;
            }
            Ids::new()
        } else if rights.contains(&gcs::Right::Known) {
            self.known(&facts, &call)?;
            Ids::new()
        } else {
            self.all_accesses(&facts)?
        };
        let source = call.sources().first().map(|source| source.object.bucket.clone());
        let [bucket, source_bucket] = self.buckets_of([call.bucket(), source.as_ref()])?;
        Ok(Permit {
            operation: call,
            bucket,
            source_bucket,
            policies,
            refused: Vec::new(),
            visible_buckets,
        })
    }

    /// Whether the principal may do one thing, as part of what `call` asks. For answers that tell a caller its rights.
    pub fn allows(
        &self,
        principal: &Principal,
        call: &dyn Asked,
        access: &Access<'_>,
        circumstances: &Circumstances,
    ) -> bool {
        let tags = ObjectTags::default();
        let facts = Facts::of(principal, call, &tags, circumstances);
        let bench = self.bench(&facts, access.resource.bucket());
        self.ask(&facts, access, &bench).is_ok()
    }

    /// That some policy of the bucket permits the principal something. An unknown bucket is spoken of in the same way.
    fn known(&self, facts: &Facts<'_>, call: &Call) -> Result<(), Denied> {
        let bucket = call.bucket();
        let is_known = bucket
            .and_then(|bucket| self.buckets.get(bucket))
            .is_some_and(|known| {
                let narrowed = facts.principal.session_policies().iter();
                let mut narrowed = narrowed.map(|policy| policy.mentions(known.bucket.name.as_str()));
                known
                    .index
                    .as_ref()
                    .is_some_and(|index| index.mentions(facts.principal))
                    && narrowed.all(|m| m)
            });
        match is_known {
            true => Ok(()),
            false => Err(Denied {
                reason: DenyReason::NoPermit,
                policies: Vec::new(),
                message: format!(
                    "{} is not authorized to perform: {} on resource: \"gs://{}\" because no policy allows it anything there",
                    facts.principal,
                    call.name(),
                    call.bucket().map(BucketName::as_str).unwrap_or_default()
                ),
            }),
        }
    }

    /// Every access of the call, sources and destination alike.
    fn all_accesses(&self, facts: &Facts<'_>) -> Result<Ids, Denied> {
        let accesses = facts.call.accesses();
        // INVARIANT: nothing is allowed for want of a question.
        if accesses.is_empty() {
            return Err(Denied {
                reason: DenyReason::EvaluationError,
                policies: Vec::new(),
                message: format!(
                    "{} is not authorized to perform: {}",
                    facts.principal,
                    facts.call.name()
                ),
            });
        }
        let mut policies = Ids::new();
        for access in &accesses {
            let bench = self.bench(facts, access.resource.bucket());
            let access = Access {
                action: answered_as(access.action, &bench),
                ..*access
            };
            merge(&mut policies, self.ask(facts, &access, &bench)?);
            // INVARIANT: what is put together of several objects is decided once for each of them.
            if access.action.context() == ContextKind::Write {
                for other in facts.call.copied_from().into_iter().skip(1) {
                    let facts = Facts {
                        copied_from: Some(other),
                        ..*facts
                    };
                    merge(&mut policies, self.ask(&facts, &access, &bench)?);
                }
            }
        }
        Ok(policies)
    }

    fn permit(&self, operation: Operation, policies: Ids) -> Result<Permit, NotPermitted> {
        let source = operation.copy_source().map(|source| &source.object.bucket);
        let [bucket, source_bucket] = self.buckets_of([operation.bucket(), source])?;
        Ok(Permit {
            operation,
            bucket,
            source_bucket,
            policies,
            refused: Vec::new(),
            visible_buckets: Vec::new(),
        })
    }

    /// A bucket, and the one that something is copied from.
    fn buckets_of(&self, names: [Option<&BucketName>; 2]) -> Result<[Option<Arc<Bucket>>; 2], NotPermitted> {
        let found = names.map(|name| self.buckets.get(name?).map(|known| Arc::clone(&known.bucket)));
        if let [Some(bucket), Some(source)] = &found
            && bucket.target.name != source.target.name
        {
            return Err(NotPermitted::CrossTarget {
                source_bucket: source.name.clone(),
                bucket: bucket.name.clone(),
            });
        }
        Ok(found)
    }

    /// The buckets in which some policy permits the principal something, and its session something too.
    fn visible_buckets(&self, facts: &Facts<'_>) -> Result<Vec<BucketName>, Denied> {
        let principal = facts.principal;
        let asked = Ask::list_buckets(facts.circumstances.source_ip);
        narrows(principal, &asked).map_err(|(reason, why)| Denied {
            reason,
            policies: Vec::new(),
            message: format!(
                "{principal} is not authorized to perform: s3:{} {why}",
                asked.action
            ),
        })?;
        let policies = principal.session_policies();
        let mentions = |known: &BucketPolicies| known.index.as_ref().is_some_and(|i| i.mentions(principal));
        let visible = self.buckets.iter().filter(|(name, known)| {
            mentions(known) && policies.iter().all(|policy| policy.mentions(name.as_str()))
        });
        Ok(visible.map(|(name, _)| name.clone()).collect())
    }

    fn delete_objects(&self, facts: &Facts<'_>, operation: &Operation) -> Deletions {
        let Detail::Deletions { objects, .. } = operation.detail() else {
            return Deletions::default();
        };
        let mut policies = Ids::new();
        let bucket = operation.bucket();
        // One bucket, one principal: the policies are put together once for all keys.
        let bench = match bucket {
            Some(bucket) => self.bench(facts, bucket),
            None => Err(DenyReason::UnknownBucket),
        };
        let verdicts = objects.iter().map(|deletion| {
            for access in operation.deletion_accesses(deletion) {
                // INVARIANT: a key is decided by the policies of the bucket that it is deleted from.
                let decided = if bucket == Some(&deletion.object.bucket) {
                    self.ask(facts, &access, &bench)
                } else {
                    self.ask(facts, &access, &Err(DenyReason::UnknownBucket))
                };
                merge(&mut policies, decided?);
            }
            Ok(())
        });
        Deletions {
            verdicts: verdicts.collect(),
            policies,
        }
    }

    /// The policies that can match the principal in a bucket.
    fn bench<'a>(&'a self, facts: &Facts<'a>, bucket: &BucketName) -> Result<Bench<'a>, DenyReason> {
        let known = self.buckets.get(bucket).ok_or(DenyReason::UnknownBucket)?;
        let index = known.index.as_ref().ok_or(DenyReason::NoPolicyFile)?;
        let standing = index.standing(facts.principal);
        Ok(Bench {
            bucket: &known.bucket,
            index,
            standing,
        })
    }

    /// Asks Cedar.
    fn ask(
        &self,
        facts: &Facts<'_>,
        access: &Access<'_>,
        bench: &Result<Bench<'_>, DenyReason>,
    ) -> Result<Ids, Denied> {
        let deny = |reason, policies: Ids, why: &dyn Display| Denied {
            reason,
            policies,
            message: match facts.call.remark(access.action) {
                None => format!("{} {why}", subject(facts, access)),
                Some(remark) => format!("{} {why}; {remark}", subject(facts, access)),
            },
        };
        let no_policy = match access.action.is_managed() {
            false => "because no policy allows it",
            // A `permit` of every action is no answer here, and its author should know why.
            true => "because no policy grants this action, or `manage`, by name",
        };
        let broken = "because its policies cannot be evaluated";
        let bench = match bench {
            Ok(bench) => bench,
            Err(DenyReason::EvaluationError) => {
                return Err(deny(DenyReason::EvaluationError, Ids::new(), &broken));
            }
            Err(reason) => return Err(deny(*reason, Ids::new(), &no_policy)),
        };
        let Bench { index, standing, .. } = bench;
        let slice = index
            .slice(standing, access.action.is_managed())
            .map_err(|error| {
                tracing::error!(bucket = %bench.bucket.name, %error, "policies cannot be put together");
                deny(DenyReason::EvaluationError, Ids::new(), &broken)
            })?;
        let built = facts.request(
            self.vocabulary,
            access,
            bench.bucket,
            slice.needs,
            &bench.standing,
            None,
        );
        let (request, entities) = built.map_err(|error| {
            tracing::error!(bucket = %bench.bucket.name, %error, "a request to the policies cannot be built");
            deny(DenyReason::EvaluationError, Ids::new(), &broken)
        })?;
        let response = self
            .authorizer
            .is_authorized(&request, &slice.policies, &entities);
        let diagnostics = response.diagnostics();
        // INVARIANT: an evaluation error denies. Cedar goes on as if the policy were not there, and it may be a
        // `forbid`.
        let failed = index.sorted(diagnostics.errors().map(|AuthorizationError::PolicyEvaluationError(error)| {
            tracing::error!(bucket = %bench.bucket.name, policy = %error.policy_id(), %error, "a policy fails");
            error.policy_id().as_ref()
        }));
        if let Some(id) = failed.first() {
            let why = format!("because policy {id} cannot be evaluated");
            return Err(deny(DenyReason::EvaluationError, failed.clone(), &why));
        }
        let determining = index.sorted(diagnostics.reason().map(AsRef::as_ref));
        match (response.decision(), determining.first()) {
            (Decision::Allow, _) => {
                narrowed(facts, access).map_err(|(reason, why)| deny(reason, Ids::new(), &why))?;
                Ok(determining)
            }
            // No oracle: who has no rights here learns nothing of what others have. AUZ-15
            (Decision::Deny, None)
                if access.action.is_setting()
                    && !index.grants_by_name(access.action)
                    && index.mentions(facts.principal) =>
            {
                Err(deny(DenyReason::NotOffered, determining, &no_policy))
            }
            (Decision::Deny, None) => Err(deny(DenyReason::NoPermit, determining, &no_policy)),
            (Decision::Deny, Some(id)) => {
                let mut why = format!("with an explicit deny in policy {id}");
                if let Some(explain) = index.annotation(id, "explain") {
                    why.push_str(". ");
                    why.push_str(explain.trim());
                }
                Err(deny(DenyReason::Forbid, determining, &why))
            }
        }
    }
}

/// What the session's own policies say to an access that the bucket's policies allow.
fn narrowed(facts: &Facts<'_>, access: &Access<'_>) -> Result<(), (DenyReason, &'static str)> {
    let ask = Ask {
        action: access.action.name(),
        bucket: Some(access.resource.bucket().as_str()),
        key: match access.resource {
            AccessResource::Object(object) => Some(object.key.as_str()),
            AccessResource::Bucket(_) => None,
        },
        prefix: match access.action.context() {
            ContextKind::List => facts.call.listed_prefix(),
            ContextKind::Plain | ContextKind::Write => None,
        },
        source_ip: facts.circumstances.source_ip,
    };
    narrows(facts.principal, &ask)
}

fn narrows(principal: &Principal, ask: &Ask<'_>) -> Result<(), (DenyReason, &'static str)> {
    // INVARIANT: all of them must allow it. A session that another one made has the policies of both (AUZ-12).
    for policy in principal.session_policies() {
        match policy.decide(ask) {
            Verdict::Allowed => {}
            Verdict::NotAllowed => {
                return Err((
                    DenyReason::SessionPolicy,
                    "because no session policy allows it: the session was narrowed when it was made",
                ));
            }
            Verdict::Denied => {
                return Err((
                    DenyReason::Forbid,
                    "with an explicit deny in a session policy: the session was narrowed when it was made",
                ));
            }
        }
    }
    Ok(())
}

/// What the accesses to one bucket are asked of.
struct Bench<'a> {
    bucket: &'a Bucket,
    index: &'a Index,
    standing: Standing<'a>,
}

/// Making a bucket that the configuration provides makes nothing: who may list it learns that it is there. One that
/// does not exist is spoken of in the same way.
fn answered_as(action: Action, bench: &Result<Bench<'_>, DenyReason>) -> Action {
    let made_by_callers = bench.as_ref().is_ok_and(|bench| bench.bucket.create);
    match action {
        Action::CreateBucket if !made_by_callers => Action::ListBucket,
        other => other,
    }
}

/// The outcome of a DeleteObjects call, in the order of its keys.
#[derive(Default)]
struct Deletions {
    verdicts: Vec<Result<(), Denied>>,
    policies: Ids,
}

fn merge(into: &mut Ids, ids: Ids) {
    for id in ids {
        if !into.contains(&id) {
            into.push(id);
        }
    }
}

/// `Workload: google:etl@… is not authorized to perform: s3:PutObject on resource: "arn:aws:s3:::lake/x"`, or in the words
/// of Google's callers with the name that policies have for it.
fn subject(facts: &Facts<'_>, access: &Access<'_>) -> String {
    let action = access.action.name();
    let mut subject = match facts.call.speech() {
        Speech::Amazon => format!(
            "{} is not authorized to perform: s3:{action} on resource: \"arn:aws:s3:::",
            facts.principal
        ),
        Speech::Google => format!(
            "{} is not authorized to perform: {action} (for {}) on resource: \"gs://",
            facts.principal,
            facts.call.name()
        ),
    };
    subject.push_str(access.resource.bucket().as_str());
    match access.resource {
        AccessResource::Object(object) => {
            subject.push('/');
            subject.push_str(object.key.as_str());
            subject.push('"');
        }
        AccessResource::Bucket(_) => {
            subject.push('"');
            if let Some(prefix) = facts.call.listed_prefix().filter(|prefix| !prefix.is_empty()) {
                subject.push_str(&format!(" with prefix \"{prefix}\""));
            }
        }
    }
    subject
}
