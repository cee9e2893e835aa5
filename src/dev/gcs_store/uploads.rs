//! Uploads in one request: `uploadType=media` and `multipart`. What is broken off, or is not what it should be, never becomes
//! an object.
//!
//! Spec: <https://docs.cloud.google.com/storage/docs/json_api/v1/objects/insert>

use super::conditions::{self, Conditions};
use super::encryption;
use super::faults::Inbound;
use super::intake::{Expected, Intake};
use super::object::Object;
use super::related::Related;
use super::request::{self, Query};
use super::settings::{Draft, Settings};
use super::{Answer, Call, Refusal, Shared};
/// The parameters of an insertion.
pub(super) const INSERT: [&str; 5] = [
    "contentEncoding",
    "kmsKeyName",
    "name",
    "predefinedAcl",
    "projection",
];

/// Where the object goes, and under which conditions.
pub(super) struct Destination {
    pub(super) bucket: String,
    pub(super) name: String,
    pub(super) settings: Settings,
    pub(super) conditions: Conditions,
    pub(super) expected: Expected,
    /// Whether access control is to be shown.
    pub(super) full: bool,
}

impl Shared {
    /// POST below `/upload`.
    pub(super) async fn insert(
        &self,
        call: &Call,
        bucket: &str,
        body: &mut Inbound,
    ) -> Result<Answer, Refusal> {
        let query = &call.query;
        query.only(&["json"], &[&INSERT, &conditions::OBJECT])?;
        match query.get("uploadType") {
            Some("media") => {
                let settings = Settings {
                    content_type: request::text(&call.headers, "content-type").map(str::to_owned),
                    ..Settings::default()
                };
                let draft = Draft {
                    settings,
                    ..Draft::default()
                };
                if query.get("name").is_none() {
                    return Err(Refusal::required("name"));
                }
                let to = self.destination(call, bucket, draft)?;
                let mut intake = self.intake().await?;
                receive(body, &mut intake).await?;
                self.store(call, to, intake).await
            }
            Some("multipart") => {
                let mut related = Related::new(&call.headers, body)?;
                let announced = related.announced().await?;
                let mut draft = Draft::read(&announced.members, bucket, Settings::default())?;
                let kind = &mut draft.settings.content_type;
                *kind = kind.take().or(announced.content_type);
                let to = self.destination(call, bucket, draft)?;
                let mut intake = self.intake().await?;
                related.media(&mut intake).await?;
                self.store(call, to, intake).await
            }
            Some("resumable") => self.begin(call, bucket, body).await,
            Some(other) => Err(Refusal::parameter("uploadType", other)),
            None => Err(Refusal::required("uploadType")),
        }
    }

    /// What an insertion is to become; checked as far as it can be before its bytes.
    pub(super) fn destination(
        &self,
        call: &Call,
        bucket: &str,
        draft: Draft,
    ) -> Result<Destination, Refusal> {
        let query = &call.query;
        let name = draft.name(query.get("name"))?;
        let expected = Expected::read(&call.headers, draft.crc32c.as_deref(), draft.md5.as_deref())?;
        let mut settings = draft.settings;
        if let Some(encoding) = query.get("contentEncoding") {
            settings.content_encoding = Some(encoding.to_owned());
        }
        settings.key_sha256 = encryption::key_sha256(&call.headers, "x-goog-encryption-")?;
        let conditions = Conditions::read(query, conditions::OBJECT)?;
        let shelf = self.shelf();
        let found = shelf.bucket(bucket)?;
        predefined_acl(query, found.about.uniform_access, &mut settings)?;
        let generations = found.objects.get(&name);
        conditions.check(generations.and_then(|generations| generations.live.as_ref()))?;
        Ok(Destination {
            bucket: bucket.to_owned(),
            name,
            settings,
            conditions,
            expected,
            full: query.full(),
        })
    }

    pub(super) async fn intake(&self) -> Result<Intake, Refusal> {
        let path = self.shelf().inbox();
        Intake::new(path).await
    }

    /// Makes an object of what was received.
    pub(super) async fn store(
        &self,
        call: &Call,
        to: Destination,
        intake: Intake,
    ) -> Result<Answer, Refusal> {
        let object = self.commit(&to, intake).await?;
        Ok(self.told(call, &to.bucket, &object, to.full))
    }

    pub(super) async fn commit(&self, to: &Destination, intake: Intake) -> Result<Object, Refusal> {
        let received = intake.finish(&to.expected).await?;
        self.shelf().commit(
            &to.bucket,
            &to.name,
            to.settings.clone(),
            &received,
            &to.conditions,
        )
    }

    /// The answer that shows an object.
    pub(super) fn told(&self, call: &Call, bucket: &str, object: &Object, full: bool) -> Answer {
        let shows = full
            && self
                .shelf()
                .bucket(bucket)
                .is_ok_and(|bucket| !bucket.about.uniform_access);
        let settings = shows.then_some(&object.settings);
        let document = object.document(bucket, &call.origin, settings);
        Answer::json(document).tagged(object.etag())
    }
}

/// Takes a body to its end.
pub(super) async fn receive(body: &mut Inbound, intake: &mut Intake) -> Result<(), Refusal> {
    while let Some(data) = body.next().await? {
        intake.take(&data).await?;
    }
    Ok(())
}

/// Applies `predefinedAcl`, which buckets with uniform access refuse.
pub(super) fn predefined_acl(query: &Query, uniform: bool, settings: &mut Settings) -> Result<(), Refusal> {
    for parameter in ["predefinedAcl", "destinationPredefinedAcl"] {
        let Some(acl) = query.get(parameter) else {
            continue;
        };
        if uniform {
            return Err(super::bucket::uniform());
        }
        let (entity, role) = match acl {
            "private" | "bucketOwnerFullControl" | "projectPrivate" => {
                ("project-owners-123456789012", "OWNER")
            }
            "bucketOwnerRead" => ("project-owners-123456789012", "READER"),
            "authenticatedRead" => ("allAuthenticatedUsers", "READER"),
            "publicRead" => ("allUsers", "READER"),
            other => return Err(Refusal::parameter(parameter, other)),
        };
        settings.acl.insert(entity.to_owned(), role.to_owned());
    }
    Ok(())
}
