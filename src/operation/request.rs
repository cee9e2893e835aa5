//! One API call with everything that decides it and everything that crosses.

use super::{
    Action, Api, BodyRule, BucketName, DocumentForm, Handling, ObjectKey, ObjectTags, Protocol, Scope, Upload,
};
use bytes::Bytes;
use std::borrow::Cow;

/// An object in a bucket, under the name callers use.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObjectName {
    /// The virtual bucket.
    pub bucket: BucketName,
    /// The key.
    pub key: ObjectKey,
}

/// What an operation acts on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// The service itself.
    Service,
    /// A bucket.
    Bucket(BucketName),
    /// An object.
    Object(ObjectName),
}

impl Resource {
    /// The bucket, unless it is the service.
    pub fn bucket(&self) -> Option<&BucketName> {
        match self {
            Self::Service => None,
            Self::Bucket(bucket) => Some(bucket),
            Self::Object(object) => Some(&object.bucket),
        }
    }

    /// The object, if it is one.
    pub fn object(&self) -> Option<&ObjectName> {
        match self {
            Self::Object(object) => Some(object),
            Self::Service | Self::Bucket(_) => None,
        }
    }
}

/// The source of a copy: `x-amz-copy-source`, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopySource {
    /// The source object, under the name callers use.
    pub object: ObjectName,
    /// `?versionId=`, if there was one.
    pub version_id: Option<Box<str>>,
}

/// One key of a DeleteObjects request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectDeletion {
    /// The object.
    pub object: ObjectName,
    /// The version, if one was named.
    pub version_id: Option<Box<str>>,
}

impl ObjectDeletion {
    /// The right it needs.
    pub fn action(&self) -> Action {
        match self.version_id {
            Some(_) => Action::DeleteObjectVersion,
            None => Action::DeleteObject,
        }
    }
}

/// One part of a CompleteMultipartUpload request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletedPart {
    /// 1 to 10,000.
    pub number: u16,
    /// The ETag that the upload of the part answered, as sent.
    pub etag: Box<str>,
    /// Element name (`ChecksumCRC32`, …) and base64 value of each checksum.
    pub checksums: Vec<(&'static str, Box<str>)>,
}

/// What some calls carry besides names, parameters and headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Nothing.
    None,
    /// The source of a copy.
    Copy(CopySource),
    /// The keys of a DeleteObjects request.
    Deletions {
        /// At most 1,000.
        objects: Vec<ObjectDeletion>,
        /// Whether successes go unreported.
        quiet: bool,
    },
    /// The parts of a CompleteMultipartUpload request.
    Parts(Vec<CompletedPart>),
    /// The tags of a PutObjectTagging request.
    Tags(ObjectTags),
    /// Any other control document, written anew from what was understood of it.
    Document(Bytes),
}

/// One API call. Private fields: a value always has the resource and the detail that its call needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    api: Api,
    called: Api,
    resource: Resource,
    parameters: Vec<(&'static str, Box<str>)>,
    headers: Vec<(Cow<'static, str>, Box<str>)>,
    detail: Detail,
    spoken: Protocol,
    /// Few calls have any, and each byte here is in the future of every request.
    opened: Option<Box<Opened>>,
}

/// What a caller came back with, in the target's words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Opened {
    upload: Option<Upload>,
    upload_id_marker: Option<Box<str>>,
    continuation_token: Option<Box<str>>,
}

/// A call whose resource or detail does not fit: a defect of the dialect that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` does not go with this resource or detail", .0.name())]
pub struct OperationError(pub Api);

impl Operation {
    /// Puts a call together.
    ///
    /// `parameters` are decoded query parameters that cross to the target; `headers` are lower-case names and
    /// values that cross. Both hold only what the catalogue lists for `api`.
    ///
    /// # Errors
    /// [`OperationError`] if `resource` or `detail` is not of the kind that `api` needs.
    pub fn new(
        api: Api,
        resource: Resource,
        parameters: Vec<(&'static str, Box<str>)>,
        headers: Vec<(Cow<'static, str>, Box<str>)>,
        detail: Detail,
    ) -> Result<Self, OperationError> {
        let scope = match resource {
            Resource::Service => Scope::Service,
            Resource::Bucket(_) => Scope::Bucket,
            Resource::Object(_) => Scope::Object,
        };
        let row = api.row();
        let fits = match row.body {
            BodyRule::Empty if row.copies => matches!(detail, Detail::Copy(_)),
            BodyRule::Empty | BodyRule::Object | BodyRule::Form => matches!(detail, Detail::None),
            BodyRule::Document { form, optional, .. } => match form {
                DocumentForm::Deletions => matches!(detail, Detail::Deletions { .. }),
                DocumentForm::Parts => matches!(detail, Detail::Parts(_)),
                DocumentForm::ObjectTags => matches!(detail, Detail::Tags(_)),
                DocumentForm::NewBucket => matches!(detail, Detail::None),
                DocumentForm::Retention
                | DocumentForm::LegalHold
                | DocumentForm::Restore
                | DocumentForm::Setting(_)
                | DocumentForm::Policy => match detail {
                    Detail::Document(_) => true,
                    Detail::None => optional,
                    _ => false,
                },
            },
        };
        if scope != row.scope || !fits {
            return Err(OperationError(api));
        }
        Ok(Self {
            api,
            called: api,
            resource,
            parameters,
            headers,
            detail,
            spoken: Protocol::S3,
            opened: None,
        })
    }

    /// The same call with what its upload id says.
    pub fn with_upload(mut self, upload: Upload) -> Self {
        self.opened.get_or_insert_default().upload = Some(upload);
        self
    }

    /// The same call, as it was said in words of `protocol`: with headers that Google alone has it goes to Google or nowhere.
    pub fn spoken_in(self, protocol: Protocol) -> Self {
        Self {
            spoken: protocol,
            ..self
        }
    }

    /// Whose words the caller used.
    pub fn spoken(&self) -> Protocol {
        self.spoken
    }

    /// The same listing with the target's own words for `upload-id-marker` and `continuation-token`.
    pub fn with_target_markers(
        mut self,
        upload_id_marker: Option<Box<str>>,
        continuation_token: Option<Box<str>>,
    ) -> Self {
        if upload_id_marker.is_some() || continuation_token.is_some() {
            let opened = self.opened.get_or_insert_default();
            opened.upload_id_marker = upload_id_marker;
            opened.continuation_token = continuation_token;
        }
        self
    }

    /// Where a page of uploads begins, in the target's words.
    pub fn target_upload_id_marker(&self) -> Option<&str> {
        self.opened.as_ref()?.upload_id_marker.as_deref()
    }

    /// The continuation token in the target's words, where callers have it sealed.
    pub fn target_continuation_token(&self) -> Option<&str> {
        self.opened.as_ref()?.continuation_token.as_deref()
    }

    /// The upload that its upload id names. `None` also for an id that did not open: nothing can be asked of a target
    /// with it.
    pub fn upload(&self) -> Option<&Upload> {
        self.opened.as_ref()?.upload.as_ref()
    }

    /// Which call it is.
    pub fn api(&self) -> Api {
        self.api
    }

    /// The call that the caller made, under which policies and records know it: PostObject for an upload by form,
    /// which is a PutObject in everything else.
    pub fn called(&self) -> Api {
        self.called
    }

    /// The same, as what became of a call of `api`; see [`Handling::Becomes`].
    ///
    /// # Errors
    /// [`OperationError`] if that is not what `api` becomes.
    pub(crate) fn called_as(self, api: Api) -> Result<Self, OperationError> {
        match api.row().handling {
            Handling::Becomes(becomes) if becomes == self.api => Ok(Self { called: api, ..self }),
            _ => Err(OperationError(api)),
        }
    }

    /// What it acts on.
    pub fn resource(&self) -> &Resource {
        &self.resource
    }

    /// The bucket, unless it acts on the service.
    pub fn bucket(&self) -> Option<&BucketName> {
        self.resource.bucket()
    }

    /// The object, if it acts on one.
    pub fn object(&self) -> Option<&ObjectName> {
        self.resource.object()
    }

    /// The decoded query parameters that cross.
    pub fn parameters(&self) -> &[(&'static str, Box<str>)] {
        &self.parameters
    }

    /// A decoded query parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, value)| &**value)
    }

    /// The headers that cross, with lower-case names.
    pub fn headers(&self) -> &[(Cow<'static, str>, Box<str>)] {
        &self.headers
    }

    /// A header that crosses; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| &**value)
    }

    /// The prefix that a listing of names in a bucket asks for: `""` is the whole bucket. `None` for calls that list
    /// nothing there.
    pub fn listed_prefix(&self) -> Option<&str> {
        let row = self.api.row();
        let lists = row.scope == Scope::Bucket && row.optional.contains(&"prefix");
        lists.then(|| self.parameter("prefix").unwrap_or_default())
    }

    /// What it asks of the store in a header that policies look at: said with this call or, for the later calls of an
    /// upload in parts, with the one that began it.
    pub fn asked(&self, name: &str) -> Option<&str> {
        let earlier = || self.upload().and_then(|upload| upload.terms.get(name));
        self.header(name).or_else(earlier)
    }

    /// What it carries besides.
    pub fn detail(&self) -> &Detail {
        &self.detail
    }

    /// The deletions of a DeleteObjects call; none for all others.
    pub fn deletions(&self) -> &[ObjectDeletion] {
        match &self.detail {
            Detail::Deletions { objects, .. } => objects,
            Detail::None | Detail::Copy(_) | Detail::Parts(_) | Detail::Tags(_) | Detail::Document(_) => &[],
        }
    }

    /// The source of a copy.
    pub fn copy_source(&self) -> Option<&CopySource> {
        match &self.detail {
            Detail::Copy(source) => Some(source),
            Detail::None
            | Detail::Deletions { .. }
            | Detail::Parts(_)
            | Detail::Tags(_)
            | Detail::Document(_) => None,
        }
    }

    /// The same DeleteObjects call with only those deletions that `keep` wants, and the others.
    ///
    /// Any other call comes back as it was.
    pub fn split_deletions(
        mut self,
        mut keep: impl FnMut(&ObjectDeletion) -> bool,
    ) -> (Self, Vec<ObjectDeletion>) {
        let mut others = Vec::new();
        if let Detail::Deletions { objects, .. } = &mut self.detail {
            let (kept, rest): (Vec<_>, Vec<_>) = std::mem::take(objects).into_iter().partition(|o| keep(o));
            *objects = kept;
            others = rest;
        }
        (self, others)
    }
}
