//! The catalogue, end to end: every call of the API through the built program, against a target that keeps what it gets.
//!
//! What is sent, what must arrive and which rights it takes are written down in `calls`, from the API reference and
//! not from the program's table, and held against `tests/golden/catalogue.tsv`.

use crate::support::calls::{Becomes, Call, calls};
use crate::support::fake_target::{FakeTarget, Seen, Step, answer};
use crate::support::{Answer, Client, Payload, Settings, Signed, World};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

const CATALOGUE: &str = include_str!("../golden/catalogue.tsv");
const HEADER_NAMES: &str = include_str!("../golden/header-names.txt");

/// etl may do anything, and backup whatever `permit(principal, action, resource)` grants. The analyst may do nothing.
const POLICY: &str = r#"
permit (principal == Tidegate::Workload::"idp:etl", action, resource);
permit (principal == Tidegate::Workload::"idp:etl", action in Tidegate::Action::"manage", resource);
permit (principal == Tidegate::Workload::"idp:backup", action, resource);
"#;

/// What callers and the programs between them and us add, and what no call of S3 means anything by.
const NOISE: [(&str, &str); 8] = [
    ("cookie", "canary=1"),
    ("x-forwarded-for", "10.9.8.7"),
    ("x-forwarded-host", "canary.test"),
    ("x-http-method-override", "DELETE"),
    ("x-tidegate-principal", "canary"),
    ("x-amz-user-agent", "canary"),
    ("user-agent", "canary"),
    ("origin", "https://canary.test"),
];

/// What a target may say about itself in headers, none of which is for callers. LEK-04, LEK-05, LEK-08
const BABBLE: &str = "location: https://canary.test/\r\nx-amz-bucket-region: canary\r\nx-amz-id-2: canary\r\n\
    x-amz-request-id: canary\r\nserver: canary\r\nset-cookie: canary=1\r\nalt-svc: h2=\"canary\"\r\n\
    clear-site-data: \"canary\"\r\nwww-authenticate: canary\r\nvia: canary\r\nrefresh: 0; url=https://canary.test/\r\n\
    content-location: https://canary.test/\r\nlink: <https://canary.test/>\r\nx-amz-website-redirect-location: /canary\r\n\
    access-control-allow-origin: canary\r\nx-amz-copy-source: acme-lake-prod/canary\r\nx-minio-deployment-id: canary\r\n\
    x-canary: canary\r\netag: \"e\"\r\n";

/// A Tidegate before a target that answers what the test says.
struct Stage {
    world: World,
    target: FakeTarget,
    reply: Arc<Mutex<Vec<u8>>>,
}

impl Stage {
    async fn set() -> Self {
        let reply: Arc<Mutex<Vec<u8>>> = Arc::default();
        let said = reply.clone();
        let target = FakeTarget::start(move |head| {
            let mut bytes = said.lock().unwrap().clone();
            if head.starts_with("HEAD ") {
                let end = bytes.windows(4).position(|at| at == b"\r\n\r\n").unwrap();
                bytes.truncate(end + 4);
            }
            vec![Step::ReadBody, Step::Send(bytes)]
        })
        .await;
        let world = World::with(Settings {
            target: Some(target.address),
            policy: Some(POLICY.into()),
            other_policy: Some(POLICY.into()),
            bucket_lines: "create = true".into(),
            ..Settings::default()
        })
        .await;
        Self { world, target, reply }
    }

    fn replies(&self, status: &str, headers: &str, body: &str) {
        *self.reply.lock().unwrap() = answer(status, headers, body);
    }

    /// Begins an upload to the key of all calls, as the parts of it need.
    async fn upload(&self, client: &Client) -> String {
        self.replies(
            "200 OK",
            "",
            "<InitiateMultipartUploadResult><Bucket>acme-lake-prod</Bucket><Key>team/k</Key>\
             <UploadId>upload-1</UploadId></InitiateMultipartUploadResult>",
        );
        let begin = client.sign("POST", "/lake/team/k?uploads", &[], b"", Payload::Literal);
        client
            .send(begin)
            .await
            .element("UploadId")
            .expect("an upload id")
    }
}

/// The call as its caller sends it.
fn request(client: &Client, call: &Call, upload: &str, more: &[(&str, &str)]) -> Signed {
    let (method, target) = call.request.split_once(' ').unwrap();
    let target = target.replace("{upload}", upload);
    let mut headers = call.headers.to_vec();
    headers.extend_from_slice(more);
    if let Some(source) = call.copies {
        headers.push(("x-amz-copy-source", source));
    }
    client.sign(
        method,
        &target,
        &headers,
        noisy(call.body).as_bytes(),
        Payload::Literal,
    )
}

/// A document with what a reader passes over: a comment, attributes, blanks. Object bytes stay what they are.
fn noisy(body: &str) -> String {
    match (body.find('>'), body.starts_with('{')) {
        (_, true) => body.replacen('{', " {\n ", 1),
        (Some(end), _) => format!(
            "<?xml version=\"1.0\"?>\n{} canary=\"1\" xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><!-- canary -->{}\n",
            &body[..end],
            &body[end + 1..]
        ),
        (None, _) => body.to_owned(),
    }
}

/// A document without what every document has.
fn plain(body: &[u8]) -> String {
    let text = String::from_utf8(body.to_vec()).unwrap();
    let text = text
        .strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n")
        .unwrap_or(&text);
    text.replace(" xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"", "")
}

/// Path and parameters, in no order and each with a value.
fn parts(target: &str) -> (String, BTreeSet<String>) {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let pair = |pair: &str| {
        if pair.contains('=') {
            pair.to_owned()
        } else {
            format!("{pair}=")
        }
    };
    (path.to_owned(), pairs.map(pair).collect())
}

fn names(seen: &Seen) -> BTreeSet<String> {
    let lines = seen.head.lines().skip(1).filter_map(|line| line.split_once(": "));
    lines.map(|(name, _)| name.to_ascii_lowercase()).collect()
}

/// What our own request has, whatever the caller said.
fn own_headers(call: &Call) -> BTreeSet<String> {
    let mut own: BTreeSet<String> = [
        "authorization",
        "host",
        "user-agent",
        "x-amz-content-sha256",
        "x-amz-date",
    ]
    .map(str::to_owned)
    .into();
    if call.request.starts_with("PUT") || call.request.starts_with("POST") {
        own.insert("content-length".to_owned());
    }
    if call.has_md5() {
        own.insert("content-md5".to_owned());
    }
    own.extend(call.copies.map(|_| "x-amz-copy-source".to_owned()));
    own
}

fn tells_nothing(answer: &Answer, stage: &Stage, what: &str) {
    let everything = format!("{:?} {}", answer.headers, answer.text());
    for secret in ["anary", "acme-", "STOREKEY", &stage.target.address.to_string()] {
        assert!(
            !everything.contains(secret),
            "{what} tells `{secret}`: {everything}"
        );
    }
    for name in ["refresh", "link", "content-location"] {
        assert_eq!(answer.header(name), None, "{what}");
    }
    // A bucket that was made is where its caller named it.
    assert!(
        matches!(answer.header("location"), None | Some("/lake")),
        "{what}: {:?}",
        answer.headers
    );
}

/// The rows of the committed table, by operation: its columns by name.
fn catalogue() -> BTreeMap<&'static str, BTreeMap<&'static str, &'static str>> {
    let mut lines = CATALOGUE.lines();
    let columns: Vec<&str> = lines.next().unwrap().split('\t').collect();
    let row = |line: &'static str| {
        let cells: BTreeMap<_, _> = columns.iter().copied().zip(line.split('\t')).collect();
        (cells["operation"], cells)
    };
    lines.map(row).collect()
}

#[test]
fn every_call_of_the_catalogue_is_sent_once_to_see_what_becomes_of_it() {
    let catalogue = catalogue();
    let calls = calls();
    for (name, row) in &catalogue {
        let of_this: Vec<&Call> = calls.iter().filter(|call| call.name == *name).collect();
        assert!(
            !of_this.is_empty(),
            "`{name}` is in the catalogue and not tested: add it to `calls` in tests/spine/support/calls.rs, from the API \
             reference (its request, what of it must arrive, a right answer and the rights it takes)"
        );
        let handling = match of_this[0].becomes {
            Becomes::Forwarded => "forwarded".to_owned(),
            Becomes::Answered => "answered".to_owned(),
            Becomes::Refused(..) => "refused".to_owned(),
            Becomes::Another(other) => format!("as {other}"),
            Becomes::Form(other, ..) => format!("becomes {other}"),
        };
        assert_eq!(
            row["handling"], handling,
            "{name}: `calls` and the catalogue differ"
        );
        // An older name is decided as the call that it is.
        let row = match of_this[0].becomes {
            Becomes::Another(other) => &catalogue[other],
            _ => row,
        };
        // By hand here, by the table there; a name with two rights has one for named versions.
        let rights: Vec<&str> = row["rights"]
            .split(" + ")
            .map(|right| {
                right
                    .trim_end_matches(" of the source")
                    .trim_end_matches(" of each key")
            })
            .filter(|right| !right.is_empty() && !right.starts_with("any right"))
            .collect();
        for call in of_this {
            let fits = |(right, needed): (&&str, &&str)| right.split('/').any(|one| one == *needed);
            let more = call.needs.iter().skip(rights.len());
            let of_headers: Vec<&str> = row["rights of headers"]
                .split(' ')
                .filter_map(|pair| Some(pair.split_once(':')?.1))
                .collect();
            assert!(
                call.needs.len() >= rights.len()
                    && rights.iter().zip(call.needs).all(fits)
                    && more.clone().all(|right| of_headers.contains(right)),
                "{name} takes {:?} by `calls` and {rights:?} by the catalogue",
                call.needs
            );
        }
    }
    for call in &calls {
        assert!(
            catalogue.contains_key(call.name),
            "`{}` is no call of the catalogue",
            call.name
        );
    }
}

// CLS-01, CLS-02, CLS-04, LEK-02, LEK-03, LEK-05, AUZ-18
#[tokio::test]
async fn every_call_arrives_as_it_was_meant_and_comes_back_in_the_names_of_the_caller() {
    let stage = Stage::set().await;
    let etl = stage.world.client("etl").await;
    let upload = stage.upload(&etl).await;
    let mut ids = BTreeMap::new();
    for call in calls() {
        let what = format!("{} {}", call.name, call.request);
        let before = stage.target.count();
        stage.replies("200 OK", BABBLE, &noisy(call.answer));
        let answer = etl.send(request(&etl, &call, &upload, &NOISE)).await;
        let seen = stage.target.since(before);
        let id = answer
            .header("x-amz-request-id")
            .expect("a request id")
            .to_owned();
        ids.insert(id, call.becomes.name(&call));
        tells_nothing(&answer, &stage, &what);
        match call.becomes {
            Becomes::Refused(status, code) | Becomes::Form(_, status, code) => {
                answer.refused(&what, status, code);
                assert_eq!(seen.len(), 0, "{what}");
                continue;
            }
            Becomes::Answered => {
                assert_eq!((answer.status, seen.len()), (200, 0), "{what}: {}", answer.text());
                continue;
            }
            Becomes::Forwarded | Becomes::Another(_) => {}
        }
        assert_eq!((answer.status, seen.len()), (200, 1), "{what}: {}", answer.text());
        let seen = &seen[0];
        let (method, target) = call.request.split_once(' ').unwrap();
        let (sent_method, sent_target) = seen.line().split_once(' ').unwrap();
        let meant = target
            .replacen("/lake", "/acme-lake-prod", 1)
            .replace("{upload}", "upload-1");
        assert_eq!(
            (sent_method, parts(sent_target)),
            (method, parts(&meant)),
            "{what}"
        );
        let mut expected = own_headers(&call);
        expected.extend(call.headers.iter().map(|(name, _)| (*name).to_owned()));
        assert_eq!(names(seen), expected, "{what}");
        for (name, value) in call.headers {
            assert_eq!(seen.header(name), Some(*value), "{what}");
        }
        let source = call
            .copies
            .map(|source| source.replacen("other/", "acme-other/", 1));
        assert_eq!(seen.header("x-amz-copy-source"), source.as_deref(), "{what}");
        assert_eq!(plain(&seen.body), call.body, "{what}");
        assert!(
            !seen.head.contains("anary") && !seen.head.contains("localhost"),
            "{what}: {}",
            seen.head
        );
        if method != "HEAD" {
            let expected = call.relayed();
            assert!(
                plain(&answer.body).contains(&expected),
                "{what}: `{expected}` is not in {}",
                answer.text()
            );
        }
    }
    let all = |records: &[serde_json::Value]| {
        ids.keys()
            .all(|id| records.iter().any(|record| record["request_id"] == **id))
    };
    for record in stage.world.audit_when(all).await {
        let id = record["request_id"].as_str().unwrap();
        if let Some(Some(name)) = ids.get(id) {
            assert_eq!(record["api"]["operation"], *name, "{record}");
        }
    }
}

// AUZ-01, LEK-01
#[tokio::test]
async fn without_a_right_nothing_of_any_call_reaches_the_target() {
    let stage = Stage::set().await;
    let (etl, backup, analyst) = (
        stage.world.client("etl").await,
        stage.world.client("backup").await,
        stage.world.client("analyst").await,
    );
    let mut anonymous = stage.world.anonymous();
    anonymous.keys = etl.keys.clone();
    anonymous.keys_mut().secret_access_key.push('x');
    let uploads = [stage.upload(&etl).await, stage.upload(&backup).await];
    let begun = stage.target.count();
    for call in calls() {
        let what = format!("{} {}", call.name, call.request);
        stage.replies("200 OK", "", call.answer);
        let refused = |answer: &Answer, action: Option<&str>, ending: &str| {
            tells_nothing(answer, &stage, &what);
            if let Becomes::Refused(status, code) | Becomes::Form(_, status, code) = call.becomes {
                answer.refused(&what, status, code);
                return;
            }
            if call.request.starts_with("HEAD") {
                assert_eq!((answer.status, answer.body.len()), (403, 0), "{what}");
                return;
            }
            let Some(action) = action else {
                return assert_eq!(
                    (answer.status, answer.text().contains("<Bucket>")),
                    (200, false),
                    "{what}"
                );
            };
            if call.name == "DeleteObjects" {
                assert_eq!(answer.status, 200, "{what}");
            } else {
                answer.refused(&what, 403, "AccessDenied");
            }
            let message = answer.element("Message").unwrap();
            assert!(
                message.contains(&format!(" perform: s3:{action} on resource: ")),
                "{what}: {message}"
            );
            assert!(message.ends_with(ending), "{what}: {message}");
        };
        let managed = call.managed();
        let no_right = "because no policy allows it";
        let not_by_name = "because no policy grants this action, or `manage`, by name";
        let first = call.needs.first().copied();
        let ending = if first.is_some() && first == managed {
            not_by_name
        } else {
            no_right
        };
        refused(
            &analyst.send(request(&analyst, &call, &uploads[0], &[])).await,
            first,
            ending,
        );
        // A signature that is wrong, and none at all.
        if !matches!(call.becomes, Becomes::Refused(..) | Becomes::Form(..)) {
            let forged = anonymous.send(request(&anonymous, &call, &uploads[0], &[])).await;
            let mut unsigned = request(&etl, &call, &uploads[0], &[]);
            // With a digest, because a document that nothing proves is refused before.
            let headers = unsigned.headers_mut();
            if call.has_document() {
                headers.insert("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==".parse().unwrap());
            }
            for name in [
                "authorization",
                "x-amz-security-token",
                "x-amz-date",
                "x-amz-content-sha256",
            ] {
                headers.remove(name);
            }
            let unsigned = etl.send(unsigned).await;
            for (answer, code) in [(forged, "SignatureDoesNotMatch"), (unsigned, "AccessDenied")] {
                match call.request.starts_with("HEAD") {
                    true => assert_eq!((answer.status, answer.body.len()), (403, 0), "{what}"),
                    false => answer.refused(&what, 403, code),
                }
            }
        }
        if managed.is_some() {
            refused(
                &backup.send(request(&backup, &call, &uploads[1], &[])).await,
                managed,
                not_by_name,
            );
        }
        assert_eq!(stage.target.count(), begun, "{what}: {:?}", stage.target.lines());
    }
    // What is not managed, a policy of every action does grant.
    for call in calls() {
        if matches!(call.becomes, Becomes::Forwarded) && call.managed().is_none() {
            stage.replies("200 OK", "", call.answer);
            let before = stage.target.count();
            let answer = backup.send(request(&backup, &call, &uploads[1], &[])).await;
            assert_eq!(
                (answer.status, stage.target.count()),
                (200, before + 1),
                "{}",
                call.name
            );
        }
    }
}

// LEK-04, LEK-05, LEK-07, LEK-08
#[tokio::test]
async fn no_call_lets_a_target_speak_for_itself() {
    let stage = Stage::set().await;
    let etl = stage.world.client("etl").await;
    let upload = stage.upload(&etl).await;
    let error = |code: &str| {
        let elements = [
            "Message",
            "AWSAccessKeyId",
            "StringToSign",
            "StringToSignBytes",
            "CanonicalRequest",
            "BucketName",
            "Bucket",
            "Endpoint",
            "Region",
            "HostId",
            "RequestId",
            "Key",
            "Resource",
            "SignatureProvided",
            "ArgumentValue",
            "Canary",
        ];
        let canaries = elements
            .map(|name| format!("<{name}>canary of acme-lake-prod for STOREKEY</{name}>"))
            .concat();
        format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code>{canaries}</Error>")
    };
    let calls = calls();
    let forwarded = || {
        calls
            .iter()
            .filter(|call| matches!(call.becomes, Becomes::Forwarded))
    };
    let mut sender = etl.http2().await;
    for (status, body, expected) in [
        ("403 Forbidden", error("SignatureDoesNotMatch"), 503),
        ("301 Moved Permanently", error("PermanentRedirect"), 503),
        ("307 Temporary Redirect", String::new(), 503),
        ("403 Forbidden", error("AccessDenied"), 403),
        ("404 Not Found", error("CanaryError"), 404),
        ("500 Internal Server Error", "<html>canary</html>".to_owned(), 500),
    ] {
        for call in forwarded() {
            let what = format!("{} answered {status}", call.name);
            stage.replies(status, BABBLE.trim_end_matches("etag: \"e\"\r\n"), &body);
            let answer = etl
                .send_http2(&mut sender, request(&etl, call, &upload, &[]))
                .await;
            // Also to HEAD, whose answer has no code: the target is asked once more, aloud.
            assert_eq!(answer.status, expected, "{what}: {}", answer.text());
            tells_nothing(&answer, &stage, &what);
        }
    }
    stage.world.kept_secret(&["store-secret-that-nobody-else-has"]);
}

// CLS-02: hundreds of names on every call; what arrives is what the catalogue lists, and nothing else.
#[tokio::test]
async fn no_header_arrives_that_the_catalogue_does_not_list() {
    let stage = Stage::set().await;
    let etl = stage.world.client("etl").await;
    let upload = stage.upload(&etl).await;
    let catalogue = catalogue();
    let unknown_to_stores = |name: &&str| {
        !["x-amz-", "x-goog-", "x-minio-", "x-rustfs-"]
            .iter()
            .any(|p| name.starts_with(p))
    };
    let harmless: Vec<&str> = HEADER_NAMES.lines().filter(unknown_to_stores).collect();
    let meaningful: Vec<&str> = HEADER_NAMES
        .lines()
        .filter(|name| !unknown_to_stores(name))
        .collect();
    assert!(
        harmless.len() > 250 && meaningful.len() > 150,
        "{} {}",
        harmless.len(),
        meaningful.len()
    );
    let mut sender = etl.http2().await;
    for (at, call) in calls().iter().enumerate() {
        if !matches!(call.becomes, Becomes::Forwarded) {
            continue;
        }
        let listed: BTreeSet<&str> = catalogue[call.name]["headers"].split(' ').collect();
        let already = |name: &str| call.headers.iter().any(|(known, _)| *known == name);
        stage.replies("200 OK", "", call.answer);
        let free: Vec<&str> = harmless.iter().copied().filter(|name| !already(name)).collect();
        for names_sent in free.chunks(70) {
            let more: Vec<(&str, &str)> = names_sent.iter().map(|name| (*name, "1")).collect();
            let answer = etl
                .send_http2(&mut sender, request(&etl, call, &upload, &more))
                .await;
            assert_eq!(answer.status, 200, "{}: {}", call.name, answer.text());
            let seen = stage.target.last();
            let mut expected = own_headers(call);
            expected.extend(call.headers.iter().map(|(name, _)| (*name).to_owned()));
            let crossing = names_sent.iter().filter(|name| listed.contains(**name));
            expected.extend(crossing.map(|name| (*name).to_owned()));
            assert_eq!(names(&seen), expected, "{}", call.name);
        }
        // Every call is asked some; the room of the dialect asks every call all.
        let before = stage.target.count();
        let unknown = meaningful
            .iter()
            .filter(|name| !listed.contains(**name) && !name.starts_with("x-amz-meta-"));
        for name in unknown.skip(at % 7).step_by(29) {
            let answer = etl
                .send_http2(&mut sender, request(&etl, call, &upload, &[(name, "1")]))
                .await;
            let what = format!("{} with {name}", call.name);
            match call.request.starts_with("HEAD") {
                true => assert_eq!(answer.status, 501, "{what}"),
                false => answer.refused(&what, 501, "NotImplemented"),
            }
        }
        assert_eq!(stage.target.count(), before, "{}", call.name);
    }
}
