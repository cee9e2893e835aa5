//! What policies are asked about a call, in whatever dialect it was made.

use super::{Access, Action, ObjectName, Operation};

/// In whose words a call is spoken of to its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speech {
    /// `s3:GetObject on resource: "arn:aws:s3:::lake/a"`.
    Amazon,
    /// `GetObject (storage.objects.get) on resource: "gs://lake/a"`.
    Google,
}

/// A call as policies see it. Both dialects need the same actions, so that one policy file decides both.
pub trait Asked {
    /// In whose words it is spoken of.
    fn speech(&self) -> Speech;

    /// The call's name: `context.operation`.
    fn name(&self) -> &'static str;

    /// Every access that it needs.
    fn accesses(&self) -> Vec<Access<'_>>;

    /// Why it needs an action of which its caller may not have thought, for whoever is denied it.
    fn remark(&self, _action: Action) -> Option<&'static str> {
        None
    }

    /// The prefix that a listing of names asks for; `""` is the whole bucket.
    fn listed_prefix(&self) -> Option<&str>;

    /// `context.sse`; `""` if nothing is said, as for the next two.
    fn encryption(&self) -> &str;

    /// `context.kms_key`.
    fn kms_key(&self) -> &str;

    /// `context.storage_class`.
    fn storage_class(&self) -> &str;

    /// What it copies: `context.copy_source`, for each of them in turn.
    fn copied_from(&self) -> Vec<&ObjectName>;
}

impl Asked for Operation {
    fn speech(&self) -> Speech {
        Speech::Amazon
    }

    fn name(&self) -> &'static str {
        self.called().name()
    }

    fn accesses(&self) -> Vec<Access<'_>> {
        Operation::accesses(self)
    }

    fn listed_prefix(&self) -> Option<&str> {
        Operation::listed_prefix(self)
    }

    fn encryption(&self) -> &str {
        self.asked("x-amz-server-side-encryption").unwrap_or_default()
    }

    fn kms_key(&self) -> &str {
        self.asked("x-amz-server-side-encryption-aws-kms-key-id")
            .unwrap_or_default()
    }

    fn storage_class(&self) -> &str {
        self.asked("x-amz-storage-class").unwrap_or_default()
    }

    fn copied_from(&self) -> Vec<&ObjectName> {
        self.copy_source()
            .map(|source| &source.object)
            .into_iter()
            .collect()
    }
}
