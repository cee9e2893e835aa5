//! What verified claims must say, and the identity that they make.
//!
//! Libraries treat a claim of the wrong type as absent, and an absent claim as no reason to refuse (CVE-2026-25537;
//! measured with jsonwebtoken 11: `aud: 5` is accepted). Here every claim that counts is required and typed, and
//! whatever is not understood refuses the token (JWT-03, JWT-04, JWT-08).

use super::{Identity, TokenError, token::Claims};
use crate::config;
use crate::json::Json;
use jiff::{SignedDuration, Timestamp};
use std::collections::HashSet;

/// How far the issuer's clock may be off.
const LEEWAY: SignedDuration = SignedDuration::from_secs(30);
/// Characters of a principal or group.
const MAX_NAME: usize = 256;
/// Characters of `sub`: GitHub's contain branch names.
const MAX_SUBJECT: usize = 1024;
/// Groups of a token; Entra stops at 200.
const MAX_GROUPS: usize = 256;

/// Reads the identity out of the claims of a token that `issuer` signed.
///
/// # Errors
/// [`TokenError::Expired`], or [`TokenError::Refused`] with the rule that is broken.
pub(super) fn identity(
    issuer: &config::Issuer,
    claims: &Claims,
    now: Timestamp,
) -> Result<Identity, TokenError> {
    let audience = audience(issuer, claims)?;
    let expires_at = lifetime(issuer, claims, now)?;
    let subject = name(
        claims.get("sub"),
        MAX_SUBJECT,
        "`sub` is missing or not acceptable",
    )?;
    let principal = principal(issuer, claims)?;
    let qualified = |name: &str| format!("{}:{name}", issuer.name).into_boxed_str();
    Ok(Identity {
        kind: issuer.kind,
        id: qualified(principal),
        groups: groups(issuer, claims)?.into_iter().map(qualified).collect(),
        tags: crate::authn::Tags::new(),
        issuer: issuer.issuer.clone(),
        subject: subject.into(),
        audience,
        expires_at,
    })
}

/// One of ours must be among those of the token, byte for byte. Others may stand beside it.
fn audience(issuer: &config::Issuer, claims: &Claims) -> Result<Box<str>, TokenError> {
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
    let ours = issuer.audiences.iter().find(|ours| named.contains(&&***ours));
    ours.cloned().ok_or(TokenError::Refused(
        "`aud` names none of the configured audiences",
    ))
}

/// `exp`, if the token is valid now and its whole lifetime is acceptable.
fn lifetime(issuer: &config::Issuer, claims: &Claims, now: Timestamp) -> Result<Timestamp, TokenError> {
    let expires = time(claims.get("exp"))?.ok_or(TokenError::Refused("`exp` is missing"))?;
    // Required, because without it nobody can tell how long the token lives.
    let issued = time(claims.get("iat"))?.ok_or(TokenError::Refused("`iat` is missing"))?;
    let not_before = time(claims.get("nbf"))?;
    let lifetime = expires.duration_since(issued);
    if lifetime <= SignedDuration::ZERO || lifetime > longest(issuer) {
        return Err(TokenError::Refused("the token's lifetime is not acceptable"));
    }
    if now.duration_since(expires) >= LEEWAY {
        return Err(TokenError::Expired {
            at: expires,
            now,
            drift: None,
        });
    }
    if issued.duration_since(now) > LEEWAY {
        return Err(TokenError::NotYetValid {
            claim: "iat",
            at: issued,
            now,
            drift: None,
        });
    }
    if let Some(at) = not_before.filter(|at| at.duration_since(now) > LEEWAY) {
        return Err(TokenError::NotYetValid {
            claim: "nbf",
            at,
            now,
            drift: None,
        });
    }
    Ok(expires)
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
    let found = issuer
        .principal
        .paths()
        .first()
        .and_then(|path| claims.get(path.names().first()?));
    let principal = name(
        found,
        MAX_NAME,
        "the principal's claim is missing or not acceptable",
    )?;
    // Without this anybody could become anybody at an issuer that lets people type their address.
    if issuer.principal.paths().iter().any(|path| path.is("email")) {
        match claims.get("email_verified") {
            Some(Json::Bool(true)) => {}
            Some(Json::String(text)) if **text == *"true" => {}
            _ => return Err(TokenError::Refused("`email` is not verified")),
        }
    }
    Ok(principal)
}

/// Groups without their prefix. All of them or an error: with a part of them, a `forbid` might not be seen.
fn groups<'c>(issuer: &config::Issuer, claims: &'c Claims) -> Result<Vec<&'c str>, TokenError> {
    const UNACCEPTABLE: &str = "the groups' claim is not an array of acceptable names";
    let Some(claim) = issuer.groups.as_ref().and_then(|path| path.names().first()) else {
        return Ok(Vec::new());
    };
    if is_overage(claim, claims) {
        return Err(TokenError::GroupsLeftOut);
    }
    let listed = match claims.get(claim) {
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
fn is_overage(claim: &str, claims: &Claims) -> bool {
    let moved = match claims.get("_claim_names") {
        None => false,
        Some(Json::Object(names)) => names.get(claim).is_some(),
        Some(_) => true,
    };
    let flagged = !matches!(claims.get("hasgroups"), None | Some(Json::Bool(false)));
    moved || flagged
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
