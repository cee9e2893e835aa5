//! The methods as auditors and admins read them: `tests/golden/methods.tsv` and `docs/methods.md`.

use super::*;
use crate::golden;
use crate::operation::Action;
use std::collections::BTreeSet;

#[test]
fn the_methods_are_those_that_were_read() {
    let head = [
        "method",
        "handling",
        "http",
        "path",
        "parameters",
        "own parameters",
        "rights",
        "groups",
        "body",
        "answer",
        "why",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for method in Method::ALL {
        let row = method.row();
        rows.push(vec![
            method.id().to_owned(),
            handling(row).to_owned(),
            row.method.to_owned(),
            row.path.to_owned(),
            row.parameters.join(" "),
            row.own.join(" "),
            rights(row).join(" + "),
            groups(row).join(" "),
            sent(row).to_owned(),
            format!("{:?}", row.answer).to_lowercase(),
            why(row).to_owned(),
        ]);
    }
    golden::check("tests/golden/methods.tsv", &golden::table(&rows));
}

#[test]
fn the_methods_for_admins_are_those_of_the_catalogue() {
    let mut text = String::from(INTRODUCTION);
    let is = |wanted: &str| {
        Method::ALL
            .iter()
            .filter(|method| handling(method.row()) == wanted)
            .count()
    };
    text += &format!(
        "Of {} methods {} are forwarded, {} answered by Tidegate itself and {} never served.\n\n",
        Method::ALL.len(),
        is("forwarded"),
        is("answered"),
        is("refused"),
    );
    text += "| method | request | needs | in group | Tidegate |\n|---|---|---|---|---|\n";
    let mut methods = Method::ALL.to_vec();
    methods.sort_by_key(|method| method.id());
    for method in methods {
        let row = method.row();
        let needs = rights(row).join("`, `");
        let needs = match needs.is_empty() {
            true => "–".to_owned(),
            false => format!("`{needs}`"),
        };
        let groups: Vec<String> = groups(row).iter().map(|group| format!("`{group}`")).collect();
        let groups = match groups.is_empty() {
            true => "–".to_owned(),
            false => groups.join(", "),
        };
        let tidegate = match row.handling {
            Handling::Forwarded => "forwards it".to_owned(),
            Handling::Answered => "answers it".to_owned(),
            Handling::Refused(why) => format!("refuses it: {why}"),
        };
        let id = method.id().trim_start_matches("storage.");
        text += &format!(
            "| {id} | `{} {}` | {needs} | {groups} | {tidegate} |\n",
            row.method, row.path
        );
    }
    golden::check("docs/methods.md", &text);
}

const INTRODUCTION: &str = "\
# Admins: methods of Google's JSON API

What each method of the JSON API of Google Cloud Storage needs, and what Tidegate does with it. This page is written by a test
from the table that decides (`tests/golden/methods.tsv` has all of it, with parameters), so it is never behind the program.

- **needs** are the rights that the policies of the bucket must grant, all of them. They are those of [S3](operations.md): one
  policy file decides whether a job comes by `s3://` or by `gs://`. `context.protocol` is `\"gcs\"` here, `context.operation` the
  method (`\"storage.objects.get\"`). `A/B` means `A` for the live version and `B` where the request names a `generation`.
- A copy, a rewrite or a compose needs the right to read **each** source. With several sources a policy that looks at
  `context.copy_source` is asked once for each of them.
- Whatever is not in this table, and every parameter and header that no method is known to have, is refused.

Some parameters and members of documents need a right more:

| in the request | needs | in group |
|---|---|---|
| `predefinedAcl`, `destinationPredefinedAcl`, `acl`, `copySourceAcl=true` | `PutObjectAcl`; of a `generation` that is patched `PutObjectVersionAcl` | `manage` |
| `retention` | `PutObjectRetention` | `write` |
| `temporaryHold`, `eventBasedHold` | `PutObjectLegalHold` | `write` |
| `contexts` | `PutObjectTagging`; of a `generation` that is patched `PutObjectVersionTagging` | `write` |
| `overrideUnlockedRetention=true` | `BypassGovernanceRetention` | `manage` |
| `versions=true`, `softDeleted=true` in a listing | `ListBucketVersions` instead of `ListBucket` | `list` |

An update resets what it does not name, and so needs the right to all of it; a patch changes what it names. Contexts are tags of
the resource for policies (`resource.hasTag(\"class\")`), as the tags of S3 are.

Access lists and owners are never shown in the metadata of objects, whatever `projection` says. `buckets.patch` needs the right
of each setting that it changes, under its name in S3 (`labels`: `PutBucketTagging`, `lifecycle`: `PutLifecycleConfiguration`,
and so on), and answers with those. What a client read of the bucket here and sends back unchanged is left out.

**buckets.insert**, **buckets.delete** and the question of **buckets.get** whether the bucket is there go to Google only where
`create = true` stands under `[buckets.<name>]`. For any other name buckets.insert makes nothing: it needs `ListBucket`, which a
denial then names, and answers that the bucket is there (409); buckets.delete is refused.

A policy that was read with **buckets.getIamPolicy** is made of the caller's own rights, and **buckets.setIamPolicy** refuses to
write it over that of the store.
`testIamPermissions` and `getIamPolicy` tell the caller its own rights, and nobody else's.

";

fn handling(row: &Row) -> &'static str {
    match row.handling {
        Handling::Forwarded => "forwarded",
        Handling::Answered => "answered",
        Handling::Refused(_) => "refused",
    }
}

fn why(row: &Row) -> &'static str {
    match row.handling {
        Handling::Refused(why) => why,
        Handling::Forwarded | Handling::Answered => "",
    }
}

fn sent(row: &Row) -> &'static str {
    match row.sent {
        Sent::Nothing => "none",
        Sent::Object => "object metadata",
        Sent::Compose => "compose",
        Sent::Media => "object bytes",
        Sent::NewBucket => "new bucket",
        Sent::Bucket => "bucket settings",
        Sent::Setting => "setting",
    }
}

fn rights(row: &Row) -> Vec<String> {
    let either = |a: Action, b: Action| format!("{}/{}", a.name(), b.name());
    let text = |right: &Right| match *right {
        Right::Bucket(action) | Right::Object(action) => action.name().to_owned(),
        Right::Version(live, named) => either(live, named),
        Right::Listing => "ListBucket".to_owned(),
        Right::Sources => either(Action::GetObject, Action::GetObjectVersion) + " of each source",
        Right::SourcesGo => "DeleteObject of each source".to_owned(),
        Right::Settings => "the right of each setting".to_owned(),
        Right::Known => "any right in the bucket".to_owned(),
        Right::Visible => "any right to what is shown".to_owned(),
    };
    row.rights.iter().map(text).collect()
}

fn groups(row: &Row) -> Vec<&'static str> {
    let actions = |right: &Right| match *right {
        Right::Bucket(action) | Right::Object(action) => vec![action],
        Right::Version(live, named) => vec![live, named],
        Right::Listing => vec![Action::ListBucket],
        Right::Sources => vec![Action::GetObject],
        Right::SourcesGo => vec![Action::DeleteObject],
        Right::Settings => vec![Action::PutBucketTagging],
        Right::Known | Right::Visible => Vec::new(),
    };
    let of: BTreeSet<_> = row
        .rights
        .iter()
        .flat_map(actions)
        .map(|action| action.group().name())
        .collect();
    of.into_iter().collect()
}
