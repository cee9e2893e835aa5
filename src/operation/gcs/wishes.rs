//! What a call asks of the store beyond its main deed: in parameters and in documents.

/// What a call asks besides. Every wish is an action of its own, or something that policies look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// An access control list, predefined or spelt out.
    pub acl: bool,
    /// How long the object is to be kept.
    pub retention: bool,
    /// A temporary or an event-based hold.
    pub hold: bool,
    /// To shorten or to lift a retention that is not locked.
    pub lifts_retention: bool,
    /// The object's contexts, which are Google's tags: those that it sets, if it says anything of contexts at all. What is
    /// taken away is a wish without a tag, as in S3.
    pub contexts: Option<Vec<(String, String)>>,
    /// The key of Cloud KMS that encrypts it, as sent.
    pub kms_key: Option<Box<str>>,
    /// The storage class, as sent.
    pub storage_class: Option<Box<str>>,
}

impl Wishes {
    /// The contexts that it sets: tags of the object for policies.
    pub fn tags(&self) -> &[(String, String)] {
        self.contexts.as_deref().unwrap_or_default()
    }

    /// Both together; `other`'s words where both have some.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            acl: self.acl || other.acl,
            retention: self.retention || other.retention,
            hold: self.hold || other.hold,
            lifts_retention: self.lifts_retention || other.lifts_retention,
            contexts: other.contexts.or(self.contexts),
            kms_key: other.kms_key.or(self.kms_key),
            storage_class: other.storage_class.or(self.storage_class),
        }
    }
}
