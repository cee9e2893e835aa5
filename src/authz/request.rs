//! Requests to Cedar: an access with its principal, resource and circumstances, to the letter of the schema.
//!
//! Requests are not checked against the schema when they are built, because what no policy looks at is left out
//! (see `needs`). That is safe: types and presence are fixed by this code alone, never by what a caller sends, and
//! the tests of this room build every request of every call in full and have Cedar check it. Names of headers and
//! parameters never become names of attributes: each attribute is filled here by name.

use super::index::Standing;
use super::needs::Needs;
use super::schema::Vocabulary;
use crate::authn::{Principal, Tags, oidc::Identity};
use crate::config::{Bucket, Profile};
use crate::operation::{
    Access, AccessResource, Action, Asked, BucketName, ContextKind, ObjectName, class_at_google,
};
use cedar_policy::{
    Context, ContextCreationError, Entities, Entity, EntityAttrEvaluationError, EntityUid,
    ExpressionConstructionError, Request, RequestValidationError, RestrictedExpression, Schema,
    entities_errors::EntitiesError,
};
use jiff::Timestamp;
use std::{borrow::Cow, net::IpAddr};

/// What decides besides who asks for what.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// The caller's address.
    pub source_ip: IpAddr,
    /// The time of the decision.
    pub now: Timestamp,
    /// `s3` or `gcs`.
    pub protocol: &'static str,
}

/// Why a request could not be built. Always a denial.
#[derive(Debug, thiserror::Error)]
pub(super) enum BuildError {
    #[error("the schema has no action `{}`", .0.name())]
    Action(Action),
    #[error(transparent)]
    Record(#[from] ExpressionConstructionError),
    #[error(transparent)]
    Context(#[from] Box<ContextCreationError>),
    #[error(transparent)]
    Attribute(#[from] Box<EntityAttrEvaluationError>),
    #[error(transparent)]
    Entities(#[from] Box<EntitiesError>),
    #[error(transparent)]
    Request(#[from] Box<RequestValidationError>),
}

/// Everything that the requests of one call are built from.
#[derive(Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) principal: &'a Principal,
    pub(super) call: &'a dyn Asked,
    /// What it copies, if it does; of several, the one that is asked about.
    pub(super) copied_from: Option<&'a ObjectName>,
    pub(super) circumstances: &'a Circumstances,
    /// The tags that the operation sets.
    pub(super) tags: &'a [(String, String)],
}

impl<'a> Facts<'a> {
    /// Those of `call`.
    pub(super) fn of(
        principal: &'a Principal,
        call: &'a dyn Asked,
        tags: &'a [(String, String)],
        circumstances: &'a Circumstances,
    ) -> Self {
        Self {
            principal,
            call,
            copied_from: call.copied_from().into_iter().next(),
            circumstances,
            tags,
        }
    }
}

impl Facts<'_> {
    /// Builds the request for `access` to something in `bucket`, with what `needs` says.
    ///
    /// `standing` has the principal's groups and its role as far as scopes name them; conditions that look at the
    /// principal get all.
    pub(super) fn request<'v>(
        &self,
        vocabulary: &'v Vocabulary,
        access: &Access<'_>,
        bucket: &Bucket,
        needs: Needs,
        standing: &Standing<'_>,
        schema: Option<&Schema>,
    ) -> Result<(Request, Cow<'v, Entities>), BuildError> {
        let action = vocabulary
            .action(access.action)
            .ok_or(BuildError::Action(access.action))?;
        let principal = vocabulary.principal(self.principal.kind(), self.principal.id());
        let resource = match access.resource {
            AccessResource::Bucket(bucket) => vocabulary.bucket(bucket.as_str()),
            AccessResource::Object(object) => vocabulary.object(object.bucket.as_str(), object.key.as_str()),
        };
        // An entity that nothing is asked of may be absent: it then is itself and in nothing.
        let mut entities = Vec::with_capacity(3);
        if needs.has(Needs::PRINCIPAL) || !standing.groups.is_empty() || standing.role.is_some() {
            entities.push(self.principal(vocabulary, principal.clone(), needs, standing)?);
        }
        if needs.has(Needs::RESOURCE.and(Needs::PARENT)) {
            entities.push(self.resource(vocabulary, resource.clone(), access, needs)?);
        }
        if needs.has(Needs::BUCKET) && matches!(access.resource, AccessResource::Object(_)) {
            entities.push(bucket_entity(
                vocabulary.bucket(bucket.name.as_str()),
                &bucket.name,
            )?);
        }
        // Adding copies the base and closes it anew, which costs more than most decisions.
        let entities = if entities.is_empty() {
            Cow::Borrowed(&action.entities)
        } else {
            let base = action.entities.clone();
            Cow::Owned(base.add_entities(entities, schema).map_err(Box::new)?)
        };
        let context = self.context(access.action, bucket, needs)?;
        let request = Request::new(principal, action.uid.clone(), resource, context, schema);
        Ok((request.map_err(Box::new)?, entities))
    }

    fn principal(
        &self,
        vocabulary: &Vocabulary,
        uid: EntityUid,
        needs: Needs,
        standing: &Standing<'_>,
    ) -> Result<Entity, Box<EntityAttrEvaluationError>> {
        if !needs.has(Needs::PRINCIPAL) {
            let groups = standing.groups.iter().map(|group| vocabulary.group(group));
            let role = standing.role.map(|role| vocabulary.role(role));
            return Ok(Entity::new_no_attrs(uid, groups.chain(role).collect()));
        }
        let groups = self.principal.groups().iter();
        let groups = groups.map(|group| vocabulary.group(group));
        let role = self.principal.role().map(|role| vocabulary.role(role));
        let who = Who {
            id: self.principal.id(),
            issuer: self.principal.issuer(),
            subject: self.principal.subject(),
            tags: self.principal.tags(),
        };
        who.entity(uid, groups.chain(role))
    }

    fn resource(
        &self,
        vocabulary: &Vocabulary,
        uid: EntityUid,
        access: &Access<'_>,
        needs: Needs,
    ) -> Result<Entity, Box<EntityAttrEvaluationError>> {
        let object = match access.resource {
            AccessResource::Bucket(bucket) => return bucket_entity(uid, bucket),
            AccessResource::Object(object) => object,
        };
        let parent = vocabulary.bucket(object.bucket.as_str());
        if !needs.has(Needs::RESOURCE) {
            return Ok(Entity::new_no_attrs(uid, [parent].into()));
        }
        let attributes = [
            ("bucket".to_owned(), text(object.bucket.as_str())),
            ("key".to_owned(), text(object.key.as_str())),
        ];
        // The source of a copy is read: the tags are those of its destination.
        let tags = match access.action.context() {
            ContextKind::Write => self.tags,
            ContextKind::Plain | ContextKind::List => &[],
        };
        let tags = tags.iter().map(|(name, value)| (name.clone(), text(value)));
        Ok(Entity::new_with_tags(uid, attributes, [parent], tags)?)
    }

    fn context(&self, action: Action, bucket: &Bucket, needs: Needs) -> Result<Context, BuildError> {
        let mut pairs: Vec<(String, RestrictedExpression)> = Vec::new();
        let mut put = |name: &str, value| pairs.push((name.to_owned(), value));
        let circumstances = self.circumstances;
        if needs.has(Needs::SOURCE_IP) {
            // A dual-stack listener sees IPv4 callers as `::ffff:…`, which no range of a policy would match.
            let address = circumstances.source_ip.to_canonical();
            put("source_ip", RestrictedExpression::new_ip(address.to_string()));
        }
        if needs.has(Needs::TIME) {
            put("time", instant(circumstances.now));
        }
        if needs.has(Needs::LOCAL) {
            put("local", local(circumstances.now, bucket)?);
        }
        if needs.has(Needs::OPERATION) {
            put("operation", text(self.call.name()));
        }
        if needs.has(Needs::PROTOCOL) {
            put("protocol", text(circumstances.protocol));
        }
        if needs.has(Needs::SESSION) {
            let session = self.principal.session();
            let fields = [
                ("id".to_owned(), text(&session.id)),
                ("name".to_owned(), text(&session.name)),
                ("issued_at".to_owned(), instant(session.issued_at)),
                ("expires_at".to_owned(), instant(session.expires_at)),
            ];
            put("session", RestrictedExpression::new_record(fields)?);
        }
        match action.context() {
            ContextKind::Plain => {}
            ContextKind::List => {
                if let (true, Some(prefix)) = (needs.has(Needs::PREFIX), self.call.listed_prefix()) {
                    put("prefix", text(prefix));
                }
            }
            ContextKind::Write => {
                if needs.has(Needs::SSE) {
                    put("sse", text(self.call.encryption()));
                }
                if needs.has(Needs::KMS_KEY) {
                    put("kms_key", text(self.call.kms_key()));
                }
                if needs.has(Needs::STORAGE_CLASS) {
                    let said = self.call.storage_class();
                    put("storage_class", text(class_at(bucket, said)));
                }
                if let (true, Some(source)) = (needs.has(Needs::COPY_SOURCE), self.copied_from) {
                    let name = format!("{}/{}", source.bucket, source.key);
                    put("copy_source", text(&name));
                }
            }
        }
        Ok(Context::from_pairs(pairs).map_err(Box::new)?)
    }
}

/// Builds the request that a trust policy decides.
pub(super) fn assume_role(
    vocabulary: &Vocabulary,
    identity: &Identity,
    role: &str,
    circumstances: &Circumstances,
) -> Result<(Request, Entities), BuildError> {
    let principal = vocabulary.principal(identity.kind, &identity.id);
    let resource = vocabulary.role(role);
    let who = Who {
        id: &identity.id,
        issuer: &identity.issuer,
        subject: &identity.subject,
        tags: &identity.tags,
    };
    let groups = identity.groups.iter().map(|group| vocabulary.group(group));
    let name = [("name".to_owned(), text(role))];
    let entities = [
        who.entity(principal.clone(), groups)?,
        Entity::new_with_tags(resource.clone(), name, [] as [EntityUid; 0], []).map_err(Box::new)?,
    ];
    let entities = Entities::from_entities(entities, None).map_err(Box::new)?;
    let address = circumstances.source_ip.to_canonical();
    let context = Context::from_pairs([
        (
            "source_ip".to_owned(),
            RestrictedExpression::new_ip(address.to_string()),
        ),
        ("time".to_owned(), instant(circumstances.now)),
    ]);
    let action = vocabulary.assume_role.clone();
    let request = Request::new(principal, action, resource, context.map_err(Box::new)?, None);
    Ok((request.map_err(Box::new)?, entities))
}

/// What policies can ask of a principal.
struct Who<'a> {
    id: &'a str,
    issuer: &'a str,
    subject: &'a str,
    tags: &'a Tags,
}

impl Who<'_> {
    fn entity(
        &self,
        uid: EntityUid,
        parents: impl IntoIterator<Item = EntityUid>,
    ) -> Result<Entity, Box<EntityAttrEvaluationError>> {
        let attributes = [
            ("id".to_owned(), text(self.id)),
            ("issuer".to_owned(), text(self.issuer)),
            ("subject".to_owned(), text(self.subject)),
        ];
        let tags = self.tags.iter();
        let tags = tags.map(|(name, value)| (String::from(&**name), text(value)));
        Ok(Entity::new_with_tags(uid, attributes, parents, tags)?)
    }
}

fn bucket_entity(uid: EntityUid, name: &BucketName) -> Result<Entity, Box<EntityAttrEvaluationError>> {
    let attributes = [("name".to_owned(), text(name.as_str()))];
    Ok(Entity::new_with_tags(uid, attributes, [] as [EntityUid; 0], [])?)
}

/// The storage class as the store is told. What has no counterpart there is refused before anything is sent.
fn class_at<'c>(bucket: &Bucket, said: &'c str) -> &'c str {
    match bucket.target.profile {
        Profile::Gcs => class_at_google(said).unwrap_or(said),
        Profile::Aws | Profile::Plain => said,
    }
}

fn text(value: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(value.to_owned())
}

/// Cedar counts milliseconds. Years before 0 do not parse, which denies.
fn instant(at: Timestamp) -> RestrictedExpression {
    RestrictedExpression::new_datetime(format!("{at:.3}"))
}

fn local(now: Timestamp, bucket: &Bucket) -> Result<RestrictedExpression, ExpressionConstructionError> {
    let there = now.to_zoned(bucket.time_zone.clone());
    let weekday = i64::from(there.weekday().to_monday_one_offset());
    let minute = i64::from(there.hour()) * 60 + i64::from(there.minute());
    RestrictedExpression::new_record([
        ("weekday".to_owned(), RestrictedExpression::new_long(weekday)),
        ("minute".to_owned(), RestrictedExpression::new_long(minute)),
    ])
}
