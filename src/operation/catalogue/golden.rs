//! The catalogue as auditors and admins read it: `tests/golden/catalogue.tsv` and `docs/operations.md`.

use super::*;
use crate::golden;
use crate::operation::ActionGroup;
use std::collections::BTreeSet;

#[test]
fn the_catalogue_is_the_one_that_was_read() {
    let mut rows = vec![
        [
            "operation",
            "handling",
            "method",
            "on",
            "required",
            "optional",
            "rights",
            "groups",
            "rights of headers",
            "body",
            "answer",
            "headers",
            "why",
        ]
        .map(str::to_owned)
        .to_vec(),
    ];
    for api in Api::ALL {
        let row = api.row();
        let mut headers: Vec<&str> = row.headers.to_vec();
        headers.extend(row.metadata.then_some("x-amz-meta-*"));
        headers.extend(row.copies.then_some("x-amz-copy-source"));
        rows.push(vec![
            api.name().to_owned(),
            handling(row),
            row.method.to_owned(),
            on(row).to_owned(),
            row.required.join(" "),
            row.optional.join(" "),
            rights(row).join(" + "),
            groups(row).join(" "),
            header_rights(row).join(" "),
            body(row),
            answer(row),
            headers.join(" "),
            why(row).to_owned(),
        ]);
    }
    golden::check("tests/golden/catalogue.tsv", &golden::table(&rows));
}

#[test]
fn the_operations_for_admins_are_those_of_the_catalogue() {
    let mut text = String::from(INTRODUCTION);
    let is = |wanted: &str| {
        Api::ALL
            .iter()
            .filter(|api| handling(api.row()) == wanted)
            .count()
    };
    let (forwarded, answered, refused) = (is("forwarded"), is("answered"), is("refused"));
    let becomes = Api::ALL
        .iter()
        .filter(|api| matches!(api.row().handling, Handling::Becomes(_)));
    let becomes = becomes.count();
    let older = Api::ALL.len() - forwarded - answered - refused - becomes;
    text += &format!(
        "Of {} calls (the {} of the S3 API reference, and PostObject) {forwarded} are forwarded, {answered} answered by \
         Tidegate\nitself and {refused} never served; {becomes} becomes another call, and {older} are older names of others.\n\n",
        Api::ALL.len(),
        Api::ALL.len() - 1,
    );
    text += "| operation | request | needs | in group | Tidegate |\n|---|---|---|---|---|\n";
    let mut apis = Api::ALL.to_vec();
    apis.sort_by_key(|api| api.name());
    for api in apis {
        let row = api.row();
        let path = match row.scope {
            Scope::Service => "/",
            Scope::Bucket => "/bucket",
            Scope::Object => "/bucket/key",
        };
        let query = row.required.join("&");
        let mark = if query.is_empty() { "" } else { "?" };
        let copy = if row.copies {
            " with `x-amz-copy-source`"
        } else {
            ""
        };
        let needs = rights(row).join("`, `");
        let needs = if needs.is_empty() {
            "–".to_owned()
        } else {
            format!("`{needs}`")
        };
        let tidegate = match row.handling {
            Handling::Forwarded => "forwards it".to_owned(),
            Handling::Answered => "answers it".to_owned(),
            Handling::Refused(why) => format!("refuses it: {why}"),
            Handling::Becomes(other) => format!("reads it into {}", other.name()),
            Handling::SameRequestAs(other) => format!("takes it for {}", other.name()),
        };
        let groups = groups(row)
            .iter()
            .map(|group| format!("`{group}`"))
            .collect::<Vec<_>>();
        text += &format!(
            "| {} | `{} {path}{mark}{query}`{copy} | {needs} | {} | {tidegate} |\n",
            api.name(),
            row.method,
            if groups.is_empty() {
                "–".to_owned()
            } else {
                groups.join(", ")
            },
        );
    }
    golden::check("docs/operations.md", &text);
}

const INTRODUCTION: &str = "\
# Admins: operations

What each call of the S3 API needs, and what Tidegate does with it. This page is written by a test from the table that
decides (`tests/golden/` has all of it, with parameters and headers), so it is never behind the program.

- **needs** are the rights that the policies of the bucket must grant, all of them, under the names of IAM. `A/B` means `A`
  for the current version and `B` where the request names one with `versionId`.
- **in group**: `action in Tidegate::Action::\"read\"` grants all rights of the group. Rights in `manage` decide who else gets
  at the data, what becomes of it, or lift a protection. `permit (principal, action, resource)` does not grant them: a policy
  names them, or the group.
- What is denied never reaches the storage, and the answer names the right that is missing.
- Whatever is not in this table, such as a sub-resource that S3 learns next year, is refused with `NotImplemented`.

Some headers need a right more, on the object that is written (or, with CreateBucket, on the bucket):

| header | needs | in group |
|---|---|---|
| `x-amz-tagging` | `PutObjectTagging` | `write` |
| `x-amz-object-lock-mode`, `x-amz-object-lock-retain-until-date` | `PutObjectRetention` | `write` |
| `x-amz-object-lock-legal-hold` | `PutObjectLegalHold` | `write` |
| `x-amz-acl` other than `private`, `x-amz-grant-*` | `PutObjectAcl` or `PutBucketAcl` | `manage` |
| `x-amz-bypass-governance-retention: true` | `BypassGovernanceRetention` | `manage` |
| `x-amz-website-redirect-location` | `PutObjectWebsiteRedirect` | `manage` |
| `x-amz-object-annotation-directive: COPY` | `GetObjectAnnotation` of the source, `PutObjectAnnotation` | `read`, `write` |
| `x-amz-bucket-object-lock-enabled: true` | `PutBucketObjectLockConfiguration` | `manage` |
| `x-amz-object-ownership` | `PutBucketOwnershipControls` | `manage` |

Three calls depend on more than the table says. **ListBuckets** shows the buckets in which a policy permits the caller
anything. **CreateBucket** and **DeleteBucket** go to the storage only where `create = true` stands under
`[buckets.<name>]`; elsewhere CreateBucket needs `ListBucket` and answers that the bucket is there, as clients expect that
make sure of it before an upload, and DeleteBucket is refused.

Settings of a bucket (policy, replication, logging and so on) go to the storage as they are, element by element: the names of
buckets and accounts in them are those of the storage.

";

fn handling(row: &Row) -> String {
    match row.handling {
        Handling::Forwarded => "forwarded".to_owned(),
        Handling::Answered => "answered".to_owned(),
        Handling::Refused(_) => "refused".to_owned(),
        Handling::Becomes(other) => format!("becomes {}", other.name()),
        Handling::SameRequestAs(other) => format!("as {}", other.name()),
    }
}

fn why(row: &Row) -> &'static str {
    match row.handling {
        Handling::Refused(why) => why,
        Handling::Forwarded | Handling::Answered | Handling::Becomes(_) | Handling::SameRequestAs(_) => "",
    }
}

fn on(row: &Row) -> &'static str {
    match row.scope {
        Scope::Service => "service",
        Scope::Bucket => "bucket",
        Scope::Object => "object",
    }
}

fn rights(row: &Row) -> Vec<String> {
    let either = |a: Action, b: Action| format!("{}/{}", a.name(), b.name());
    let text = |right: &Right| match *right {
        Right::Bucket(action) | Right::Object(action) => action.name().to_owned(),
        Right::Version(current, named) => either(current, named),
        Right::CopySource => either(Action::GetObject, Action::GetObjectVersion) + " of the source",
        Right::Deletions => either(Action::DeleteObject, Action::DeleteObjectVersion) + " of each key",
        Right::Visible => "any right to the buckets shown".to_owned(),
    };
    row.rights.iter().map(text).collect()
}

/// The groups that its rights are in.
fn groups(row: &Row) -> Vec<&'static str> {
    let actions = |right: &Right| match *right {
        Right::Bucket(action) | Right::Object(action) => vec![action],
        Right::Version(current, named) => vec![current, named],
        Right::CopySource => vec![Action::GetObject, Action::GetObjectVersion],
        Right::Deletions => vec![Action::DeleteObject, Action::DeleteObjectVersion],
        Right::Visible => Vec::new(),
    };
    let of: BTreeSet<_> = row.rights.iter().flat_map(actions).map(group).collect();
    of.into_iter().collect()
}

fn group(action: Action) -> &'static str {
    match action.group() {
        ActionGroup::Read => "read",
        ActionGroup::Write => "write",
        ActionGroup::Delete => "delete",
        ActionGroup::List => "list",
        ActionGroup::Manage => "manage",
    }
}

/// The headers that need a right more, and which. What sets an access control list needs that right already.
fn header_rights(row: &Row) -> Vec<String> {
    let scope = if row.rights.contains(&Right::Deletions) {
        Scope::Object
    } else {
        row.scope
    };
    let sets_acl = row.required.contains(&"acl");
    let headers = row.headers.iter().filter(|_| !sets_acl);
    headers
        .filter_map(|header| header_right(scope, header).map(|action| format!("{header}:{}", action.name())))
        .collect()
}

fn body(row: &Row) -> String {
    match row.body {
        BodyRule::Empty => "none".to_owned(),
        BodyRule::Object => "object".to_owned(),
        BodyRule::Form => "form".to_owned(),
        BodyRule::Document {
            limit,
            form,
            optional,
        } => {
            let form = match form {
                DocumentForm::Deletions => "Delete",
                DocumentForm::Parts => "CompleteMultipartUpload",
                DocumentForm::NewBucket => "CreateBucketConfiguration",
                DocumentForm::ObjectTags => "Tagging",
                DocumentForm::Retention => "Retention",
                DocumentForm::LegalHold => "LegalHold",
                DocumentForm::Restore => "RestoreRequest",
                DocumentForm::Setting(root) => root,
                DocumentForm::Policy => "JSON",
            };
            let or_none = if optional { " or none" } else { "" };
            format!("{form} of at most {limit} bytes{or_none}")
        }
    }
}

fn answer(row: &Row) -> String {
    match row.answer {
        Answer::None => "not asked".to_owned(),
        Answer::Object => "object".to_owned(),
        Answer::Headers => "headers".to_owned(),
        Answer::Document([]) => "document".to_owned(),
        Answer::Document(roots) => roots.join(" or "),
        Answer::Deletions => "DeleteResult".to_owned(),
        Answer::Completion => "CompleteMultipartUploadResult".to_owned(),
        Answer::Policy => "JSON".to_owned(),
    }
}
