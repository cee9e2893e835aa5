//! The identity providers whose tokens are taken: are they there, and do they publish keys that can be used?

use super::reach::Place;
use super::ward::Seen;
use super::{Line, Outcome, Side};
use crate::authn::oidc::{IssuerState, Verifier};
use crate::clock::Clock;
use crate::config::Issuer;
use crate::error::with_causes;
use std::sync::Arc;

/// Examines one of them.
pub(super) async fn examine(issuer: Arc<Issuer>, clock: Clock) -> Seen {
    let mut seen = Seen::default();
    let name = &*issuer.name;
    if issuer.jwks.is_none()
        && let Some(place) = Place::of_url(format!("issuer {name}"), &issuer.issuer, Side::IdentityProvider)
    {
        let key = format!("issuers.{name}.ca");
        let reached = place.trusting(issuer.ca.clone(), key).reach(&clock).await;
        let is_there = reached.line.outcome != Outcome::Fail;
        seen.lines.push(reached.line);
        if !is_there {
            seen.lines.push(Line::skip(
                "issuer",
                name,
                "it is not reached, so neither are its keys",
            ));
            return seen;
        }
    }
    let verifier = match Verifier::new(&[Arc::clone(&issuer)], clock.clone(), None) {
        Ok(verifier) => verifier,
        Err(error) => {
            let remedy = format!("the table of `[[issuers]]` `{name}`; `tidegate check` names the line");
            let line = Line::fail("issuer", name, with_causes(&error), Side::Tidegate, remedy);
            seen.lines.push(line);
            return seen;
        }
    };
    verifier.warm().await;
    seen.lines.extend(
        verifier
            .readiness()
            .iter()
            .map(|(_, state)| of_keys(&issuer, state)),
    );
    let drifts = verifier.drifts().into_iter();
    seen.clocks
        .extend(drifts.map(|(name, drift)| (format!("issuer {name}"), drift)));
    seen
}

fn of_keys(issuer: &Issuer, state: &IssuerState) -> Line {
    let name = &*issuer.name;
    let url = &issuer.issuer;
    let audiences: Vec<&str> = issuer.audiences.iter().map(|audience| &**audience).collect();
    match state {
        IssuerState::Ready { keys, .. } => {
            let from = match &issuer.jwks {
                Some(file) => format!("in `{}`", file.display()),
                None => "published".to_owned(),
            };
            let said = format!(
                "keys that can be used: {keys}, {from}; tokens must be for {}",
                audiences.join(" or ")
            );
            Line::ok("issuer", name, said)
        }
        IssuerState::Unavailable { cause } | IssuerState::Stale { cause, .. } => {
            let said = format!("no keys, its tokens are refused: {cause}");
            let remedy = format!(
                "`curl -sS {}/.well-known/openid-configuration` must name `{url}` as `issuer` and a `jwks_uri` with RSA or EC keys",
                url.trim_end_matches('/')
            );
            Line::fail("issuer", name, said, Side::IdentityProvider, remedy)
        }
        IssuerState::NeverFetched => Line::skip("issuer", name, "its keys were not asked for"),
    }
}
