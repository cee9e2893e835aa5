//! What verified claims must say, and the identity that they make.
//!
//! Libraries treat a claim of the wrong type as absent, and an absent claim as no reason to refuse (CVE-2026-25537;
//! measured with jsonwebtoken 11: `aud: 5` is accepted). Here every claim that counts is required and typed, and
//! whatever is not understood refuses the token (JWT-03, JWT-04, JWT-08).

use super::tally::{Notes, Tally};
use super::{Accepted, Identity, TokenError, token::Claims};
use crate::authn::Tags;
use crate::clock::Drift;
use crate::config::{self, ClaimPath, ClaimValue, Condition, Rule, TagSource};
use crate::json::Json;
use jiff::{SignedDuration, Timestamp};
use std::collections::HashSet;
use std::sync::Arc;

/// How far the issuer's clock may be off.
pub(crate) const LEEWAY: SignedDuration = SignedDuration::from_secs(30);
/// Characters of a principal, group or tag.
const MAX_NAME: usize = 256;
/// Characters of `sub`: GitHub's contain branch names.
const MAX_SUBJECT: usize = 1024;
/// Groups of a token; Entra stops at 200.
const MAX_GROUPS: usize = 256;

const EMAIL: &str = "email";

/// The claims of a token whose signature is right, and what is known around them.
#[derive(Clone, Copy)]
pub(super) struct Case<'a> {
    pub(super) claims: &'a Claims,
    pub(super) now: Timestamp,
    /// The issuer's clock, as far as it is known.
    pub(super) drift: Option<Drift>,
}

/// Holds the claims against the tables of `issuers`, which signed them, and reads the identity out of them. `None` after
/// a check that failed.
pub(super) fn accept<N: Notes>(
    issuers: &[Arc<config::Issuer>],
    case: Case<'_>,
    tally: &mut Tally<N>,
) -> Option<Accepted> {
    let claims = case.claims;
    let seen = |name: &'static str| move || format!("{name}: {}", shown(claims.get(name)));
    let (issuer, audience) = tally.check(
        "audience",
        || choose(issuers, claims),
        || {
            let ours = issuers.iter().flat_map(|issuer| &issuer.audiences);
            let ours: Vec<String> = ours.map(|ours| format!("{ours:?}")).collect();
            format!("aud: {}; accepted: {}", shown(claims.get("aud")), ours.join(", "))
        },
    )?;
    let times = tally.check(
        "times",
        || Times::of(claims),
        || {
            let written = ["iat", "nbf", "exp"].map(|name| format!("{name}: {}", shown(claims.get(name))));
            written.join(", ")
        },
    );
    if let Some(times) = &times {
        tally.check(
            "lifetime",
            || times.lifetime(issuer),
            || {
                let lifetime = times.expires.duration_since(times.issued);
                format!("{lifetime:#}; accepted: up to {:#}", longest(issuer))
            },
        );
        tally.check("now", || times.hold(case), || times.seen(case));
    }
    let subject = tally.check(
        "subject",
        || {
            name(
                claims.get("sub"),
                MAX_SUBJECT,
                "`sub` is missing or not acceptable",
            )
        },
        seen("sub"),
    );
    let principal = tally.check(
        "principal",
        || principal(issuer, claims),
        || {
            let paths = issuer.principal.paths().iter();
            let seen = paths.map(|path| format!("{path}: {}", shown(claims.at(path))));
            seen.collect::<Vec<_>>().join(", ")
        },
    );
    for condition in &issuer.require {
        tally.check(
            "require",
            || required(condition, claims),
            || format!("{}: {}", condition.claim, shown(claims.at(&condition.claim))),
        );
    }
    let groups = tally.check(
        "groups",
        || groups(issuer, claims),
        || match &issuer.groups {
            Some(path) => format!("{path}: {}", shown(claims.at(path))),
            None => "none are configured".to_owned(),
        },
    );
    let tags = tally.check(
        "tags",
        || tags(issuer, claims),
        || {
            let claims = issuer.tags.iter().flat_map(|tag| tag.claim.paths());
            let claims: Vec<String> = claims.map(ToString::to_string).collect();
            match &*claims {
                [] => "none are configured".to_owned(),
                claims => format!("from {}", claims.join(", ")),
            }
        },
    );
    let qualified = |name: &str| format!("{}:{name}", issuer.name).into_boxed_str();
    Some(Accepted {
        identity: Identity {
            kind: issuer.kind,
            id: qualified(principal?),
            groups: groups?.into_iter().map(qualified).collect(),
            issuer: issuer.issuer.clone(),
            subject: subject?.into(),
            audience,
            issued_at: times.as_ref()?.issued,
            expires_at: times.as_ref()?.expires,
            tags: tags?,
        },
        issuer: Arc::clone(issuer),
    })
}

/// The table whose audience is among those of the token, byte for byte. Others may stand beside it, but not those of
/// another table: it could not be said whom the token names.
fn choose<'i>(
    issuers: &'i [Arc<config::Issuer>],
    claims: &Claims,
) -> Result<(&'i Arc<config::Issuer>, Box<str>), TokenError> {
    const MISTYPED: TokenError = TokenError::Refused("`aud` is missing or not a string or array of strings");
    let named: Vec<&str> = match claims.get("aud").ok_or(MISTYPED)? {
        Json::String(one) => vec![one],
        Json::Array(several) => several
            .iter()
            .map(|item| item.as_str().ok_or(MISTYPED))
            .collect::<Result<_, _>>()?,
        Json::Null | Json::Bool(_) | Json::Integer(_) | Json::OtherNumber | Json::Object(_) => {
            return Err(MISTYPED);
        }
    };
    let mut fitting = issuers.iter().filter_map(|issuer| {
        let mut audiences = issuer.audiences.iter();
        let found = audiences.find(|ours| named.contains(&&***ours))?;
        Some((issuer, found.clone()))
    });
    match (fitting.next(), fitting.next()) {
        (Some(found), None) => Ok(found),
        (Some(_), Some(_)) => Err(TokenError::Refused(
            "`aud` names audiences of two tables of its issuer",
        )),
        (None, _) => Err(TokenError::Refused(
            "`aud` names none of the configured audiences",
        )),
    }
}

/// When a token was made, and until when it is good.
struct Times {
    issued: Timestamp,
    not_before: Option<Timestamp>,
    expires: Timestamp,
}

impl Times {
    fn of(claims: &Claims) -> Result<Self, TokenError> {
        Ok(Self {
            expires: time(claims.get("exp"))?.ok_or(TokenError::Refused("`exp` is missing"))?,
            // Required, because without it nobody can tell how long the token lives.
            issued: time(claims.get("iat"))?.ok_or(TokenError::Refused("`iat` is missing"))?,
            not_before: time(claims.get("nbf"))?,
        })
    }

    /// Its whole lifetime is acceptable.
    fn lifetime(&self, issuer: &config::Issuer) -> Result<(), TokenError> {
        let lifetime = self.expires.duration_since(self.issued);
        match lifetime > SignedDuration::ZERO && lifetime <= longest(issuer) {
            true => Ok(()),
            false => Err(TokenError::Refused("the token's lifetime is not acceptable")),
        }
    }

    /// It is valid now.
    fn hold(&self, case: Case<'_>) -> Result<(), TokenError> {
        let Case { now, .. } = case;
        let drift = case.drift.filter(|drift| drift.seconds() != 0);
        if now.duration_since(self.expires) >= LEEWAY {
            let at = self.expires;
            return Err(TokenError::Expired { at, now, drift });
        }
        for (claim, at) in [("iat", Some(self.issued)), ("nbf", self.not_before)] {
            if let Some(at) = at.filter(|at| at.duration_since(now) > LEEWAY) {
                return Err(TokenError::NotYetValid {
                    claim,
                    at,
                    now,
                    drift,
                });
            }
        }
        Ok(())
    }

    fn seen(&self, case: Case<'_>) -> String {
        let drift = match case.drift {
            Some(drift) => format!("the issuer's clock is {drift}"),
            None => "the issuer's clock is not known".to_owned(),
        };
        format!(
            "{:.0} to {:.0}; here it is {:.0}; {drift}",
            self.issued, self.expires, case.now
        )
    }
}

fn longest(issuer: &config::Issuer) -> SignedDuration {
    SignedDuration::try_from(issuer.max_token_lifetime).unwrap_or(SignedDuration::MAX)
}

/// Whole seconds since 1970, up to the year 9999. `None` if there is no such claim; anything else is an error.
fn time(claim: Option<&Json>) -> Result<Option<Timestamp>, TokenError> {
    match claim {
        None => Ok(None),
        Some(Json::Integer(seconds)) if *seconds > 0 => Timestamp::from_second(*seconds)
            .map(Some)
            .map_err(|_| TokenError::Refused("a time is out of range")),
        Some(_) => Err(TokenError::Refused("a time is not a positive integer")),
    }
}

fn principal<'c>(issuer: &config::Issuer, claims: &'c Claims) -> Result<&'c str, TokenError> {
    let mut paths = issuer.principal.paths().iter();
    let found = paths.find_map(|path| Some((path, claims.at(path)?)));
    let principal = name(
        found.map(|(_, claim)| claim),
        MAX_NAME,
        "the principal's claim is missing or not acceptable",
    )?;
    if found.is_some_and(|(path, _)| path.is(EMAIL)) {
        verified(claims)?;
    }
    Ok(principal)
}

/// Without this anybody could become anybody at an issuer that lets people type their address.
fn verified(claims: &Claims) -> Result<(), TokenError> {
    match claims.get("email_verified") {
        Some(Json::Bool(true)) => Ok(()),
        Some(Json::String(text)) if **text == *"true" => Ok(()),
        _ => Err(TokenError::Refused("`email` is not verified")),
    }
}

fn required(condition: &Condition, claims: &Claims) -> Result<(), TokenError> {
    let found = claims.at(&condition.claim);
    let is_one_of =
        |values: &[ClaimValue]| found.is_some_and(|claim| values.iter().any(|value| is_equal(claim, value)));
    let holds = match &condition.rule {
        Rule::OneOf(values) => is_one_of(values),
        // What cannot be compared might be what is meant.
        Rule::NoneOf(values) => match found {
            None => true,
            Some(Json::String(_) | Json::Bool(_) | Json::Integer(_)) => !is_one_of(values),
            Some(Json::Null | Json::OtherNumber | Json::Array(_) | Json::Object(_)) => false,
        },
        Rule::Absent => found.is_none(),
        Rule::PresentWith(other) => found.is_some() || claims.at(other).is_none(),
        Rule::SameAs(other) => texts(found, claims.at(other)).is_some_and(|(one, two)| one == two),
        Rule::OtherThan(other) => texts(found, claims.at(other)).is_some_and(|(one, two)| one != two),
    };
    match holds {
        true => Ok(()),
        false => Err(TokenError::Unmet(
            format!("it is required that {condition}").into(),
        )),
    }
}

fn texts<'c>(one: Option<&'c Json>, two: Option<&'c Json>) -> Option<(&'c str, &'c str)> {
    Some((one?.as_str()?, two?.as_str()?))
}

/// Exactly, with type and case (OID-11). A list is not one of its items.
fn is_equal(claim: &Json, value: &ClaimValue) -> bool {
    match (claim, value) {
        (Json::String(claim), ClaimValue::Text(value)) => claim == value,
        (Json::Bool(claim), ClaimValue::Flag(value)) => claim == value,
        (Json::Integer(claim), ClaimValue::Number(value)) => claim == value,
        _ => false,
    }
}

/// Groups without their prefix. All of them or an error: with a part of them, a `forbid` might not be seen.
fn groups<'c>(issuer: &config::Issuer, claims: &'c Claims) -> Result<Vec<&'c str>, TokenError> {
    const UNACCEPTABLE: &str = "the groups' claim is not an array of acceptable names";
    let Some(path) = &issuer.groups else {
        return Ok(Vec::new());
    };
    if is_overage(path, claims) {
        return Err(TokenError::GroupsLeftOut);
    }
    let listed = match claims.at(path) {
        None => return Ok(Vec::new()),
        Some(Json::Array(listed)) => listed.as_slice(),
        Some(one) => std::slice::from_ref(one),
    };
    if listed.len() > MAX_GROUPS {
        return Err(TokenError::Refused("there are more than 256 groups"));
    }
    let mut seen = HashSet::new();
    let mut groups = Vec::with_capacity(listed.len());
    for item in listed {
        let group = name(Some(item), MAX_NAME, UNACCEPTABLE)?;
        if seen.insert(group) {
            groups.push(group);
        }
    }
    Ok(groups)
}

/// Entra replaces long lists by a pointer to its directory, or by a flag.
///
/// Spec: <https://learn.microsoft.com/en-us/entra/identity-platform/access-token-claims-reference>
fn is_overage(path: &ClaimPath, claims: &Claims) -> bool {
    let moved = match claims.get("_claim_names") {
        None => false,
        Some(Json::Object(names)) => path
            .names()
            .first()
            .is_some_and(|first| names.get(first).is_some()),
        Some(_) => true,
    };
    let flagged = path.is("groups") && !matches!(claims.get("hasgroups"), None | Some(Json::Bool(false)));
    moved || flagged
}

/// The tags whose claims are there. A claim that is no tag refuses the token: without it, a `forbid` might not be seen.
fn tags(issuer: &config::Issuer, claims: &Claims) -> Result<Tags, TokenError> {
    let mut tags = Tags::new();
    for source in &issuer.tags {
        let mut paths = source.claim.paths().iter();
        let Some((path, claim)) = paths.find_map(|path| Some((path, claims.at(path)?))) else {
            continue;
        };
        if let Some(value) = tag(source, claim)? {
            if path.is(EMAIL) {
                verified(claims)?;
            }
            tags.insert(source.name.clone(), value);
        }
    }
    Ok(tags)
}

/// The text of a tag; `None` for a claim that says nothing.
fn tag(source: &TagSource, claim: &Json) -> Result<Option<Box<str>>, TokenError> {
    let unacceptable = || {
        TokenError::Unmet(
            format!(
                "the claim of tag `{}` is not a text of at most {MAX_NAME} characters, a boolean or an integer",
                source.name
            )
            .into(),
        )
    };
    let claim = match claim {
        // Amazon writes each tag as a list of one.
        Json::Array(items) => match &**items {
            [] => return Ok(None),
            [one] => one,
            _ => return Err(unacceptable()),
        },
        other => other,
    };
    match claim {
        Json::Null => Ok(None),
        Json::Bool(flag) => Ok(Some(flag.to_string().into())),
        Json::Integer(number) => Ok(Some(number.to_string().into())),
        // GitHub writes `""` for what a job does not have.
        Json::String(text) if text.is_empty() => Ok(None),
        Json::String(text) if text.chars().count() <= MAX_NAME && !text.contains(char::is_control) => {
            Ok(Some(text.clone()))
        }
        Json::String(_) | Json::OtherNumber | Json::Array(_) | Json::Object(_) => Err(unacceptable()),
    }
}

/// A name that can stand in a policy and in a log line.
fn name<'c>(claim: Option<&'c Json>, longest: usize, otherwise: &'static str) -> Result<&'c str, TokenError> {
    claim
        .and_then(Json::as_str)
        .filter(|text| {
            !text.is_empty() && text.chars().count() <= longest && !text.contains(char::is_control)
        })
        .ok_or(TokenError::Refused(otherwise))
}

/// A claim on one line, for a report.
fn shown(claim: Option<&Json>) -> String {
    const MOST: usize = 10;
    match claim {
        None => "missing".to_owned(),
        Some(Json::Null) => "null".to_owned(),
        Some(Json::Bool(flag)) => flag.to_string(),
        Some(Json::Integer(number)) => number.to_string(),
        Some(Json::OtherNumber) => "a number that is not an integer".to_owned(),
        Some(Json::String(text)) if text.chars().count() > MAX_NAME => {
            format!("a string of {} characters", text.chars().count())
        }
        Some(Json::String(text)) => format!("{text:?}"),
        Some(Json::Array(items)) if items.len() > MOST => format!("{} items", items.len()),
        Some(Json::Array(items)) => {
            let items: Vec<String> = items.iter().map(|item| shown(Some(item))).collect();
            format!("[{}]", items.join(", "))
        }
        Some(Json::Object(_)) => "an object".to_owned(),
    }
}
