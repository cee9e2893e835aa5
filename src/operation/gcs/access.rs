//! What a call of the JSON API needs: the same actions on the same resources as its twin in S3.

use super::{Call, Method, Right, Source};
use crate::operation::{Access, AccessResource, Action, Asked, ObjectName, Scope, Speech};

impl Asked for Call {
    fn speech(&self) -> Speech {
        Speech::Google
    }

    fn name(&self) -> &'static str {
        self.method().id()
    }

    fn accesses(&self) -> Vec<Access<'_>> {
        let mut accesses = Vec::new();
        let mut put = |access: Option<_>| accesses.extend(access);
        for right in self.row().rights {
            match right {
                Right::Bucket(action) | Right::Object(action) => put(self.on(*action)),
                Right::Version(live, named) => put(self.on(match self.names_a_version() {
                    false => *live,
                    true => *named,
                })),
                Right::Listing => put(self.on(match self.says("versions") || self.says("softDeleted") {
                    false => Action::ListBucket,
                    true => Action::ListBucketVersions,
                })),
                Right::Sources => self.sources().iter().for_each(|source| put(Some(read(source)))),
                Right::SourcesGo => self.sources().iter().for_each(|source| put(Some(gone(source)))),
                Right::Settings => self.settings().iter().for_each(|action| put(self.on(*action))),
                Right::Known | Right::Visible => {}
            }
        }
        let wishes = self.wishes();
        let (set_acl, set_contexts) = match self.changes_a_version() {
            false => (Action::PutObjectAcl, Action::PutObjectTagging),
            true => (Action::PutObjectVersionAcl, Action::PutObjectVersionTagging),
        };
        for (wished, action) in [
            (wishes.acl, set_acl),
            (wishes.retention, Action::PutObjectRetention),
            (wishes.hold, Action::PutObjectLegalHold),
            (wishes.contexts.is_some(), set_contexts),
            (wishes.lifts_retention, Action::BypassGovernanceRetention),
        ] {
            let needed = self.on(action).filter(|_| wished);
            // An update needs most of them whatever it says.
            accesses.extend(needed.filter(|access| !accesses.contains(access)));
        }
        accesses
    }

    fn remark(&self, action: Action) -> Option<&'static str> {
        let resets = matches!(
            action,
            Action::PutObjectAcl
                | Action::PutObjectVersionAcl
                | Action::PutObjectRetention
                | Action::PutObjectLegalHold
                | Action::PutObjectTagging
                | Action::PutObjectVersionTagging
        );
        (resets && self.method() == Method::ObjectsUpdate).then_some(
            "an update (PUT) resets whatever it does not name, and so needs this right as well: a patch (PATCH) changes what it \
             names and nothing else",
        )
    }

    fn listed_prefix(&self) -> Option<&str> {
        let lists = self.row().rights.contains(&Right::Listing);
        lists.then(|| self.parameter("prefix").unwrap_or_default())
    }

    fn encryption(&self) -> &str {
        // Google encrypts everything; only with a key of one's own is there anything to say.
        match self.kms_key() {
            "" => "",
            // One word for one thing, whichever of Google's APIs it is said in.
            _ => "aws:kms",
        }
    }

    fn kms_key(&self) -> &str {
        self.wishes().kms_key.as_deref().unwrap_or_default()
    }

    fn storage_class(&self) -> &str {
        self.wishes().storage_class.as_deref().unwrap_or_default()
    }

    fn copied_from(&self) -> Vec<&ObjectName> {
        self.sources().iter().map(|source| &source.object).collect()
    }
}

impl Call {
    /// Whether it reads and nothing else.
    pub fn is_read_only(&self) -> bool {
        self.method().is_read_only()
    }

    fn names_a_version(&self) -> bool {
        self.parameter("generation").is_some() || self.says("softDeleted")
    }

    /// Whether what it sets is set on a version that it names. What a restore or a copy names is only where it comes from.
    fn changes_a_version(&self) -> bool {
        let changes = matches!(self.method(), Method::ObjectsPatch | Method::ObjectsUpdate);
        changes && self.names_a_version()
    }

    fn on(&self, action: Action) -> Option<Access<'_>> {
        let resource = match action.scope() {
            Scope::Object => AccessResource::Object(self.object()?),
            Scope::Bucket => AccessResource::Bucket(self.bucket()?),
            Scope::Service => return None,
        };
        Some(Access { action, resource })
    }
}

fn read(source: &Source) -> Access<'_> {
    Access {
        action: match source.generation {
            Some(_) => Action::GetObjectVersion,
            None => Action::GetObject,
        },
        resource: AccessResource::Object(&source.object),
    }
}

fn gone(source: &Source) -> Access<'_> {
    Access {
        action: Action::DeleteObject,
        resource: AccessResource::Object(&source.object),
    }
}
