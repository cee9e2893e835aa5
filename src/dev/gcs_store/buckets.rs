//! Buckets, as far as clients and probes ask for them.
//!
//! Spec: <https://docs.cloud.google.com/storage/docs/json_api/v1/buckets>

use super::bucket::{About, uniform};
use super::conditions::{self, Conditions};
use super::members::{self, Members};
use super::object::OWNER;
use super::target::BucketCall;
use super::{Answer, Call, Refusal, Shared};
use http::{Method, StatusCode};
use serde_json::{Value, json};

const METAGENERATION: [&str; 2] = ["ifMetagenerationMatch", "ifMetagenerationNotMatch"];
/// Members of a policy.
const POLICY: [&str; 5] = ["kind", "resourceId", "version", "etag", "bindings"];

impl Shared {
    /// `/b`
    pub(super) fn buckets(&self, call: &Call, members: &Members) -> Result<Answer, Refusal> {
        let query = &call.query;
        if call.method == Method::GET {
            let known = [
                "maxResults",
                "pageToken",
                "prefix",
                "project",
                "projection",
                "softDeleted",
            ];
            query.only(&["json"], &[&known])?;
            if query.get("project").is_none() {
                return Err(Refusal::required("project"));
            }
            let limit = match query.number("maxResults")? {
                Some(0) | None => 1000,
                Some(limit) => usize::try_from(limit).unwrap_or(usize::MAX),
            };
            let (prefix, after) = (query.get("prefix").unwrap_or_default(), query.get("pageToken"));
            let shelf = self.shelf();
            let mut found: Vec<_> = shelf
                .buckets()
                .filter(|bucket| bucket.about.name.starts_with(prefix))
                .filter(|bucket| after.is_none_or(|after| bucket.about.name.as_str() > after))
                .collect();
            let more = found.len() > limit;
            found.truncate(limit);
            let items: Value = found
                .iter()
                .map(|bucket| bucket.document(&call.origin, query.full()))
                .collect();
            let mut document = json!({"kind": "storage#buckets", "items": items});
            if let (true, Some(last), Some(members)) = (more, found.last(), document.as_object_mut()) {
                members.insert("nextPageToken".into(), json!(last.about.name));
            }
            return Ok(Answer::json(document));
        }
        let known = [
            "enableObjectRetention",
            "predefinedAcl",
            "predefinedDefaultObjectAcl",
            "project",
            "projection",
        ];
        query.only(&["json"], &[&known])?;
        if query.get("project").is_none() {
            return Err(Refusal::required("project"));
        }
        let name = match members.get("name") {
            Some(name) => members::text("name", name)?,
            None => None,
        };
        let name = name.ok_or_else(|| Refusal::required("name"))?;
        let mut shelf = self.shelf();
        let mut about = About::new(&name, shelf.now());
        about.apply(members)?;
        let bucket = shelf.make_bucket(about)?;
        Ok(Answer::json(bucket.document(&call.origin, query.full())))
    }

    /// `/b/BUCKET`
    pub(super) fn bucket(&self, call: &Call, name: &str, members: &Members) -> Result<Answer, Refusal> {
        let query = &call.query;
        let known = [
            "generation",
            "projection",
            "softDeleted",
            "predefinedAcl",
            "predefinedDefaultObjectAcl",
        ];
        query.only(&["json"], &[&known, &METAGENERATION])?;
        let conditions = Conditions::read(query, conditions::OBJECT)?;
        let mut shelf = self.shelf();
        conditions.check_metageneration(shelf.bucket(name)?.about.metageneration)?;
        match call.method.as_str() {
            "GET" => {}
            "DELETE" => {
                shelf.remove_bucket(name)?;
                return Ok(Answer::empty(StatusCode::NO_CONTENT));
            }
            "PATCH" | "PUT" => {
                let bucket = shelf.bucket_mut(name)?;
                let mut about = bucket.about.clone();
                about.apply(members)?;
                about.metageneration += 1;
                bucket.about = about;
                bucket.keep()?;
            }
            _ => return Err(not_allowed()),
        }
        let document = shelf.bucket(name)?.document(&call.origin, query.full());
        Ok(Answer::json(document))
    }

    /// What is about a whole bucket.
    pub(super) fn of_bucket(
        &self,
        call: &Call,
        name: &str,
        what: &BucketCall,
        members: &Members,
    ) -> Result<Answer, Refusal> {
        let query = &call.query;
        let mut shelf = self.shelf();
        let bucket = shelf.bucket_mut(name)?;
        match (call.method.as_str(), what) {
            ("GET", BucketCall::Iam) => {
                query.only(&["json"], &[&["optionsRequestedPolicyVersion"]])?;
                Ok(Answer::json(policy(&bucket.about)))
            }
            ("PUT", BucketCall::Iam) => {
                query.only(&["json"], &[])?;
                if let Some(unknown) = members.keys().find(|name| !POLICY.contains(&name.as_str())) {
                    return Err(Refusal::unknown("body", unknown));
                }
                bucket.about.bindings = members.get("bindings").cloned();
                bucket.keep()?;
                Ok(Answer::json(policy(&bucket.about)))
            }
            ("GET", BucketCall::IamTest) => Ok(tested(call, "buckets")?),
            ("GET", BucketCall::StorageLayout) => {
                query.only(&["json"], &[&["prefix"]])?;
                Ok(Answer::json(json!({
                    "kind": "storage#storageLayout", "bucket": name, "location": "US",
                    "locationType": "multi-region", "hierarchicalNamespace": {"enabled": false},
                })))
            }
            (_, BucketCall::Folders(_)) => Err(Refusal::new(
                409,
                "conflict",
                "The bucket does not support hierarchical namespace.",
            )),
            ("GET", BucketCall::ManagedFolders(None)) => {
                query.only(&["json"], &[&["pageSize", "pageToken", "prefix"]])?;
                Ok(Answer::json(json!({"kind": "storage#managedFolders"})))
            }
            (_, BucketCall::ManagedFolders(_)) => {
                Err(Refusal::not_found("The specified managed folder does not exist."))
            }
            ("GET", BucketCall::Acl(None) | BucketCall::DefaultAcl(None)) if !bucket.about.uniform_access => {
                query.only(&["json"], &[&METAGENERATION])?;
                Ok(Answer::json(
                    json!({"kind": "storage#bucketAccessControls", "items": [
                        {"kind": "storage#bucketAccessControl", "bucket": name, "entity": OWNER, "role": "OWNER"},
                    ]}),
                ))
            }
            (_, BucketCall::Acl(_) | BucketCall::DefaultAcl(_)) => Err(uniform()),
            ("GET", BucketCall::Notifications(None)) => {
                query.only(&["json"], &[])?;
                let items: Value = bucket.about.notifications.values().cloned().collect();
                Ok(Answer::json(
                    json!({"kind": "storage#notifications", "items": items}),
                ))
            }
            ("POST", BucketCall::Notifications(None)) => {
                query.only(&["json"], &[])?;
                let topic = members.get("topic").and_then(Value::as_str);
                let topic = topic.ok_or_else(|| Refusal::required("topic"))?;
                let id = (bucket.about.notifications.len() + 1).to_string();
                let document = json!({
                    "kind": "storage#notification", "id": id, "topic": topic, "payload_format": "JSON_API_V1",
                });
                bucket.about.notifications.insert(id, document.clone());
                bucket.keep()?;
                Ok(Answer::json(document))
            }
            (method, BucketCall::Notifications(Some(id))) => {
                query.only(&["json"], &[])?;
                let found = bucket.about.notifications.get(id).cloned();
                let found =
                    found.ok_or_else(|| Refusal::not_found("The specified notification does not exist."))?;
                match method {
                    "GET" => Ok(Answer::json(found)),
                    "DELETE" => {
                        bucket.about.notifications.remove(id);
                        bucket.keep()?;
                        Ok(Answer::empty(StatusCode::NO_CONTENT))
                    }
                    _ => Err(not_allowed()),
                }
            }
            _ => Err(not_allowed()),
        }
    }

    /// The policy of an object, which buckets with uniform access have none of.
    pub(super) fn object_iam(&self, call: &Call, bucket: &str, name: &str) -> Result<Answer, Refusal> {
        call.query.only(&["json"], &[&["generation"]])?;
        let shelf = self.shelf();
        shelf.object(bucket, name, call.query.number("generation")?)?;
        if call.method != Method::GET {
            return Err(not_allowed());
        }
        if shelf.bucket(bucket)?.about.uniform_access {
            return Err(uniform());
        }
        Ok(Answer::json(policy(&shelf.bucket(bucket)?.about)))
    }

    pub(super) fn object_iam_test(&self, call: &Call, bucket: &str, name: &str) -> Result<Answer, Refusal> {
        self.shelf().object(bucket, name, None)?;
        tested(call, "objects")
    }

    pub(super) fn service_account(&self, call: &Call, project: &str) -> Result<Answer, Refusal> {
        call.query.only(&["json"], &[])?;
        Ok(Answer::json(json!({
            "kind": "storage#serviceAccount", "email_address": format!("service-{project}@store.example"),
        })))
    }
}

fn policy(about: &About) -> Value {
    let bindings = about.bindings.clone().unwrap_or_else(|| {
        json!([{"role": "roles/storage.objectAdmin", "members": ["serviceAccount:tidegate@store.example"]}])
    });
    json!({
        "kind": "storage#policy",
        "resourceId": format!("projects/_/buckets/{}", about.name),
        "version": 1,
        "etag": "CAE=",
        "bindings": bindings,
    })
}

/// Whoever has the token may everything that is asked for.
fn tested(call: &Call, kind: &str) -> Result<Answer, Refusal> {
    call.query.only(&["json"], &[&["permissions", "generation"]])?;
    let asked: Vec<&str> = call.query.all("permissions").collect();
    if asked.is_empty() {
        return Err(Refusal::required("permissions"));
    }
    if let Some(unknown) = asked.iter().find(|name| !name.starts_with("storage.")) {
        return Err(Refusal::parameter("permissions", unknown));
    }
    let known = |name: &&&str| kind == "buckets" || name.starts_with("storage.objects.");
    let granted: Vec<_> = asked.iter().filter(known).collect();
    Ok(Answer::json(
        json!({"kind": "storage#testIamPermissionsResponse", "permissions": granted}),
    ))
}

fn not_allowed() -> Refusal {
    Refusal::new(405, "methodNotAllowed", "Method Not Allowed")
}
