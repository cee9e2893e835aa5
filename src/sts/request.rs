//! What is asked of the token service: the query protocol, from the query string or a form body.
//!
//! Every parameter is understood or refused. A session policy that was ignored would be a session with more
//! rights than its maker meant, and of two values for one name the other party may have checked the other one.
//!
//! Spec: <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html>

use super::StsError;
use crate::secret::Secret;
use std::{borrow::Cow, collections::BTreeMap, time::Duration};

/// A call of the token service, in form correct.
#[derive(Clone, Debug)]
pub enum StsRequest {
    /// Trade an identity token for a session. Not signed.
    AssumeRoleWithWebIdentity(WebIdentityRequest),
    /// Who am I? Signed for the service `sts`.
    GetCallerIdentity,
}

/// The parameters of `AssumeRoleWithWebIdentity`.
#[derive(Clone, Debug)]
pub struct WebIdentityRequest {
    /// The identity token, without the white space that token files end with.
    pub token: Secret,
    /// Every SDK wants one; it does not change what the caller may do.
    pub role_arn: Option<Box<str>>,
    /// `[\w+=,.@-]{2,64}`.
    pub session_name: Option<Box<str>>,
    /// As asked for; the service has limits.
    pub duration: Option<Duration>,
}

impl StsRequest {
    /// Reads the parameters of a query string and of an `application/x-www-form-urlencoded` body. The caller
    /// bounds the size of both.
    ///
    /// # Errors
    /// [`StsError`] for an unknown action, and for a parameter that is missing, repeated, unknown or malformed.
    pub fn parse(query: Option<&str>, body: Option<&[u8]>) -> Result<Self, StsError> {
        let mut parameters = Parameters::read(query, body)?;
        let action = parameters.take("Action").ok_or(StsError::MissingAction)?;
        let version = parameters.take("Version");
        if version.as_deref() != Some(VERSION) {
            return Err(StsError::InvalidVersion);
        }
        match &*action {
            "AssumeRoleWithWebIdentity" => {
                let request = WebIdentityRequest::read(&mut parameters)?;
                parameters.refuse_others(|_| false)?;
                Ok(Self::AssumeRoleWithWebIdentity(request))
            }
            "GetCallerIdentity" => {
                // A presigned call: these were the signature, and are verified with it.
                parameters.refuse_others(|name| name.starts_with("X-Amz-"))?;
                Ok(Self::GetCallerIdentity)
            }
            _ => Err(StsError::InvalidAction),
        }
    }
}

impl WebIdentityRequest {
    fn read(parameters: &mut Parameters<'_>) -> Result<Self, StsError> {
        for (name, why) in REFUSED {
            if parameters.any_within(name) {
                return Err(StsError::UnsupportedParameter { name, why });
            }
        }
        let token = parameters
            .take("WebIdentityToken")
            .ok_or(StsError::MissingParameter("WebIdentityToken"))?;
        let role_arn = parameters.take("RoleArn");
        let session_name = parameters.take("RoleSessionName");
        let duration = parameters.take("DurationSeconds");
        Ok(Self {
            token: read_token(&token)?,
            role_arn: role_arn.map(read_role_arn).transpose()?,
            session_name: session_name.map(read_session_name).transpose()?,
            duration: duration.map(read_duration).transpose()?,
        })
    }
}

/// Parameters that AWS has and that would promise something here that is not kept.
const REFUSED: [(&str, &str); 4] = [
    (
        "Policy",
        "the policies of the buckets decide, and a session cannot narrow them",
    ),
    (
        "PolicyArns",
        "the policies of the buckets decide, and a session cannot narrow them",
    ),
    ("ProviderId", "the issuer of the token names the provider"),
    ("Tags", "groups come from the claims of the token"),
];

fn read_token(text: &str) -> Result<Secret, StsError> {
    let token = text.trim_ascii();
    if !(4..=MAX_TOKEN_BYTES).contains(&token.len()) {
        return Err(StsError::Validation {
            parameter: "WebIdentityToken",
            expected: "4 to 20000 characters",
        });
    }
    Ok(Secret::new(token))
}

fn read_role_arn(text: Cow<'_, str>) -> Result<Box<str>, StsError> {
    if !(20..=2048).contains(&text.len()) || text.chars().any(char::is_control) {
        return Err(StsError::Validation {
            parameter: "RoleArn",
            expected: "20 to 2048 characters such as `arn:aws:iam::000000000000:role/tidegate`, or no `RoleArn`",
        });
    }
    Ok(text.into())
}

fn read_session_name(text: Cow<'_, str>) -> Result<Box<str>, StsError> {
    if !is_session_name(&text) {
        return Err(StsError::Validation {
            parameter: "RoleSessionName",
            expected: "2 to 64 of the characters `A-Z a-z 0-9 _ + = , . @ -`",
        });
    }
    Ok(text.into())
}

fn read_duration(text: Cow<'_, str>) -> Result<Duration, StsError> {
    // Digits only: `u32` alone would take a plus sign.
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<u32>() {
        Ok(seconds) if digits => Ok(Duration::from_secs(seconds.into())),
        _ => Err(StsError::Validation {
            parameter: "DurationSeconds",
            expected: "a whole number of seconds",
        }),
    }
}

/// Whether `name` can be a `RoleSessionName`, and the last part of an ARN.
pub(super) fn is_session_name(name: &str) -> bool {
    (2..=64).contains(&name.len()) && name.chars().all(is_name_character)
}

/// `[\w+=,.@-]`, in ASCII.
pub(super) fn is_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_+=,.@-".contains(c)
}

/// All parameters by name, each at most once.
struct Parameters<'a>(BTreeMap<Cow<'a, str>, Cow<'a, str>>);

impl<'a> Parameters<'a> {
    fn read(query: Option<&'a str>, body: Option<&'a [u8]>) -> Result<Self, StsError> {
        let query = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
        let body = form_urlencoded::parse(body.unwrap_or_default());
        let mut parameters = BTreeMap::new();
        for (name, value) in query.chain(body) {
            if parameters.contains_key(&name) {
                return Err(StsError::Duplicate(printable(&name)));
            }
            parameters.insert(name, value);
        }
        Ok(Self(parameters))
    }

    fn take(&mut self, name: &str) -> Option<Cow<'a, str>> {
        self.0.remove(name)
    }

    /// Whether there is `name`, or a member of it: `name.member.1.arn`.
    fn any_within(&self, name: &str) -> bool {
        self.0.keys().any(|key| {
            key.strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    }

    fn refuse_others(&self, known: impl Fn(&str) -> bool) -> Result<(), StsError> {
        match self.0.keys().find(|name| !known(name)) {
            Some(name) => Err(StsError::UnknownParameter(printable(name))),
            None => Ok(()),
        }
    }
}

/// A parameter's name for a message. A body that is a bare token is one long name: that is not repeated.
fn printable(name: &str) -> Box<str> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    match name {
        "" => "(empty)".into(),
        name if name.len() <= 48 && name.bytes().all(plain) => name.into(),
        _ => "(unreadable)".into(),
    }
}

const VERSION: &str = "2011-06-15";

const MAX_TOKEN_BYTES: usize = 20_000;
