//! The store: objects in memory, and a check of every signature against the session that it says it is of.

use super::{Asked, Done, REGION, Reply, Session, State, read, sigv4};
use http::{Method, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use jiff::SignedDuration;
use serde_json::Value;
use std::sync::Mutex;

type Refusal = (u16, &'static str);

pub(super) async fn answer(state: &Mutex<State>, asked: Asked, incoming: Incoming) -> Reply {
    // As the real one, it knows from the head whose request it is, and does not wait for the body of one that it refuses.
    let (who, permitted) = {
        let state = state.lock().unwrap();
        match known(&state, &asked) {
            Ok(session) => (Some(session.clone()), allows(session, &asked)),
            Err(refusal) => (None, Err(refusal)),
        }
    };
    let outcome = match permitted {
        Ok(()) => {
            let body = read(incoming).await;
            serve(
                &mut state.lock().unwrap(),
                &Asked {
                    body,
                    ..asked_of(&asked)
                },
            )
        }
        Err(refusal) => Err(refusal),
    };
    let reply = outcome.unwrap_or_else(|(status, code)| {
        let document = format!("<Error><Code>{code}</Code><Message>CANARY-OF-THE-TARGET</Message></Error>");
        Response::builder()
            .status(status)
            .header("content-type", "application/xml")
            .body(Full::new(document.into()))
            .unwrap()
    });
    let (session, access_key_id) = who.map(|who| (who.name, who.access_key_id)).unwrap_or_default();
    state.lock().unwrap().done.push(Done {
        method: asked.method,
        target: asked.target,
        session,
        access_key_id,
        status: reply.status().as_u16(),
    });
    reply
}

fn asked_of(asked: &Asked) -> Asked {
    Asked {
        method: asked.method.clone(),
        target: asked.target.clone(),
        headers: asked.headers.clone(),
        body: asked.body.clone(),
    }
}

/// The session that signed `asked`.
fn known<'a>(state: &'a State, asked: &Asked) -> Result<&'a Session, Refusal> {
    let claimed = sigv4::claimed(asked).map_err(|_| (403, "AccessDenied"))?;
    if state.now().duration_since(claimed.at).abs() > SignedDuration::from_mins(15) {
        return Err((403, "RequestTimeTooSkewed"));
    }
    let session = state
        .session(&claimed.access_key_id)
        .ok_or((403, "InvalidAccessKeyId"))?;
    if asked.header("x-amz-security-token") != Some(&*session.token) {
        return Err((400, "InvalidToken"));
    }
    sigv4::verify(asked, &claimed, ("s3", REGION), &session.secret)
        .map_err(|_| (403, "SignatureDoesNotMatch"))?;
    match session.is_over || session.expires <= state.now() {
        true => Err((400, "ExpiredToken")),
        false => Ok(session),
    }
}

/// What the session policy lets a request do. The role's own lets it do everything.
pub(super) fn allows(session: &Session, asked: &Asked) -> Result<(), Refusal> {
    let Some(policy) = &session.policy else {
        return Ok(());
    };
    let needs = needs(asked);
    let allowed = needs.iter().all(|(action, resource, prefix)| {
        let mut statements = policy["Statement"].as_array().unwrap().iter();
        statements.any(|statement| {
            let any = |value: &Value, text: &str| {
                let values = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
                values.iter().any(|pattern| like(pattern.as_str().unwrap(), text))
            };
            let holds = match &statement["Condition"]["StringLike"]["s3:prefix"] {
                Value::Null => statement["Condition"].is_null(),
                pattern => prefix.as_deref().is_some_and(|prefix| any(pattern, prefix)),
            };
            assert_eq!(statement["Effect"], "Allow");
            holds && any(&statement["Action"], action) && any(&statement["Resource"], resource)
        })
    });
    if allowed {
        Ok(())
    } else {
        Err((403, "AccessDenied"))
    }
}

/// Action, resource, and what a listing asks for.
fn needs(asked: &Asked) -> Vec<(String, String, Option<String>)> {
    let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
    let decoded = |text: &str| -> String {
        let pairs = format!("k={}", text.replace('+', "%2B"));
        form_urlencoded::parse(pairs.as_bytes())
            .next()
            .unwrap()
            .1
            .into_owned()
    };
    let path = decoded(path.trim_start_matches('/'));
    let (bucket, key) = path.split_once('/').unwrap_or((&path, ""));
    let arn = |bucket: &str, key: &str| match key {
        "" => format!("arn:aws:s3:::{bucket}"),
        _ => format!("arn:aws:s3:::{bucket}/{key}"),
    };
    if key.is_empty() {
        let prefix = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "prefix");
        let prefix = prefix.map(|(_, value)| value.into_owned());
        let action = if query.starts_with("location") || query.starts_with("versioning") {
            "s3:GetBucketSomething"
        } else {
            "s3:ListBucket"
        };
        return vec![(action.into(), arn(bucket, ""), prefix)];
    }
    let action = match asked.method {
        Method::GET | Method::HEAD => "s3:GetObject",
        Method::DELETE => "s3:DeleteObject",
        _ => "s3:PutObject",
    };
    let mut needs = vec![(action.to_owned(), arn(bucket, key), None)];
    if let Some(source) = asked.header("x-amz-copy-source") {
        let source = decoded(source.trim_start_matches('/'));
        let (bucket, key) = source.split_once('/').unwrap();
        needs.push(("s3:GetObject".into(), arn(bucket, key), None));
    }
    needs
}

/// A pattern of IAM: `*`, `?`, and `${*}`, `${?}`, `${$}` for the characters themselves.
pub(super) fn like(pattern: &str, text: &str) -> bool {
    enum Token {
        Any,
        One,
        Literal(char),
    }
    let mut tokens = Vec::new();
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        if let Some(escaped) = rest
            .strip_prefix("${")
            .filter(|rest| rest.chars().nth(1) == Some('}'))
        {
            tokens.push(Token::Literal(escaped.chars().next().unwrap()));
            rest = &escaped[2..];
            continue;
        }
        assert!(
            !rest.starts_with("${"),
            "a variable that nobody fills in: {pattern}"
        );
        tokens.push(match first {
            '*' => Token::Any,
            '?' => Token::One,
            c => Token::Literal(c),
        });
        rest = &rest[first.len_utf8()..];
    }
    fn matches(tokens: &[Token], text: &[char]) -> bool {
        match tokens.split_first() {
            None => text.is_empty(),
            Some((Token::Any, more)) => (0..=text.len()).any(|n| matches(more, &text[n..])),
            Some((Token::One, more)) => !text.is_empty() && matches(more, &text[1..]),
            Some((Token::Literal(c), more)) => text.first() == Some(c) && matches(more, &text[1..]),
        }
    }
    matches(&tokens, &text.chars().collect::<Vec<_>>())
}

fn serve(state: &mut State, asked: &Asked) -> Result<Reply, Refusal> {
    let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
    let is_bucket =
        !path.trim_start_matches('/').contains('/') || path.ends_with('/') && path.matches('/').count() == 2;
    let good = |body: bytes::Bytes| {
        let reply = Response::builder()
            .header("etag", "\"e\"")
            .header("x-amz-request-id", "AMZN1");
        Ok(reply.body(Full::new(body)).unwrap())
    };
    match asked.method {
        Method::GET if is_bucket => {
            let prefix = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "prefix");
            let prefix = prefix.map(|(_, value)| value.into_owned()).unwrap_or_default();
            let name = path.trim_matches('/');
            let listing = format!(
                "<ListBucketResult><Name>{name}</Name><Prefix>{prefix}</Prefix><KeyCount>0</KeyCount>\
                 <MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated></ListBucketResult>"
            );
            good(listing.into())
        }
        Method::HEAD if is_bucket => good("".into()),
        Method::PUT if asked.header("x-amz-copy-source").is_some() => {
            let document = "<CopyObjectResult><ETag>\"e\"</ETag><LastModified>2026-11-22T00:00:00.000Z</LastModified></CopyObjectResult>";
            good(document.into())
        }
        Method::PUT => {
            state.objects.insert(path.to_owned(), asked.body.clone());
            good("".into())
        }
        Method::GET | Method::HEAD => {
            let found = state.objects.get(path).cloned();
            good(found.ok_or((404, "NoSuchKey"))?)
        }
        Method::DELETE => {
            state.objects.remove(path);
            Ok(Response::builder().status(204).body(Full::default()).unwrap())
        }
        _ => good("<DeleteResult></DeleteResult>".into()),
    }
}
