use super::*;
use crate::json::Object;
use crate::operation::KeyPrefix;

fn fields(body: &str) -> Result<ObjectFields, DocumentError> {
    ObjectFields::parse(body.as_bytes())
}

fn json(fields: &ObjectFields) -> String {
    String::from_utf8(fields.to_json().unwrap()).unwrap()
}

#[test]
fn the_resources_of_real_clients_are_understood() {
    // google-cloud-storage for Python: a start of an upload, and a patch.
    let start =
        fields(r#"{"name": "a/b.parquet", "contentType": "text/plain", "crc32c": "4waSgw=="}"#).unwrap();
    assert_eq!(start.name.as_deref(), Some("a/b.parquet"));
    assert_eq!(start.text("contentType"), Some("text/plain"));
    assert_eq!(start.hashes.crc32c, Some([0xe3, 0x06, 0x92, 0x83]));
    // Hadoop: metadata with base64 values, and null for nothing.
    let hadoop = fields(
        r#"{"bucket":"lake","contentEncoding":null,"contentType":"application/octet-stream","metadata":{"k":"dg=="},"name":"x"}"#,
    );
    assert_eq!(hadoop.unwrap().bucket.as_deref(), Some("lake"));
    // A whole resource that comes back as it was read, as `blob.update()` and rewrites send it.
    let whole = fields(
        r#"{"kind":"storage#object","id":"b/a/1","selfLink":"https://gw/x","mediaLink":"https://gw/y","name":"a",
        "bucket":"b","generation":"1","metageneration":"2","contentType":"text/csv","timeCreated":"2026-01-01T00:00:00Z",
        "updated":"2026-01-01T00:00:00Z","storageClass":"STANDARD","timeStorageClassUpdated":"2026-01-01T00:00:00Z",
        "size":"5","md5Hash":"JfnnlDI7RTiF9RgfG2JNCw==","crc32c":"4waSgw==","etag":"CKih16GjycICEAE=",
        "owner":{"entity":"user-x"},"componentCount":3,"customTime":"2026-01-01T00:00:00Z","temporaryHold":false,
        "contexts":{"custom":{"k":{"value":"v","createTime":"t","updateTime":"t"},"gone":null}},
        "retention":{"mode":"Unlocked","retainUntilTime":"2030-01-01T00:00:00Z"}}"#,
    )
    .unwrap();
    assert_eq!(
        json(&whole),
        r#"{"contentType":"text/csv","storageClass":"STANDARD","md5Hash":"JfnnlDI7RTiF9RgfG2JNCw==","crc32c":"4waSgw==","customTime":"2026-01-01T00:00:00Z","temporaryHold":false,"contexts":{"custom":{"k":{"value":"v"},"gone":null}},"retention":{"mode":"Unlocked","retainUntilTime":"2030-01-01T00:00:00Z"}}"#
    );
    assert!(whole.sets_hold() && whole.sets_retention() && !whole.sets_access());
    assert!(fields("").unwrap().is_empty() && fields(" {} \n").unwrap().is_empty());
}

#[test]
fn null_means_delete_and_survives() {
    let patch =
        fields(r#"{"contentType":null,"metadata":{"a":null,"b":"c"},"retention":null,"customTime":null}"#)
            .unwrap();
    let document = r#"{"contentType":null,"metadata":{"a":null,"b":"c"},"retention":null,"customTime":null}"#;
    assert_eq!(json(&patch), document);
    assert!(patch.sets_retention(), "taking it away is a right too");
    assert_eq!(json(&patch.without_nulls()), r#"{"metadata":{"a":null,"b":"c"}}"#);
    assert!(fields(r#"{"metadata":null,"name":null}"#).unwrap().name.is_none());
}

// AUZ-17
#[test]
fn contexts_are_told_with_their_values() {
    let check = |document: &str, expected: Option<&[(&str, &str)]>| {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let expected: Option<Vec<_>> = expected.map(|pairs| pairs.iter().map(owned).collect());
        assert_eq!(fields(document).unwrap().contexts(), expected, "{document}");
    };
    check("{}", None);
    check(r#"{"contexts":null}"#, Some(&[]));
    check(r#"{"contexts":{}}"#, Some(&[]));
    check(r#"{"contexts":{"custom":null}}"#, Some(&[]));
    check(
        r#"{"contexts":{"custom":{"a":{"value":"1","createTime":"t"},"b":null,"c":{"value":""}}}}"#,
        Some(&[("a", "1"), ("c", "")]),
    );
    let many = |count: usize| {
        let entries: Vec<_> = (0..count).map(|n| format!(r#""k{n}":{{"value":"v"}}"#)).collect();
        format!(r#"{{"contexts":{{"custom":{{{}}}}}}}"#, entries.join(","))
    };
    assert_eq!(fields(&many(50)).unwrap().contexts().unwrap().len(), 50);
    for bad in [
        many(51),
        r#"{"contexts":{"custom":{"a":{}}}}"#.into(),
        r#"{"contexts":{"custom":{"a":{"value":null}}}}"#.into(),
        r#"{"contexts":{"custom":{"":{"value":"1"}}}}"#.into(),
        r#"{"contexts":{"custom":{"a":"1"}}}"#.into(),
        format!(
            r#"{{"contexts":{{"custom":{{"{}":{{"value":"1"}}}}}}}}"#,
            "k".repeat(257)
        ),
        format!(
            r#"{{"contexts":{{"custom":{{"a":{{"value":"{}"}}}}}}}}"#,
            "v".repeat(257)
        ),
    ] {
        assert!(fields(&bad).is_err(), "{bad}");
    }
}

// GCS-06, JWT-06
#[test]
fn what_is_not_understood_to_the_last_member_is_refused() {
    let check = |body: &str, says: &str| {
        let error = fields(body).expect_err(body).to_string();
        assert!(error.contains(says), "{body}: {error}");
    };
    check(r#"{"iamConfiguration":{}}"#, "`iamConfiguration`");
    check(r#"{"Name":"a"}"#, "`Name`");
    check(r#"{"a\nb":"a"}"#, "`(unreadable)`");
    check(r#"{"name":"a","name":"b"}"#, "there once");
    check(r#"{"name":"a","n\u0061me":"b"}"#, "there once");
    check(r#"{"metadata":{"a":"b","a":"c"}}"#, "there once");
    check(r#"{"name":7}"#, "`name`");
    check(r#"{"contentType":["a"]}"#, "`contentType`");
    check(r#"{"temporaryHold":"true"}"#, "`temporaryHold`");
    check(r#"{"metadata":{"a":1}}"#, "`metadata`");
    check(r#"{"metadata":["a"]}"#, "`metadata`");
    check(
        r#"{"retention":{"mode":"Locked","until":"x"}}"#,
        "`retention.until`",
    );
    check(r#"{"retention":{"mode":1}}"#, "`retention`");
    check(r#"{"contexts":{"other":{}}}"#, "`contexts.other`");
    check(r#"{"contexts":{"custom":{"k":{"v":"x"}}}}"#, "`contexts.v`");
    check(
        r#"{"acl":[{"entity":"allUsers","role":"READER","x":"y"}]}"#,
        "`acl.x`",
    );
    check(r#"{"crc32c":"4waSgw"}"#, "`crc32c`");
    check(r#"{"md5Hash":"4waSgw=="}"#, "`md5Hash`");
    check(r#"[]"#, "JSON object");
    check(r#"{"a":1} {"#, "JSON object");
    check(&" ".repeat(LIMIT + 1), "JSON object");
    let access =
        fields(r#"{"acl":[{"kind":"x","entity":"allUsers","role":"READER","projectTeam":{}}]}"#).unwrap();
    assert!(access.sets_access());
    assert_eq!(
        json(&access),
        r#"{"acl":[{"entity":"allUsers","role":"READER"}]}"#
    );
}

// GCS-02
#[test]
fn a_compose_names_all_that_it_reads() {
    let body = r#"{"kind":"storage#composeRequest","destination":{"contentType":"text/plain","name":"out"},
        "sourceObjects":[{"name":"a"},{"name":"b","generation":"7","objectPreconditions":{"ifGenerationMatch":8}}]}"#;
    let request = ComposeRequest::parse(body.as_bytes()).unwrap();
    assert_eq!(request.destination.name.as_deref(), Some("out"));
    assert_eq!(request.sources.len(), 2);
    assert_eq!(request.sources[1].generation, Some(7));
    assert_eq!(request.sources[1].if_generation_match, Some(8));
    let deleting =
        ComposeRequest::parse(br#"{"sourceObjects":[{"name":"a"}],"deleteSourceObjects":true}"#).unwrap();
    assert!(deleting.delete_sources);

    let many = |count: usize| {
        format!(
            r#"{{"sourceObjects":[{}]}}"#,
            vec![r#"{"name":"a"}"#; count].join(",")
        )
    };
    assert!(ComposeRequest::parse(many(32).as_bytes()).is_ok());
    for bad in [
        &*many(33),
        &*many(0),
        "{}",
        "",
        r#"{"sourceObjects":{"name":"a"}}"#,
        r#"{"sourceObjects":["a"]}"#,
        r#"{"sourceObjects":[{"generation":"7"}]}"#,
        r#"{"sourceObjects":[{"name":"a/../b"}]}"#,
        r#"{"sourceObjects":[{"name":""}]}"#,
        r#"{"sourceObjects":[{"name":"a","generation":"x"}]}"#,
        r#"{"sourceObjects":[{"name":"a","generation":-1}]}"#,
        r#"{"sourceObjects":[{"name":"a","generation":1.5}]}"#,
        r#"{"sourceObjects":[{"name":"a","bucket":"other"}]}"#,
        r#"{"sourceObjects":[{"name":"a","objectPreconditions":{"ifMetagenerationMatch":1}}]}"#,
        r#"{"sourceObjects":[{"name":"a"}],"destinationBucket":"b"}"#,
        r#"{"sourceObjects":[{"name":"a"}],"deleteSourceObjects":"true"}"#,
    ] {
        assert!(ComposeRequest::parse(bad.as_bytes()).is_err(), "{bad}");
    }
}

fn names(prefix: &KeyPrefix) -> Names<'_> {
    Names {
        bucket: "lake",
        target_bucket: "acme-lake",
        prefix,
        origin: "https://gw.example",
    }
}

fn folder() -> KeyPrefix {
    KeyPrefix::parse("teams/a/").unwrap()
}

const RESOURCE: &str = r#"{"kind":"storage#object","id":"acme-lake/teams/a/x y/1716","selfLink":"https://www.googleapis.com/storage/v1/b/acme-lake/o/teams%2Fa%2Fx%20y","mediaLink":"https://storage.googleapis.com/download/storage/v1/b/acme-lake/o/teams%2Fa%2Fx%20y?generation=1716&alt=media","name":"teams/a/x y","bucket":"acme-lake","generation":"1716","metageneration":"1","contentType":"text/plain","size":"18446744073709551615","componentCount":3,"md5Hash":"JfnnlDI7RTiF9RgfG2JNCw==","crc32c":"4waSgw==","etag":"CKih16GjycICEAE=","metadata":{"k":"v\u00e4"},"acl":[{"entity":"project-owners-1"}],"owner":{"entity":"user-x"},"restoreToken":"t","surprise":"x"}"#;

const SHOWN: &str = r#"{"kind":"storage#object","id":"lake/x y/1716","selfLink":"https://gw.example/storage/v1/b/lake/o/x%20y","mediaLink":"https://gw.example/download/storage/v1/b/lake/o/x%20y?generation=1716&alt=media","name":"x y","bucket":"lake","generation":"1716","metageneration":"1","contentType":"text/plain","size":"18446744073709551615","componentCount":3,"md5Hash":"JfnnlDI7RTiF9RgfG2JNCw==","crc32c":"4waSgw==","etag":"CKih16GjycICEAE=","metadata":{"k":"vä"}}"#;

fn rewritten(body: &str) -> Result<String, AnswerError> {
    let folder = folder();
    object(body.as_bytes(), &names(&folder)).map(|bytes| String::from_utf8(bytes).unwrap())
}

#[test]
fn an_object_is_shown_in_the_caller_s_words() {
    assert_eq!(rewritten(RESOURCE).as_deref(), Ok(SHOWN));
    // Parts of it, as `fields` asks for them.
    for (found, shown) in [
        ("{}", "{}"),
        (r#"{"size":"5"}"#, r#"{"size":"5"}"#),
        (r#"{"id":"acme-lake/teams/a/b/c/9"}"#, r#"{"id":"lake/b/c/9"}"#),
        (
            r#"{"selfLink":"http://store/storage/v1/b/acme-lake/o/teams%2Fa%2Fb%2Fo%2Fc"}"#,
            r#"{"selfLink":"https://gw.example/storage/v1/b/lake/o/b%2Fo%2Fc"}"#,
        ),
        (
            r#"{"mediaLink":"http://store/download/storage/v1/b/acme-lake/o/teams%2Fa%2Fb?generation=7&alt=media"}"#,
            r#"{"mediaLink":"https://gw.example/download/storage/v1/b/lake/o/b?generation=7&alt=media"}"#,
        ),
        (
            r#"{"mediaLink":"x","name":"teams/a/b","generation":"7"}"#,
            r#"{"mediaLink":"https://gw.example/download/storage/v1/b/lake/o/b?generation=7&alt=media","name":"b","generation":"7"}"#,
        ),
        // An address that cannot be read is not shown.
        (r#"{"selfLink":"http://store/acme-lake/teams/a/b"}"#, "{}"),
        (
            r#"{"selfLink":"http://store/storage/v1/b/other/o/teams%2Fa%2Fb"}"#,
            "{}",
        ),
        (
            r#"{"selfLink":"http://store/storage/v1/b/acme-lake/o/teams%2Fb"}"#,
            "{}",
        ),
    ] {
        assert_eq!(rewritten(found).as_deref(), Ok(shown));
    }
}

// AUZ-10
#[test]
fn what_is_of_another_bucket_or_folder_is_not_shown() {
    for (found, why) in [
        (r#"{"bucket":"other"}"#, AnswerError::OtherBucket),
        (r#"{"bucket":7}"#, AnswerError::Malformed),
        (r#"{"name":"teams/b/x"}"#, AnswerError::Outside),
        (r#"{"name":"teams/a/"}"#, AnswerError::Outside),
        (r#"{"name":"teams/a"}"#, AnswerError::Outside),
        (r#"{"name":null}"#, AnswerError::Malformed),
        (r#"{"id":"acme-lake-2/teams/a/x/1"}"#, AnswerError::OtherBucket),
        (r#"{"id":"acme-lake/teams/b/x/1"}"#, AnswerError::Outside),
        (r#"{"size":1.5}"#, AnswerError::Malformed),
        (r#"[]"#, AnswerError::Malformed),
    ] {
        assert_eq!(rewritten(found), Err(why), "{found}");
    }
}

fn page(body: &str, prefix: &KeyPrefix, asked: &str) -> Result<String, AnswerError> {
    let seal = |token: &str| Some(format!("sealed-{}", token.len()));
    objects(body.as_bytes(), &names(prefix), asked, seal).map(|bytes| String::from_utf8(bytes).unwrap())
}

#[test]
fn a_page_is_shown_in_the_caller_s_words() {
    let found = format!(
        r#"{{"kind":"storage#objects","nextPageToken":"CgV0ZWFtcw==","prefixes":["teams/a/x/"],"items":[{RESOURCE}],"surprise":1.5}}"#
    );
    let shown = format!(
        r#"{{"kind":"storage#objects","nextPageToken":"sealed-12","prefixes":["x/"],"items":[{SHOWN}]}}"#
    );
    assert_eq!(page(&found, &folder(), "x"), Ok(shown));
    let whole = KeyPrefix::default();
    assert_eq!(
        page(r#"{"items":[{"size":"1"}]}"#, &whole, "").as_deref(),
        Ok(r#"{"items":[{"size":"1"}]}"#)
    );
}

// AUZ-10
#[test]
fn one_name_outside_of_what_was_asked_fails_the_page() {
    let folder = folder();
    for (body, why) in [
        (
            r#"{"items":[{"name":"teams/a/x1"},{"name":"teams/b/x"}]}"#,
            AnswerError::Outside,
        ),
        (
            r#"{"items":[{"name":"teams/a/x1"},{"name":"teams/a/y"}]}"#,
            AnswerError::Outside,
        ),
        (r#"{"items":[{"size":"1"}]}"#, AnswerError::Nameless),
        // The folder's own marker begins with nothing that was asked for.
        (r#"{"items":[{"name":"teams/a/"}]}"#, AnswerError::Outside),
        (r#"{"items":[{"name":"teams/"}]}"#, AnswerError::Outside),
        (
            r#"{"items":[{"name":"teams/a/x","bucket":"other"}]}"#,
            AnswerError::OtherBucket,
        ),
        (
            r#"{"prefixes":["teams/a/x/","teams/a/y/"]}"#,
            AnswerError::Outside,
        ),
        (r#"{"prefixes":["teams/"]}"#, AnswerError::Outside),
        (r#"{"prefixes":[7]}"#, AnswerError::Malformed),
        (r#"{"items":{}}"#, AnswerError::Malformed),
        (r#"{"nextPageToken":7}"#, AnswerError::Malformed),
    ] {
        assert_eq!(page(body, &folder, "x"), Err(why), "{body}");
    }
    let last = objects(br#"{"nextPageToken":""}"#, &names(&folder), "", |_| None);
    assert_eq!(last.unwrap(), b"{}");
    let unsealed = objects(br#"{"nextPageToken":"t"}"#, &names(&folder), "", |_| None);
    assert_eq!(unsealed, Err(AnswerError::Unsealed));
}

#[test]
fn the_marker_of_the_folder_is_no_object_of_the_bucket() {
    let folder = folder();
    for (found, shown) in [
        (
            r#"{"items":[{"name":"teams/a/","size":"0"},{"name":"teams/a/x"}],"prefixes":["teams/a/y/"]}"#,
            r#"{"items":[{"name":"x"}],"prefixes":["y/"]}"#,
        ),
        // One page may have nothing else.
        (
            r#"{"nextPageToken":"CgV0ZWFtcw==","items":[{"name":"teams/a/","bucket":"acme-lake"}]}"#,
            r#"{"nextPageToken":"sealed-12","items":[]}"#,
        ),
        // Markers of folders in it are objects.
        (
            r#"{"items":[{"name":"teams/a/x/"}]}"#,
            r#"{"items":[{"name":"x/"}]}"#,
        ),
    ] {
        assert_eq!(page(found, &folder, "").as_deref(), Ok(shown));
    }
    assert_eq!(
        page(r#"{"items":[{"name":"teams/"}]}"#, &folder, ""),
        Err(AnswerError::Outside)
    );
    // Of a whole bucket every name is one.
    let whole = KeyPrefix::default();
    assert_eq!(
        page(r#"{"items":[{"name":""}]}"#, &whole, ""),
        Err(AnswerError::Outside)
    );
}

#[test]
fn a_large_page_is_linear_work() {
    let items = vec![RESOURCE; 1000].join(",");
    let found = format!(r#"{{"items":[{items}]}}"#);
    let shown = page(&found, &folder(), "").unwrap();
    let Some(crate::json::Json::Array(items)) =
        Object::parse(shown.as_bytes()).unwrap().get("items").cloned()
    else {
        panic!("{shown}");
    };
    assert_eq!(items.len(), 1000);
}

// GCS-03
#[test]
fn a_rewrite_token_does_not_cross() {
    let folder = folder();
    let rewrite = |body: &str| {
        let answer = rewrite_response(body.as_bytes(), &names(&folder), |token| {
            Some(format!("sealed-{}", token.len()))
        });
        answer.map(|bytes| String::from_utf8(bytes).unwrap())
    };
    let found = r#"{"kind":"storage#rewriteResponse","totalBytesRewritten":"5","objectSize":"9","done":false,"rewriteToken":"secret"}"#;
    assert_eq!(rewrite(found), Ok(found.replace("secret", "sealed-6")));
    let done = format!(r#"{{"done":true,"resource":{RESOURCE}}}"#);
    assert_eq!(
        rewrite(&done),
        Ok(format!(r#"{{"done":true,"resource":{SHOWN}}}"#))
    );
    assert_eq!(
        rewrite(r#"{"done":true,"rewriteToken":""}"#),
        Ok(r#"{"done":true}"#.to_owned())
    );
    assert_eq!(
        rewrite(r#"{"resource":{"name":"teams/b"}}"#),
        Err(AnswerError::Outside)
    );
}

#[test]
fn errors_of_targets_are_read_in_any_shape() {
    let check = |body: &str, reason: Option<&str>, message: Option<&str>| {
        let fault = target_fault(body.as_bytes());
        assert_eq!(fault.reason.as_deref(), reason, "{body}");
        assert_eq!(fault.message.as_deref(), message, "{body}");
    };
    check(
        r#"{"error":{"code":404,"message":"No such object: b/o","errors":[{"message":"x","domain":"global","reason":"notFound"}]}}"#,
        Some("notFound"),
        Some("No such object: b/o"),
    );
    check(
        r#"{"error":{"errors":[{"message":"m","reason":"a b"}]}}"#,
        None,
        Some("m"),
    );
    check(r#"{"error":{"code":412}}"#, None, None);
    check(
        r#"{"error":"invalid_grant","error_description":"d"}"#,
        Some("invalid_grant"),
        Some("d"),
    );
    check(r#"{"error":{"code":100000,"errors":{}}}"#, None, None);
    check("Not Found", None, None);
    check("", None, None);
}
