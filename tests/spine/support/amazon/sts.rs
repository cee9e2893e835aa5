//! The token service: AssumeRole and AssumeRoleWithWebIdentity.

use super::token::{self, Refusal};
use super::{ACCOUNT, Asked, REGION, Reply, Role, Session, State, Trouble, sigv4, xml};
use jiff::SignedDuration;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

type Form = BTreeMap<String, String>;

/// What both actions take.
const COMMON: [&str; 6] = [
    "Action",
    "Version",
    "RoleArn",
    "RoleSessionName",
    "DurationSeconds",
    "Policy",
];

pub(super) async fn answer(state: &Mutex<State>, asked: Asked) -> Reply {
    let trouble = state.lock().unwrap().trouble;
    if let Some(trouble) = trouble
        && let Some(reply) = in_trouble(state, trouble).await
    {
        state.lock().unwrap().calls.push(format!("{trouble:?}"));
        return reply;
    }
    match serve(state, &asked, trouble).await {
        Ok(reply) => reply,
        Err((status, code, message)) => error(status, code, &message),
    }
}

fn error(status: u16, code: &str, message: &str) -> Reply {
    let message = message.replace('&', "&amp;").replace('<', "&lt;");
    xml(
        status,
        format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  <Error>\n    <Type>Sender</Type>\n    \
             <Code>{code}</Code>\n    <Message>{message}</Message>\n  </Error>\n  \
             <RequestId>11111111-2222-3333-4444-555555555555</RequestId>\n</ErrorResponse>\n"
        ),
    )
}

async fn in_trouble(state: &Mutex<State>, trouble: Trouble) -> Option<Reply> {
    Some(match trouble {
        Trouble::Throttled => error(400, "Throttling", "Rate exceeded"),
        Trouble::Down => error(500, "InternalFailure", "An internal error occurred."),
        Trouble::Silent => {
            let is_silent = || state.lock().unwrap().trouble == Some(Trouble::Silent);
            while is_silent() {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
            return None;
        }
        Trouble::NotXml => xml(200, "{\"Credentials\":{}}".into()),
        Trouble::HalfXml => xml(200, "<AssumeRoleWithWebIdentityResponse><AssumeRole".into()),
        Trouble::CannotReachIssuer => error(
            400,
            "IDPCommunicationError",
            "The request could not be fulfilled because the identity provider (IDP) that was asked to verify the incoming \
             identity token could not be reached.",
        ),
        Trouble::RegionDisabled => error(
            403,
            "RegionDisabledException",
            "STS is not activated in this region for account:111122223333.",
        ),
        Trouble::PolicyTooLarge => error(
            400,
            "PackedPolicyTooLarge",
            "Packed policy consumes 104% of allotted space, please use smaller policy.",
        ),
        Trouble::Expired | Trouble::AlmostExpired => return None,
    })
}

async fn serve(state: &Mutex<State>, asked: &Asked, trouble: Option<Trouble>) -> Result<Reply, Refusal> {
    let kind = asked.header("content-type").unwrap_or_default();
    if !kind.starts_with("application/x-www-form-urlencoded") {
        return Err((
            400,
            "InvalidAction",
            "the content type is not that of a form".into(),
        ));
    }
    let form: Form = form_urlencoded::parse(&asked.body).into_owned().collect();
    let text = |name: &str| form.get(name).map(String::as_str);
    if text("Version") != Some("2011-06-15") {
        return Err((400, "InvalidAction", "Could not find operation".into()));
    }
    let name =
        pattern(&form, "RoleSessionName", 2, 64, "_=,.@-+")?.ok_or_else(|| missing("roleSessionName"))?;
    state.lock().unwrap().calls.push(name.clone());
    let arn = text("RoleArn").ok_or_else(|| missing("roleArn"))?;
    match text("Action") {
        Some("AssumeRole") => by_signature(state, asked, &form, arn, name, trouble),
        Some("AssumeRoleWithWebIdentity") => {
            let token = text("WebIdentityToken").ok_or_else(|| missing("webIdentityToken"))?;
            let claims = token::claims(state, token).await?;
            by_token(state, &form, &claims, arn, name, trouble)
        }
        _ => Err((400, "InvalidAction", "Could not find operation".into())),
    }
}

fn missing(name: &str) -> Refusal {
    let message = format!(
        "1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null"
    );
    (400, "ValidationError", message)
}

fn invalid(name: &str, value: &str, rule: &str) -> Refusal {
    let message = format!(
        "1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: {rule}"
    );
    (400, "ValidationError", message)
}

/// A parameter of letters, digits and `others`.
fn pattern(
    form: &Form,
    name: &str,
    least: usize,
    most: usize,
    others: &str,
) -> Result<Option<String>, Refusal> {
    let Some(value) = form.get(name) else {
        return Ok(None);
    };
    check(name, value, least, most, others)?;
    Ok(Some(value.clone()))
}

fn check(name: &str, value: &str, least: usize, most: usize, others: &str) -> Result<(), Refusal> {
    let length = value.chars().count();
    if length < least || length > most {
        return Err(invalid(name, value, "Member must have another length"));
    }
    if !value
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || others.contains(c))
    {
        return Err(invalid(
            name,
            value,
            "Member must satisfy regular expression pattern",
        ));
    }
    Ok(())
}

fn role(state: &State, arn: &str) -> Option<Role> {
    state.roles.get(arn).cloned()
}

fn by_signature(
    state: &Mutex<State>,
    asked: &Asked,
    form: &Form,
    arn: &str,
    name: String,
    trouble: Option<Trouble>,
) -> Result<Reply, Refusal> {
    let mut state = state.lock().unwrap();
    let unsigned = |_| {
        (
            403,
            "MissingAuthenticationToken",
            "Request is missing Authentication Token".to_owned(),
        )
    };
    let claimed = sigv4::claimed(asked).map_err(unsigned)?;
    let unknown = || {
        (
            403,
            "InvalidClientTokenId",
            "The security token included in the request is invalid.".to_owned(),
        )
    };
    let user = state
        .users
        .get(&claimed.access_key_id)
        .cloned()
        .ok_or_else(unknown)?;
    if asked.header("x-amz-security-token") != user.token.as_deref() {
        return Err(unknown());
    }
    if state.now().duration_since(claimed.at).abs() > SignedDuration::from_mins(15) {
        let message = "Signature expired: it is not within 15 minutes of the time of the service";
        return Err((403, "SignatureDoesNotMatch", message.into()));
    }
    sigv4::verify(asked, &claimed, ("sts", REGION), &user.secret).map_err(|_| {
        let message = "The request signature we calculated does not match the signature you provided.";
        (403, "SignatureDoesNotMatch", message.to_owned())
    })?;
    let (tags, transitive) = tags(form)?;
    let source_identity = pattern(form, "SourceIdentity", 2, 64, "_=,.@-+")?;
    let external_id = pattern(form, "ExternalId", 2, 1224, "_=,.@:/\\-+")?;
    let known = ["SourceIdentity", "ExternalId"];
    let mut others = form
        .keys()
        .filter(|key| !COMMON.contains(&&***key) && !known.contains(&&***key));
    if let Some(other) =
        others.find(|key| !key.starts_with("Tags.member.") && !key.starts_with("TransitiveTagKeys.member."))
    {
        return Err((400, "ValidationError", format!("unknown parameter {other}")));
    }
    let denied = |action: &str| {
        let who = format!("arn:aws:sts::{ACCOUNT}:user/{}", claimed.access_key_id);
        (
            403,
            "AccessDenied",
            format!("User: {who} is not authorized to perform: sts:{action} on resource: {arn}"),
        )
    };
    let role = role(&state, arn).ok_or_else(|| denied("AssumeRole"))?;
    let trusted = role.principals.contains(&claimed.access_key_id);
    let of_us = role.external_id.is_none() || role.external_id == external_id;
    if !trusted || !of_us || state.refused.contains(&name) {
        return Err(denied("AssumeRole"));
    }
    if !tags.is_empty() && !role.allows_tags {
        return Err(denied("TagSession"));
    }
    if source_identity.is_some() && !role.allows_source_identity {
        return Err(denied("SetSourceIdentity"));
    }
    let duration = duration(form, &role, user.is_role)?;
    let session = Session {
        source_identity,
        tags,
        transitive,
        external_id,
        policy: policy(form)?,
        ..session(&mut state, name, duration, trouble)
    };
    Ok(given("AssumeRole", arn, &state.give(session)))
}

fn by_token(
    state: &Mutex<State>,
    form: &Form,
    claims: &Value,
    arn: &str,
    name: String,
    trouble: Option<Trouble>,
) -> Result<Reply, Refusal> {
    let mut state = state.lock().unwrap();
    if let Some(other) = form
        .keys()
        .find(|key| !COMMON.contains(&&***key) && *key != "WebIdentityToken")
    {
        // Tags and source identity are claims of the token.
        return Err((400, "ValidationError", format!("unknown parameter {other}")));
    }
    let denied = || {
        (
            403,
            "AccessDenied",
            "Not authorized to perform sts:AssumeRoleWithWebIdentity".to_owned(),
        )
    };
    let role = role(&state, arn).ok_or_else(denied)?;
    let subject = claims["sub"].as_str().ok_or_else(denied)?.to_owned();
    let fits = role
        .subjects
        .iter()
        .any(|pattern| super::s3::like(pattern, &subject));
    if claims["aud"] != role.audience || !fits || state.refused.contains(&name) {
        return Err(denied());
    }
    let source_identity = claims["https://aws.amazon.com/source_identity"]
        .as_str()
        .map(str::to_owned);
    if let Some(text) = &source_identity {
        check("sourceIdentity", text, 2, 64, "_=,.@-+")?;
    }
    let said = &claims["https://aws.amazon.com/tags"];
    let mut tags = BTreeMap::new();
    for (key, values) in said["principal_tags"].as_object().into_iter().flatten() {
        let [value] = &values.as_array().unwrap()[..] else {
            return Err((400, "InvalidIdentityToken", "a tag has one value".into()));
        };
        tags.insert(key.clone(), value.as_str().unwrap().to_owned());
    }
    check_tags(&tags)?;
    let keys = said["transitive_tag_keys"].as_array().into_iter().flatten();
    let transitive = keys.map(|key| key.as_str().unwrap().to_owned()).collect();
    if (!tags.is_empty() && !role.allows_tags) || (source_identity.is_some() && !role.allows_source_identity)
    {
        return Err(denied());
    }
    let duration = duration(form, &role, false)?;
    let session = Session {
        subject: Some(subject),
        source_identity,
        tags,
        transitive,
        policy: policy(form)?,
        ..session(&mut state, name, duration, trouble)
    };
    Ok(given("AssumeRoleWithWebIdentity", arn, &state.give(session)))
}

fn tags(form: &Form) -> Result<(BTreeMap<String, String>, BTreeSet<String>), Refusal> {
    let mut tags = BTreeMap::new();
    let mut transitive = BTreeSet::new();
    for nth in 1.. {
        let Some(key) = form.get(&format!("Tags.member.{nth}.Key")) else {
            break;
        };
        let value = form
            .get(&format!("Tags.member.{nth}.Value"))
            .ok_or_else(|| missing("tags"))?;
        if tags.insert(key.clone(), value.clone()).is_some() {
            return Err((400, "InvalidParameterValue", "Duplicate tag keys found.".into()));
        }
        if let Some(key) = form.get(&format!("TransitiveTagKeys.member.{nth}")) {
            transitive.insert(key.clone());
        }
    }
    check_tags(&tags)?;
    match transitive.iter().all(|key| tags.contains_key(key)) {
        true => Ok((tags, transitive)),
        false => Err((
            400,
            "InvalidParameterValue",
            "a transitive key is not among the tags".into(),
        )),
    }
}

fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), Refusal> {
    if tags.len() > 50 {
        return Err(invalid(
            "tags",
            "…",
            "Member must have length less than or equal to 50",
        ));
    }
    for (key, value) in tags {
        // Letters of all scripts, in truth; what is sent here has no others.
        check("tags.key", key, 1, 128, "_.:/=+-@ ")?;
        check("tags.value", value, 0, 256, "_.:/=+-@ ")?;
    }
    Ok(())
}

fn duration(form: &Form, role: &Role, is_role: bool) -> Result<u64, Refusal> {
    let text = form.get("DurationSeconds").map_or("3600", String::as_str);
    let seconds: u64 = text
        .parse()
        .map_err(|_| invalid("durationSeconds", text, "not a number"))?;
    let refuse = |message: &str| Err((400, "ValidationError", message.to_owned()));
    match seconds {
        ..900 | 43_201.. => Err(invalid(
            "durationSeconds",
            text,
            "Member must be between 900 and 43200",
        )),
        3601.. if is_role => refuse(
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
        ),
        seconds if seconds > role.longest => {
            refuse("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
        }
        seconds => Ok(seconds),
    }
}

fn policy(form: &Form) -> Result<Option<Value>, Refusal> {
    let Some(text) = form.get("Policy") else {
        return Ok(None);
    };
    if text.chars().count() > 2048
        || !text
            .chars()
            .all(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{ff}'))
    {
        return Err(invalid(
            "policy",
            "…",
            "Member must have length less than or equal to 2048",
        ));
    }
    let malformed = || {
        (
            400,
            "MalformedPolicyDocument",
            "The policy is not in the valid JSON format.".to_owned(),
        )
    };
    let policy: Value = serde_json::from_str(text).map_err(|_| malformed())?;
    let is_whole = policy["Version"] == "2012-10-17" && policy["Statement"].is_array();
    is_whole.then_some(Some(policy)).ok_or_else(malformed)
}

fn session(state: &mut State, name: String, duration: u64, trouble: Option<Trouble>) -> Session {
    let life = match trouble {
        Some(Trouble::Expired) => SignedDuration::from_hours(-24),
        Some(Trouble::AlmostExpired) => SignedDuration::from_secs(30),
        _ => SignedDuration::from_secs(duration.try_into().unwrap()),
    };
    Session {
        access_key_id: state.unique("ASIA"),
        secret: state.unique("session/secret+"),
        token: state.unique("session-token/"),
        name,
        subject: None,
        source_identity: None,
        tags: BTreeMap::new(),
        transitive: BTreeSet::new(),
        external_id: None,
        policy: None,
        duration,
        expires: state.now() + life,
        is_over: false,
    }
}

fn given(action: &str, arn: &str, session: &Session) -> Reply {
    let Session {
        access_key_id,
        secret,
        token,
        name,
        ..
    } = session;
    let expires = session.expires.strftime("%Y-%m-%dT%H:%M:%SZ");
    let role = arn.rsplit('/').next().unwrap();
    xml(
        200,
        format!(
            "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  <{action}Result>\n    \
             <AssumedRoleUser><AssumedRoleId>AROA123EXAMPLE:{name}</AssumedRoleId>\
             <Arn>arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{name}</Arn></AssumedRoleUser>\n    \
             <Credentials><AccessKeyId>{access_key_id}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>\
             <SessionToken>{token}</SessionToken><Expiration>{expires}</Expiration></Credentials>\n    \
             <PackedPolicySize>6</PackedPolicySize>\n  </{action}Result>\n  \
             <ResponseMetadata><RequestId>c6104cbe-af31-11e0-8154-cbc7ccf896c7</RequestId></ResponseMetadata>\n\
             </{action}Response>\n"
        ),
    )
}
