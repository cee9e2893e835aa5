//! The document: IAM's JSON, read strictly.

use super::condition::{Condition, SUPPORTED};
use super::pattern::{ActionPattern, Pattern};
use super::{ARN, MAX_POLICY, Matcher, SessionPolicy, Statement};
use crate::json::{Json, Object};

/// Why a session policy is not taken. In the caller's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionPolicyError {
    /// More than [`MAX_POLICY`] characters.
    #[error("the session policy has {0} characters, of which {MAX_POLICY} are allowed")]
    TooLong(usize),
    /// Not JSON, or not in the shape of a policy.
    #[error("the session policy is malformed: {0}")]
    Malformed(String),
    /// Something that IAM has and that would not be kept here.
    #[error("the session policy has something that is not supported: {0}")]
    Unsupported(String),
}

pub(super) fn parse(text: &str) -> Result<SessionPolicy, SessionPolicyError> {
    let characters = text.chars().count();
    if characters > MAX_POLICY {
        return Err(SessionPolicyError::TooLong(characters));
    }
    let document = Object::parse(text.as_bytes()).map_err(|error| malformed(error.to_string()))?;
    only(&document, &["Version", "Id", "Statement"], "a policy")?;
    match document.get("Version") {
        Some(Json::String(version)) if matches!(&**version, "2012-10-17" | "2008-10-17") => {}
        None => {}
        Some(_) => return Err(malformed("`Version` must be `2012-10-17`")),
    }
    let statements: Vec<&Object> = match document.get("Statement") {
        Some(Json::Object(one)) => vec![one],
        Some(Json::Array(several)) => several
            .iter()
            .map(|item| match item {
                Json::Object(statement) => Ok(statement),
                _ => Err(malformed("each `Statement` must be an object")),
            })
            .collect::<Result<_, _>>()?,
        _ => return Err(malformed("`Statement` is missing")),
    };
    if statements.is_empty() {
        return Err(malformed("`Statement` is empty"));
    }
    Ok(SessionPolicy {
        source: text.into(),
        statements: statements.into_iter().map(statement).collect::<Result<_, _>>()?,
    })
}

fn statement(object: &Object) -> Result<Statement, SessionPolicyError> {
    const KNOWN: [&str; 7] = [
        "Sid",
        "Effect",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
    ];
    if object.get("Principal").is_some() || object.get("NotPrincipal").is_some() {
        return Err(malformed(
            "a session policy has no `Principal`: it is about its own session",
        ));
    }
    only(object, &KNOWN, "a statement")?;
    let denies = match object.text("Effect") {
        Some("Allow") => false,
        Some("Deny") => true,
        _ => return Err(malformed("`Effect` must be `Allow` or `Deny`")),
    };
    Ok(Statement {
        denies,
        actions: matcher(object, "Action", "NotAction", action)?,
        resources: matcher(object, "Resource", "NotResource", resource)?,
        conditions: conditions(object)?,
    })
}

fn matcher<P>(
    object: &Object,
    name: &str,
    negated: &str,
    read: impl Fn(&str) -> Result<Option<P>, SessionPolicyError>,
) -> Result<Matcher<P>, SessionPolicyError> {
    let patterns = |value: &Json, name: &str| -> Result<Vec<P>, SessionPolicyError> {
        let texts = texts(value).ok_or_else(|| malformed(format!("`{name}` must be a text or a list")))?;
        if texts.is_empty() {
            return Err(malformed(format!("`{name}` is empty")));
        }
        let read = texts.into_iter().filter_map(|text| read(text).transpose());
        read.collect()
    };
    match (object.get(name), object.get(negated)) {
        (Some(value), None) => Ok(Matcher::Any(patterns(value, name)?)),
        (None, Some(value)) => Ok(Matcher::NoneOf(patterns(value, negated)?)),
        (Some(_), Some(_)) => Err(malformed(format!("`{name}` and `{negated}` exclude each other"))),
        (None, None) => Err(malformed(format!("a statement has no `{name}`"))),
    }
}

/// The pattern of an action of S3. One of another service is right and matches nothing.
fn action(text: &str) -> Result<Option<ActionPattern>, SessionPolicyError> {
    if text == "*" {
        return Ok(Some(ActionPattern::new("*")));
    }
    let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '*' | '?' | '-' | ':');
    match text.split_once(':') {
        Some((service, action)) if text.chars().all(name) && !action.is_empty() && !service.is_empty() => {
            let ours = Pattern::new(&service.to_ascii_lowercase()).matches("s3");
            Ok(ours.then(|| ActionPattern::new(action)))
        }
        _ => Err(malformed("an action must be written as `s3:GetObject`")),
    }
}

/// The pattern of a bucket or an object. One of another service is right and matches nothing.
fn resource(text: &str) -> Result<Option<Pattern>, SessionPolicyError> {
    if text.contains("${") {
        return Err(SessionPolicyError::Unsupported(
            "policy variables (`${…}`)".to_owned(),
        ));
    }
    if text == "*" {
        return Ok(Some(Pattern::new("*")));
    }
    let mut parts = text.splitn(6, ':');
    let head = (
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
        parts.next(),
    );
    let rest = parts.next();
    match (head, rest) {
        (
            (Some("arn"), Some("aws" | "aws-cn" | "aws-us-gov" | "*"), Some(service), Some(_), Some(_)),
            Some(name),
        ) => Ok(Pattern::new(service)
            .matches("s3")
            .then(|| Pattern::new(&format!("{ARN}{name}")))),
        _ => Err(malformed(
            "a resource must be `*` or written as `arn:aws:s3:::bucket/prefix/*`",
        )),
    }
}

fn conditions(object: &Object) -> Result<Vec<Condition>, SessionPolicyError> {
    let operators = match object.get("Condition") {
        None => return Ok(Vec::new()),
        Some(Json::Object(operators)) => operators,
        Some(_) => return Err(malformed("`Condition` must be an object")),
    };
    let mut found = Vec::new();
    for (operator, keys) in operators.members() {
        let Json::Object(keys) = keys else {
            return Err(malformed("a condition must be an object of keys"));
        };
        for (key, values) in keys.members() {
            let condition = texts(values)
                .filter(|values| !values.is_empty() && values.iter().all(|value| !value.contains("${")))
                .and_then(|values| Condition::read(operator, key, &values));
            match condition {
                Some(condition) => found.push(condition),
                None => {
                    let name = |text: &str| -> String {
                        text.chars().filter(|c| !c.is_control()).take(64).collect()
                    };
                    return Err(SessionPolicyError::Unsupported(format!(
                        "the condition `{}` on `{}`; {SUPPORTED}",
                        name(operator),
                        name(key)
                    )));
                }
            }
        }
    }
    Ok(found)
}

/// A text, or a list of texts. A boolean counts as its text, as it does in IAM.
fn texts(value: &Json) -> Option<Vec<&str>> {
    let text = |value: &'_ Json| match value {
        Json::Bool(true) => Some("true"),
        Json::Bool(false) => Some("false"),
        _ => None,
    };
    match value {
        Json::String(one) => Some(vec![one]),
        Json::Array(several) => several.iter().map(|one| one.as_str().or(text(one))).collect(),
        other => text(other).map(|one| vec![one]),
    }
}

fn only(object: &Object, known: &[&str], what: &str) -> Result<(), SessionPolicyError> {
    match object
        .members()
        .iter()
        .find(|(name, _)| !known.contains(&&**name))
    {
        None => Ok(()),
        Some(_) => Err(malformed(format!(
            "{what} has a member other than {}",
            known.join(", ")
        ))),
    }
}

fn malformed(message: impl Into<String>) -> SessionPolicyError {
    SessionPolicyError::Malformed(message.into())
}
