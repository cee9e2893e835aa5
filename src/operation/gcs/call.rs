//! One call of the JSON API with everything that decides it and everything that crosses.

use super::{Method, Row, Sending, Session, Wishes};
use crate::operation::{Action, BucketName, ObjectName, Resource};
use bytes::Bytes;

/// An object that a call reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Under the name callers use.
    pub object: ObjectName,
    /// The generation, if one was named.
    pub generation: Option<Box<str>>,
}

/// On which condition a compose takes a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ComposeCondition {
    /// `objectPreconditions.ifGenerationMatch`.
    pub if_generation_match: Option<Box<str>>,
}

/// What some calls carry besides names and parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Nothing.
    None,
    /// A document, written anew from what was understood of it.
    Document(Bytes),
    /// What a compose makes of its sources.
    Compose {
        /// The metadata of the new object, written anew.
        destination: Option<Bytes>,
        /// One for each source.
        conditions: Vec<ComposeCondition>,
    },
    /// The bytes of an object instead of its metadata.
    Media,
    /// The bytes of an object that comes, or a step of their coming.
    Upload(Sending),
}

/// One call. Private fields: a value always has the resource that its method needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    method: Method,
    resource: Resource,
    sources: Vec<Source>,
    /// What else its path names: an entity, a notification.
    names: Vec<Box<str>>,
    parameters: Vec<(&'static str, Box<str>)>,
    headers: Vec<(&'static str, Box<str>)>,
    detail: Detail,
    wishes: Wishes,
    /// The actions that the settings in its document need.
    settings: Vec<Action>,
    opened: Option<Box<Opened>>,
}

/// What a caller came back with, in the target's words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Opened {
    session: Option<Session>,
    token: Option<Box<str>>,
}

/// A call whose resource does not fit: a defect of the dialect that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` does not go with this resource", .0.id())]
pub struct CallError(pub Method);

impl Call {
    /// Puts a call together. `parameters` and `headers` hold only what the catalogue lists for `method`.
    ///
    /// # Errors
    /// [`CallError`] if `resource` is not of the kind that `method` needs.
    pub fn new(
        method: Method,
        resource: Resource,
        parameters: Vec<(&'static str, Box<str>)>,
        headers: Vec<(&'static str, Box<str>)>,
    ) -> Result<Self, CallError> {
        let path = method.row().path;
        let fits = match &resource {
            Resource::Object(_) => path.contains("{object}") || method == Method::ObjectsInsert,
            // The name of a new bucket is in its document.
            Resource::Bucket(_) => {
                (path.contains("{bucket}") && !path.contains("{object}")) || method == Method::BucketsInsert
            }
            Resource::Service => !path.contains("{bucket}"),
        };
        match fits {
            true => Ok(Self {
                method,
                resource,
                sources: Vec::new(),
                names: Vec::new(),
                parameters,
                headers,
                detail: Detail::None,
                wishes: Wishes::default(),
                settings: Vec::new(),
                opened: None,
            }),
            false => Err(CallError(method)),
        }
    }

    /// The same call with the objects that it reads.
    #[must_use]
    pub fn with_sources(self, sources: Vec<Source>) -> Self {
        Self { sources, ..self }
    }

    /// The same call with what else its path names.
    #[must_use]
    pub fn with_names(self, names: Vec<Box<str>>) -> Self {
        Self { names, ..self }
    }

    /// The same call with what it carries, and what that asks of the store.
    #[must_use]
    pub fn with_detail(mut self, detail: Detail, wishes: Wishes) -> Self {
        self.detail = detail;
        self.wishes = self.wishes.and(wishes);
        self
    }

    /// The same call with what its parameters ask of the store.
    #[must_use]
    pub fn with_wishes(mut self, wishes: Wishes) -> Self {
        self.wishes = self.wishes.and(wishes);
        self
    }

    /// The same call with the actions that the settings in its document need.
    #[must_use]
    pub fn with_settings(self, settings: Vec<Action>) -> Self {
        Self { settings, ..self }
    }

    /// The same call with what its upload id says: what was asked when the upload began is asked of each step of it.
    #[must_use]
    pub fn with_session(mut self, session: Session) -> Self {
        self.wishes = self.wishes.and(session.wishes.clone());
        self.opened.get_or_insert_default().session = Some(session);
        self
    }

    /// The same call with the target's own word for a page or rewrite token.
    #[must_use]
    pub fn with_target_token(mut self, token: Box<str>) -> Self {
        self.opened.get_or_insert_default().token = Some(token);
        self
    }

    /// Which method it is.
    pub fn method(&self) -> Method {
        self.method
    }

    pub(crate) fn row(&self) -> &'static Row {
        self.method.row()
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

    /// The objects that it reads.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// What else its path names, in that order.
    pub fn names(&self) -> &[Box<str>] {
        &self.names
    }

    /// The decoded query parameters that cross.
    pub fn parameters(&self) -> &[(&'static str, Box<str>)] {
        &self.parameters
    }

    /// A decoded query parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let mut found = self.parameters.iter().filter(|(n, _)| *n == name);
        found.next().map(|(_, value)| &**value)
    }

    /// Whether a parameter says yes.
    pub fn says(&self, name: &str) -> bool {
        self.parameter(name) == Some("true")
    }

    /// The headers that cross, with lower-case names.
    pub fn headers(&self) -> &[(&'static str, Box<str>)] {
        &self.headers
    }

    /// What it carries besides.
    pub fn detail(&self) -> &Detail {
        &self.detail
    }

    /// What it asks of the store besides.
    pub fn wishes(&self) -> &Wishes {
        &self.wishes
    }

    /// The actions that the settings in its document need.
    pub fn settings(&self) -> &[Action] {
        &self.settings
    }

    /// What its upload id says.
    pub fn session(&self) -> Option<&Session> {
        self.opened.as_ref()?.session.as_ref()
    }

    /// How it sends the bytes of an object, if it does.
    pub fn sending(&self) -> Option<&Sending> {
        match &self.detail {
            Detail::Upload(sending) => Some(sending),
            Detail::None | Detail::Document(_) | Detail::Compose { .. } | Detail::Media => None,
        }
    }

    /// The method of the request to the target.
    pub(crate) fn http_method(&self) -> &'static str {
        self.sending().map_or(self.row().method, Sending::http_method)
    }

    /// The page or rewrite token in the target's words, where callers have it sealed.
    pub fn target_token(&self) -> Option<&str> {
        self.opened.as_ref()?.token.as_deref()
    }

    /// Whether the bytes of an object are asked for, and not its metadata.
    pub fn is_download(&self) -> bool {
        self.method == Method::ObjectsGet && self.detail == Detail::Media
    }
}
