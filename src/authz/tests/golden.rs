//! The authorization matrix as auditors read it: who may do what, `tests/golden/authorization.tsv`.
//!
//! Each cell is a decision of the code that serves, on policies as an admin would write them. What each call needs is
//! written down in `matrix`, by hand; here is what follows from it for kinds of principals.

use super::matrix::matrix;
use super::*;
use crate::golden;
use crate::operation::Handling;

/// Kinds of principals, and the policies that make them what they are. `FOLDER` is what one of them is bound to.
const POLICIES: &str = r#"
permit(principal == Tidegate::User::"corp:reader", action in Tidegate::Action::"read", resource);
permit(principal == Tidegate::User::"corp:lister", action in Tidegate::Action::"list", resource);
permit(principal == Tidegate::User::"corp:writer", action in Tidegate::Action::"write", resource);
permit(principal == Tidegate::User::"corp:deleter", action in Tidegate::Action::"delete", resource);
permit(principal == Tidegate::User::"corp:manager", action in Tidegate::Action::"manage", resource);
permit(principal == Tidegate::User::"corp:everything", action, resource);
permit(principal == Tidegate::User::"corp:owner", action, resource);
permit(principal == Tidegate::User::"corp:owner", action in Tidegate::Action::"manage", resource);
permit(principal in Tidegate::Group::"corp:team-a",
       action in [Tidegate::Action::"read", Tidegate::Action::"write", Tidegate::Action::"delete"], resource)
when { resource.key like "team-a/*" };
permit(principal in Tidegate::Group::"corp:team-a", action in Tidegate::Action::"list", resource)
when { if context has prefix then context.prefix like "team-a/*" else true };
permit(principal == Tidegate::Workload::"corp:job",
       action in [Tidegate::Action::"read", Tidegate::Action::"write", Tidegate::Action::"delete",
                  Tidegate::Action::"list", Tidegate::Action::"manage"], resource);
permit(principal == Tidegate::User::"corp:leaver", action, resource);
permit(principal == Tidegate::User::"corp:leaver", action in Tidegate::Action::"manage", resource);
forbid(principal == Tidegate::User::"corp:leaver", action, resource);
"#;

#[test]
fn the_authorization_matrix_is_the_one_that_was_read() {
    use PrincipalKind::{User, Workload};
    let mut files = Files::new(&[("lake", POLICIES), ("other", POLICIES), ("made", POLICIES)]);
    files.let_create("made");
    let policies = files.load();
    let who = [
        ("stranger", Principal::for_test(User, "corp:stranger", &[])),
        ("reader", Principal::for_test(User, "corp:reader", &[])),
        ("lister", Principal::for_test(User, "corp:lister", &[])),
        ("writer", Principal::for_test(User, "corp:writer", &[])),
        ("deleter", Principal::for_test(User, "corp:deleter", &[])),
        ("manager", Principal::for_test(User, "corp:manager", &[])),
        ("everything", Principal::for_test(User, "corp:everything", &[])),
        ("owner", Principal::for_test(User, "corp:owner", &[])),
        ("team-a", Principal::for_test(User, "corp:ana", &["corp:team-a"])),
        (
            "leaver",
            Principal::for_test(User, "corp:leaver", &["corp:team-a"]),
        ),
        ("job", Principal::for_test(Workload, "corp:job", &[])),
        ("person called job", Principal::for_test(User, "corp:job", &[])),
    ];
    let mut header = vec![
        "operation".to_owned(),
        "request".to_owned(),
        "no session".to_owned(),
    ];
    for (name, _) in &who {
        header.push((*name).to_owned());
        if *name == "team-a" {
            header.push("team-a, in its folder".to_owned());
        }
    }
    let width = header.len();
    let mut rows = vec![header];
    for (operation, _) in matrix() {
        // There is no principal to ask for without a session: that the request ends there is tested end to end.
        let mut row = vec![
            operation.api().name().to_owned(),
            request(&operation),
            "-".to_owned(),
        ];
        for (name, principal) in &who {
            row.push(outcome(&policies, principal, operation.clone()));
            if *name == "team-a" {
                row.push(outcome(&policies, principal, in_folder(&operation)));
            }
        }
        rows.push(row);
    }
    for api in Api::ALL {
        let outcome = match api.row().handling {
            Handling::Forwarded | Handling::Answered => continue,
            Handling::Refused(_) => "never".to_owned(),
            Handling::Becomes(other) | Handling::SameRequestAs(other) => format!("as {}", other.name()),
        };
        let mut row = vec![outcome; width];
        row[0] = api.name().to_owned();
        row[1] = "any".to_owned();
        row[2] = "-".to_owned();
        rows.push(row);
    }
    let column = |name: &str| rows[0].iter().position(|cell| cell == name).unwrap();
    let allows = |row: &Vec<String>, name: &str| row[column(name)] == "allow";
    for row in rows.iter().skip(1) {
        assert!(!allows(row, "stranger") && !allows(row, "leaver"), "{row:?}");
        // LEK-01: what is managed is granted by name alone.
        assert!(!(allows(row, "everything") && allows(row, "manager")), "{row:?}");
        // The folder of a team is a part of what the owner has.
        assert!(
            allows(row, "owner") || !allows(row, "team-a, in its folder") || row[0] == "ListBuckets",
            "{row:?}"
        );
        assert_eq!(
            row[column("person called job")],
            row[column("stranger")],
            "{row:?}"
        );
    }
    golden::check("tests/golden/authorization.tsv", &golden::table(&rows));
}

/// What is decided about an operation, in a word.
fn outcome(policies: &Policies, who: &Principal, operation: Operation) -> String {
    let word = |denied: &Denied| match denied.reason {
        DenyReason::NoPermit => "deny",
        DenyReason::Forbid => "forbid",
        DenyReason::NotOffered => "not offered",
        other => panic!("{other:?}: {denied}"),
    };
    let lists = operation.api() == Api::ListBuckets;
    match policies.authorize(who, operation, &office()) {
        Ok(permit) if lists => match permit.visible_buckets() {
            [] => "sees none".to_owned(),
            _ => "sees all".to_owned(),
        },
        Ok(permit) => permit
            .refused()
            .first()
            .map_or("allow", |(_, denied)| word(denied))
            .to_owned(),
        Err(NotPermitted::Denied(denied)) => word(&denied).to_owned(),
        Err(other) => panic!("{other}"),
    }
}

/// What a request asks, as far as it decides.
fn request(operation: &Operation) -> String {
    let mut text = match operation.resource() {
        Resource::Service => "/".to_owned(),
        Resource::Bucket(bucket) => bucket.to_string(),
        Resource::Object(object) => format!("{}/{}", object.bucket, object.key),
    };
    for (at, (name, value)) in operation.parameters().iter().enumerate() {
        text += &format!("{}{name}={value}", if at == 0 { "?" } else { "&" });
    }
    let version = |version: &Option<Box<str>>| {
        version
            .as_ref()
            .map_or(String::new(), |v| format!("?versionId={v}"))
    };
    match operation.detail() {
        Detail::Copy(source) => {
            let CopySource { object, version_id } = source;
            text += &format!(", from {}/{}{}", object.bucket, object.key, version(version_id));
        }
        Detail::Deletions { objects, .. } => {
            for deletion in objects {
                text += &format!(", of {}{}", deletion.object.key, version(&deletion.version_id));
            }
        }
        Detail::None | Detail::Parts(_) | Detail::Tags(_) | Detail::Document(_) => {}
    }
    for (name, value) in operation.headers() {
        text += &format!(", {name}: {value}");
    }
    text
}

/// The same request, of the folder `team-a/`.
fn in_folder(operation: &Operation) -> Operation {
    let moved = |name: &ObjectName| object(&format!("{}/team-a/{}", name.bucket, name.key));
    let resource = match operation.resource() {
        Resource::Object(name) => Resource::Object(moved(name)),
        other => other.clone(),
    };
    let detail = match operation.detail() {
        Detail::Copy(source) => Detail::Copy(CopySource {
            object: moved(&source.object),
            version_id: source.version_id.clone(),
        }),
        Detail::Deletions { objects, quiet } => Detail::Deletions {
            objects: objects
                .iter()
                .map(|deletion| ObjectDeletion {
                    object: moved(&deletion.object),
                    version_id: deletion.version_id.clone(),
                })
                .collect(),
            quiet: *quiet,
        },
        other => other.clone(),
    };
    let mut parameters = operation.parameters().to_vec();
    if operation.listed_prefix().is_some() {
        parameters.retain(|(name, _)| *name != "prefix");
        parameters.push(("prefix", "team-a/".into()));
    }
    let headers = operation.headers().to_vec();
    Operation::new(operation.api(), resource, parameters, headers, detail).unwrap()
}
