//! Tidegate as an issuer towards clouds: its keys, and what a cloud reads at its URL.
//!
//! A cloud says no more than that it cannot verify. Why, shows only by reading what it reads: a document behind another
//! certificate, of another issuer, or with the keys of a replica that has an older file.

use super::reach::Place;
use super::{Line, Outcome, Side};
use crate::authn::service_keys::in_words;
use crate::clock::Clock;
use crate::config::OwnIssuer;
use crate::error::with_causes;
use crate::fetch::{Fetched, Fetcher};
use crate::issuer::{DISCOVERY_PATH, JWKS_PATH, SigningKeys, Standing};
use crate::json::{Json, Object};
use jiff::Timestamp;
use std::collections::BTreeSet;

const ABOUT: &str = "own";

/// Examines it.
pub(super) async fn examine(settings: OwnIssuer, clock: Clock) -> Vec<Line> {
    let now = clock.now();
    let keys = match SigningKeys::load(&settings.keys, now) {
        Ok(keys) => keys,
        Err(error) => {
            let remedy = format!(
                "`tidegate issuer new {}`, or its owner and mode",
                settings.keys.display()
            );
            let said = with_causes(&error);
            return vec![Line::fail("issuer", ABOUT, said, Side::Tidegate, remedy)];
        }
    };
    let mut lines = vec![of_keys(&keys, now)];
    for concern in keys.concerns(now, settings.serves) {
        let line = Line::fail(
            "issuer",
            ABOUT,
            concern.to_string(),
            Side::Tidegate,
            concern.remedy(),
        );
        lines.push(line.as_warning());
    }
    lines.extend(as_published(&settings, &keys, &clock).await);
    lines
}

fn of_keys(keys: &SigningKeys, now: Timestamp) -> Line {
    let listed = keys.listed(now);
    let signing = listed.iter().find(|key| key.standing == Standing::Signing);
    let mut said = match signing {
        Some(key) => format!(
            "key `{}` signs for {}",
            key.id,
            in_words(now.duration_since(key.signs_from))
        ),
        None => "no key signs".to_owned(),
    };
    for key in &listed {
        if let Standing::Announced(from) = key.standing {
            let left = in_words(from.duration_since(now));
            said.push_str(&format!("; key `{}` will in {left}", key.id));
        }
    }
    Line::ok("issuer", ABOUT, said)
}

/// What is read at the URL, by whoever reads it from here.
async fn as_published(settings: &OwnIssuer, keys: &SigningKeys, clock: &Clock) -> Vec<Line> {
    let url = &*settings.url;
    let Some(place) = Place::of_url("own issuer".to_owned(), url, Side::Tidegate) else {
        return Vec::new();
    };
    // Clouds trust public authorities alone, so no private one is added here.
    let reached = place.reach(clock).await;
    if reached.line.outcome == Outcome::Fail {
        let said = format!(
            "{}, seen from here; a cloud must reach `{url}` from the public Internet, with a certificate of a public authority",
            reached.line.said
        );
        let remedy = "publish it there, or upload what `tidegate issuer jwks --config FILE` prints (Google)";
        let side = reached.line.side.unwrap_or(Side::Tidegate);
        let line = Line::fail(reached.line.check, "own issuer", said, side, remedy);
        return vec![line.as_warning()];
    }
    let mut lines = vec![reached.line];
    let Ok(fetcher) = Fetcher::new(None) else {
        return lines;
    };
    let (discovery, set) = (format!("{url}{DISCOVERY_PATH}"), format!("{url}{JWKS_PATH}"));
    let (document, published) = tokio::join!(fetcher.get(&discovery), fetcher.get(&set));
    let read = |fetched: Result<Fetched, _>, at: &str| read(fetched, at);
    let problem = match (read(document, &discovery), read(published, &set)) {
        (Err(problem), _) | (_, Err(problem)) => Some(problem),
        (Ok(document), Ok(published)) => {
            of_document(&document, url, &set).or_else(|| differing(&published, keys, clock.now()))
        }
    };
    lines.push(match problem {
        None => Line::ok(
            "issuer",
            ABOUT,
            format!("what `{url}` publishes is what this configuration says"),
        ),
        Some((said, remedy)) => Line::fail("issuer", ABOUT, said, Side::Tidegate, remedy),
    });
    lines
}

/// What is wrong, and what mends it.
type Problem = (String, String);

fn read(fetched: Result<Fetched, crate::fetch::FetchError>, at: &str) -> Result<Object, Problem> {
    let look = || format!("`curl -sS {at}`; Tidegate serves it if the host is one of `server.domains`");
    let fetched = fetched.map_err(|error| (format!("`{at}`: {}", with_causes(&error)), look()))?;
    if fetched.status != http::StatusCode::OK {
        return Err((format!("`{at}` answers {}", fetched.status.as_u16()), look()));
    }
    Object::parse(&fetched.body).map_err(|_| (format!("`{at}` is not JSON"), look()))
}

fn of_document(document: &Object, url: &str, set: &str) -> Option<Problem> {
    let issuer = document.text("issuer").unwrap_or_default();
    if issuer != url {
        return Some((
            format!(
                "the document at `{url}` is of the issuer `{}`, and every byte counts",
                issuer.escape_debug()
            ),
            "`issuer.url`, which must be what clouds were told".to_owned(),
        ));
    }
    let named = document.text("jwks_uri").unwrap_or_default();
    (named != set).then(|| {
        (
            format!(
                "the document at `{url}` names other keys: `{}`",
                named.escape_debug()
            ),
            format!("publish what `tidegate issuer discovery` prints; keys are at `{set}`"),
        )
    })
}

/// Keys that sign or will sign, and are not among those that are published.
fn differing(published: &Object, keys: &SigningKeys, now: Timestamp) -> Option<Problem> {
    let ours = Object::parse(keys.jwks(now).as_bytes()).ok()?;
    let (ours, theirs) = (parts(&ours), parts(published));
    let missing: Vec<&str> = ours.difference(&theirs).map(|(id, _)| id.as_str()).collect();
    (!missing.is_empty()).then(|| {
        (
            format!(
                "these keys are not published there: {}; their tokens are refused",
                missing.join(", ")
            ),
            "give every replica the same file of keys; where the set is uploaded, upload it again".to_owned(),
        )
    })
}

/// `kid` and modulus of each key.
fn parts(set: &Object) -> BTreeSet<(String, String)> {
    let Some(Json::Array(keys)) = set.get("keys") else {
        return BTreeSet::new();
    };
    let of_key = |key: &Json| match key {
        Json::Object(key) => Some((key.text("kid")?.to_owned(), key.text("n")?.to_owned())),
        _ => None,
    };
    keys.iter().filter_map(of_key).collect()
}
