//! Tests of the room as a whole: files on disk in, decisions out.

mod decide;
mod files;
mod golden;
mod matrix;
mod sample;
mod sessions;
mod slices;

use super::{Circumstances, Denied, DenyReason, Finding, Names, NotPermitted, Permit, Policies};
use crate::authn::{Principal, PrincipalKind};
use crate::config::{Addressing, Bucket, CredentialSource, Endpoint, Role, SecretRef, StaticKeys, Target};
use crate::operation::{
    Api, BodyRule, BucketName, CopySource, Detail, DocumentForm, ObjectDeletion, ObjectKey, ObjectName,
    ObjectTags, Operation, Resource, Scope,
};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Policy files of some buckets.
pub(super) struct Files {
    folder: tempfile::TempDir,
    pub(super) buckets: BTreeMap<BucketName, Arc<Bucket>>,
    pub(super) roles: BTreeMap<Box<str>, Arc<Role>>,
}

impl Files {
    /// Buckets at one target, each with the text of its file.
    pub(super) fn new(buckets: &[(&str, &str)]) -> Self {
        let mut files = Self {
            folder: tempfile::tempdir().unwrap(),
            buckets: BTreeMap::new(),
            roles: BTreeMap::new(),
        };
        for (name, text) in buckets {
            let path = files.add(name, "store", "Europe/London");
            std::fs::write(path, text).unwrap();
        }
        files
    }

    /// A bucket without a file, and where its file would be.
    pub(super) fn add(&mut self, name: &str, target: &str, time_zone: &str) -> PathBuf {
        let name = BucketName::parse(name).unwrap();
        let policy = self.folder.path().join(format!("{name}.cedar"));
        let bucket = Bucket {
            name: name.clone(),
            target: Arc::new(self::target(target)),
            target_bucket: name.clone(),
            prefix: crate::operation::KeyPrefix::default(),
            resume_listed_uploads: false,
            policy: policy.clone(),
            create: false,
            time_zone: jiff::tz::TimeZone::get(time_zone).unwrap(),
            checksum: crate::config::ChecksumRule::Verify,
        };
        self.buckets.insert(name, Arc::new(bucket));
        policy
    }

    /// A role, with or without its trust policy.
    pub(super) fn add_role(&mut self, name: &str, text: Option<&str>) {
        let trust = self.folder.path().join(format!("role-{name}.cedar"));
        if let Some(text) = text {
            std::fs::write(&trust, text).unwrap();
        }
        let name: Box<str> = name.into();
        let role = Role {
            name: name.clone(),
            trust,
        };
        self.roles.insert(name, Arc::new(role));
    }

    /// Lets callers make and delete a bucket.
    pub(super) fn let_create(&mut self, name: &str) {
        let bucket = self.buckets.get_mut(name).unwrap();
        Arc::get_mut(bucket).unwrap().create = true;
    }

    pub(super) fn load(&self) -> Policies {
        Policies::load(&self.buckets, &self.roles, &Names::default())
            .unwrap_or_else(|errors| panic!("{}", lines(&errors)))
    }

    pub(super) fn errors(&self) -> Vec<Finding> {
        Policies::load(&self.buckets, &self.roles, &Names::default()).unwrap_err()
    }
}

/// The policies of bucket `lake`, and of the empty buckets `other` and `far`; `far` is at another target.
pub(super) fn lake(text: &str) -> Policies {
    let mut files = Files::new(&[("lake", text), ("other", "")]);
    let far = files.add("far", "elsewhere", "UTC");
    std::fs::write(far, "").unwrap();
    files.load()
}

pub(super) fn lines(findings: &[Finding]) -> String {
    let lines: Vec<_> = findings.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

fn target(name: &str) -> Target {
    let secret = || SecretRef::Env("NONE".into());
    Target {
        name: name.into(),
        endpoint: Endpoint {
            tls: true,
            host: "store.test".into(),
            port: 443,
        },
        region: "us-east-1".into(),
        addressing: Addressing::Path,
        ca: None,
        profile: crate::config::Profile::Plain,
        finds_profile: false,
        exact_keys: false,
        canary: None,
        project: None,
        connect_timeout: Duration::from_secs(1),
        response_timeout: Duration::from_secs(1),
        credentials: CredentialSource::Static(StaticKeys {
            access_key_id: secret(),
            secret_access_key: secret(),
            session_token: None,
        }),
    }
}

pub(super) fn etl() -> Principal {
    Principal::for_test(
        PrincipalKind::Workload,
        "google:etl@acme.test",
        &["google:jobs", "google:all"],
    )
}

pub(super) fn ana() -> Principal {
    Principal::for_test(
        PrincipalKind::User,
        "google:ana@acme.test",
        &["google:analysts", "google:all"],
    )
}

/// A Friday, 10:00:00.123 in London.
pub(super) fn office() -> Circumstances {
    Circumstances {
        source_ip: "203.0.113.9".parse().unwrap(),
        now: "2026-11-20T10:00:00.123456Z".parse().unwrap(),
        protocol: "s3",
    }
}

pub(super) fn object(name: &str) -> ObjectName {
    let (bucket, key) = name.split_once('/').unwrap();
    ObjectName {
        bucket: BucketName::parse(bucket).unwrap(),
        key: ObjectKey::parse(key.as_bytes()).unwrap(),
    }
}

/// A call on `bucket` or `bucket/key`, with `?parameters` and `header: values`, of which names in the catalogue
/// begin no other way.
pub(super) fn call(api: Api, name: &str, with: &[(&'static str, &str)]) -> Operation {
    let resource = match api.row().scope {
        Scope::Service => Resource::Service,
        Scope::Bucket => Resource::Bucket(BucketName::parse(name).unwrap()),
        Scope::Object => Resource::Object(object(name)),
    };
    let mut parameters = Vec::new();
    let mut headers = Vec::new();
    let mut detail = match api.row().body {
        BodyRule::Empty | BodyRule::Object | BodyRule::Form => Detail::None,
        BodyRule::Document { form, .. } => match form {
            DocumentForm::Deletions => Detail::Deletions {
                objects: Vec::new(),
                quiet: false,
            },
            DocumentForm::Parts => Detail::Parts(Vec::new()),
            DocumentForm::ObjectTags => Detail::Tags(ObjectTags::default()),
            DocumentForm::NewBucket => Detail::None,
            DocumentForm::Retention
            | DocumentForm::LegalHold
            | DocumentForm::Restore
            | DocumentForm::Setting(_)
            | DocumentForm::Policy => Detail::Document("<Setting/>".into()),
        },
    };
    for (name, value) in with {
        match *name {
            "copy-source" => {
                let (name, version) = value
                    .split_once('?')
                    .map_or((*value, None), |(n, v)| (n, Some(v)));
                detail = Detail::Copy(CopySource {
                    object: object(name),
                    version_id: version.map(Box::from),
                });
            }
            "delete" => {
                let (name, version) = value
                    .split_once('?')
                    .map_or((*value, None), |(n, v)| (n, Some(v)));
                let Detail::Deletions { objects, .. } = &mut detail else {
                    panic!("not a DeleteObjects call")
                };
                objects.push(ObjectDeletion {
                    object: object(name),
                    version_id: version.map(Box::from),
                });
            }
            header if header.contains('-') => headers.push((header.into(), Box::from(*value))),
            parameter => parameters.push((parameter, Box::from(*value))),
        }
    }
    Operation::new(api, resource, parameters, headers, detail).unwrap()
}

pub(super) fn get(name: &str) -> Operation {
    call(Api::GetObject, name, &[])
}

pub(super) fn list(name: &str, prefix: Option<&str>) -> Operation {
    let with: Vec<_> = prefix.map(|prefix| ("prefix", prefix)).into_iter().collect();
    call(Api::ListObjectsV2, name, &with)
}

pub(super) fn allowed(policies: &Policies, who: &Principal, operation: Operation) -> Permit {
    match policies.authorize(who, operation, &office()) {
        Ok(permit) => permit,
        Err(error) => panic!("{error}"),
    }
}

pub(super) fn denied(policies: &Policies, who: &Principal, operation: Operation) -> Denied {
    match policies.authorize(who, operation, &office()) {
        Err(NotPermitted::Denied(denied)) => denied,
        other => panic!("{other:?}"),
    }
}

pub(super) fn is_allowed(policies: &Policies, who: &Principal, operation: Operation) -> bool {
    match policies.authorize(who, operation, &office()) {
        Ok(_) => true,
        Err(NotPermitted::Denied(denied)) => {
            assert_ne!(denied.reason, DenyReason::EvaluationError, "{denied}");
            false
        }
        Err(other) => panic!("{other}"),
    }
}
