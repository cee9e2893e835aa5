use super::*;
use crate::operation::Asked;
use http::HeaderName;

fn parsed(method: &str, target: &str, headers: &[(&str, &str)]) -> Result<Draft, GcsError> {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
        .collect();
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    parse(Head {
        method,
        path,
        query,
        headers: &headers,
    })
}

/// What is called, and every access that it needs.
fn shown(draft: &Draft) -> String {
    let call = match draft {
        Draft::Ready(call) => call,
        Draft::Document(draft) => &draft.call,
    };
    let accesses: Vec<String> = call
        .accesses()
        .iter()
        .map(|access| match access.resource {
            crate::operation::AccessResource::Bucket(bucket) => format!("{} {bucket}", access.action.name()),
            crate::operation::AccessResource::Object(object) => {
                format!("{} {}/{}", access.action.name(), object.bucket, object.key)
            }
        })
        .collect();
    format!(
        "{}: {}",
        call.method().id().trim_start_matches("storage."),
        accesses.join(", ")
    )
}

fn good(method: &str, target: &str, expected: &str) {
    match parsed(method, target, &[]) {
        Ok(draft) => assert_eq!(shown(&draft), expected, "{method} {target}"),
        Err(error) => panic!("{method} {target}: {error:?}"),
    }
}

fn bad(method: &str, target: &str, status: u16, words: &str) {
    let error = parsed(method, target, &[]).expect_err(target);
    assert_eq!(error.status, status, "{method} {target}: {error:?}");
    assert!(error.message.contains(words), "{method} {target}: {error:?}");
}

#[test]
fn paths_are_the_methods_of_the_reference() {
    let object = "/storage/v1/b/lake/o/raw%2Fa.csv";
    good("GET", object, "objects.get: GetObject lake/raw/a.csv");
    good(
        "GET",
        &format!("{object}?alt=media"),
        "objects.get: GetObject lake/raw/a.csv",
    );
    good(
        "GET",
        "/download/storage/v1/b/lake/o/a?alt=media&generation=7",
        "objects.get: GetObjectVersion lake/a",
    );
    good(
        "GET",
        "/storage/v1/b/lake/o?prefix=raw%2F&delimiter=%2F",
        "objects.list: ListBucket lake",
    );
    good("DELETE", object, "objects.delete: DeleteObject lake/raw/a.csv");
    good(
        "PATCH",
        object,
        "objects.patch: GetObject lake/raw/a.csv, PutObject lake/raw/a.csv",
    );
    good(
        "POST",
        "/storage/v1/b/lake/o/a/rewriteTo/b/mart/o/x%2Fa?sourceGeneration=3",
        "objects.rewrite: GetObjectVersion lake/a, PutObject mart/x/a",
    );
    good(
        "POST",
        "/storage/v1/b/lake/o/a/copyTo/b/mart/o/a?destinationPredefinedAcl=publicRead",
        "objects.copy: GetObject lake/a, PutObject mart/a, PutObjectAcl mart/a",
    );
    good(
        "POST",
        "/storage/v1/b/lake/o/a/moveTo/o/b",
        "objects.move: GetObject lake/a, DeleteObject lake/a, PutObject lake/b",
    );
    good("GET", "/storage/v1/b/lake", "buckets.get: ");
    good("GET", "/storage/v1/b?project=p", "buckets.list: ");
    good("GET", "/storage/v1/b/lake/iam", "buckets.getIamPolicy: ");
    good(
        "GET",
        "/storage/v1/b/lake/storageLayout",
        "buckets.getStorageLayout: ListBucket lake",
    );
    good(
        "PUT",
        "/storage/v1/b/lake/iam",
        "buckets.setIamPolicy: PutBucketPolicy lake",
    );
    bad("GET", "/storage/v1/b/lake/o/a/b", 404, "%2F");
    bad("GET", "/storage/v1/b/lake/unheardOf", 404, "no method");
    bad("PUT", "/storage/v1/b/lake/storageLayout", 405, "PUT");
    bad("GET", "/storage/v1/b//o", 404, "no method");
    bad("GET", "/download/storage/v1/b/lake", 404, "bytes of objects");
    bad("GET", "/storage/v1/b/lake?alt=media", 400, "alt=media");
    bad("POST", "/storage/v1/b/lake/o?name=a", 400, "/upload/storage/v1/");
    bad("POST", "/storage/v1/projects/p/hmacKeys", 501, "identity token");
    bad("POST", "/storage/v1/b/lake/o/watch", 501, "notifications");
}

#[test]
fn a_folder_is_named_as_what_is_in_it_begins() {
    for kind in ["folders", "managedFolders"] {
        for name in ["runs%2F", "runs", "a%20b%2C%2Fc%2F", "%C3%A4%2F%2Fb"] {
            good(
                "GET",
                &format!("/storage/v1/b/lake/{kind}/{name}"),
                &format!("{kind}.get: "),
            );
            bad(
                "DELETE",
                &format!("/storage/v1/b/lake/{kind}/{name}"),
                501,
                "not served",
            );
        }
        for name in ["..", "a%2F..%2F", ".%2F", "a%0A%2F", "%FF"] {
            bad("GET", &format!("/storage/v1/b/lake/{kind}/{name}"), 400, "");
        }
    }
}

#[test]
fn the_wrong_verb_is_told_the_right_ones() {
    let check = |method: &str, target: &str, allowed: &str| {
        let error = parsed(method, target, &[]).expect_err(target);
        assert_eq!(
            (error.status, error.allow.as_deref()),
            (405, Some(allowed)),
            "{target}"
        );
        let response = error::render(&error, "id", method == "HEAD");
        let allow = response.headers().get(header::ALLOW);
        assert_eq!(
            allow.and_then(|value| value.to_str().ok()),
            Some(allowed),
            "{target}"
        );
    };
    check("HEAD", "/storage/v1/b/lake/o/a", "GET, DELETE, PATCH, PUT");
    check(
        "HEAD",
        "/storage/v1/b/lake/o/a?alt=media",
        "GET, DELETE, PATCH, PUT",
    );
    check("HEAD", "/storage/v1/b/lake", "GET, DELETE, PATCH, PUT");
    check("PUT", "/storage/v1/b/lake/storageLayout", "GET");
}

#[test]
fn what_clients_say_along_ends_here() {
    let crosses = |target: &str, expected: &[&str]| {
        let Ok(Draft::Ready(call)) = parsed("GET", target, &[]) else {
            panic!("{target}");
        };
        let names: Vec<_> = call.parameters().iter().map(|(name, _)| *name).collect();
        assert_eq!(names, expected, "{target}");
    };
    // A deletion of everything below a prefix hands its own options to the listing.
    crosses(
        "/storage/v1/b/lake/o?prefix=runs%2F&force=true&autoPaginate=false",
        &["prefix"],
    );
    crosses(
        "/storage/v1/b?project=p&returnPartialSuccess=true&softDeleted=false",
        &["project"],
    );
    bad("GET", "/storage/v1/b/lake/o/a?force=true", 400, "`force`");
    // Nobody here knows the target's.
    bad(
        "GET",
        "/storage/v1/b/lake?ifMetagenerationMatch=1",
        400,
        "`ifMetagenerationMatch`",
    );
}

// GCS-08: the slash is data, and so is whatever else a name has; what no store and no log can hold is refused.
#[test]
fn a_name_is_one_segment_and_decoded_once() {
    let get = |segment: &str, key: &str| {
        good(
            "GET",
            &format!("/storage/v1/b/lake/o/{segment}"),
            &format!("objects.get: GetObject lake/{key}"),
        );
    };
    get("a%2Fb", "a/b");
    get("a%252Fb", "a%2Fb");
    get("a%3Fb%23c", "a?b#c");
    get("a+b%20c", "a+b c");
    get("%C3%A4", "ä");
    get("o%2Facl", "o/acl");
    let refused =
        |segment: &str, words: &str| bad("GET", &format!("/storage/v1/b/lake/o/{segment}"), 400, words);
    refused("..", "`..`");
    refused("%2e%2e", "`..`");
    refused("a%2F..%2Fb", "`..`");
    refused("a%0Ab", "line feed");
    refused("a%0D", "carriage return");
    refused("a%00", "NUL");
    refused("%FF", "UTF-8");
    refused("a%2", "%");
    refused(&"k".repeat(1025), "1024");
    bad("GET", "/storage/v1/b/La_ke/o/a", 400, "bucket name");
}

/// The object of a request of the JSON API, and of one of the XML API on the same host.
fn in_both(segment: &str, path: &str) -> (Option<ObjectName>, Option<ObjectName>) {
    let json = match parsed("GET", &format!("/storage/v1/b/lake/o/{segment}"), &[]) {
        Ok(Draft::Ready(call)) => call.object().cloned(),
        Ok(Draft::Document(_)) | Err(_) => None,
    };
    let domains = ["tidegate.test".into()];
    let xml = s3::address::parse("tidegate.test", &format!("/lake/{path}"), &domains);
    let xml = xml.ok().and_then(|address| match address.resource {
        Resource::Object(object) => Some(object),
        Resource::Service | Resource::Bucket(_) => None,
    });
    (json, xml)
}

proptest::proptest! {
    // GCS-08: one key has two spellings, and each of them is that key.
    #[test]
    fn both_apis_name_the_same_object(name in "[a-c/.%+ ?#&~\u{e4}\u{20ac}-]{1,12}") {
        let segment = documents::segment::encode(&name);
        let mut path = String::new();
        s3::uri::encode_path(name.as_bytes(), &mut path);
        let (json, xml) = in_both(&segment, &path);
        // What is a key in one of them is the same key in the other; a bucket and nothing behind it is no object.
        proptest::prop_assert_eq!(&json, &xml);
        if let Some(object) = json {
            proptest::prop_assert_eq!(object.key.as_str(), name);
        }
        // A slash may be written either way in the XML API, and only one way here.
        proptest::prop_assert_eq!(in_both(&segment, &segment).1, xml);
    }
}

#[test]
fn names_that_both_apis_refuse() {
    for (segment, path) in [
        ("..", ".."),
        ("a%2F..%2Fb", "a/../b"),
        ("a%00", "a%00"),
        ("%FF", "%FF"),
        ("a%2", "a%2"),
        (&*"k".repeat(1025), &*"k".repeat(1025)),
    ] {
        assert_eq!(in_both(segment, path), (None, None), "{segment}");
    }
    // Google has no such names; other stores do.
    let (json, xml) = in_both("a%0Ab", "a%0Ab");
    assert!(json.is_none() && xml.is_some());
}

// CLS-10
#[test]
fn other_ways_to_say_who_or_what_are_refused() {
    let list = |query: &str, words: &str| bad("GET", &format!("/storage/v1/b/lake/o?{query}"), 400, words);
    list("access_token=ya29.a", "Authorization: Bearer");
    list("oauth_token=ya29.a", "Authorization: Bearer");
    list("key=AIza", "API keys");
    list("callback=f", "scripts");
    list("unheardOf=1", "`unheardOf`");
    list("prefix=a&prefix=b", "twice");
    list("prefix=a&Prefix=b", "twice");
    list("versions=yes", "`versions`");
    list("maxResults=-1", "`maxResults`");
    for parameter in ["destinationKmsKeyName=", "destinationKmsKeyName=a%20b"] {
        let target = format!("/storage/v1/b/lake/o/a/copyTo/b/lake/o/b?{parameter}");
        bad("POST", &target, 400, "`destinationKmsKeyName`");
    }
    // Whoever collapses these would delete something else.
    for name in ["..", "%2e%2e", ".", "a%2F..%2Fb", "a%00"] {
        bad(
            "DELETE",
            &format!("/storage/v1/b/lake/acl/{name}"),
            400,
            "an entity",
        );
        bad(
            "DELETE",
            &format!("/storage/v1/b/lake/o/a/acl/{name}"),
            400,
            "an entity",
        );
        bad(
            "DELETE",
            &format!("/storage/v1/b/lake/notificationConfigs/{name}"),
            400,
            "an entity",
        );
    }
    list("fields=items(name);drop", "`fields`");
    list("alt=xml", "`alt`");
    good(
        "GET",
        "/storage/v1/b/lake/o?alt=json&prettyPrint=false&projection=full&userProject=p&quotaUser=q&fields=items%2Fname",
        "objects.list: ListBucket lake",
    );
    let with = |name: &str, words: &str| {
        let error = parsed("GET", "/storage/v1/b/lake/o/a", &[(name, "DELETE")]).expect_err(name);
        assert!(
            error.status == 400 && error.message.contains(words),
            "{name}: {error:?}"
        );
    };
    with("x-http-method-override", "override");
    with("x-http-method", "override");
    with("x-method-override", "override");
    with("x-goog-acl", "x-goog-acl");
    with("x-goog-unheard-of", "x-goog-unheard-of");
    with("x-amz-acl", "x-amz-acl");
    with("x-goog-custom-audit-tidegate-principal", "custom-audit");
    for name in [
        "x-goog-api-client",
        "x-goog-user-project",
        "x-goog-custom-audit-job",
    ] {
        assert!(
            parsed("GET", "/storage/v1/b/lake/o/a", &[(name, "a")]).is_ok(),
            "{name}"
        );
    }
}

// SIG-05
#[test]
fn a_caller_has_one_bearer_token() {
    let claimed = |values: &[&str]| {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, value.parse().unwrap());
        }
        claim(&headers)
    };
    assert!(matches!(claimed(&["Bearer abc.def"]), Ok(Claim::Bearer(_))));
    assert!(matches!(claimed(&["bearer abc"]), Ok(Claim::Bearer(_))));
    assert!(matches!(claimed(&[]), Ok(Claim::Anonymous)));
    for values in [
        &["Bearer a", "Bearer b"][..],
        &["Bearer"],
        &["Bearer a b"],
        &["GOOG1 a:b"],
        &["AWS4-HMAC-SHA256 x"],
    ] {
        assert_eq!(
            claimed(values).err().map(|error| error.status),
            Some(401),
            "{values:?}"
        );
    }
}

fn completed(method: &str, target: &str, document: &str) -> Result<Call, GcsError> {
    match parsed(method, target, &[])? {
        Draft::Document(draft) => draft.complete(document.as_bytes()),
        Draft::Ready(call) => panic!("{call:?} waits for no document"),
    }
}

// GCS-02, GCS-05, GCS-06
#[test]
fn documents_ask_for_rights_and_name_what_the_address_names() {
    let needs = |method: &str, target: &str, document: &str, expected: &str| {
        let call = completed(method, target, document).unwrap();
        assert_eq!(shown(&Draft::Ready(call)), expected, "{document}");
    };
    let refused = |method: &str, target: &str, document: &str, words: &str| {
        let error = completed(method, target, document).expect_err(document);
        assert!(error.message.contains(words), "{document}: {error:?}");
    };
    let object = "/storage/v1/b/lake/o/a";
    needs(
        "PATCH",
        object,
        "null\n",
        "objects.patch: GetObject lake/a, PutObject lake/a",
    );
    needs(
        "PATCH",
        object,
        r#"{"acl":[]}"#,
        "objects.patch: GetObject lake/a, PutObject lake/a, PutObjectAcl lake/a",
    );
    needs(
        "PATCH",
        object,
        r#"{"temporaryHold":true,"name":"a","bucket":"lake"}"#,
        "objects.patch: GetObject lake/a, PutObject lake/a, PutObjectLegalHold lake/a",
    );
    refused("PATCH", object, r#"{"name":"b"}"#, "another object");
    refused("PATCH", object, r#"{"bucket":"mart"}"#, "another object");
    refused("PATCH", object, r#"{"name":"a","name":"b"}"#, "once");
    refused("PATCH", object, r#"{"unheardOf":true}"#, "unheardOf");
    refused("PATCH", object, "[]", "JSON");
    let compose = "/storage/v1/b/lake/o/all/compose";
    needs(
        "POST",
        compose,
        r#"{"sourceObjects":[{"name":"a"},{"name":"b","generation":"5"}],"destination":{"contentType":"text/plain"}}"#,
        "objects.compose: GetObject lake/a, GetObjectVersion lake/b, PutObject lake/all",
    );
    refused("POST", compose, r#"{"sourceObjects":[{"name":"../x"}]}"#, "`..`");
    refused("POST", compose, r#"{"sourceObjects":[]}"#, "1 to 32");
    refused(
        "POST",
        compose,
        r#"{"sourceObjects":[{"name":"a\nb"}]}"#,
        "line feed",
    );
    // What is decided about is what is used, wherever it is said.
    let rewrite = "/storage/v1/b/lake/o/a/rewriteTo/b/lake/o/b?destinationKmsKeyName=projects/p/k";
    refused(
        "POST",
        rewrite,
        r#"{"kmsKeyName":"projects/p/other"}"#,
        "another key",
    );
    assert!(completed("POST", rewrite, r#"{"kmsKeyName":"projects/p/k"}"#).is_ok());
    refused(
        "POST",
        &format!("{compose}?kmsKeyName=k"),
        r#"{"sourceObjects":[{"name":"a"}],"destination":{"kmsKeyName":"other"}}"#,
        "another key",
    );
    refused(
        "PATCH",
        object,
        &format!(r#"{{"kmsKeyName":"{}"}}"#, "k".repeat(513)),
        "512",
    );
    refused("PUT", object, "", "all metadata");
    refused(
        "POST",
        "/storage/v1/b/lake/o/a/moveTo/o/b",
        r#"{"metadata":{}}"#,
        "a move",
    );
    assert!(completed("POST", "/storage/v1/b/lake/o/a/moveTo/o/b", "{}").is_ok());
    let many = vec![r#"{"name":"a"}"#; 33].join(",");
    refused(
        "POST",
        compose,
        &format!(r#"{{"sourceObjects":[{many}]}}"#),
        "1 to 32",
    );
    needs(
        "POST",
        "/storage/v1/b?project=p",
        r#"{"name":"mart","location":"EU"}"#,
        "buckets.insert: CreateBucket mart",
    );
    refused(
        "POST",
        "/storage/v1/b?project=p",
        r#"{"location":"EU"}"#,
        "`name`",
    );
    needs(
        "PATCH",
        "/storage/v1/b/lake",
        r#"{"labels":{"a":"b"}}"#,
        "buckets.patch: PutBucketTagging lake",
    );
}
