//! What an operation needs: actions on resources, under the names that policies use.

use super::catalogue::{Right, header_right, is_acl};
use super::{Action, BucketName, ObjectDeletion, ObjectName, Operation, Scope};

/// An action on a resource. An operation is allowed when all its accesses are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access<'a> {
    /// What is done.
    pub action: Action,
    /// To what.
    pub resource: AccessResource<'a>,
}

/// The resource of an access, under the name callers use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessResource<'a> {
    /// A bucket.
    Bucket(&'a BucketName),
    /// An object in a bucket.
    Object(&'a ObjectName),
}

impl AccessResource<'_> {
    /// The bucket whose policy decides.
    pub fn bucket(&self) -> &BucketName {
        match self {
            Self::Bucket(bucket) => bucket,
            Self::Object(object) => &object.bucket,
        }
    }
}

impl Operation {
    /// The accesses that this operation needs, all of them: those of the call and those of its headers.
    ///
    /// Empty for [`super::Api::ListBuckets`], which is answered from policy, and for [`super::Api::DeleteObjects`],
    /// whose deletions are decided one by one (see [`Operation::deletion_accesses`]).
    pub fn accesses(&self) -> Vec<Access<'_>> {
        let row = self.api().row();
        let mut accesses: Vec<Access<'_>> = row
            .rights
            .iter()
            .filter_map(|right| self.access(*right))
            .collect();
        // What sets an access control list needs that right already, or that of a version.
        let sets_acl = row.required.contains(&"acl");
        if self.header("x-amz-object-annotation-directive") == Some("COPY") {
            accesses.extend(self.copied_annotations());
        }
        for (name, _) in self.headers() {
            let needed = header_right(row.scope, name).filter(|_| !(sets_acl && is_acl(name)));
            let needed = needed.and_then(|action| self.on(action));
            if let Some(access) = needed.filter(|access| !accesses.contains(access)) {
                accesses.push(access);
            }
        }
        accesses
    }

    /// The accesses that one deletion of this DeleteObjects call needs.
    pub fn deletion_accesses<'a>(&self, deletion: &'a ObjectDeletion) -> Vec<Access<'a>> {
        let resource = AccessResource::Object(&deletion.object);
        let action = deletion.action();
        let headers = self.headers().iter();
        // The document's objects are what the headers of the call act on.
        let more = headers.filter_map(|(name, _)| header_right(Scope::Object, name));
        let actions = std::iter::once(action).chain(more);
        actions.map(|action| Access { action, resource }).collect()
    }

    /// What a copy needs that takes the annotations of its source along.
    fn copied_annotations(&self) -> impl Iterator<Item = Access<'_>> {
        let source = self.copy_source().map(|source| Access {
            action: match source.version_id {
                Some(_) => Action::GetObjectVersionAnnotation,
                None => Action::GetObjectAnnotation,
            },
            resource: AccessResource::Object(&source.object),
        });
        source.into_iter().chain(self.on(Action::PutObjectAnnotation))
    }

    fn access(&self, right: Right) -> Option<Access<'_>> {
        match right {
            Right::Bucket(action) | Right::Object(action) => self.on(action),
            Right::Version(current, named) => self.on(match self.parameter("versionId") {
                None => current,
                Some(_) => named,
            }),
            Right::CopySource => self.copy_source().map(|source| Access {
                action: match source.version_id {
                    Some(_) => Action::GetObjectVersion,
                    None => Action::GetObject,
                },
                resource: AccessResource::Object(&source.object),
            }),
            Right::Deletions | Right::Visible => None,
        }
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
