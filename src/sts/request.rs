//! What is asked of the token service: the query protocol, from the query string or a form body.
//!
//! Every parameter is understood or refused. A session policy that was ignored would be a session with more
//! rights than its maker meant.
//!
//! Spec: <https://docs.aws.amazon.com/STS/latest/APIReference/API_Operations.html>

use super::wish::{self, RoleWish, Tag, Wish};
use super::{StsAction, StsError};
use crate::parameters::{Parameters, Repeated};
use crate::secret::Secret;
use std::borrow::Cow;

/// A call of the token service, in form correct.
#[derive(Clone, Debug)]
pub enum StsRequest {
    /// Trade an identity token for a session. Not signed.
    AssumeRoleWithWebIdentity(WebIdentityRequest),
    /// Trade a session for one that may do less, or that carries a role. Signed for the service `sts`, as are the next.
    AssumeRole(Wish),
    /// Trade a session for one that may end sooner.
    GetSessionToken(Wish),
    /// Who am I?
    GetCallerIdentity,
}

/// The parameters of `AssumeRoleWithWebIdentity`.
#[derive(Clone, Debug)]
pub struct WebIdentityRequest {
    /// The identity token, without the white space that token files end with.
    pub token: Secret,
    /// What the session is to be.
    pub wish: Wish,
}

impl StsRequest {
    /// The call.
    pub fn action(&self) -> StsAction {
        match self {
            Self::AssumeRoleWithWebIdentity(_) => StsAction::AssumeRoleWithWebIdentity,
            Self::AssumeRole(_) => StsAction::AssumeRole,
            Self::GetSessionToken(_) => StsAction::GetSessionToken,
            Self::GetCallerIdentity => StsAction::GetCallerIdentity,
        }
    }

    /// Reads the parameters of a query string and of an `application/x-www-form-urlencoded` body. The caller
    /// bounds the size of both.
    ///
    /// # Errors
    /// [`StsError`] for an unknown action, and for a parameter that is missing, repeated, unknown or malformed.
    pub fn parse(query: Option<&str>, body: Option<&[u8]>) -> Result<Self, StsError> {
        let mut parameters = Parameters::read(query, body.unwrap_or_default(), &[])
            .map_err(|Repeated(name)| StsError::Duplicate(name))?;
        let action = parameters.take("Action").ok_or(StsError::MissingAction)?;
        if parameters.take("Version").as_deref() != Some(VERSION) {
            return Err(StsError::InvalidVersion);
        }
        let action = StsAction::named(&action).ok_or(StsError::InvalidAction)?;
        for (name, why) in refused(action) {
            if parameters.any_within(name) {
                return Err(StsError::UnsupportedParameter { name, why });
            }
        }
        let request = match action {
            StsAction::AssumeRoleWithWebIdentity => Self::AssumeRoleWithWebIdentity(WebIdentityRequest {
                token: token(&mut parameters)?,
                wish: wish(&mut parameters)?,
            }),
            StsAction::AssumeRole => Self::AssumeRole(wish(&mut parameters)?),
            StsAction::GetSessionToken => Self::GetSessionToken(Wish {
                lifetime: lifetime(&mut parameters)?,
                ..Wish::default()
            }),
            StsAction::GetCallerIdentity => Self::GetCallerIdentity,
        };
        // A presigned call: these were the signature, and are verified with it.
        let signature = |name: &str| action.is_signed() && name.starts_with("X-Amz-");
        match parameters.unknown(signature) {
            Some(name) => Err(StsError::UnknownParameter(name)),
            None => Ok(request),
        }
    }
}

/// Parameters that AWS has and that would promise something here that is not kept.
fn refused(action: StsAction) -> &'static [(&'static str, &'static str)] {
    const POLICY_ARNS: (&str, &str) = (
        "PolicyArns",
        "there are no managed policies here; send the policy itself as Policy",
    );
    const SECOND_FACTOR: &str = "the issuer of the identity token asks for second factors";
    const SERIAL_NUMBER: (&str, &str) = ("SerialNumber", SECOND_FACTOR);
    const TOKEN_CODE: (&str, &str) = ("TokenCode", SECOND_FACTOR);
    match action {
        StsAction::AssumeRoleWithWebIdentity => &[
            POLICY_ARNS,
            ("ProviderId", "the issuer of the token names the provider"),
        ],
        StsAction::AssumeRole => &[
            POLICY_ARNS,
            (
                "ExternalId",
                "the trust rule of a role decides by the caller's identity and tags; leave it out",
            ),
            (
                "SourceIdentity",
                "every session names the identity that it came from, and no other; leave it out",
            ),
            (
                "TransitiveTagKeys",
                "a session made of a session keeps all its tags; leave it out",
            ),
            ("ProvidedContexts", "context comes from the identity token alone"),
            SERIAL_NUMBER,
            TOKEN_CODE,
        ],
        StsAction::GetSessionToken => &[SERIAL_NUMBER, TOKEN_CODE],
        StsAction::GetCallerIdentity => &[],
    }
}

fn token(parameters: &mut Parameters<'_>) -> Result<Secret, StsError> {
    let text = parameters
        .take("WebIdentityToken")
        .ok_or(StsError::MissingParameter("WebIdentityToken"))?;
    let token = text.trim_ascii();
    if !(4..=MAX_TOKEN_BYTES).contains(&token.len()) {
        return Err(StsError::Validation {
            parameter: "WebIdentityToken",
            expected: "4 to 20000 characters",
        });
    }
    Ok(Secret::new(token))
}

fn wish(parameters: &mut Parameters<'_>) -> Result<Wish, StsError> {
    let role = parameters.take("RoleArn").map(role_arn).transpose()?;
    Ok(Wish {
        role: role.map_or(RoleWish::Own, RoleWish::Arn),
        name: parameters.take("RoleSessionName").map(session_name).transpose()?,
        lifetime: lifetime(parameters)?,
        policy: parameters.take("Policy").map(policy).transpose()?,
        tags: tags(parameters)?,
    })
}

fn role_arn(text: Cow<'_, str>) -> Result<Box<str>, StsError> {
    if !(20..=2048).contains(&text.len()) || text.chars().any(char::is_control) {
        return Err(StsError::Validation {
            parameter: "RoleArn",
            expected: "20 to 2048 characters such as `arn:aws:iam::000000000000:role/tidegate`, or no `RoleArn`",
        });
    }
    Ok(text.into())
}

fn session_name(text: Cow<'_, str>) -> Result<Box<str>, StsError> {
    if !wish::is_session_name(&text) {
        return Err(StsError::Validation {
            parameter: "RoleSessionName",
            expected: "2 to 64 of the characters `A-Z a-z 0-9 _ + = , . @ -`",
        });
    }
    Ok(text.into())
}

fn lifetime(parameters: &mut Parameters<'_>) -> Result<Option<std::time::Duration>, StsError> {
    let text = parameters.take("DurationSeconds");
    text.map(|text| wish::lifetime(&text))
        .transpose()
        .map_err(|expected| StsError::Validation {
            parameter: "DurationSeconds",
            expected,
        })
}

fn policy(text: Cow<'_, str>) -> Result<Box<str>, StsError> {
    if !(1..=MAX_POLICY_CHARACTERS).contains(&text.chars().count()) {
        return Err(StsError::Validation {
            parameter: "Policy",
            expected: "1 to 2048 characters of JSON",
        });
    }
    Ok(text.into())
}

/// `Tags.member.N.Key` and `Tags.member.N.Value`, each pair whole.
fn tags(parameters: &mut Parameters<'_>) -> Result<Vec<Tag>, StsError> {
    let wrong = |expected| StsError::Validation {
        parameter: "Tags",
        expected,
    };
    let mut tags = Vec::new();
    let mut members = parameters.take_within("Tags").into_iter();
    // Sorted by name, so that the key of a member comes right before its value.
    while let Some((name, key)) = members.next() {
        const PAIRS: &str = "pairs of `Tags.member.N.Key` and `Tags.member.N.Value`";
        let number = name
            .strip_prefix("Tags.member.")
            .and_then(|rest| rest.strip_suffix(".Key"))
            .filter(|n| (1..=3).contains(&n.len()) && n.bytes().all(|b| b.is_ascii_digit()))
            .ok_or(wrong(PAIRS))?;
        let value = members
            .next()
            .filter(|(name, _)| *name == format!("Tags.member.{number}.Value"))
            .ok_or(wrong(PAIRS))?
            .1;
        wish::add_tag(&mut tags, &key, &value).map_err(wrong)?;
    }
    Ok(tags)
}

const VERSION: &str = "2011-06-15";

const MAX_TOKEN_BYTES: usize = 20_000;

/// As AWS has it.
const MAX_POLICY_CHARACTERS: usize = 2048;
